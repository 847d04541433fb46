"""evaluate singan: a line for each answer to each photograph, means, sheets; refusals before a folder is made."""

import json

import pytest

from ganprior_null.cli import main
from ganprior_null.storage import read_json

ANSWERS = ["bicubic", "bicubic + PD", "bicubic + exact", "SinGAN", "SinGAN + PD", "SinGAN + exact"]


def evaluate(out, *words):
    return main(["evaluate", "singan", *words, "--out", str(out)])


def test_rows_means_and_a_run_that_goes_on(tmp_path, capsys):
    words = ("--size", "32", "--factor", "2", "--steps", "2")
    assert evaluate(tmp_path / "out", "coffee", *words) == 0
    alone = read_json(tmp_path / "out" / "summary.json")
    assert evaluate(tmp_path / "out", "coffee", "chelsea", *words) == 0
    found = read_json(tmp_path / "out" / "summary.json")
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert [(line["photograph"], line["answer"]) for line in lines] == [
        (name, answer) for name in ("coffee", "chelsea") for answer in ANSWERS
    ]
    assert list(found) == ANSWERS and found != alone
    assert found["SinGAN"]["PSNR"] == pytest.approx((lines[3]["PSNR"] + lines[9]["PSNR"]) / 2)
    for name in ("bicubic", "SinGAN"):
        raw, PD, exact = (found[name + what]["PSNR(LR)"] for what in ("", " + PD", " + exact"))
        assert raw < PD < exact and exact > 120
    assert (tmp_path / "out" / "coffee.webp").is_file() and (tmp_path / "out" / "chelsea.webp").is_file()
    capsys.readouterr()
    assert evaluate(tmp_path / "out", "coffee", *words[:-1], "3") == 2
    assert "holds a run with other parameters (steps: 2 there, 3 here)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody",), "unknown photograph 'nobody'"),
        (("coffee", "--size", "63"), "factor must be at least 2 and divide the size 63, got 4"),
        (("coffee", "--size", "40"), "size must be at least 44 at factor 4, got 40"),
        (("coffee", "--size", "3000"), "holds no 3000 x 3000 square"),
        (("coffee", "--steps", "0"), "steps must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_folder_is_made(words, said, tmp_path, capsys):
    assert evaluate(tmp_path / "out", *words) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()
