"""Micro-batches and recomputed activations: less memory, the same gradients."""

import dataclasses

import pytest
import torch

from ganprior_null.experiments.models import COUPLED, MODELS
from ganprior_null.layers import FeatureNet64
from ganprior_null.operators import AveragePool
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.profiles import restorer
from ganprior_null.training import make_fabric, step_generator
from ganprior_null.training.gan import GanRecipe, gan_state, gan_step
from ganprior_null.training.micro import micro_batches
from ganprior_null.training.restore import RestorerRecipe, restorer_state, restorer_step
from ganprior_null.training.runtime import BLOCKS, Execution, recompute_activations
from ganprior_null.training.stream import draw_noise

WIDTHS = {4: 8, 8: 8, 16: 8, 32: 8}


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(accelerator="cpu")


class Rank:
    def __init__(self, rank, world):
        self.global_rank, self.world_size = rank, world


@pytest.mark.parametrize(("count", "world", "accumulate"), [(8, 1, 2), (8, 2, 2), (24, 2, 3), (5, 1, 2), (2, 2, 4)])
def test_parts_are_the_share_once_and_weigh_one(count, world, accumulate):
    for rank in range(world):
        parts, mine = micro_batches(Rank(rank, world), count, accumulate), list(range(count))[rank::world]
        taken = [i for part in parts for i in list(range(count))[part.mine]]
        assert sorted(taken) == mine == sorted(i for part in parts for i in mine[part.own])
        assert all(list(range(count))[part.mine] == mine[part.own] != [] for part in parts)
        assert sum(part.weight for part in parts) == pytest.approx(1)


def gan(fabric, accumulate, **changes):
    """(scalars, gradients, state) of two steps in float64, with both regularisers, augmented."""
    recipe = GanRecipe(global_batch=8, r1_every=1, path_every=1, ada_target=0.6, accumulate=accumulate)
    torch.manual_seed(0)
    G, D = StyleGAN2(32, 8, 2, WIDTHS).double(), StyleGAN2Discriminator(32, WIDTHS).double()
    state = gan_state(G, D, recipe)
    state["ada"].p = 0.5
    Execution(compile=changes.get("compile", False), recompute=changes.get("recompute", False)).prepare(G, D)
    x = torch.rand(8, 3, 32, 32, generator=step_generator(0, 0, "images")).double() * 2 - 1
    scalars = gan_step(lambda t: x, recipe)(fabric, state, 0)
    gradients = torch.cat([p.grad.flatten() for module in (G, D) for p in module.parameters() if p.grad is not None])
    return {name: float(value) for name, value in scalars.items()}, gradients, state


@pytest.mark.parametrize("changes", [{"accumulate": 2}, {"accumulate": 1, "recompute": True}])
def test_a_gan_step_is_that_of_the_whole_batch(fabric, changes):
    """Two parts of four images: the discriminator's groups are those of the eight."""
    scalars, gradients, whole = gan(fabric, 1)
    ours, parts, state = gan(fabric, **changes)
    assert ours == pytest.approx(scalars, rel=1e-9)
    assert (parts - gradients).norm() < 1e-9 * gradients.norm()
    assert state["path_mean"] == pytest.approx(float(whole["path_mean"]), rel=1e-9)
    assert state["ada"].state_dict() == whole["ada"].state_dict()


def test_a_part_for_the_whole_would_be_noticed(fabric):
    """The control: eight parts of one image have no groups, and so another minibatch statistic."""
    _, gradients, _ = gan(fabric, 1)
    _, alone, _ = gan(fabric, 8)
    assert (alone - gradients).norm() > 1e-3 * gradients.norm()


def restored(fabric, model, accumulate, **how):
    """(scalars, gradients) of one step of a system 8 -> 32, float64."""
    recipe = RestorerRecipe(
        **{"global_batch": 8, "steps": 4, "range_weight": 0.1, **MODELS[model].recipe, "gan_from": 0}
    )
    recipe = dataclasses.replace(recipe, accumulate=accumulate)
    torch.manual_seed(0)
    network = MODELS[model].build(StyleGAN2(32, 8, 2, WIDTHS), 8, restorer("smoke")).double()
    D, features = StyleGAN2Discriminator(32, WIDTHS).double(), FeatureNet64().double().requires_grad_(False)
    x = torch.rand(8, 3, 32, 32, dtype=torch.float64)
    state, A = restorer_state(network, D, recipe), AveragePool(4)
    Execution(**how).prepare(network, D)
    scalars = restorer_step(lambda t: (x, A(x)), A, recipe, features)(fabric, state, 0)
    learning = [p for module in (network, D) for p in module.parameters() if p.grad is not None]
    return {k: float(v) for k, v in scalars.items()}, torch.cat([p.grad.flatten() for p in learning])


@pytest.mark.parametrize("model", [name for name in MODELS if name not in (*COUPLED, "esrgan")])
def test_a_restorers_step_is_that_of_the_whole_batch(fabric, model):
    (scalars, gradients), (ours, parts) = (restored(fabric, model, k) for k in (1, 2))
    assert ours == pytest.approx(scalars, rel=1e-9)
    assert (parts - gradients).norm() < 1e-9 * gradients.norm()


def test_systems_that_compare_all_images_of_a_batch(fabric):
    """Panini-Net's attention and pSp's encoder normalise over what they see: the control. ESRGAN's adversary."""
    for model in COUPLED:
        (_, gradients), (_, parts) = (restored(fabric, model, k) for k in (1, 2))
        assert (parts - gradients).norm() > 1e-6 * gradients.norm()
    with pytest.raises(ValueError, match="compares all images of a batch: accumulate must be 1, got 2"):
        restored(fabric, "esrgan", 2)


@pytest.mark.parametrize("model", ["glean", "pdn"])
def test_recomputed_activations_change_no_gradient(fabric, model):
    (scalars, gradients), (ours, again) = (restored(fabric, model, 1, recompute=some) for some in (False, True))
    assert ours == pytest.approx(scalars, rel=1e-12) and (again - gradients).norm() < 1e-12 * gradients.norm()


@pytest.fixture
def traced(monkeypatch):
    """torch.compile to the traced graphs, forward and backward, without the minutes that machine code takes."""
    real, compiled = torch.nn.Module.compile, []

    def compile(module):
        compiled.append(type(module).__name__)
        real(module, backend="aot_eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile)
    return compiled


def test_a_compiled_step_is_the_same(fabric, traced):
    """Of StyleGAN2 with both regularisers, whose second derivatives are left as they are, and of GLEAN."""
    scalars, gradients, _ = gan(fabric, 1)
    ours, again, _ = gan(fabric, 1, compile=True)
    assert ours == pytest.approx(scalars, rel=1e-9) and (again - gradients).norm() < 1e-9 * gradients.norm()
    scalars, gradients = restored(fabric, "glean", 1)
    ours, again = restored(fabric, "glean", 1, compile=True)
    assert ours == pytest.approx(scalars, rel=1e-9) and (again - gradients).norm() < 1e-9 * gradients.norm()
    assert traced == ["StyleGAN2", "StyleGAN2Discriminator", "Restorer", "StyleGAN2Discriminator"]


def test_blocks_that_are_recomputed_keep_less():
    """Counted: what autograd holds for the backward pass."""

    def held(recompute: bool) -> int:
        torch.manual_seed(0)
        D = StyleGAN2Discriminator(32, WIDTHS)
        if recompute:
            recompute_activations(D)
        kept = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: kept.setdefault(t.data_ptr(), t.nbytes) and t, lambda t: t
        ):
            D(torch.rand(4, 3, 32, 32)).sum()
        return sum(kept.values())

    assert held(True) < 0.5 * held(False)
    assert len(BLOCKS) == 3


def test_large_images_draw_their_own_noise_alone():
    """At 256 pixels a rank, or a part, draws what the whole batch would have had for it; at 128 all is drawn."""

    def draw(n, generator):
        drawn.append(n)
        return [torch.randn(n, 1, 4, 4, generator=generator)]

    for size, calls in ((256, [1] * 8), (128, [8])):
        drawn = []
        (whole,) = draw_noise(draw, 8, size, 0, 5, "noise", slice(0, None, 1), torch.device("cpu"))
        assert drawn == calls and len(whole.unique()) == 8 * 16
        (mine,) = draw_noise(draw, 8, size, 0, 5, "noise", slice(1, None, 2), torch.device("cpu"))
        assert torch.equal(mine, whole[1::2])
    assert drawn == [8, 8]  # of 128 pixels, also for a part
