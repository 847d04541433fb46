"""The step of GLEAN, Panini-Net and PDN: consistent by construction, resumable, and what is switched off is off."""

import json
import subprocess
import sys

import pytest
import torch

from ganprior_null.layers import FeatureNet64
from ganprior_null.operators import AveragePool
from ganprior_null.priors import StyleGAN2Discriminator
from ganprior_null.restorers import GLEAN, PDN, Panini
from ganprior_null.restorers.glean import PixelShuffle
from ganprior_null.restorers.restorer import Restorer
from ganprior_null.training import Run, fit, make_fabric
from ganprior_null.training.restore import RestorerRecipe, answering, cosine, restorer_state, restorer_step

CHANNELS = {4: 8, 8: 8, 16: 8, 32: 8}
RECIPE = RestorerRecipe(global_batch=2, steps=10, lr=1e-3)
SIZES = {"channels": CHANNELS, "rrdb_blocks": 1, "rrdb_channels": 8, "style_dim": 8, "n_mlp": 2}


def start(kind=GLEAN, recipe=RECIPE, A=None, seed=0, share=slice(None)):
    """(step, state) of a tiny network 8 -> 32 on fixed images; share: those of this process."""
    torch.manual_seed(seed)
    network = Restorer(kind(8, 32, **SIZES).network)
    D, features = StyleGAN2Discriminator(32, CHANNELS), FeatureNet64().requires_grad_(False)
    x = torch.rand(recipe.global_batch, 3, 32, 32)
    state = restorer_state(network, D, recipe)
    return restorer_step(lambda t: (x[share], AveragePool(4)(x[share])), A, recipe, features), state


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(accelerator="cpu")


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize("kind", [GLEAN, Panini, PDN])
def test_a_step_moves_both_networks_and_spares_a_frozen_bank(kind, fabric):
    step, state = start(kind, A=AveragePool(4))
    network, bank = state["network"], state["network"].network.bank
    before = weights(network).clone(), weights(state["D"]).clone(), weights(bank).clone()
    scalars = step(fabric, state, 0)
    assert {"pixel", "perceptual", "G", "D"} <= scalars.keys()
    assert not torch.equal(weights(network), before[0]) and not torch.equal(weights(state["D"]), before[1])
    assert torch.equal(weights(bank), before[2]) == (kind is not Panini)


def test_the_null_space_enters_the_loss(fabric):
    """With the same weights and images the pixel loss differs, and is smaller: half of the error is gone at once."""
    (plain, a), (nulled, b) = start(), start(A=AveragePool(4))
    assert nulled(fabric, b, 0)["pixel"] < plain(fabric, a, 0)["pixel"]


def test_a_weight_of_zero_leaves_a_loss_out(fabric):
    recipe = RestorerRecipe(global_batch=2, pixel_weight=0.0, perceptual_weight=0.0, gan_weight=1.0)
    step, state = start(PDN, recipe, AveragePool(4))
    assert step(fabric, state, 0).keys() == {"G", "D"}


def test_pdn_sees_another_z_each_step_and_the_same_after_a_restart(fabric):
    (step, a), (again, b), (later, c) = (start(PDN) for _ in range(3))
    first = step(fabric, a, 3)["pixel"]
    assert torch.equal(first, again(fabric, b, 3)["pixel"])
    assert not torch.equal(first, later(fabric, c, 4)["pixel"])


def train_pdn(run, fabric):
    """Three steps of eight images on all processes together; the state."""
    recipe = RestorerRecipe(global_batch=8, steps=3, lr=1e-3, pixel_weight=0.0, perceptual_weight=0.0, gan_weight=1.0)
    step, state = start(PDN, recipe, AveragePool(4), share=slice(fabric.global_rank, None, fabric.world_size))
    fit(fabric, step, state, run, steps=3, global_batch=8, log_every=1, progress=False)
    return state


def test_two_ranks_of_pdn_equal_one(fabric, tmp_path):
    """torchrun with two processes of four images against one of eight: same codes, same losses, same weights."""
    alone = train_pdn(Run(tmp_path / "one", {}), fabric)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.training.restore_ranks", str(tmp_path / "two")]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    logs = [[json.loads(line) for line in (tmp_path / n / "metrics.jsonl").open()] for n in ("one", "two")]
    for ours, theirs in zip(*logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    _, two = start(PDN, RestorerRecipe(global_batch=8, lr=1e-3))
    assert Run(tmp_path / "two", {}).resume(two)
    _, fresh = start(PDN, RestorerRecipe(global_batch=8, lr=1e-3))
    moved, apart = (weights(state["network"]) - weights(alone["network"]) for state in (fresh, two))
    # Adam's first steps are lr times the sign of the gradient: where that is rounding alone, the sign is chance
    assert apart.norm() < 1e-3 * moved.norm()


def test_the_rate_falls_from_lr_to_lr_end():
    assert cosine(RECIPE, 0) == pytest.approx(RECIPE.lr)
    assert cosine(RECIPE, RECIPE.steps - 1) == pytest.approx(RECIPE.lr_end)
    rates = [cosine(RECIPE, t) for t in range(RECIPE.steps)]
    assert rates == sorted(rates, reverse=True)


def test_r1_holds_the_discriminator(fabric):
    (free, a), (held, b) = start(), start(recipe=RestorerRecipe(global_batch=2, steps=10, lr=1e-3, r1_gamma=10.0))
    free(fabric, a, 0), held(fabric, b, 0)
    assert not torch.equal(weights(a["D"]), weights(b["D"]))


def test_the_adversary_joins_at_its_step(fabric):
    recipe = RestorerRecipe(global_batch=2, steps=10, lr=1e-3, gan_from=1)
    step, state = start(recipe=recipe, A=AveragePool(4))
    before = weights(state["D"]).clone()
    assert step(fabric, state, 0).keys() == {"pixel", "perceptual"} and torch.equal(weights(state["D"]), before)
    assert {"G", "D"} <= step(fabric, state, 1).keys() and not torch.equal(weights(state["D"]), before)


def test_the_average_trails_the_network_and_answers(fabric):
    recipe = RestorerRecipe(global_batch=2, steps=10, lr=1e-2, ema_images=4)
    step, state = start(recipe=recipe, A=AveragePool(4))
    first = weights(state["network"]).clone()
    trail = first.clone()
    for t in range(4):
        step(fabric, state, t)
        beta = 0.5 ** (2 / min(4, 0.05 * 2 * (t + 1)))
        trail = trail.lerp(weights(state["network"]), 1 - beta)
    torch.testing.assert_close(weights(state["average"]), trail)
    assert answering(state) is state["average"] and not torch.equal(trail, weights(state["network"]))
    plain = start()[1]
    assert answering(plain) is plain["network"]


def test_only_the_range_loss_sees_what_pd_hides(fabric):
    """Behind PD a shift of x_r by a constant changes no other loss; with the weight, its gradient is there."""

    def gradient(weight):
        recipe = RestorerRecipe(global_batch=2, steps=10, lr=1e-3, gan_weight=0.0, range_weight=weight)
        step, state = start(recipe=recipe, A=AveragePool(4))
        step(fabric, state, 0)
        return state["network"].network.decoder[-1][-1].bias.grad.abs().max()

    assert gradient(0.0) < 1e-7 < 1e-3 < gradient(1.0)


def test_pixel_shuffles_start_without_a_checkerboard():
    torch.manual_seed(0)
    shuffle = PixelShuffle(4, 3)
    f = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))

    def checkerboard():
        squares = shuffle(f).unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2))  # (N, C, r, 2, r, 2)
        return (squares - squares.mean((-3, -1), keepdim=True)).abs().max()

    assert checkerboard() < 1e-6
    torch.nn.init.kaiming_uniform_(shuffle.upsample_conv.weight, generator=torch.Generator().manual_seed(2))
    assert checkerboard() > 0.1  # the control: the usual start
