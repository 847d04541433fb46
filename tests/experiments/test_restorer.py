"""A restorer is trained, judged on images it never saw, and consistent under the operator it was given."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.data import faces
from ganprior_null.images import load_image, save_image
from ganprior_null.training import Run
from ganprior_null.training.runtime import memory_advice
from ganprior_null.weights import load_features64

KILLED = """
import os, signal, sys
from ganprior_null.cli import main
from ganprior_null.storage import write_json
from ganprior_null.experiments import restorer
def struck(*arguments):  # when the line is in the log, and nothing is saved
    write_json(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
restorer.write_json = struck
main(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory):
    """The folder of a run that was killed in its first evaluation, and then called again."""
    out = tmp_path_factory.mktemp("killed") / "run"
    words = ["train", "restorer", "glean", "--null-space", "pd", "--profile", "smoke", "--out", str(out)]
    words += ["-p", "steps", "1", "-p", "eval_every", "5"]
    done = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True)
    assert done.returncode == -signal.SIGKILL and not (out / "last.ckpt").exists()
    assert main(words) == 0
    return out


def test_killed_in_its_first_evaluation_it_has_the_line_of_step_0_after_all(killed_run):
    lines = [json.loads(line) for line in (killed_run / "metrics.jsonl").read_text().splitlines()]
    # the last step is evaluated, though eval_every lies beyond it
    assert [line["step"] for line in lines if "PSNR" in line] == [0, 1]
    assert json.loads((killed_run / "summary.json").read_text())["step"] == 1


def test_its_null_space_holds_before_and_after(killed_run):
    summary = json.loads((killed_run / "summary.json").read_text())
    assert summary["PSNR(LR) enforced"] > 120 > summary["PSNR(LR) raw"]  # without PD y is not reproduced
    assert summary["PSNR, PD after"] == pytest.approx(summary["PSNR"])  # PD put after PD changes nothing
    shown, whole = (load_image(killed_run / name) for name in ("sheet.webp", "sheet_with_truth.webp"))
    assert whole.shape[-2] > 1.9 * shown.shape[-2]  # the sheet to publish holds answers alone: 2 of the 4 rows


def test_a_run_without_null_space_is_judged_with_pd_put_after_it_as_well(tmp_path):
    words = ["train", "restorer", "glean", "--downsampler", "average", "--profile", "smoke", "-p", "steps", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    found = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert found["PSNR, PD after"] > found["PSNR"]  # y is pooled: then PD can only help (lesson 01, equation 7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gleam",), "unknown model 'gleam'; did you mean 'glean'?"),
        (("glean", "--downsampler", "bicubik"), "unknown downsampler 'bicubik'; did you mean 'bicubic'?"),
        (("glean", "--null-space", "pdd"), "unknown null space 'pdd'; did you mean 'pd'?"),
        (("glean", "--prior", "face64"), "no weights named 'face64' come with the course"),
        (("glean", "--factor", "7"), "factor 7 must divide the prior's 64 pixels"),
        (("glean", "--factor", "0"), "factor must be at least 1, got 0"),
        (("glean", "--factor", "-8"), "factor must be at least 1, got -8"),
        (("glean", "--factor", "128"), "factor 128 must divide the prior's 64 pixels"),
        (("glean", "-p", "eval_every", "0"), "eval_every must be at least 1, got 0"),
        (("glean", "-p", "global_batch", "0"), "global_batch must be at least 1, got 0"),
        (("glean", "-p", "test_images", "10"), "test_images must be at least 129, which fd_features64 needs, got 10"),
        (("glean", "--accelerator", "gpu"), "accelerator must be one of auto, cpu, cuda, got 'gpu'"),
        (("glean", "--vgg16", "nowhere.pth"), "no such checkpoint file: nowhere.pth"),
        (("glean", "--precision", "half"), "precision must be one of auto, 32-true, bf16-mixed, got 'half'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(words, message, tmp_path, capsys):
    assert main(["train", "restorer", *words, "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_too_few_images_to_test_on_are_refused_before_anything_is_written(tmp_path, capsys):
    for i, x in enumerate(faces(30, 64)):
        save_image(x, tmp_path / "thirty" / f"{i:02d}.png")
    words = ["train", "restorer", "glean", "--data", str(tmp_path / "thirty"), "--profile", "smoke"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "thirty leaves 2 images to test; at least 129 are needed (about 1,300 in all)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_prior_without_discriminator_is_refused_before_anything_is_written(tmp_path, capsys, monkeypatch):
    def missing(name):
        raise FileNotFoundError(f"no discriminator of {name}")

    monkeypatch.setattr("ganprior_null.experiments.restorer.load_discriminator", missing)
    assert main(["train", "restorer", "glean", "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    assert "no discriminator of faces64" in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_broken_files_are_left_out_on_request(tmp_path, monkeypatch):
    asked = []

    def watched(*_, **options):
        asked.append(options)
        raise ValueError("seen")  # enough images to train on take too long here

    monkeypatch.setattr("ganprior_null.experiments.restorer.open_sides", watched)
    words = ["train", "restorer", "glean", "--data", "x", "--profile", "smoke", "--out", str(tmp_path / "run")]
    assert main(words) == main([*words, "--skip-broken"]) == 2
    assert [options["skip_broken"] for options in asked] == [False, True]


def test_a_gpu_that_is_not_there_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ["train", "restorer", "glean", "--accelerator", "cuda", "--precision", "32-true"]
    assert main([*words, "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    assert (
        "a GPU was asked for, but torch finds none on this machine; auto takes what is there" in capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()


def test_out_of_memory_says_what_to_lower():
    with pytest.raises(RuntimeError, match="^out of memory; lower global_batch$"), memory_advice("lower global_batch"):
        torch.empty(2**60, dtype=torch.uint8)  # more than any machine has
    with pytest.raises(RuntimeError, match="size"), memory_advice("lower global_batch"):  # other errors stay
        torch.ones(2) @ torch.ones(3)


def test_a_first_evaluation_without_enough_memory_says_what_to_lower(tmp_path, capsys, monkeypatch):
    def evaluate(*_, **__):
        raise torch.OutOfMemoryError("tried to allocate 3 GiB")

    monkeypatch.setattr("ganprior_null.experiments.restorer.evaluate", evaluate)
    assert main(["train", "restorer", "glean", "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    advice = (
        "raise accumulate (now 1) or add --recompute, then lower global_batch (now 4), then rrdb_channels (now 8)\n"
    )
    assert capsys.readouterr().err.endswith(advice)


def test_the_perceptual_loss_of_the_papers_is_used_and_written_down(tmp_path, monkeypatch):
    asked = []

    def watched(*arguments, **options):
        asked.append((arguments, options))
        return load_features64()  # VGG16 itself takes too long here

    monkeypatch.setattr("ganprior_null.experiments.restorer.vgg16_conv4_3", watched)
    monkeypatch.setattr("ganprior_null.experiments.restorer.evaluation", lambda *_: lambda state: None)
    words = ["train", "restorer", "glean", "--profile", "smoke", "--out", str(tmp_path / "run"), "-p", "steps", "1"]
    assert main([*words, "--vgg16", "vgg16.pth"]) == 0
    assert asked == [((Path("vgg16.pth"),), {"signed": True})]  # as the published configurations feed it
    assert json.loads((tmp_path / "run" / "params.json").read_text())["perceptual"] == "vgg16"
    stored = json.loads((tmp_path / "run" / "params.json").read_text())
    stored.pop("perceptual")
    with pytest.raises(ValueError, match="other parameters .perceptual: 'vgg16' there, None here"):
        Run(tmp_path / "run", stored)  # another loss is another run


def test_a_rehearsal_says_what_a_run_takes_and_leaves_nothing(tmp_path, capsys):
    for words in (["restorer", "glean", "-p", "steps", "1000"], ["prior", "-p", "images", "400000"]):
        assert main(["train", *words, "--profile", "smoke", "--dry-run", "--out", str(tmp_path / "run")]) == 0
        told = capsys.readouterr().out
        assert re.match(
            r"rehearsed, nothing kept: a step takes [\d.e-]+ s.* (minutes|hours|days); memory \d+\.\d\d GB", told
        )
        assert not (tmp_path / "run").exists()


def test_another_folder_of_the_same_name_is_refused_on_resume(tmp_path, capsys):
    for i, x in enumerate(faces(30, 16)):
        save_image(x, tmp_path / "one" / "faces" / f"{i:02}.png")
        save_image(x, tmp_path / "two" / "faces" / f"{i + 1:02}.png")
    words = ["train", "prior", "--profile", "smoke", "-p", "images", "8", "--out", str(tmp_path / "run")]
    assert main([*words, "--data", str(tmp_path / "one" / "faces")]) == 0
    capsys.readouterr()
    assert main([*words, "--data", str(tmp_path / "two" / "faces")]) == 2
    assert re.search(
        r"a run with other parameters \(data_names: '\w{16}' there, '\w{16}' here", capsys.readouterr().err
    )
    params = json.loads((tmp_path / "run" / "params.json").read_text())
    del params["data_names"]  # begun before names were noted
    (tmp_path / "run" / "params.json").write_text(json.dumps(params))
    assert main([*words, "--data", str(tmp_path / "one" / "faces")]) == 0
