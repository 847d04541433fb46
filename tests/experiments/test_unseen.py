"""A finished run is judged under other downsamplers; its artefacts and its diversity are measured by laws that hold."""

import json

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.data import faces
from ganprior_null.experiments import face_colours
from ganprior_null.experiments.diversity import evaluate_diversity, pairwise_distance, spread_map
from ganprior_null.experiments.unseen import noise, sharpness
from ganprior_null.images import load_image
from ganprior_null.operators import AveragePool
from ganprior_null.priors import StyleGAN2
from ganprior_null.weights import LoadedPrior


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "drawn-16x-pdn-pd-aliased-seed0"
    words = ["train", "restorer", "pdn", "--null-space", "pd", "--factor", "16", "--downsampler", "bicubic-plain"]
    assert main([*words, "--profile", "smoke", "-p", "steps", "1", "-p", "eval_every", "1", "--out", str(folder)]) == 0
    return folder


def test_a_run_under_other_downsamplers(run, capsys, monkeypatch):
    monkeypatch.setattr(face_colours, "COUNT", 8)
    assert main(["evaluate", "restorer", str(run), "--downsamplers", "average", "bilinear"]) == 0
    found = json.loads((run / "unseen.json").read_text())
    assert found["weights"] == "last.ckpt"
    assert list(found["tested"]) == ["bicubic-plain", "average", "bilinear"]  # the one it was trained with comes first
    trained = json.loads((run / "summary.json").read_text())
    assert found["tested"]["bicubic-plain"]["PSNR"] == pytest.approx(trained["PSNR"])  # same images, weights and z
    for figures in found["tested"].values():  # PD holds whatever made y; the true downsampler agrees less
        assert figures["PSNR(LR) enforced"] > 120 > figures["PSNR(LR)"] or figures["PSNR(LR)"] > 120
    diverse = json.loads((run / "diversity.json").read_text())
    assert diverse["PSNR(LR) enforced, worst"] > 120
    assert diverse["distance"] > 0.9 * max(diverse["distance by z alone"], diverse["distance by noise alone"]) > 0
    assert load_image(run / "diversity_map.webp").shape == (1, 3, 64, 64)
    corrected, parts = found["corrected"], found["parts"]
    assert corrected["PD"]["PSNR(LR)"] > corrected["mean colour"]["PSNR(LR)"] > corrected["raw"]["PSNR(LR)"]
    assert parts["enforced"] == pytest.approx(parts["PD"])  # trained with PD, the same is done in use
    assert corrected["PD"]["PSNR"] == pytest.approx(trained["PSNR"])  # the same answers as everywhere
    assert all(0 < error < 255 for errors in parts.values() for error in errors.values())
    rows = 5  # raw, PD, mean colour, enforced, truth
    assert load_image(run / "drawn.webp").shape[-2] == pytest.approx(rows * 66, abs=4)
    assert main(["evaluate", "restorer", str(run)]) == 2
    assert "unseen.json is there already (5 files in all); --overwrite replaces them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--overwrite", "--downsamplers", "bicubic", "cubic"),
            "unknown downsampler 'cubic'; known: average, bilinear, bicubic, ",
        ),
        (("--overwrite", "--accelerator", "gpu"), "accelerator must be one of auto, cpu, cuda, got 'gpu'"),
        (("{run}/none",), "none is no complete run: params.json is missing"),
    ],
)
def test_bad_input_is_one_line(run, words, message, capsys):
    words = [word.format(run=run) for word in words]
    assert main(["evaluate", "restorer", *([] if "/" in words[0] else [str(run)]), *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize("method", ["restorer", "identity"])
def test_a_gpu_that_is_not_there_is_one_line(run, method, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["evaluate", method, str(run), "--overwrite", "--accelerator", "cuda"]) == 2
    assert "a GPU was asked for, but torch finds none on this machine" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_gpu_gives_the_figures_of_a_processor(run, monkeypatch):
    """But for TF32, with which convolutions run there: 10 bits of each number."""
    monkeypatch.setattr(face_colours, "COUNT", 8)
    found = {}
    for where in ("cpu", "cuda"):
        words = ["evaluate", "restorer", str(run), "--downsamplers", "bicubic", "--overwrite", "--accelerator", where]
        assert main(words) == 0
        files = ("unseen.json", "diversity.json")
        found[where] = [json.loads((run / name).read_text()) for name in files]
    for one, other in zip(*found.values(), strict=True):
        for name in {"distance", "distance to the truth"} & one.keys():
            assert other[name] == pytest.approx(one[name], rel=1e-2)
        for name, figures in one.get("tested", {}).items():
            assert other["tested"][name]["PSNR"] == pytest.approx(figures["PSNR"], abs=0.05)


def test_a_run_without_its_checkpoint_says_what_to_do(run, tmp_path, capsys):
    for name in ("params.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    assert main(["evaluate", "restorer", str(tmp_path)]) == 2
    assert "holds no last.ckpt" in capsys.readouterr().err
    assert not (tmp_path / "unseen.json").exists()


def test_a_prior_that_was_replaced_under_its_name_is_one_line(run, capsys, monkeypatch):
    narrow = LoadedPrior(StyleGAN2(64, 8, 2, {2**i: 8 for i in range(2, 7)}), torch.zeros(8))
    monkeypatch.setattr("ganprior_null.experiments.trained.load_prior", lambda name: narrow)
    assert main(["evaluate", "restorer", str(run), "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert "last.ckpt is not of the pdn around the prior 'faces64' as it is now; put the prior back" in said
    assert said.count("\n") == 1


def test_diversity_is_of_networks_with_a_z(run, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes((run / "metrics.jsonl").read_bytes())
    params = json.loads((run / "params.json").read_text()) | {"model": "glean"}
    (tmp_path / "params.json").write_text(json.dumps(params))
    with pytest.raises(ValueError, match="glean has one answer to each y"):
        evaluate_diversity(tmp_path)


def test_noise_is_read_off_and_blur_is_not_noise():
    x = faces(4, 64)
    noisy = x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert noise(noisy) == pytest.approx(0.05, rel=0.1)
    soft = torch.nn.functional.avg_pool2d(x, 3, stride=1)  # no border: padding would be an edge
    assert noise(soft) < 0.01 and sharpness(soft) < 0.8 * sharpness(x)


def test_sharpness_sees_half_of_the_noise():
    white = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert sharpness(white) == pytest.approx(0.5, rel=0.02)  # 10^5 samples


def test_distance_counts_the_null_space_alone():
    """The mean of squared distances over pairs is twice the unbiased variance; what A sees adds nothing."""
    A, answers = AveragePool(4), torch.randn(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    apart = answers[0] - answers[1]
    expected = A.project_null(apart).square().mean((1, 2, 3)).sqrt().mean()
    assert pairwise_distance(answers, A) == pytest.approx(float(expected))
    shifted = answers + A.project_range(torch.randn_like(answers[0]))
    assert pairwise_distance(shifted, A) == pytest.approx(float(expected))
    assert pairwise_distance(torch.stack([A.project_range(part) for part in answers]), A) < 1e-12
    torch.testing.assert_close(spread_map(answers)[0], (apart.square().mean((0, 1)) / 2).sqrt().float())
