"""The evaluation of PULSE: every row is there, PD is consistent in each, and a stopped run goes on."""

import json

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.experiments.inversion import Settings, evaluate_pulse, held_out, read_prior, summarise
from ganprior_null.weights import save_weights

from ..restorers.priors import small_prior

SETTINGS = Settings(count=3, factors=(2, 4), seeds=2, steps=4)


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
        "2x.png", "4x.png", "metrics.jsonl", "params.json", "summary.json"
    ]  # fmt: skip


def test_pd_is_consistent_in_every_row_and_the_search_in_none(finished):
    for row in rows(finished[0]):
        if row["stage"] == "PD":
            assert row["lr_psnr"] > 140 and row["lr_reproduced"] == 1
        else:
            assert row["lr_psnr"] < 60 and row["lr_reproduced"] < 1
            assert row["lr_psnr"] == pytest.approx(-10 * torch.tensor(row["lr_error"]).log10().item(), abs=0.01)


def test_c16_is_the_difference_of_the_means():
    table = [
        {"factor": factor, "stage": stage, "lr_psnr": value + seed, "seed": seed}
        for factor, value in ((8, 30.0), (16, 33.0))
        for stage in ("search", "PD")
        for seed in (0, 1)
    ]
    assert summarise(table)["C16"] == 3.0
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
    assert len(rows(tmp_path / "run")) == 3 * 2 * 2
    summary = evaluate_pulse(tmp_path / "run", prior, images, SETTINGS, progress=False)
    assert len(calls) == 5  # two, the one that stopped, and the two that were left
    assert summary["4x PD"]["psnr"] == pytest.approx(finished[1]["4x PD"]["psnr"], rel=1e-4)
    assert evaluate_pulse(tmp_path / "run", prior, images, SETTINGS, progress=False) == summary and len(calls) == 5
    with pytest.raises(ValueError, match="steps: 4 there, 5 here"):
        evaluate_pulse(tmp_path / "run", prior, images, Settings(count=3, factors=(2, 4), seeds=2, steps=5))


def test_the_command(tmp_path, capsys):
    save_weights(tmp_path / "prior.safetensors", small_prior(dtype=torch.float32).state_dict(), {"model": "StyleGAN2"})
    words = ["evaluate", "pulse", "--prior", str(tmp_path / "prior.safetensors"), "--out", str(tmp_path / "out")]
    small = ["--factors", "4", "--count", "2", "--seeds", "1", "--steps", "2"]
    assert main([*words, *small]) == 0
    assert json.loads((tmp_path / "out" / "params.json").read_text())["data"] == "drawn faces"
    assert main([*words, *small, "--factors", "3"]) == 2
    assert capsys.readouterr().err.count("error:") == 1


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
