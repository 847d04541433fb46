"""The one factory: a profile and a data set in, pieces that are wired together out."""

import dataclasses
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import ImageSet, drawn_faces, open_sides
from ..data.image_sets import readers
from ..data.sides import fingerprint
from ..images import to_signed
from ..priors import StyleGAN2, StyleGAN2Discriminator
from ..profiles import Prior
from ..training import USUAL, Execution, Run, fit, make_fabric, resolve_precision, step_generator
from ..training.gan import GanRecipe, gan_state, gan_step
from ..training.loader import Batches
from ..training.loop import refuse_unequal
from ..training.runtime import memory_advice
from ..training.transfer import begin_from
from ..training.watch import SAMPLES, refuse_won_game, sample_sheets
from .rehearsal import Estimate, Stopwatch, temporary_run

DRAWN = 20_000  # procedural faces to train on, at most, when no folder is given
WATCH_EVERY = 1000  # steps between two sheets of samples, and two looks at who is winning


def train_prior(data: Path | None, out: Path, profile: Prior, *, margin: int = 0, skip_broken: bool = False,
                seed: int = 0, execution: Execution = USUAL, start_from: Path | None = None) -> bool:  # fmt: skip
    """Train a StyleGAN2 on a pack, a folder or, with ``data=None``, drawn faces; resumes what ``out`` holds.

    margin: pixels cut from every side of an image before it is enlarged again to the profile's size (6 of 64 keeps the
    face of an aligned portrait and eases training). skip_broken: leave out files that are no readable images.
    execution: how, on what; a rehearsal writes nothing to ``out`` and prints its estimate. start_from: a run, or its
    checkpoint, whose networks are the first ones here. True when finished, False when stopped by a signal.
    """
    precision = resolve_precision(execution.precision)
    fabric = make_fabric(precision=precision, accelerator=execution.accelerator)
    refuse_unequal(profile.global_batch, fabric.world_size)
    drawn = min(DRAWN, profile.images)
    training = training_images(data, profile.size, margin=margin, drawn=drawn, skip_broken=skip_broken)
    torch.manual_seed(seed)  # the initial weights; every later draw is addressed by step
    G = StyleGAN2(profile.size, profile.style_dim, profile.n_mlp, profile.channels).to(fabric.device)
    D = StyleGAN2Discriminator(profile.size, profile.channels).to(fabric.device)
    recipe = recipe_of(profile, seed)
    state, batch = gan_state(G, D, recipe), profile.global_batch
    params = {"data": data.name if data else "drawn faces", "training_images": len(training.images), "margin": margin}
    params |= training.names | {"precision": precision, **prior_params(profile, recipe)}
    if start_from is not None:
        params["start_from"] = begin_from(start_from, state, out)
    execution.prepare(G, D)
    lower = f"then lower global_batch (now {batch}, best a multiple of 4), then widths"
    advice = f"raise accumulate (now {recipe.accumulate}) or add --recompute, {lower}"
    with share_of(training.images, fabric, batch, seed, execution) as shared, memory_advice(advice):
        step = gan_step(flipped_batches(shared, batch, seed, fabric), recipe)
        if execution.rehearse:
            return rehearse(fabric, step, state, recipe, profile.steps)
        run, hooks = Run(out, params, loggers=execution.loggers), []
        if fabric.is_global_zero:
            if start_from is not None and not run.checkpoint.exists():
                run.save(state)  # from here on the run needs no other
            some = training.images.__getitems__(range(min(SAMPLES, len(training.images))))
            sheets = sample_sheets(run, to_signed(some.float() / 255), seed)
            hooks = [(WATCH_EVERY, sheets), (WATCH_EVERY, refuse_won_game(run, profile.steps))]
        fabric.barrier()
        return fit(fabric, step, state, run, steps=profile.steps, global_batch=batch, hooks=hooks)


class Training(NamedTuple):
    """The images to train on, and {"data_names": a digest of their names} where they come from a folder."""

    images: ImageSet
    names: dict[str, str]


def share_of(images: ImageSet, fabric, batch: int, seed: int, execution: Execution) -> Batches:
    """The stream of this process's shares, read ahead where that helps."""
    return Batches(
        images, batch, seed=seed, rank=fabric.global_rank, world=fabric.world_size,
        readers=readers(execution.readers, images), pinned=fabric.device.type == "cuda",
    )  # fmt: skip


def rehearse(fabric, step: Callable, state: dict, recipe: GanRecipe, steps: int) -> bool:
    """Two steps, the first with both regularisers, and a sheet of samples; prints what all of them would take."""
    watch = Stopwatch(fabric)
    whole = watch.time(lambda: step(fabric, state, 0))
    plain = watch.time(lambda: step(fabric, state, 1))
    with temporary_run() as run:
        sheet = watch.time(lambda: sample_sheets(run, torch.zeros(1, 3, 8, 8), recipe.seed)(state))
    lazy = min(1.0, 1 / recipe.r1_every + 1 / recipe.path_every)  # the share of steps with a regulariser, at most
    seconds = steps * (plain + lazy * max(0.0, whole - plain)) + (steps // WATCH_EVERY + 1) * sheet
    print(Estimate(steps, plain, seconds, watch.peak()).text())
    return True


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
    if recipe.accumulate == 1:
        del params["accumulate"]
    return params


def training_images(
    data: Path | None, size: int, *, margin: int = 0, drawn: int = DRAWN, skip_broken: bool = False
) -> Training:
    """The training side of a pack or a folder of image files, see :func:`open_sides`; without one, ``drawn`` faces."""
    if data is None:
        return Training(drawn_faces(drawn, size), {})
    with memory_advice(f"take fewer images than {data} holds"):
        sides = open_sides(data, size, margin=margin, skip_broken=skip_broken)
    return Training(sides.training, {"data_names": fingerprint(sides.training_names, sides.held_out_names)})


def flipped_batches(shares: Callable[[int], Tensor], batch: int, seed: int, fabric) -> Callable[[int], Tensor]:
    """t -> this process's share (b, 3, H, W) in [-1, 1], half of the images mirrored, on its device.

    shares: t -> the share in 8 bits, as :class:`Batches` has it.
    """
    mine = slice(fabric.global_rank, None, fabric.world_size)

    def images_at(t: int) -> Tensor:
        x = shares(t).to(fabric.device, non_blocking=True).float() / 255
        mirrored = torch.rand(batch, 1, 1, 1, generator=step_generator(seed, t, "mirror"))[mine] < 0.5
        return to_signed(torch.where(mirrored.to(x.device), x.flip(-1), x))

    return images_at
