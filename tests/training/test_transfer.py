"""A run that starts from another: its networks, not its optimisers, noted, and independent of it from then on."""

import hashlib
import json
import shutil

import pytest
import torch

from ganprior_null.experiments.prior import prior_params, recipe_of, train_prior
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.profiles import prior
from ganprior_null.training import Execution, Run
from ganprior_null.training.gan import gan_state
from ganprior_null.training.transfer import begin_from

SMOKE = prior("smoke", images=16)


@pytest.fixture
def source(tmp_path):
    assert train_prior(None, tmp_path / "faces", SMOKE, execution=Execution("32-true"))
    return tmp_path / "faces"


def checkpoint(run) -> dict:
    return torch.load(run / "last.ckpt", weights_only=True)


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def fresh_state() -> dict:
    torch.manual_seed(1)
    G = StyleGAN2(SMOKE.size, SMOKE.style_dim, SMOKE.n_mlp, SMOKE.channels)
    return gan_state(G, StyleGAN2Discriminator(SMOKE.size, SMOKE.channels), recipe_of(SMOKE, 0))


def test_networks_are_taken_optimisers_are_not(source, tmp_path):
    old, state = checkpoint(source), fresh_state()
    assert not any(same(old[name], state[name].state_dict()) for name in ("G", "D", "G_ema"))
    begin_from(source, state, tmp_path / "cats")
    assert all(same(old[name], state[name].state_dict()) for name in ("G", "D", "G_ema"))
    assert state["path_mean"] == old["path_mean"] > 0 and state["step"] == 0 < old["step"]
    assert old["optimizer_G"]["state"] and not state["optimizer_G"].state_dict()["state"]


def test_the_origin_is_noted_and_the_run_goes_on_without_it(source, tmp_path):
    digest = hashlib.sha256((source / "last.ckpt").read_bytes()).hexdigest()
    augmented = prior("smoke", images=16, ada_target=0.6, ada_images=100)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train_prior(None, whole, augmented, execution=Execution("32-true"), start_from=source / "last.ckpt")
    params = json.loads((whole / "params.json").read_text())
    assert params["start_from"] == {"checkpoint": "faces/last.ckpt", "sha256": digest}
    assert params["ada_target"] == 0.6 and params["ada_images"] == 100
    shutil.copytree(whole, parts)
    shutil.rmtree(source)
    assert train_prior(None, parts, augmented, execution=Execution("32-true"), start_from=source)
    assert same(checkpoint(whole)["G"], checkpoint(parts)["G"])
    with pytest.raises(ValueError, match="start_from: .*faces/last.ckpt.* there, .*other/last.ckpt.* here"):
        train_prior(None, parts, augmented, execution=Execution("32-true"), start_from=tmp_path / "other")
    with pytest.raises(ValueError, match="start_from: .* there, None here"):
        train_prior(None, parts, augmented, execution=Execution("32-true"))
    (parts / "params.json").write_text("{")
    with pytest.raises(ValueError, match="params.json is damaged"):
        train_prior(None, parts, augmented, execution=Execution("32-true"), start_from=tmp_path / "faces")


def test_what_is_no_start_is_refused_and_nothing_written(source, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match="no checkpoint to start from: .*nowhere"):
        train_prior(None, out, SMOKE, execution=Execution("32-true"), start_from=tmp_path / "nowhere")
    wider = prior("smoke", images=16, widths=(16, 8, 8))
    with pytest.raises(ValueError, match="does not hold networks like this run's: .*size mismatch for input.input"):
        train_prior(None, out, wider, execution=Execution("32-true"), start_from=source)
    (tmp_path / "broken.ckpt").write_bytes((source / "last.ckpt").read_bytes()[:1000])
    with pytest.raises(ValueError, match="broken.ckpt does not hold networks"):
        train_prior(None, out, SMOKE, execution=Execution("32-true"), start_from=tmp_path / "broken.ckpt")
    assert not out.exists()


def test_a_run_begun_before_these_options_existed_goes_on(tmp_path):
    """The keys its params.json had then; an option that is off adds none."""
    keys = ["experiment", "size", "style_dim", "n_mlp", "widths", "images", "global_batch", "lr", "r1_gamma"]
    keys += ["path_every", "r1_every", "path_weight", "mixing", "ema_images", "seed", "torch", "machine"]
    params = prior_params(SMOKE, recipe_of(SMOKE, 0))
    assert sorted(params) == sorted(keys)
    Run(tmp_path, {key: params[key] for key in keys})
    Run(tmp_path, params)
    on = prior("smoke", images=16, ada_target=0.6)
    with pytest.raises(ValueError, match="ada_target: None there, 0.6 here"):
        Run(tmp_path, prior_params(on, recipe_of(on, 0)))


def test_a_profile_sets_every_field_of_the_recipe_that_it_has():
    recipe = recipe_of(prior("paper", ada_target=0.5), seed=7)
    assert (recipe.global_batch, recipe.lr, recipe.r1_gamma, recipe.path_every) == (32, 2e-3, 10.0, 4)
    assert (recipe.ada_target, recipe.ada_images, recipe.seed) == (0.5, 500_000, 7)
