"""VGG16 to conv4_3: torchvision's names and shapes, written out here, and the layers composed by hand."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.layers import VGG16
from ganprior_null.weights import vgg16_conv4_3

CONVOLUTIONS = {  # torchvision's index: (out, in)
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256),
    17: (512, 256), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
}  # fmt: skip
POOLED_BEFORE = (5, 10, 17)


def whole_file(seed=0) -> dict[str, torch.Tensor]:
    """A state dict of the whole network, as torchvision ships it, small random values; without the huge classifier."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {"classifier.6.bias": torch.zeros(1000)}
    for i, (out, into) in CONVOLUTIONS.items():
        tensors[f"features.{i}.weight"] = torch.randn(out, into, 3, 3, generator=generator) * (2 / into / 9) ** 0.5
        tensors[f"features.{i}.bias"] = 0.1 * torch.randn(out, generator=generator)
    return tensors


def by_hand(x, tensors, last=21):
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    x = (x - mean) / std
    for i in (i for i in CONVOLUTIONS if i <= last):
        x = F.max_pool2d(x, 2) if i in POOLED_BEFORE else x
        x = F.conv2d(F.relu(x) if i else x, tensors[f"features.{i}.weight"], tensors[f"features.{i}.bias"], padding=1)
    return x


def test_names_and_shapes_are_torchvisions():
    wanted = {name: t.shape for name, t in whole_file().items() if name.startswith("features.")}
    wanted = {name: shape for name, shape in wanted.items() if int(name.split(".")[1]) <= 21}
    assert {name: t.shape for name, t in VGG16().state_dict().items()} == wanted


def test_conv4_3_before_its_relu(tmp_path):
    torch.save(whole_file(), tmp_path / "vgg16.pth")
    network = vgg16_conv4_3(tmp_path / "vgg16.pth")
    x = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(1))
    y = network(x)
    assert y.shape == (2, 512, 4, 5)
    assert 0.2 < float((y < 0).float().mean()) < 0.8
    torch.testing.assert_close(y, by_hand(x, whole_file()), rtol=1e-4, atol=1e-5)  # ReLU and max pooling commute
    assert not torch.allclose(y, by_hand(x, whole_file(1)), rtol=0.1, atol=0.1)  # the file was really loaded
    assert not any(p.requires_grad for p in network.parameters())


def test_signed_repeats_the_published_configurations(tmp_path):
    torch.save(whole_file(), tmp_path / "vgg16.pth")
    plain, signed = (vgg16_conv4_3(tmp_path / "vgg16.pth", signed=flag) for flag in (False, True))
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(signed(x), plain(2 * x - 1))
    assert not torch.allclose(signed(x), plain(x), rtol=0.1, atol=0.1)


def test_another_network_is_refused(tmp_path):
    tensors = whole_file()
    tensors["features.7.weight"] = tensors["features.7.weight"][:, :64]
    torch.save(tensors, tmp_path / "vgg13.pth")
    with pytest.raises(ValueError, match=r"vgg13.pth holds no VGG16 .* 1 mismatched \(such as features.7.weight"):
        vgg16_conv4_3(tmp_path / "vgg13.pth")
    with pytest.raises(FileNotFoundError, match="no such checkpoint file"):
        vgg16_conv4_3(tmp_path / "nothing.pth")
