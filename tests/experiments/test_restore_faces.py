"""python -m ganprior_null restore with files of pSp, GFP-GAN and GPEN under their published names, at made-up sizes."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool
from ganprior_null.cli import main
from ganprior_null.data import faces
from ganprior_null.images import load_image, save_image, to_uint8
from ganprior_null.restorers import GFPGANNetwork, GPENNetwork, PSPNetwork
from ganprior_null.weights import convert_file

from ..weights.test_table3_weights import clean, gfpgan_published, network, published
from ..weights.test_weights import prefixed

MADE = {  # out_size 32 throughout
    "psp": (PSPNetwork, dict(in_size=64, encoder_widths=(8, 8, 16, 24), reduction=8)),
    "gfpgan": (GFPGANNetwork, dict(resample="fir")),
    "clean": (GFPGANNetwork, dict(resample="bilinear")),
    "gpen": (GPENNetwork, dict(in_size=32)),
}
WRAPPED = {  # as each is published or saved by its trainer
    "psp": lambda sd: {"latent_avg": sd.pop("latent_avg"), "state_dict": sd, "opts": {"output_size": 32}},
    "gfpgan": lambda sd: {"params_ema": sd, "params": {key: torch.zeros_like(value) for key, value in sd.items()}},
    "clean": lambda sd: {"params_ema": prefixed("module.", sd)},
    "gpen": lambda sd: {"g_ema": sd, "g": {}, "d": {}},
}


def make(name):
    """(network, its checkpoint as published)."""
    kind, config = MADE[name]
    net = network(kind, out_size=32, **config)
    theirs = clean(gfpgan_published(net)) if name == "clean" else published(net)[0]
    return net, WRAPPED[name](dict(theirs))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("published"), {}
    for name in MADE:
        net, checkpoint = make(name)
        torch.save(checkpoint, folder / f"{name}.pth")
        found[name] = (net, folder / f"{name}.pth")
    return found


@pytest.fixture
def y_file(tmp_path):
    return save_image(AveragePool(8)(faces(1, 64, 3))[0], tmp_path / "face.png")  # 8 x 8 pixels


def restore(model, out, *words):
    return main(["restore", "--model", str(model), "--out", str(out), *map(str, words)])


@pytest.mark.parametrize("name", MADE)
def test_the_published_answer_and_the_consistent_one(name, files, y_file, tmp_path):
    net, file = files[name]
    y = load_image(y_file)
    with torch.no_grad():  # enlarged bilinearly, in [-1, 1], clipped
        answer = net(2 * F.interpolate(y, size=(net.in_size,) * 2, mode="bilinear") - 1) / 2 + 0.5
    assert restore(file, tmp_path / "raw", y_file, "--operator", "none") == 0
    raw = to_uint8(load_image(tmp_path / "raw" / "face.png"))
    assert (raw.int() - to_uint8(answer).int()).abs().max() <= 1  # the last bit may fall the other way
    assert restore(file, tmp_path / "pd", y_file) == 0
    x_hat = to_uint8(load_image(tmp_path / "pd" / "face.png"))
    assert torch.equal(AveragePool(4)(x_hat.double()) * 16, 16 * to_uint8(y).double())
    assert not torch.equal(AveragePool(4)(raw.double()) * 16, 16 * to_uint8(y).double())  # the control


def test_a_file_that_convert_wrote_is_read_too(files, y_file, tmp_path, capsys):
    for name, layout in (("clean", "gfpgan"), ("psp", "psp")):
        ours = tmp_path / f"{name}.safetensors"
        convert_file(layout, files[name][1], ours)
        assert restore(ours, tmp_path / f"{name}-ours", y_file) == restore(files[name][1], tmp_path / name, y_file) == 0
        pictures = [load_image(tmp_path / folder / "face.png") for folder in (f"{name}-ours", name)]
        assert torch.equal(*pictures)
    assert restore(tmp_path / "clean.safetensors", tmp_path / "out", y_file, "--layout", "gfpgan") == 2
    assert "does not fit this checkpoint: this is a converted file already" in capsys.readouterr().err


def test_photographs_are_cropped_and_reduced(files, tmp_path, capsys):
    x = faces(1, 64, 5)[0]
    file = save_image(F.pad(x, (9, 20, 0, 0)), tmp_path / "wide.png")
    words = [file, "--downsample", "--factor", "4", "--downsampler", "average"]
    assert restore(files["gpen"][1], tmp_path / "out", *words) == 0
    assert "PSNR(LR) of the file" in capsys.readouterr().out
    assert load_image(tmp_path / "out" / "wide.png").shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("clean", ("--layout", "gfpgan-bilinear"), "this is a clean file of versions 1.2 to 1.4; this looks like"),
        ("gfpgan", ("--layout", "psp"), "layout 'psp' does not fit this checkpoint"),
        ("gpen", ("--layout", "gfpgan"), "this looks like the layout 'gpen'"),
        ("gpen", ("--layout", "gpem"), "unknown layout 'gpem'; did you mean 'gpen'?"),
        ("gpen", ("--downsample",), "--factor says how many times --downsample makes faces smaller; give both"),
        ("gpen", ("--downsample", "--factor", "3"), "the factor of GPEN 32 -> 32 must be one of 1, 2, 4, 8, 16, 32"),
        ("psp", ("--operator", "avrage"), "unknown downsampler 'avrage'; did you mean 'average'?"),
        ("psp", ("--noise", "auto"), "--noise is for published networks of pictures"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(name, words, message, files, y_file, tmp_path, capsys):
    assert restore(files[name][1], tmp_path / "out", y_file, *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_pictures_of_another_size(files, y_file, tmp_path, capsys):
    large = save_image(torch.zeros(3, 48, 48), tmp_path / "large.png")
    assert restore(files["gfpgan"][1], tmp_path / "out", large) == 2
    error = capsys.readouterr().err
    assert "large.png is 48 x 48; GFP-GAN 32 -> 32 takes faces of 1, 2, 4, 8, 16, 32 pixels a side" in error
    other = save_image(torch.zeros(3, 16, 16), tmp_path / "other.png")
    assert restore(files["gfpgan"][1], tmp_path / "out", y_file, other) == 2
    assert "other.png is 16 x 16; gfpgan.pth takes y of 8 x 8 pixels" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_files_that_are_incomplete_or_of_something_else(files, y_file, tmp_path, capsys):
    _, checkpoint = make("psp")
    del checkpoint["latent_avg"]
    _, short = make("gpen")
    del short["g_ema"]["final_linear.0.bias"]
    prior = {f"decoder.{key}": value for key, value in files["gpen"][0].bank.state_dict().items()}
    bad = {
        "mean": (checkpoint, (), "there is no latent_avg, the mean of w that pSp's codes are differences from"),
        "short": (short, (), "looks like GPEN 32 -> 32"),
        "gone": (None, ("--layout", "psp"), "no such checkpoint file"),
        "prior": (prior, ("--layout", "psp"), "layout 'psp' does not fit this checkpoint"),
    }
    for name, (content, words, message) in bad.items():
        if content is not None:
            torch.save(content, tmp_path / f"{name}.pth")
        assert restore(tmp_path / f"{name}.pth", tmp_path / "out", y_file, *words) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert restore("panini-pd-faces-8x", tmp_path / "out", y_file, "--downsample", "--factor", "8") == 2
    assert "--factor is for published files of face networks; panini-pd-faces-8x has its own" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
