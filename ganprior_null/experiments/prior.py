"""The one factory: a profile and a data set in, pieces that are wired together out."""

import dataclasses
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..data import faces, load_sides
from ..images import to_signed, to_uint8
from ..priors import StyleGAN2, StyleGAN2Discriminator
from ..profiles import Prior
from ..training import Run, batch_indices, fit, make_fabric, resolve_precision, step_generator
from ..training.gan import GanRecipe, gan_state, gan_step
from ..training.loop import refuse_unequal
from ..training.runtime import memory_advice
from ..training.transfer import begin_from
from ..training.watch import refuse_won_game, sample_sheets

DRAWN = 20_000  # procedural faces to train on, at most, when no folder is given
WATCH_EVERY = 1000  # steps between two sheets of samples, and two looks at who is winning


def train_prior(data: Path | None, out: Path, profile: Prior, *, margin: int = 0, skip_broken: bool = False,
                seed: int = 0, precision: str = "auto", start_from: Path | None = None) -> bool:  # fmt: skip
    """Train a StyleGAN2 on a pack, a folder or, with ``data=None``, drawn faces; resumes what ``out`` holds.

    margin: pixels cut from every side of an image before it is enlarged again to the profile's size (6 of 64 keeps the
    face of an aligned portrait and eases training). skip_broken: leave out files that are no readable images.
    start_from: a run, or its checkpoint, whose networks are the first ones here. True when finished, False when stopped
    by a signal.
    """
    precision = resolve_precision(precision)
    drawn = min(DRAWN, profile.images)
    images = training_images(data, profile.size, margin=margin, drawn=drawn, skip_broken=skip_broken)
    fabric = make_fabric(precision=precision)
    refuse_unequal(profile.global_batch, fabric.world_size)
    torch.manual_seed(seed)  # the initial weights; every later draw is addressed by step
    G = StyleGAN2(profile.size, profile.style_dim, profile.n_mlp, profile.channels).to(fabric.device)
    D = StyleGAN2Discriminator(profile.size, profile.channels).to(fabric.device)
    recipe = recipe_of(profile, seed)
    state, images_at = gan_state(G, D, recipe), flipped_batches(images, profile.global_batch, seed)
    params = {"data": data.name if data else "drawn faces", "training_images": len(images), "margin": margin}
    params |= {"precision": precision, **prior_params(profile, recipe)}
    if start_from is not None:
        params["start_from"] = begin_from(start_from, state, out)
    run = Run(out, params)
    hooks = []
    if fabric.is_global_zero:
        if start_from is not None and not run.checkpoint.exists():
            run.save(state)  # from here on the run needs no other
        hooks = [(WATCH_EVERY, sample_sheets(run, images_at(0), seed)), (WATCH_EVERY, refuse_won_game(run))]
    fabric.barrier()
    step, batch = gan_step(images_at, recipe), profile.global_batch
    with memory_advice(f"lower global_batch (now {batch}, best a multiple of 4), then widths"):
        return fit(fabric, step, state, run, steps=profile.steps, global_batch=batch, hooks=hooks)


def recipe_of(profile: Prior, seed: int) -> GanRecipe:
    """The recipe with the fields that a profile sets."""
    shared = {field.name for field in dataclasses.fields(profile)} & {f.name for f in dataclasses.fields(GanRecipe)}
    return GanRecipe(**{name: getattr(profile, name) for name in shared}, seed=seed)


def prior_params(profile: Prior, recipe: GanRecipe) -> dict:
    """What a run's folder notes. Options that are off are left out, so that runs begun before they existed go on."""
    params = {"experiment": "prior", "torch": torch.__version__, "machine": platform.machine()}
    params |= dataclasses.asdict(profile) | {"widths": list(profile.widths)} | dataclasses.asdict(recipe)
    if not recipe.ada_target:
        del params["ada_target"], params["ada_images"]
    return params


def training_images(
    data: Path | None, size: int, *, margin: int = 0, drawn: int = DRAWN, skip_broken: bool = False
) -> Tensor:
    """uint8 (N, 3, size, size): the training side of a pack or a folder of image files, see :func:`load_sides`; without
    one, ``drawn`` procedural faces.
    """
    if data is None:
        return to_uint8(faces(drawn, size))
    with memory_advice(f"take fewer images than {data} holds"):
        return load_sides(data, size, margin=margin, skip_broken=skip_broken).training


def flipped_batches(images: Tensor, batch: int, seed: int) -> Callable[[int], Tensor]:
    """t -> (batch, 3, H, W) in [-1, 1], half of them mirrored."""

    def images_at(t: int) -> Tensor:
        x = images[batch_indices(len(images), batch, t, seed=seed)].float() / 255
        mirrored = torch.rand(batch, 1, 1, 1, generator=step_generator(seed, t, "mirror")) < 0.5
        return to_signed(torch.where(mirrored, x.flip(-1), x))

    return images_at
