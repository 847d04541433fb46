"""python -m ganprior_null restore with a published network: pictures of any size, files that give y back."""

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null import AveragePool, Resize
from ganprior_null.cli import main
from ganprior_null.data import photograph
from ganprior_null.images import load_image, save_image, to_uint8
from ganprior_null.kernelgan import gaussian_kernel
from ganprior_null.networks import load_network
from ganprior_null.restorers import restore_picture

NETWORK = "realesrgan-video-x4"  # the smallest with real weights


@pytest.fixture(scope="module")
def large():
    """A detail of a photograph, 164 x 120; it has white and black pixels, where the box bites."""
    return photograph("astronaut")[..., 60:180, 150:314]


@pytest.fixture
def small(large, tmp_path):
    """Its 8-bit measurements, 41 x 30: by averaging, by bicubic."""
    operators = {"average": AveragePool(4), "bicubic": Resize((120, 164), 4)}
    return {name: save_image(A(large), tmp_path / f"{name}.png") for name, A in operators.items()}


def restore(out, *words, model=NETWORK):
    return main(["restore", "--model", model, "--out", str(out), *map(str, words)])


def test_files_give_y_back(small, tmp_path, capsys):
    for name, A in (("average", AveragePool(4)), ("bicubic", Resize((120, 164), 4))):
        assert restore(tmp_path / name, small[name], "--operator", name) == 0
        file, y = load_image(tmp_path / name / f"{name}.png"), load_image(small[name])
        assert torch.equal(to_uint8(A(file.double())), to_uint8(y))
        said = capsys.readouterr().out
        assert "LR reproduced 100.00 %" in said and f"{name}.png: 41 x 30, 4 times enlarged" in said
    plain = load_network(NETWORK)(load_image(small["bicubic"]))
    assert (to_uint8(Resize((120, 164), 4)(plain)) == to_uint8(load_image(small["bicubic"]))).double().mean() < 0.5


def test_pd_is_exact_to_the_sum_of_every_block(small, tmp_path):
    assert restore(tmp_path / "out", small["average"], "--operator", "average") == 0
    sums = AveragePool(4)(to_uint8(load_image(tmp_path / "out" / "average.png")).double()) * 16
    assert torch.equal(sums.round(), 16 * to_uint8(load_image(small["average"])).double())


def test_a_folder_of_pictures_of_unlike_sizes_and_one_sheet(large, tmp_path, capsys):
    for name, part in (("one", large), ("two", large[..., :61, :83])):
        save_image(part, tmp_path / "large" / f"{name}.png")
    assert restore(tmp_path / "out", tmp_path / "large", "--downsample") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.png", "sheet.png", "two.png"]
    assert load_image(tmp_path / "out" / "two.png").shape[-2:] == (60, 80)
    said = capsys.readouterr().out
    assert "one.png: 41 x 30" in said and "PSNR raw" in said and "PSNR of the file" in said
    assert restore(tmp_path / "out", tmp_path / "large", "--downsample") == 2
    assert "--overwrite replaces them" in capsys.readouterr().err


def test_the_operator_is_asked_for_and_a_wrong_one_is_named(small, tmp_path, capsys):
    result = restore_picture(load_network("bicubic-x4"), load_image(small["bicubic"]))
    assert result.warnings == [] and torch.equal(result.image, (result.image * 255).round() / 255)
    assert restore(tmp_path / "out", small["bicubic"], "--operator", "nearest") == 0
    assert "warning: 'nearest' fits this y badly: with it the network reproduces y to" in capsys.readouterr().out


def test_a_kernel_of_ones_own(large, tmp_path):
    np.save(tmp_path / "kernel.npy", gaussian_kernel((1.5**2, 1.5**2), 0.0, 13).numpy())
    y = save_image(large[..., ::4, ::4], tmp_path / "y.png")
    assert restore(tmp_path / "out", y, "--operator", tmp_path / "kernel.npy", model="bicubic-x4") == 0
    assert load_image(tmp_path / "out" / "y.png").shape[-2:] == (120, 164)


def test_a_kernel_that_does_not_fit_is_named(small, tmp_path, capsys):
    shifted = torch.zeros(25, 25)
    shifted[0, 0] = 1.0
    np.save(tmp_path / "kernel.npy", shifted.numpy())
    words = (small["bicubic"], "--operator", tmp_path / "kernel.npy")
    assert restore(tmp_path / "out", *words, model="bicubic-x4") == 0
    assert "kernel.npy fits this y badly: with it the network reproduces y to" in capsys.readouterr().out


def test_noise_is_not_copied(large, tmp_path, capsys):
    A = Resize((120, 164), 4)
    noisy = A(large) + 0.06 * torch.randn(1, 3, 30, 41, generator=torch.Generator().manual_seed(0))
    file = save_image(noisy, tmp_path / "noisy.png")
    words = (file, "--operator", "bicubic")
    assert (
        restore(tmp_path / "followed", *words) == 0 and restore(tmp_path / "softened", *words, "--noise", "auto") == 0
    )
    assert "grey levels: y is followed to" in capsys.readouterr().out
    error = {name: (load_image(tmp_path / name / "noisy.png") - large).norm() for name in ("followed", "softened")}
    assert error["softened"] < error["followed"]


def test_what_cannot_be_is_refused_before_the_network_runs(monkeypatch):
    monkeypatch.setattr("ganprior_null.restorers.pictures.enlarge", lambda *a, **k: pytest.fail("the network ran"))
    net, y = load_network("bicubic-x4"), torch.rand(1, 3, 16, 16)
    with pytest.raises(ValueError, match="y is not an 8-bit image"):
        restore_picture(net, y, "average")
    with pytest.raises(TypeError, match="a name or an operator of ours, got NoneType"):
        restore_picture(net, y, None)


def test_one_pixel_is_a_picture_too(tmp_path, capsys):
    file = save_image(torch.full((3, 1, 2), 0.5), tmp_path / "dot.png")
    assert restore(tmp_path / "out", file) == 0
    assert load_image(tmp_path / "out" / "dot.png").shape[-2:] == (4, 8)
    assert "it is taken for what made y" in capsys.readouterr().out


def test_the_one_reader_reads_them(tmp_path):
    """Gray becomes colour, and what is transparent lies on white."""
    Image.new("L", (8, 6), 90).save(tmp_path / "gray.png")
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(tmp_path / "glass.png")
    with pytest.warns(UserWarning, match="transparent"):
        assert restore(tmp_path / "out", tmp_path / "gray.png", tmp_path / "glass.png", model="bicubic-x4") == 0
    assert to_uint8(load_image(tmp_path / "out" / "gray.png")).unique().tolist() == [90]
    assert to_uint8(load_image(tmp_path / "out" / "glass.png")).unique().tolist() == [255]


def test_bad_input_is_one_line_and_leaves_nothing(small, tmp_path, capsys):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "kernel.npy").write_bytes(b"no kernel")
    np.save(tmp_path / "flat.npy", np.zeros((3, 3)))
    np.save(tmp_path / "wide.npy", np.ones((3, 9)) / 27)
    dot = save_image(torch.zeros(3, 1, 2), tmp_path / "dot.png")
    tiny = save_image(torch.zeros(3, 3, 9), tmp_path / "tiny.png")
    cases = {
        (tmp_path / "deep.png", tmp_path / "text.png"): "deep.png has more than 8 bits per channel",
        (small["bicubic"], "--operator", "bicubc"): "unknown downsampler 'bicubc'; did you mean 'bicubic'?",
        (small["bicubic"], "--operator", tmp_path / "gone.mat"): "no such kernel file",
        (small["bicubic"], "--operator", tmp_path / "kernel.npy"): "holds no blur kernel, one matrix of numbers",
        (small["bicubic"], "--operator", tmp_path / "flat.npy"): "(the kernel sums to 0",
        (dot, "--operator", tmp_path / "wide.npy"): "dot.png is smaller than the kernel: x has 8 x 4 pixels",
        (small["bicubic"], "--operator", ""): "unknown downsampler ''; known: average, ",
        (dot, "--noise", "auto"): "dot.png has too few pixels to estimate their noise; give --noise SIGMA",
        (small["bicubic"], "--noise", "much"): "(grey levels are 1/255), or auto, got 'much'",
        (small["bicubic"], "--noise", "10"): "noise must be a standard deviation from 0 to 1 (grey levels are 1/255)",
        (small["bicubic"], "--memory", "0"): "the memory for tiles must be finite and above 0 GB, got 0.0",
        (small["bicubic"], "--downsampler", "bicubic"): "give both",
        (tiny, "--downsample"): "an image of 9 x 3 has no block of 4 x 4 pixels",
    }
    for words, line in cases.items():
        assert restore(tmp_path / "out", *words) == 2
        error = capsys.readouterr().err
        assert line in error and error.count("\n") == 1, error
    assert restore(tmp_path / "out", small["bicubic"], model="realsr") == 2
    assert "did you mean 'realsr-x4'?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
