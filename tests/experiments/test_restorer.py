"""A restorer is trained, judged on images it never saw, and consistent under the operator it was given."""

import json

import pytest

from ganprior_null.cli import main
from ganprior_null.images import load_image


def test_a_run_is_judged_before_and_after_and_its_null_space_holds(tmp_path):
    words = ["train", "restorer", "glean", "--null-space", "pd", "--profile", "smoke", "--out", str(tmp_path / "run")]
    assert main([*words, "-p", "steps", "2"]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "PSNR" in line] == [0, 2]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["PSNR(LR) enforced"] > 120 > summary["PSNR(LR) raw"]  # without PD y is not reproduced
    shown, whole = (load_image(tmp_path / "run" / name) for name in ("sheet.webp", "sheet_with_truth.webp"))
    assert whole.shape[-2] > 1.9 * shown.shape[-2]  # the sheet to publish holds answers alone: 2 of the 4 rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gleam",), "unknown model 'gleam'; did you mean 'glean'?"),
        (("glean", "--downsampler", "bicubik"), "unknown downsampler 'bicubik'; did you mean 'bicubic'?"),
        (("glean", "--null-space", "pdd"), "unknown null space 'pdd'; did you mean 'pd'?"),
        (("glean", "--prior", "face64"), "no weights named 'face64' come with the course; did you mean 'faces64'?"),
        (("glean", "--factor", "7"), "factor 7"),
        (("glean", "--precision", "half"), "precision must be one of auto, 32-true, bf16-mixed, got 'half'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, message, tmp_path, capsys):
    assert main(["train", "restorer", *words, "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
