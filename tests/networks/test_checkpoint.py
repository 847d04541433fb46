"""Any checkpoint that spandrel knows, or one line that says why not."""

import importlib.util
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from ganprior_null.networks import load_network
from ganprior_null.networks.rrdbnet import RRDBNet

# torchvision, which spandrel asks for, has no build beside the small CPU build of torch; it needs these names only
PROGRAM = """
import sys, types
try:
    import torchvision.transforms.functional
except Exception:
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    sys.modules.update({name: types.ModuleType(name) for name in names})
    last = sys.modules[names[2]]
    last.InterpolationMode = last.rotate = last.normalize = None
import torch
from ganprior_null.networks import load_network
try:
    network = load_network(sys.argv[1])
    torch.save(network(torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))), sys.argv[2])
    print(network.factor)
except Exception as error:
    print(error)
"""


def test_a_missing_spandrel_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    torch.save({"a": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(RuntimeError, match=r"reading a\.pth needs spandrel, .* 'ganprior-null\[spandrel\]'"):
        load_network(str(tmp_path / "a.pth"))


def test_pickled_code_is_not_run(tmp_path):
    torch.save(torch.nn.Conv2d(1, 1, 1), tmp_path / "module.pth")
    with pytest.raises(ValueError, match="holds pickled code .*, which is refused and was not run"):
        load_network(str(tmp_path / "module.pth"))


def load_apart(path) -> str:
    """load_network in another process, where torchvision may be faked; what came out lies in ``out.pt``."""
    command = [sys.executable, "-c", PROGRAM, str(path), str(path.with_name("out.pt"))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_architectures_are_found_by_their_tensors(tmp_path):
    if importlib.util.find_spec("spandrel") is None:
        pytest.skip("spandrel is an extra, which asks for a torchvision")
    torch.manual_seed(0)
    network = RRDBNet(64, 2).eval()
    published = {key.removeprefix("features."): value for key, value in network.state_dict().items()}
    for name in ("esrgan.pth", "esrgan.safetensors"):
        file = tmp_path / name
        torch.save({"params_ema": published}, file) if file.suffix == ".pth" else save_file(published, file)
        assert load_apart(file) == "4"
        y = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(torch.load(tmp_path / "out.pt"), network(y).clamp(0, 1), rtol=0, atol=1e-6)
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    assert load_apart(tmp_path / "other.pth").endswith("other.pth holds no network that spandrel knows (1 entries)")
    gray = RRDBNet(64, 1)
    gray.features.conv_first, gray.conv_last = torch.nn.Conv2d(1, 64, 3), torch.nn.Conv2d(64, 1, 3)
    torch.save(
        {key.removeprefix("features."): value for key, value in gray.state_dict().items()}, tmp_path / "gray.pth"
    )
    assert "1 to 1 channels; needed: one that enlarges RGB images" in load_apart(tmp_path / "gray.pth")
