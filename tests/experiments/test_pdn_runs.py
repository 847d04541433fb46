"""PDN by the training command: with and without its null space, at both factors, on degraded images, its variants."""

import json

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.experiments.restorer import Experiment, build, recipe_of
from ganprior_null.experiments.variants import VARIANTS
from ganprior_null.profiles import restorer as profile
from ganprior_null.weights import load_prior


def train(folder, *words):
    start = ["train", "restorer", "pdn", "--profile", "smoke", "-p", "steps", "1", "-p", "eval_every", "1"]
    assert main([*start, "--out", str(folder), *words]) == 0
    names = ("params.json", "summary.json")
    return [json.loads((folder / name).read_text()) for name in names]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run at 8x without PD, on images as they are: its folder, parameters and summary."""
    folder = tmp_path_factory.mktemp("runs") / "plain"
    return folder, *train(folder)


@pytest.mark.parametrize("factor", ["8", "16"])
def test_consistent_with_pd(factor, tmp_path):
    params, with_pd = train(tmp_path / "pd", "--factor", factor, "--null-space", "pd")
    assert with_pd["PSNR(LR) enforced"] > 120  # rounding of float32
    assert params["pixel_weight"] == params["perceptual_weight"] == 0 and not params["degraded"]


def test_not_consistent_without_it(plain):
    _, _, without = plain
    assert "PSNR(LR) enforced" not in without and without["PSNR(LR)"] == without["PSNR(LR) raw"] < 60


def test_degraded_images_change_what_is_learnt_and_not_what_is_tested_on(plain, tmp_path):
    assert train(tmp_path / "other", "--degraded")[0]["degraded"] and not plain[1]["degraded"]
    lines = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (plain[0], tmp_path / "other")]
    assert lines[0][0] == lines[1][0]  # before the first step: the same test images
    assert lines[0][-1] != lines[1][-1]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name])
def test_a_variant_is_another_network_or_another_recipe(name):
    prior = load_prior("faces64").generator

    def facts(variant):
        this = Experiment(model="pdn", variant=variant)
        torch.manual_seed(0)
        network = build(this, prior, profile("smoke")).network
        learnt = sum(p.numel() for p in network.parameters() if p.requires_grad)
        start = float(network.fusion_out[0].weight.detach().norm())
        return learnt, start, network.fresh_noise, recipe_of(this, profile("smoke"))

    assert facts(name) != facts("")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pdn", "--variant", "trained-bnk"), "unknown variant 'trained-bnk'; did you mean 'trained-bank'?"),
        (("glean", "--variant", "r1"), "variants are of pdn; glean takes none, got 'r1'"),
    ],
)
def test_a_variant_that_is_none_is_one_line(words, message, tmp_path, capsys):
    assert main(["train", "restorer", *words, "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
