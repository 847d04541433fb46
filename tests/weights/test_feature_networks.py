"""The Inception network of the FID, for those who have its file; here a stand-in with torch-fidelity's interface."""

import pickle
import sys
import types

import pytest
import torch
from torch import nn

from ganprior_null.metrics import fid
from ganprior_null.weights import load_inception


class StandIn(nn.Module):
    """Constructor and call as torch-fidelity 0.4 has them: a file read at once, 8-bit images in, a tuple out."""

    def __init__(self, name, features_list, feature_extractor_weights_path=None):
        super().__init__()
        assert name == "inception-v3-compat" and features_list == ["2048"]
        self.scale = nn.Parameter(torch.zeros(4))
        self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=True))

    def forward(self, x):
        assert x.dtype == torch.uint8
        return (self.scale * x.flatten(1)[:, :4].float(),)


@pytest.fixture
def torch_fidelity(monkeypatch):
    module = types.ModuleType("torch_fidelity")
    module.FeatureExtractorInceptionV3 = StandIn
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)


@pytest.fixture
def weights(tmp_path):
    torch.save({"scale": torch.tensor([1.0, 2.0, 3.0, 4.0])}, tmp_path / "inception.pth")
    return tmp_path / "inception.pth"


def test_images_reach_the_network_as_8_bits(torch_fidelity, weights):
    network = load_inception(weights)
    x = torch.tensor([0.0, 0.5, 1.0, 1.2]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert network(x).tolist() == [[0.0, 2 * 128.0, 3 * 255.0, 4 * 255.0]]
    assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_fid_through_it(torch_fidelity, weights):
    x = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network = load_inception(weights)
    assert abs(fid(x, x, network)) < 1e-6 < fid(x, 0.8 * x, network)


def test_without_torch_fidelity_one_line_says_what_to_install(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)  # as if it were not installed
    with pytest.raises(RuntimeError, match=r"pip install 'ganprior-null\[fid\]'") as caught:
        load_inception(weights)
    assert "\n" not in str(caught.value)


def test_a_file_with_code_or_of_another_network_is_refused(torch_fidelity, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such checkpoint file"):
        load_inception(tmp_path / "nothing.pth")
    torch.save({"scale": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="other.pth is not torch-fidelity's Inception network"):
        load_inception(tmp_path / "other.pth")

    class Code:
        def __reduce__(self):
            return (print, ("this ran",))

    torch.save({"scale": Code()}, tmp_path / "code.pth", pickle_module=pickle)
    with pytest.raises(ValueError, match="holds pickled code"):
        load_inception(tmp_path / "code.pth")
