"""The evaluation of PULSE: every row is there, PD is consistent in each, and a stopped run goes on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.cli import main
from ganprior_null.data import faces
from ganprior_null.experiments.inversion import evaluate_pulse, held_out, read_prior
from ganprior_null.experiments.inversion_figures import HeldOut, references, summarise
from ganprior_null.images import as_file, load_image
from ganprior_null.metrics import psnr
from ganprior_null.operators import AveragePool
from ganprior_null.priors import StyleGAN2
from ganprior_null.profiles import Searches
from ganprior_null.restorers.inversion.latents import draw_starts
from ganprior_null.weights import load_features64, save_weights

from ..restorers.priors import small_prior

SETTINGS = Searches(count=3, factors=(2, 4), seeds=2, steps=4)


@pytest.fixture(scope="module")
def prior():
    return small_prior(dtype=torch.float32)


@pytest.fixture(scope="module")
def images():
    return held_out(None, 16, 3, 0)


@pytest.fixture(scope="module")
def finished(prior, images, tmp_path_factory):
    out = tmp_path_factory.mktemp("pulse") / "run"
    return out, evaluate_pulse(out, prior, images, SETTINGS, progress=False)


def rows(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_row_for_every_image_factor_seed_and_stage(finished, images):
    out, summary = finished
    seen = {(row["image"], row["factor"], row["seed"], row["stage"]) for row in rows(out)}
    assert len(seen) == len(rows(out)) == 3 * 2 * 2 * 2
    assert {row["image"] for row in rows(out)} == set(images.names)
    assert summary == json.loads((out / "summary.json").read_text())
    assert sorted(path.name for path in out.iterdir()) == [
        "2x.webp", "4x.webp", "metrics.jsonl", "params.json", "sheet_with_truth.webp", "summary.json"
    ]  # fmt: skip


def test_the_sheet_to_publish_holds_no_truth(finished, images):
    """Two rows, search and PD; the truth is an extra row of the other sheet, which git ignores."""
    out, _ = finished
    pitch = images.x.shape[-1] + 2  # a line between two rows
    rows_of = {name: load_image(out / f"{name}.webp").shape[-2] // pitch for name in ("2x", "4x", "sheet_with_truth")}
    assert rows_of == {"2x": 2, "4x": 2, "sheet_with_truth": 2 * 3 + 1}  # y, search, PD for each, and the truth
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text()
    assert "data/results/**/sheet_with_truth.webp" in ignored


def test_bicubic_stands_beside_the_searches(finished, images):
    summary = finished[1]
    y = as_file(AveragePool(4)(images.x))
    x_hat = as_file(F.interpolate(y, images.x.shape[-2:], mode="bicubic"))
    assert summary["4x bicubic"]["PSNR"] == pytest.approx(psnr(x_hat, images.x).mean().item(), rel=1e-6)
    assert summary["4x bicubic"]["PSNR"] < summary["2x bicubic"]["PSNR"]
    assert "fd_features64" not in summary["4x bicubic"]  # no network was given


def test_distances_of_as_many_images_as_were_searched():
    """129 are the least; fewer leave the column out. What 16x blurs is farther from sharp images than what 4x does."""
    x, network = faces(129, 64, seed=2), load_features64()
    prior = StyleGAN2(64, 16, 2, {4: 8, 8: 8, 16: 8, 32: 8, 64: 8})
    images = HeldOut(x[:4], ["a", "b", "c", "d"], x, x.mean(0))
    table = references(prior, images, (4, 16), 129, network)
    assert 0 < table["4x bicubic"]["fd_features64"] < table["16x bicubic"]["fd_features64"]
    assert table["samples"]["fd_features64"] > 0
    assert table["4x bicubic"]["identity"] > table["16x bicubic"]["identity"]
    few = references(prior, images, (4,), 128, network)
    assert table["4x bicubic + PD"]["PSNR"] > table["4x mean image + PD"]["PSNR"]  # at 16x it is the other way round
    assert "samples" not in few and "fd_features64" not in few["4x bicubic"]


def test_the_norm_is_1_on_the_sphere_only(finished, prior, images, tmp_path):
    free = replace(SETTINGS, space="free", factors=(4,), seeds=1, steps=12)
    evaluate_pulse(tmp_path / "run", prior, images, free, progress=False)
    # a start on the sphere of its own radius, not of radius 1: 16 numbers spread by a fifth or so, means by less
    on, off = ([row["norm"] for row in rows(folder)] for folder in (finished[0], tmp_path / "run"))
    starts = draw_starts(prior, 3, 1, seed=0)[0].square().mean((1, 2)).sqrt().tolist()
    kept = [row["norm"] for row in rows(finished[0]) if row["seed"] == 0 and row["stage"] == "search"]
    assert kept[:3] == pytest.approx(starts, rel=0.1) and min(on) > 0.7
    assert max(abs(a - b) for a, b in zip(off[:3], starts, strict=True)) > 0.05


def test_pd_is_consistent_in_every_row_and_the_search_in_none(finished):
    for row in rows(finished[0]):
        if row["stage"] == "PD":
            assert row["PSNR(LR)"] > 140 and row["LR reproduced"] == 1
        else:
            assert row["PSNR(LR)"] < 60 and row["LR reproduced"] < 1
            assert row["PSNR(LR)"] == pytest.approx(-10 * torch.tensor(row["lr_error"]).log10().item(), abs=0.01)


def test_c16_is_the_difference_of_the_means():
    table = [
        {"factor": factor, "stage": stage, "PSNR(LR)": value + seed, "PSNR": 20.0 + seed, "seed": seed}
        for factor, value in ((8, 30.0), (16, 33.0))
        for stage in ("search", "PD")
        for seed in (0, 1)
    ]
    assert summarise(table)["C16"] == 3.0
    assert summarise(table)["8x search"]["seed_spread"] == pytest.approx(0.5**0.5)
    assert "C16" not in summarise([row for row in table if row["factor"] == 8])


def test_a_stopped_run_goes_on_to_the_same_rows(prior, images, tmp_path, finished, monkeypatch):
    from ganprior_null.experiments import inversion

    whole, calls = inversion.search_all, []

    def stop(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(inversion, "search_all", stop)
    with pytest.raises(KeyboardInterrupt):
        evaluate_pulse(tmp_path / "run", prior, images, SETTINGS, progress=False)
    assert len(list((tmp_path / "run").glob("*.safetensors"))) == 2 and not (tmp_path / "run/metrics.jsonl").exists()
    summary = evaluate_pulse(tmp_path / "run", prior, images, SETTINGS, progress=False)
    assert len(calls) == 5  # two, the one that stopped, and the two that were left
    assert summary["4x PD"]["PSNR"] == pytest.approx(finished[1]["4x PD"]["PSNR"], rel=1e-4)
    assert evaluate_pulse(tmp_path / "run", prior, images, SETTINGS, progress=False) == summary and len(calls) == 5
    with pytest.raises(ValueError, match="steps: 4 there, 5 here"):
        evaluate_pulse(tmp_path / "run", prior, images, Searches(count=3, factors=(2, 4), seeds=2, steps=5))


def test_the_command(tmp_path, capsys):
    save_weights(tmp_path / "prior.safetensors", small_prior(dtype=torch.float32).state_dict(), {"model": "StyleGAN2"})
    words = ["evaluate", "pulse", "--prior", str(tmp_path / "prior.safetensors"), "--out", str(tmp_path / "out")]
    small = ["--factors", "4", "--count", "2", "--seeds", "1", "--steps", "2"]
    assert main([*words, *small]) == 0
    assert json.loads((tmp_path / "out" / "params.json").read_text())["data"] == "drawn faces"
    assert main([*words, *small, "--factors", "3"]) == 2
    assert capsys.readouterr().err.count("error:") == 1


BAD = {
    "factor": ({"factors": (4, 3)}, "factor 3 must divide the prior's 16 pixels"),
    "no factor": ({"factors": (0,)}, "factor 0 must"),
    "seeds": ({"seeds": 0}, "seeds must be .* got 0"),
    "steps": ({"steps": -1}, "steps must be .* got -1"),
    "eps": ({"eps": 0.0}, "eps must be .* got 0.0"),
    "lr": ({"lr": float("nan")}, "lr must be .* got nan"),
    "space": ({"space": "fre"}, "did you mean 'free'"),
    "loss": ({"loss": "100*L3"}, "unknown term 'L3'"),
}


@pytest.mark.parametrize("case", BAD)
def test_settings_that_do_not_fit_leave_nothing_behind(prior, images, tmp_path, case):
    change, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        evaluate_pulse(tmp_path / "run", prior, images, replace(SETTINGS, **change), progress=False)
    assert not (tmp_path / "run").exists()


def test_a_prior_of_random_weights_is_refused(tmp_path):
    fresh = small_prior(dtype=torch.float32)
    for name, parameter in fresh.named_parameters():
        if name.endswith("noise.weight"):
            torch.nn.init.zeros_(parameter)
    save_weights(tmp_path / "fresh.safetensors", fresh.state_dict(), {"model": "StyleGAN2"})
    with pytest.raises(ValueError, match="random weights"):
        read_prior(str(tmp_path / "fresh.safetensors"))


def test_held_out_people_are_not_trained_on(shared):
    from ganprior_null.data import load_sides

    sides = load_sides(shared / "data" / "faces_color64", 64, margin=6)
    found = held_out(shared / "data" / "faces_color64", 64, 50, 6)
    assert len(found.x) == len(found.names) == 50 and found.x.shape[1:] == (3, 64, 64)
    assert not set(found.names) & set(sides.training_names)
    with pytest.raises(ValueError, match="count must be 1 to"):
        held_out(shared / "data" / "faces_color64", 64, 10**6, 6)
