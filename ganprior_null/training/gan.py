"""One training step of StyleGAN2, whole: discriminator, R1, generator, path length, moving average.

Every draw is addressed by step (:mod:`.stream`) and means the global batch, of which each rank takes its stride; the
minibatch statistic groups images by the same stride, so w ranks of batch b compute the gradients of one of batch w b.
Micro-batches (``accumulate``) are strides of a rank's share in turn: their gradients add up to those of the whole.
Gradients are averaged by hand: the networks stay plain modules, whose every method may be called.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..losses import discriminator_loss, generator_loss, path_length_penalty, path_lengths, r1_penalty
from .augment import AdaptiveProbability, augment, draw_transforms
from .ema import update_ema
from .micro import Micro, Scalars, micro_batches, optimise
from .stream import draw_noise, step_generator

ImagesAt = Callable[[int], Tensor]
REAL_SIGN, FAKE_SIGN = "sign D(real)", "sign D(fake)"  # in the log: batch means, in [-1, 1]


@dataclass(frozen=True)
class GanRecipe:
    """How a StyleGAN2 is trained; names and defaults follow Karras et al. 2020 and 2020b ("auto" configuration)."""

    global_batch: int = 16  # images per step, over all ranks
    lr: float = 0.0025  # Adam, beta1 0, beta2 0.99, both corrected for the lazy regularisers
    r1_gamma: float = 0.05  # the heuristic 0.0002 size^2 / batch: 0.05 at 64 px and batch 16, 6.6 at 1024 and 32
    r1_every: int = 16
    path_weight: float = 2.0
    path_every: int = 4
    mixing: float = 0.9  # share of steps with two codes per image
    ema_images: int = 5_000  # half-life, images: 10/32 of the batch in thousands
    ada_target: float = 0.0  # r that adaptive augmentation aims at (published: 0.6); 0: none
    ada_images: int = 500_000  # images in which its p may go from 0 to 1
    accumulate: int = 1  # micro-batches that a step's gradients are added up from: less memory, the same step
    seed: int = 0


def gan_state(G: nn.Module, D: nn.Module, recipe: GanRecipe) -> dict:
    """What a run keeps: networks, average, optimisers, step, the running mean path length, p where augmented."""
    state = {
        "step": 0,
        "G": G,
        "D": D,
        "G_ema": copy.deepcopy(G).requires_grad_(False).eval(),
        "optimizer_G": lazy_adam(G, recipe.lr, recipe.path_every),
        "optimizer_D": lazy_adam(D, recipe.lr, recipe.r1_every),
        "path_mean": torch.zeros(()),
    }
    if recipe.ada_target:
        state["ada"] = AdaptiveProbability(target=recipe.ada_target, images=recipe.ada_images)
    return state


def lazy_adam(module: nn.Module, lr: float, every: int) -> torch.optim.Adam:
    """Adam whose rates make up for one extra regularisation step in ``every`` (Karras et al. 2020, App. B)."""
    c = every / (every + 1)
    return torch.optim.Adam(module.parameters(), lr=lr * c, betas=(0.0, 0.99**c))


def gan_step(images_at: ImagesAt, recipe: GanRecipe):
    """The step for :func:`~ganprior_null.training.fit`; ``images_at(t)``: this process's share of a batch, [-1, 1]."""

    def step(fabric, state: dict, t: int) -> dict[str, Tensor]:
        G, D = state["G"], state["D"]
        images, scores = images_at(t), []
        parts = micro_batches(fabric, recipe.global_batch, recipe.accumulate)

        def discriminate(part: Micro) -> tuple[Tensor, Scalars]:
            real = images[part.own].to(fabric.device)
            with torch.no_grad():
                fake = forward(fabric, G, *draw(G, recipe, t, "D", part.mine))
            seen_real = augmentation(state, recipe, t, "augment real", part.mine)
            seen_fake = augmentation(state, recipe, t, "augment fake", part.mine)
            real_scores, fake_scores = forward(fabric, D, seen_real(real)), forward(fabric, D, seen_fake(fake))
            loss = discriminator_loss(real_scores, fake_scores)
            scores.append(real_scores.detach())
            told = {"D": loss, "D(real)": real_scores.mean(), "D(fake)": fake_scores.mean()}
            return loss, told | {REAL_SIGN: real_scores.sign().mean(), FAKE_SIGN: fake_scores.sign().mean()}

        def regularise(part: Micro) -> tuple[Tensor, Scalars]:
            x = images[part.own].to(fabric.device).detach().requires_grad_()
            seen_real = augmentation(state, recipe, t, "augment real", part.mine)
            r1 = r1_penalty(forward(fabric, D, seen_real(x), twice=True), x)
            return recipe.r1_gamma / 2 * recipe.r1_every * r1, {}

        def generate(part: Micro) -> tuple[Tensor, Scalars]:
            seen_made = augmentation(state, recipe, t, "augment G", part.mine)
            made = forward(fabric, G, *draw(G, recipe, t, "G", part.mine))
            loss = generator_loss(forward(fabric, D, seen_made(made)))
            return loss, {"G": loss}

        scalars = optimise(fabric, D, state["optimizer_D"], parts, discriminate)
        if t % recipe.r1_every == 0:
            optimise(fabric, D, state["optimizer_D"], parts, regularise)
        D.requires_grad_(False)  # its gradients would be computed and thrown away
        scalars |= optimise(fabric, G, state["optimizer_G"], parts, generate)
        if t % recipe.path_every == 0:
            path_step(fabric, state, recipe, t)
        D.requires_grad_(True)

        batch = recipe.global_batch
        update_ema(state["G_ema"], G, batch=batch, seen=(t + 1) * batch, half_life=recipe.ema_images)
        return scalars | follow(fabric, state, torch.cat(scores))

    return step


def augmentation(state: dict, recipe: GanRecipe, t: int, purpose: str, mine: slice) -> Callable[[Tensor], Tensor]:
    """x -> x as D is to see it: this rank's share of the transforms of step t, drawn once; x itself while p is 0."""
    if "ada" not in state or state["ada"].p == 0:
        return lambda x: x
    size, generator = state["G"].size, step_generator(recipe.seed, t, purpose)
    back, colour = draw_transforms(state["ada"].p, recipe.global_batch, size, generator)
    return lambda x: augment(x, back[mine], colour[mine])


def follow(fabric, state: dict, real_scores: Tensor) -> dict[str, Tensor]:
    """Lead p by the signs of D(x) over all ranks, the same numbers on each; p and r, for the log."""
    if "ada" not in state:
        return {}
    signs = fabric.all_reduce(real_scores.detach().sign().sum(), reduce_op="sum")
    state["ada"].update(float(signs), len(real_scores) * fabric.world_size)
    return {"p": signs.new_tensor(state["ada"].p), "r": signs.new_tensor(state["ada"].r)}


def path_step(fabric, state: dict, recipe: GanRecipe, t: int) -> None:
    """One step of G on the path-length penalty of half a batch, which pulls towards the running mean."""
    G, count = state["G"], max(recipe.global_batch // 2, fabric.world_size)
    parts = micro_batches(fabric, count, recipe.accumulate)

    def lengths_of(part: Micro) -> Tensor:
        w_plus, noise = draw(G, recipe, t, "path", part.mine, count=count)
        x = forward(fabric, G, w_plus, noise, twice=True)
        (y,) = draw_noise(
            lambda n, generator: [torch.randn(n, *x.shape[1:], generator=generator, device=generator.device)],
            count, G.size, recipe.seed, t, "path image", part.mine, x.device,
        )  # fmt: skip
        return path_lengths(x, w_plus, y.to(x))

    # the mean over all images comes first: where memory holds a part at a time, their lengths are computed twice
    lengths = [lengths_of(part) for part in parts] if len(parts) == 1 else [lengths_of(p).detach() for p in parts]
    # the mean over all ranks, hence no gradient through it; the published code lets its 1 % share through
    everywhere = fabric.all_reduce(torch.cat(lengths).detach().clone(), reduce_op="mean")  # in place
    _, state["path_mean"] = path_length_penalty(everywhere, state["path_mean"])

    def penalise(part: Micro) -> tuple[Tensor, Scalars]:
        own = lengths[0] if len(parts) == 1 else lengths_of(part)
        penalty, _ = path_length_penalty(own, state["path_mean"], decay=0.0)
        return recipe.path_weight * recipe.path_every * penalty, {}

    optimise(fabric, G, state["optimizer_G"], parts, penalise)


def forward(fabric, module: nn.Module, *inputs, twice: bool = False) -> Tensor:
    """module(*inputs) in the run's precision, the result at least in float32, where losses are computed.

    twice: it will be differentiated twice, which a compiled forward pass (``Module.compile``) cannot be.
    """
    compiled = module._compiled_call_impl is not None
    with fabric.autocast():
        out = module.forward(*inputs) if twice and compiled else module(*inputs)
    return at_least_float32(out)


def at_least_float32(x: Tensor) -> Tensor:
    """x in float32, or in its own dtype where that is finer."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def draw(G, recipe: GanRecipe, t: int, purpose: str, mine: slice, count: int | None = None):
    """(w_plus, noise) of this rank's share of a batch at step t: fresh z, style mixing, fresh noise."""
    generator = step_generator(recipe.seed, t, purpose)
    count = count or recipe.global_batch
    like = next(G.parameters())
    z = torch.randn(2, count, G.style_dim, generator=generator)[:, mine].to(like)
    mixed = torch.rand((), generator=generator) < recipe.mixing
    crossover = int(torch.randint(1, G.latents, (), generator=generator)) if mixed else G.latents
    noise = draw_noise(
        lambda n, generator: G.fresh_noise(n, generator=generator),
        count, G.size, recipe.seed, t, f"{purpose} noise", mine, like.device, after=generator,
    )  # fmt: skip
    first = G.mapping(z[0])
    return G.mix(first, G.mapping(z[1]) if mixed else first, crossover), [n.to(like) for n in noise]
