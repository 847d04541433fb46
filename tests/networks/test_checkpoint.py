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
for path in sys.argv[1:]:
    try:
        network = load_network(path)
        torch.save(network(torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))), path + ".out")
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


def load_apart(*paths) -> list[str]:
    """load_network in another process, where torchvision may be faked: factors or errors; results lie in PATH.out."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, paths)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def named_as_published(network):
    return {key.removeprefix("features."): value for key, value in network.state_dict().items()}


def test_architectures_are_found_by_their_tensors(tmp_path):
    if importlib.util.find_spec("spandrel") is None:
        pytest.skip("spandrel is an extra, which asks for a torchvision")
    torch.manual_seed(0)
    network, gray = RRDBNet(64, 2).eval(), RRDBNet(64, 1)
    gray.features.conv_first, gray.conv_last = torch.nn.Conv2d(1, 64, 3), torch.nn.Conv2d(64, 1, 3)
    files = [tmp_path / name for name in ("esrgan.pth", "esrgan.safetensors", "other.pth", "gray.pth")]
    torch.save({"params_ema": named_as_published(network)}, files[0])
    save_file(named_as_published(network), files[1])
    torch.save({"weight": torch.zeros(3)}, files[2])
    torch.save(named_as_published(gray), files[3])
    pickled, plain, other, channels = load_apart(*files)
    assert pickled == plain == "4"
    y = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    for file in files[:2]:
        torch.testing.assert_close(torch.load(f"{file}.out"), network(y).clamp(0, 1), rtol=0, atol=1e-6)
    assert other.endswith("other.pth holds no network that spandrel knows (1 entries)")
    assert "1 to 1 channels; needed: one that enlarges RGB images" in channels
