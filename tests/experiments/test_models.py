"""Every system of Table 3 through the one training path: its own losses, a lower loss, a checkpoint that comes back."""

import dataclasses
import json

import pytest
import torch

from ganprior_null.cli import main
from ganprior_null.data import Held
from ganprior_null.data.sides import Sides
from ganprior_null.experiments.evaluation import evaluate
from ganprior_null.experiments.figures import restore
from ganprior_null.experiments.models import MODELS, model
from ganprior_null.experiments.restorer import Experiment, about_run, build, measure, operators, recipe_of
from ganprior_null.experiments.trained import load_trained
from ganprior_null.images import from_uint8, save_image
from ganprior_null.layers import FeatureNet64
from ganprior_null.metrics import consistency_db
from ganprior_null.operators import AveragePool
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.profiles import restorer as profile
from ganprior_null.restorers import ESRGAN
from ganprior_null.training import Run, make_fabric
from ganprior_null.training.restore import restorer_state, restorer_step
from ganprior_null.weights import course, load_features64, load_prior, load_restorer, save_restorer

CHANNELS = {4: 8, 8: 8, 16: 8, 32: 8}
OWN = {  # what the step of each is to log before D joins, and after
    "psp": ({"pixel", "perceptual", "identity", "w norm"}, set()),
    "gfpgan": ({"pixel", "perceptual", "identity", "pyramid"}, {"G", "D"}),
    "gpen": ({"pixel"}, {"G", "D", "matching"}),
    "esrgan": ({"pixel"}, {"perceptual", "G", "D"}),
}


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(accelerator="cpu")


def start(name, A=None, **changes):
    """(step, state) of a tiny system 8 -> 32 on fixed images, its losses as they are in the smoke profile."""
    recipe = recipe_of(Experiment(model=name), profile("smoke"))
    recipe = dataclasses.replace(recipe, **({"global_batch": 4, "steps": 40, "lr": 3e-3, "gan_from": 8} | changes))
    torch.manual_seed(0)
    prior = StyleGAN2(32, 8, 2, CHANNELS)
    network = model(name).build(prior, 8, profile("smoke"))
    features = FeatureNet64().requires_grad_(False)
    x = torch.rand(4, 3, 32, 32)
    state = restorer_state(network, StyleGAN2Discriminator(32, CHANNELS), recipe)
    return restorer_step(lambda t: (x, AveragePool(4)(x)), A, recipe, features), state, recipe


def weighted(scalars, recipe):
    """The network's own loss, as the step adds it up."""
    names = {"w norm": "w_norm", "G": "gan"}
    return sum(
        getattr(recipe, f"{names.get(name, name)}_weight") * float(value.detach())
        for name, value in scalars.items()
        if name != "D"
    )


@pytest.mark.parametrize("name", OWN)
def test_each_system_has_its_own_losses_and_lowers_them(name, fabric):
    step, state, recipe = start(name)
    bank = [p.clone() for p in state["network"].network.bank.parameters()] if name != "esrgan" else []
    D = [p.clone() for p in state["D"].parameters()]
    first, *_, last = (step(fabric, state, t) for t in range(8))
    assert first.keys() == OWN[name][0]
    assert weighted(last, recipe) < 0.97 * weighted(first, recipe)
    assert all(torch.equal(a, b) for a, b in zip(D, state["D"].parameters(), strict=True))  # it has not joined yet
    joined = step(fabric, state, 8)
    assert joined.keys() == OWN[name][0] | OWN[name][1]
    moved = [not torch.equal(a, b) for a, b in zip(D, state["D"].parameters(), strict=True)]
    assert any(moved) == (name != "psp")  # pSp has no adversary
    if bank:
        kept = all(torch.equal(a, b) for a, b in zip(bank, state["network"].network.bank.parameters(), strict=True))
        assert kept == (name != "gpen")  # GPEN trains its bank, the others do not


def test_a_rate_of_nearly_zero_lowers_nothing(fabric):
    """The control of the test above: the loss falls by learning, not by what a step does besides."""
    step, state, recipe = start("gfpgan", lr=1e-12, lr_end=1e-12)
    first, *_, last = (step(fabric, state, t) for t in range(8))
    assert weighted(last, recipe) == pytest.approx(weighted(first, recipe), rel=1e-4)


@pytest.mark.parametrize("name", OWN)
def test_a_stored_state_comes_back_equal(name, fabric, tmp_path):
    step, state, _ = start(name, A=AveragePool(4), gan_from=0, ema_images=4)
    step(fabric, state, 0)
    run, y = Run(tmp_path, {}), torch.rand(2, 3, 8, 8)
    run.save(state)
    _, other, _ = start(name, A=AveragePool(4), gan_from=0, ema_images=4)
    before, wanted = ({k: s[k].eval()(y) for k in ("network", "average")} for s in (other, state))
    assert not torch.equal(before["network"], wanted["network"])
    assert run.resume(other)
    for key in wanted:
        assert torch.equal(other[key].eval()(y), wanted[key])


def test_relativistic_losses_compare_images(fabric):
    """Both networks' losses are those of equal scores, 2 log 2, where D says the same of all images."""
    step, state, _ = start("esrgan", gan_from=0)
    for parameter in state["D"].final_linear[1].parameters():
        torch.nn.init.zeros_(parameter)
    scalars = step(fabric, state, 0)
    assert scalars["G"].item() == pytest.approx(2 * torch.tensor(2.0).log().item())
    assert scalars["D"].item() == pytest.approx(scalars["G"].item())
    plain, other, _ = start("esrgan", gan_from=0, relativistic=False)
    for parameter in other["D"].final_linear[1].parameters():
        torch.nn.init.zeros_(parameter)
    assert plain(fabric, other, 0)["G"].item() == pytest.approx(scalars["G"].item() / 2)  # the control: one term


def test_a_run_of_a_system_that_enlarges_is_stored_read_judged_and_published(tmp_path, monkeypatch):
    def evaluation(run, x, A_true, A, steps):  # the judge is tried elsewhere, and takes long
        def look(state):
            run.log(state["step"], {"PSNR": 20.0})
            save_image(from_uint8(x[0]), run.path / "sheet.webp")

        return look

    monkeypatch.setattr("ganprior_null.experiments.restorer.evaluation", evaluation)
    words = ["train", "restorer", "psp", "--factor", "16", "--null-space", "pd", "--profile", "smoke"]
    words += ["-p", "steps", "1", "-p", "eval_every", "1", "-p", "rrdb_channels", "4"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    params = json.loads((tmp_path / "run" / "params.json").read_text())
    assert params["w_norm_weight"] == 0.005 and "pyramid_weight" not in params  # losses that others have are not noted
    trained = load_trained(tmp_path / "run")
    assert (trained.network.in_size, trained.network.out_size) == (4, 64)  # the encoder's side is 64
    images = Held(torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8))
    tested = evaluate(trained.network, images, trained.A_true, trained.A, load_features64()).figures
    assert tested["PSNR(LR) enforced"] > 120 > tested["PSNR(LR) raw"]
    assert main(["publish", str(tmp_path / "run"), "psp-tiny", "--out", str(tmp_path / "weights")]) == 0
    card = (tmp_path / "weights" / "psp-tiny.md").read_text("utf-8")
    for words in ("enlarged to 64 x 64", "w norm 0.005", "| none; answers", "around the prior `faces64`"):
        assert words in card
    monkeypatch.setattr(course, "FOLDER", tmp_path / "weights")
    y = torch.rand(2, 3, 4, 4)
    with torch.no_grad():
        halved, whole = load_restorer("psp-tiny")(y), trained.network(y)
    torch.testing.assert_close(halved, whole, rtol=0, atol=0.02)


def test_esrgan_is_published_without_a_prior(tmp_path, monkeypatch):
    torch.manual_seed(0)
    network, about = ESRGAN(4, 32, 1, 8).eval(), {"license": "any", "in_size": 4, "out_size": 32}
    save_restorer(tmp_path, "esrgan-tiny", network, about)
    save_restorer(tmp_path, "of-no-size", network, {"license": "any"})
    monkeypatch.setattr(course, "FOLDER", tmp_path)
    loaded, y = load_restorer("esrgan-tiny"), torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(loaded(y), network(y), rtol=0, atol=2e-2)
    assert (loaded.in_size, loaded.out_size) == (4, 32)
    with pytest.raises(ValueError, match="y must be 4 x 4 pixels, got 8 x 8"):
        loaded(torch.rand(1, 3, 8, 8))
    with pytest.raises(ValueError, match="of-no-size is a RRDBNet that says nothing of in_size and out_size"):
        load_restorer("of-no-size")
    with pytest.raises(ValueError, match="the network enlarges 8 times, not 4"):
        ESRGAN(8, 32, network=network.network)


@pytest.mark.parametrize("name", MODELS)
def test_two_pixels_become_sixty_four(name, fabric):
    """32x, y of 2 x 2 pixels: some steps with PD, at the smoke profile's sizes around the shipped prior."""
    joins = {} if name == "pdn" else {"gan_from": 1}
    this, row = Experiment(model=name, factor=32, null_space="pd"), profile("smoke", **joins)
    recipe, prior = recipe_of(this, row), load_prior("faces64").generator
    network, (A_true, A) = build(this, prior, row), operators(this, 64)
    state = restorer_state(network, StyleGAN2Discriminator(64, dict.fromkeys(prior.channels, 8)), recipe)
    x = torch.rand(recipe.global_batch, 3, 64, 64)
    y = measure(A_true, x)
    step = restorer_step(lambda t: (x, y), A, recipe, load_features64())
    before = [p.clone() for p in network.parameters()]
    for t in range(2):
        scalars = step(fabric, state, t)
    assert y.shape[-2:] == (2, 2) and all(value.isfinite() for value in scalars.values())
    assert any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    x_hat = restore(network, y, A)[1]
    assert consistency_db(A, x_hat, y).min() > 120


@pytest.mark.parametrize(
    ("name", "variant", "field"), [("psp", "", "gan_weight"), ("pdn", "held-to-y", "range_weight")]
)
def test_what_is_set_by_hand_wins_over_a_systems_own_recipe(name, variant, field):
    this, usual = Experiment(model=name, variant=variant), profile("night")
    own, rows = getattr(recipe_of(this, usual), field), getattr(usual, field)
    assert own != rows  # or nothing is tested
    for value in (rows, 0.5):  # also where it is what the profile says anyway
        row = profile("night", **{field: value})
        assert getattr(recipe_of(this, row), field) == value
        params = about_run(None, held_sides(), 0, "32-true", this, row, recipe_of(this, row))
        assert params[field] == value and "by_hand" not in params


@pytest.mark.parametrize("alone", [{"gan_from": 5}, {"gan_weight": 0.0}])
def test_steps_without_a_loss_are_refused(alone):
    with pytest.raises(ValueError, match="pdn learns from D alone: gan_from must be 0 and gan_weight above 0"):
        recipe_of(Experiment(model="pdn"), profile("night", **alone))
    left = profile("night", range_weight=0.1, **alone)
    recipe_of(Experiment(model="pdn", null_space="pd"), left)  # the control: one loss is left
    with pytest.raises(ValueError, match="learns from D alone"):  # which there is none of without a null space
        recipe_of(Experiment(model="pdn"), left)


def held_sides() -> Sides:
    one = Held(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    return Sides(one, one, ["a"], ["b"])


def test_what_glean_stores_is_as_before():
    """Runs begun before the other systems came go on: their parameters have none of the others' losses."""
    this, row = Experiment(), profile("night")
    params = about_run(None, held_sides(), 0, "32-true", this, row, recipe_of(this, row))
    assert not {"identity_weight", "w_norm_weight", "pyramid_weight", "matching_weight"} & params.keys()
    assert not {"relativistic", "pixels_first"} & params.keys()


def test_every_system_is_in_the_table_of_messages(capsys, tmp_path):
    assert main(["train", "restorer", "gfpgam", "--profile", "smoke", "--out", str(tmp_path / "run")]) == 2
    assert "unknown model 'gfpgam'; did you mean 'gfpgan'?" in capsys.readouterr().err
    assert {"glean", "panini", "pdn", *OWN} == MODELS.keys()
