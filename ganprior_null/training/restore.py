"""One training step of a restorer, whole: network, null space, losses, discriminator.

The step is the same for all: ``A = None`` is the network as published, an operator puts its null space into the forward
pass, and the weights of :class:`RestorerRecipe` choose between the losses of the systems.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..images import from_signed, to_signed
from ..layers import VGG16, FeatureNet64
from ..losses import (
    discriminator_loss,
    embedding_loss,
    generator_loss,
    matching_loss,
    perceptual_loss,
    pyramid_l1,
    r1_penalty,
    relativistic,
    w_norm,
)
from ..operators import LinearOperator
from ..priors import StyleGAN2Discriminator
from ..restorers import GFPGANNetwork, PDNNetwork, PSPNetwork, Restorer, enforce_consistency
from .ema import update_ema
from .gan import at_least_float32, forward
from .micro import Micro, Scalars, add, apply_gradients, micro_batches, optimise
from .stream import draw_noise, step_generator

PairsAt = Callable[[int], tuple[Tensor, Tensor]]
PIXEL = {"l1": F.l1_loss, "l2": F.mse_loss}
FURTHER = ("identity_weight", "w_norm_weight", "pyramid_weight", "matching_weight", "relativistic", "pixels_first")


@dataclass(frozen=True)
class RestorerRecipe:
    """How a restorer is trained; names follow Wang et al. 2023. Losses see [-1, 1], as in the configurations."""

    global_batch: int = 16  # images per step, over all ranks
    steps: int = 2_000
    lr: float = 1e-4  # Adam, betas 0.9 and 0.99, cosine to lr_end, both networks
    lr_end: float = 1e-7
    pixel: str = "l2"  # l2 for GLEAN and pSp, l1 for the others
    pixel_weight: float = 1.0  # lambda
    perceptual_weight: float = 1e-2  # alpha
    gan_weight: float = 1e-2  # beta; 1e-3 at 16x with PD; 0: no adversary
    r1_gamma: float = 0.0  # the published configurations have none
    r1_every: int = 16
    gan_from: int = 0  # the step at which D joins; before it the network learns from the other losses alone
    range_weight: float = 0.0  # of mean (A x_r - y)^2, in [-1, 1]: behind a null space no other loss sees that part
    ema_images: int = 0  # half-life, in images, of the moving average of the weights that answers; 0: none
    accumulate: int = 1  # micro-batches that a step's gradients are added up from: less memory, the same step
    seed: int = 0
    # the losses of FURTHER, which single systems have
    identity_weight: float = 0.0  # of 1 - cosine of two embeddings: pSp, GFP-GAN
    w_norm_weight: float = 0.0  # of the length of w_plus less its mean: pSp
    pyramid_weight: float = 0.0  # of the U-Net's own images: GFP-GAN
    matching_weight: float = 0.0  # of D's features: GPEN
    relativistic: bool = False  # D compares images rather than judging each: ESRGAN
    pixels_first: bool = False  # until D joins, nothing but the pixel loss: ESRGAN


def restorer_state(network: nn.Module, D: nn.Module, recipe: RestorerRecipe) -> dict:
    """What a run keeps: network, discriminator, their optimisers, step, and the moving average where there is one."""
    state = {
        "step": 0,
        "network": network,
        "D": D,
        "optimizer": adam(network, recipe),
        "optimizer_D": adam(D, recipe),
    }
    return state | ({"average": copy.deepcopy(network).requires_grad_(False)} if recipe.ema_images else {})


def answering(state: dict):
    """What of a run's state, or of a stored checkpoint, is evaluated and shipped: the average, else the network."""
    return state.get("average", state["network"])


def adam(module: nn.Module, recipe: RestorerRecipe) -> torch.optim.Adam:
    """Adam over what is not frozen."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, lr=recipe.lr, betas=(0.9, 0.99), fused=True)


def cosine(recipe: RestorerRecipe, t: int) -> float:
    """The learning rate at step t: lr at first, lr_end at the last step; a function of t alone, so runs resume."""
    turn = math.cos(math.pi * t / max(1, recipe.steps - 1))
    return recipe.lr_end + (recipe.lr - recipe.lr_end) * (1 + turn) / 2


def restorer_step(
    pairs_at: PairsAt,
    A: LinearOperator | None,
    recipe: RestorerRecipe,
    features: VGG16 | FeatureNet64,
    embed: nn.Module | None = None,
):
    """The step for :func:`~ganprior_null.training.fit`.

    pairs_at(t): (x, y), this process's share of a batch, in [0, 1]. A: the operator whose null space the network's
    answer is put into; None leaves the answer as it is. features: what the perceptual loss sees with. embed: images ->
    embeddings, what the identity loss sees with; None takes features. Raises ValueError for micro-batches where D
    compares all images of a batch.
    """
    if recipe.relativistic and recipe.accumulate > 1:
        raise ValueError(
            f"a relativistic adversary compares all images of a batch: accumulate must be 1, got {recipe.accumulate}; "
            "lower global_batch instead"
        )
    seen_by = features, features if embed is None else embed

    def step(fabric, state: dict, t: int) -> dict[str, Tensor]:
        network, D = state["network"], state["D"]
        share = pairs_at(t)
        parts = micro_batches(fabric, recipe.global_batch, recipe.accumulate)
        for optimizer in (state["optimizer"], state["optimizer_D"]):
            optimizer.param_groups[0]["lr"] = cosine(recipe, t)
            optimizer.zero_grad(set_to_none=True)

        found: Scalars = {}
        adversary = recipe.gan_weight > 0 and t >= recipe.gan_from
        for part in parts:
            x, y = (images[part.own].to(fabric.device) for images in share)
            scalars, loss, x_hat = losses_of(fabric, network, A, recipe, t, part, x, y, seen_by)
            if adversary:
                scalars |= adversarial(fabric, D, recipe, part, loss, x_hat, x)
            else:
                fabric.backward(part.weight * loss)
            add(found, scalars, part.weight)
        apply_gradients(fabric, network, state["optimizer"])
        if adversary:
            apply_gradients(fabric, D, state["optimizer_D"])
            if recipe.r1_gamma and t % recipe.r1_every == 0:
                regularise(fabric, state, recipe, parts, share[0])
        if recipe.ema_images:
            batch, seen = recipe.global_batch, (t + 1) * recipe.global_batch
            update_ema(state["average"], network, batch=batch, seen=seen, half_life=recipe.ema_images)
        return found

    return step


def losses_of(
    fabric, network: Restorer, A: LinearOperator | None, recipe: RestorerRecipe, t: int, part: Micro, x: Tensor,
    y: Tensor, seen_by: tuple[VGG16 | FeatureNet64, nn.Module],
) -> tuple[Scalars, Tensor, Tensor]:  # fmt: skip
    """({name: loss}, their weighted sum, x_hat) of a micro-batch: all losses but the adversarial ones."""
    features, embed = seen_by
    x_r, inner = answer(fabric, network, recipe, y, code(network.network, recipe, t, y, part))
    x_hat = x_r if A is None else enforce_consistency(x_r, y, A)

    scalars: Scalars = {}
    loss = x_hat.new_zeros(())
    if recipe.pixel_weight:
        scalars["pixel"] = PIXEL[recipe.pixel](to_signed(x_hat), to_signed(x))
        loss = loss + recipe.pixel_weight * scalars["pixel"]
    if recipe.perceptual_weight and not (recipe.pixels_first and t < recipe.gan_from):
        scalars["perceptual"] = perceptual_loss(x_hat, x, features)
        loss = loss + recipe.perceptual_weight * scalars["perceptual"]
    if recipe.identity_weight:
        scalars["identity"] = embedding_loss(x_hat, x, embed)
        loss = loss + recipe.identity_weight * scalars["identity"]
    if recipe.w_norm_weight:
        scalars["w norm"] = w_norm(inner, network.network.get_buffer("latent_avg"))
        loss = loss + recipe.w_norm_weight * scalars["w norm"]
    if recipe.pyramid_weight:
        scalars["pyramid"] = pyramid_l1(inner, to_signed(x)).sum()
        loss = loss + recipe.pyramid_weight * scalars["pyramid"]
    if recipe.range_weight and A is not None:
        scalars["range"] = F.mse_loss(2 * A(x_r), 2 * y)  # as in [-1, 1]
        loss = loss + recipe.range_weight * scalars["range"]
    return scalars, loss, x_hat


def adversarial(
    fabric, D: StyleGAN2Discriminator, recipe: RestorerRecipe, part: Micro, loss: Tensor, x_hat: Tensor, x: Tensor
) -> Scalars:
    """Add the gradients of a micro-batch: the network's, of its other losses and D's judgement, and D's; the losses."""
    real, real_scores = judged(fabric, D, to_signed(x))
    D.requires_grad_(False)  # its gradients would be computed and thrown away
    fake, fake_scores = judged(fabric, D, to_signed(x_hat))
    if recipe.relativistic:
        scalars = {"G": discriminator_loss(*relativistic(fake_scores, real_scores.detach()))}
    else:
        scalars = {"G": generator_loss(fake_scores)}
    loss = loss + recipe.gan_weight * scalars["G"]
    if recipe.matching_weight:
        scalars["matching"] = matching_loss(*([at_least_float32(f) for f in seen] for seen in (fake, real)))
        loss = loss + recipe.matching_weight * scalars["matching"]
    fabric.backward(part.weight * loss)
    D.requires_grad_(True)

    scores = real_scores, forward(fabric, D, to_signed(x_hat.detach()))
    scalars["D"] = discriminator_loss(*(relativistic(*scores) if recipe.relativistic else scores))
    fabric.backward(part.weight * scalars["D"])
    return scalars


def regularise(fabric, state: dict, recipe: RestorerRecipe, parts: list[Micro], share: Tensor) -> None:
    """One step of D on R1, at this process's share of the truths x."""

    def r1_of(part: Micro) -> tuple[Tensor, Scalars]:
        real = to_signed(share[part.own].to(fabric.device)).requires_grad_()
        r1 = r1_penalty(forward(fabric, state["D"], real, twice=True), real)
        return recipe.r1_gamma / 2 * recipe.r1_every * r1, {}

    optimise(fabric, state["D"], state["optimizer_D"], parts, r1_of)


def judged(fabric, D: StyleGAN2Discriminator, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """(D's features of x in the run's precision, its scores (N, 1) at least in float32), x in [-1, 1]."""
    with fabric.autocast():
        features = D.stages(x)
        scores = D.score(features[-1])
    return features, at_least_float32(scores)


def answer(fabric, network: Restorer, recipe: RestorerRecipe, y: Tensor, code: tuple):
    """(x_r, what the recipe's further losses look at inside): pSp's w_plus, the images of GFP-GAN's U-Net, or None."""
    bare = network.network
    with fabric.autocast():
        if recipe.w_norm_weight:
            assert isinstance(bare, PSPNetwork)
            w_plus = bare.latents(network.prepare(y))
            return at_least_float32(from_signed(bare.bank(w_plus))), at_least_float32(w_plus)
        if recipe.pyramid_weight:
            assert isinstance(bare, GFPGANNetwork)
            encoded = bare.encode(network.prepare(y))
            x_r, images = bare.grow(encoded.w_plus, encoded.conditions), bare.images(encoded.features)
            return at_least_float32(from_signed(x_r)), [at_least_float32(image) for image in images]
        return at_least_float32(network(y, *code)), None


def code(network: nn.Module, recipe: RestorerRecipe, t: int, y: Tensor, part: Micro) -> tuple:
    """The further inputs at step t of a network that samples (PDN): z, no generator, noise; nothing for another.

    Drawn for the global batch, of which this part takes its own: neither ranks nor parts change a number.
    """
    if not isinstance(network, PDNNetwork):
        return ()
    bank, count, generator = network.bank, recipe.global_batch, step_generator(recipe.seed, t, "z 0")
    z = torch.randn(count, bank.style_dim, generator=generator)[part.mine].to(y)
    if not network.fresh_noise:
        return z, None, None
    noise = draw_noise(
        lambda n, generator: bank.fresh_noise(n, generator=generator),
        count, bank.size, recipe.seed, t, "noise 0", part.mine, y.device, after=generator,
    )  # fmt: skip
    return z, None, noise
