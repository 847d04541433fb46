"""evaluate networks: rows per image, means per set, what papers print, and one line for what does not fit."""

import math

import pytest
import torch

from ganprior_null import Resize, psnr
from ganprior_null.cli import main
from ganprior_null.data import photograph
from ganprior_null.experiments.real_networks import cut, figures, inside, predicted_gain, printed
from ganprior_null.images import from_uint8, save_image, to_uint8
from ganprior_null.networks import load_network
from ganprior_null.storage import read_json

NETWORK = "bicubic-x4"


@pytest.fixture(scope="module")
def x():
    return photograph("astronaut")[..., 40:96, 180:248]  # 56 x 68


@pytest.fixture
def folders(x, tmp_path):
    """Two sets: one picture whole, two to be cropped."""
    for file, picture in (("a/one", x), ("b/two", x.flip(-1)), ("b/three", x.flip(-2))):
        save_image(picture, tmp_path / f"{file}.png")
    return [str(tmp_path / name) for name in "ab"]


def evaluate(out, folders, *words):
    return main(["evaluate", "networks", "--networks", NETWORK, "--images", *folders, "--out", str(out), *words])


def test_sets_of_unlike_rules_in_one_run_that_goes_on(folders, tmp_path, capsys):
    words = ("--crop", "b=32", "--count", "b=1")
    assert evaluate(tmp_path / "out", folders, *words) == 0
    table = read_json(tmp_path / "out" / "summary.json")
    assert [(row["set"], row["images"]) for row in table] == [("a", 1), ("b", 1)]
    assert read_json(tmp_path / "out" / "params.json")["crop"] == {"b": 32}
    for row in table:
        assert row["PSNR exact"] > row["PSNR PD"] > row["PSNR raw"] and row["PSNR(LR) exact"] > 120
    said = capsys.readouterr().out
    assert f"| {NETWORK} | {table[0]['PSNR raw clamped']:.2f} / " in said and "as papers print it" in said
    lines = (tmp_path / "out" / "metrics.jsonl").read_text("utf-8")
    assert evaluate(tmp_path / "out", folders, *words) == 0  # nothing is computed again
    assert (tmp_path / "out" / "metrics.jsonl").read_text("utf-8") == lines
    assert evaluate(tmp_path / "out", folders, "--crop", "32") == 2
    assert "holds a run with other parameters (crop:" in capsys.readouterr().err


def test_noise_costs_the_exact_operator_most(x):
    row = figures(load_network(NETWORK), x, Resize((56, 68), 4), noise=0.06)
    quiet = figures(load_network(NETWORK), x, Resize((56, 68), 4))
    assert row["PSNR exact"] < row["PSNR weighted"] and row["PSNR exact"] < quiet["PSNR exact"]
    assert "PSNR weighted" not in quiet


def test_a_y_that_is_not_rounded(x):
    A, network = Resize((56, 68), 4), load_network("bicubic-x4")
    fine, file = figures(network, x, A, unrounded=True), figures(network, x, A)
    assert fine["PSNR raw"] == pytest.approx(float(psnr(network(A(x)), x)), abs=1e-3)
    assert fine["PSNR exact"] > file["PSNR exact"]  # rounding is noise, which the exact operator copies


def test_figures_as_papers_print_them(x):
    x = x.clamp(0, 230 / 255)
    wrong = x.clone()
    wrong[..., :4, :] = wrong[..., -4:] = 1.0  # in the border alone
    assert math.isinf(printed(wrong, x, 4)["PSNR printed"]) and not math.isinf(printed(wrong, x, 3)["PSNR printed"])
    row = printed(x + 2 / 255, x, 4)  # a gray error of 2 levels, of which luma holds 219 of 255
    assert row["PSNR printed"] == pytest.approx(-20 * math.log10(2 / 255), abs=0.01)
    assert row["PSNR luma printed"] - row["PSNR printed"] == pytest.approx(-20 * math.log10(219 / 255), abs=0.01)
    noisy = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    row = printed(noisy, x, 4)  # colour noise: luma averages it
    assert row["PSNR luma printed"] > row["PSNR printed"] + 4
    file = from_uint8(to_uint8(noisy))
    assert row["PSNR printed"] == pytest.approx(float(psnr(inside(file, 4), inside(x, 4))))


def test_the_predicted_gain_is_the_gain_of_an_average():
    assert predicted_gain({"PSNR raw": 30.0, "PSNR(LR) raw": 33.0103}) == pytest.approx(3.0103, abs=1e-3)


def test_pictures_are_cut_as_benchmarks_are(x):
    assert cut(x[..., :55, :67], 4).equal(x[..., :52, :64])
    assert cut(x, 4, 34).equal(x[..., 12:44, 18:50])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--crop", "c=32"), "crop of 'c', which is no folder of images; known: a, b"),
        (("--crop", "0"), "crop must be at least 1, got 0"),
        (("--count", "a=0"), "count must be at least 1, got 0"),
        (("--count", "two"), "--count takes one number, or a number for each named set, SET=N ..., got two"),
        (("--crop", "=3"), "--crop takes one number, or a number for each named set, SET=N ..., got =3"),
        (("--crop", "8"), "an image of 8 x 8 has nothing inside a border of 4 pixels"),
        (
            ("--noise", "10"),
            "noise must be a standard deviation from 0 to 1 (grey levels are 1/255), or",
        ),
        (("--downsampler", "cubic"), "unknown downsampler 'cubic'; "),
        (("--networks", "realsr"), "no network named 'realsr'; did you mean 'realsr-x4'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(folders, tmp_path, capsys, words, line):
    assert evaluate(tmp_path / "out", folders, *words) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1, error
    assert not (tmp_path / "out").exists()


def test_folders_of_one_name_are_refused(folders, tmp_path, capsys):
    save_image(torch.zeros(3, 16, 16), tmp_path / "other" / "a" / "four.png")
    assert evaluate(tmp_path / "out", [*folders, str(tmp_path / "other" / "a")]) == 2
    assert "need names of their own, which name the sets, got a, b, a" in capsys.readouterr().err
