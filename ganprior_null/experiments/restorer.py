"""The restorers of :mod:`.models` around a shipped prior, with and without a null space in the forward pass."""

import dataclasses
import hashlib
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..data import Sides, faces, load_sides
from ..images import as_file, from_uint8, save_image, to_uint8
from ..metrics import FEWEST_IMAGES
from ..operators import AveragePool, LinearOperator
from ..profiles import Experiment, did_you_mean
from ..profiles import Restorer as Profile
from ..restorers.identify import downsamplers
from ..restorers.restorer import Restorer
from ..storage import write_json
from ..training import Run, batch_indices, fit, make_fabric, resolve_precision, step_generator
from ..training.degrade import degrade
from ..training.loop import refuse_unequal
from ..training.restore import FURTHER, RestorerRecipe, answering, restorer_state, restorer_step
from ..training.runtime import memory_advice
from ..weights import load_discriminator, load_features64, load_prior, vgg16_conv4_3, weights_path
from .figures import restore, sheet
from .judge import after_training, judge, raw_figures
from .models import model
from .variants import variant

DRAWN = 5_000  # procedural faces to train on when no folder is given
NULL_SPACES = ("none", "pd", "exact")


def train_restorer(data: Path | None, out: Path, this: Experiment, profile: Profile, *, margin: int = 0,
                   skip_broken: bool = False, precision: str = "auto", accelerator: str = "auto",
                   vgg16: Path | None = None) -> bool:  # fmt: skip
    """Train one restorer, evaluate it as it learns, and leave figures, a sheet and weights in ``out``.

    data: a pack or a folder, split by :func:`~ganprior_null.data.load_sides`; None draws faces. skip_broken: leave out
    files that are no readable images. vgg16: torchvision's file, for the perceptual loss of the published
    configurations; None: the project's own features. True when finished, False when stopped by a signal. Raises
    ValueError, before anything is written, for unknown names, sizes that do not fit, and too few images to test on.
    """
    fabric = make_fabric(precision=(precision := resolve_precision(precision)), accelerator=accelerator)
    refuse_unequal(profile.global_batch, fabric.world_size)
    torch.manual_seed(this.seed)  # the initial weights; every later draw is addressed by step
    prior, recipe = load_prior(this.prior).generator, recipe_of(this, profile)
    A_true, A = operators(this, prior.size)
    network = build(this, prior, profile).to(fabric.device)
    seen_by = vgg16_conv4_3(vgg16, signed=True) if vgg16 else load_features64()
    sides = choose_sides(data, prior.size, profile, margin=margin, skip_broken=skip_broken)
    D = load_discriminator(this.prior).to(fabric.device)
    params = about_run(data, len(sides.training), margin, precision, this, profile, recipe)
    run = Run(out, params | ({"perceptual": "vgg16"} if vgg16 else {}))
    state = restorer_state(network, D, recipe)
    images = degrade(sides.training) if this.degraded else sides.training
    seen_by, embed = (seen.to(fabric.device) for seen in (seen_by, load_features64()))
    step = restorer_step(pairs(images, A_true, recipe), A, recipe, seen_by, embed)
    smaller = f"then rrdb_channels (now {profile.rrdb_channels})"
    with memory_advice(f"lower test_images (now {profile.test_images}, at least {FEWEST_IMAGES}), {smaller}"):
        test = from_uint8(sides.held_out[: profile.test_images]).to(fabric.device)
        look = evaluation(run, test, A_true, A, recipe.steps)
        if fabric.is_global_zero and not run.checkpoint.exists():
            run.save(state)  # the log of a run without a checkpoint is dropped when it starts
            look(state)  # before the first step
    hooks, batch = [(profile.eval_every, look)], recipe.global_batch
    with memory_advice(f"lower global_batch (now {batch}), {smaller}"):
        return fit(fabric, step, state, run, steps=recipe.steps, global_batch=batch, hooks=hooks)


def about_run(data: Path | None, training_images: int, margin: int, precision: str, this: Experiment,
              profile: Profile, recipe: RestorerRecipe) -> dict:  # fmt: skip
    """What a run's ``params.json`` holds; of the losses that single systems have, those that it was trained with."""
    losses = dataclasses.asdict(recipe)
    losses = {name: value for name, value in losses.items() if value or name not in FURTHER}
    return {
        "experiment": "restorer",
        "data": data.name if data else "drawn faces",
        "training_images": training_images,
        "margin": margin,
        "precision": precision,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "prior_sha256": hashlib.sha256(weights_path(this.prior).read_bytes()).hexdigest()[:16],
        **dataclasses.asdict(this),
        **dataclasses.asdict(profile),
        **losses,
    }


def evaluation(
    run: Run, x: Tensor, A_true: LinearOperator, A: LinearOperator | None, steps: int
) -> Callable[[dict], None]:
    """state -> a line of figures on the held-out x in the run's log; ``summary.json`` and the sheets renewed."""
    y, features = measure(A_true, x), load_features64().to(x.device)

    def look(state: dict) -> None:
        x_r, x_hat = restore(answering(state), y, A)
        values = judge(x_hat, x, y, A_true, features) | raw_figures(x_r, x_hat, y, A_true, A)
        values |= after_training(x_r, x, y, A_true, features)
        run.log(state["step"], values)
        write_json(run.path / "summary.json", {"step": state["step"], "images": len(x), **values})
        save_image(sheet(x_r, x_hat), run.path / "sheet.webp")
        if 2 * state["step"] >= steps and not (half := run.path / "sheet_halfway.webp").exists():
            save_image(sheet(x_r, x_hat), half)
        save_image(sheet(y, x_r, x_hat, x), run.path / "sheet_with_truth.webp")  # shows the data: stays here

    return look


def choose_sides(data: Path | None, size: int, profile: Profile, *, margin: int, skip_broken: bool) -> Sides:
    """What to train on and what to test on. Raises ValueError for fewer to test on than fd_features64 needs."""
    if profile.test_images < FEWEST_IMAGES:
        raise ValueError(
            f"test_images must be at least {FEWEST_IMAGES}, which fd_features64 needs, got {profile.test_images}"
        )
    if data is None:
        return drawn_sides(size, profile)
    with memory_advice(f"take fewer images than {data} holds"):
        sides = load_sides(data, size, margin=margin, skip_broken=skip_broken)
    if (left := len(sides.held_out)) < FEWEST_IMAGES:
        about = f"{round(10 * FEWEST_IMAGES, -2):,}"  # a tenth is held out
        raise ValueError(
            f"{data} leaves {left} images to test; at least {FEWEST_IMAGES} are needed (about {about} in all)"
        )
    return sides


def drawn_sides(size: int, profile: Profile) -> Sides:
    """Procedural faces, those to test on of another seed."""
    counts = min(DRAWN, profile.steps * profile.global_batch), profile.test_images
    x, other = (to_uint8(faces(count, size, seed)) for seed, count in enumerate(counts))
    return Sides(x, other, [str(i) for i in range(len(x))], [str(i) for i in range(len(other))])


def recipe_of(this: Experiment, profile: Profile) -> RestorerRecipe:
    """The losses of each model as published, the profile's sizes, the experiment's seed."""
    shared = {f.name for f in dataclasses.fields(profile)} & {f.name for f in dataclasses.fields(RestorerRecipe)}
    recipe = RestorerRecipe(**{name: getattr(profile, name) for name in shared}, seed=this.seed)
    return dataclasses.replace(recipe, **(model(this.model).recipe | variant(this.model, this.variant).recipe))


def build(this: Experiment, prior, profile: Profile) -> Restorer:
    """y -> x_r, in [0, 1]: the network around a copy of the prior, without null space."""
    chosen = variant(this.model, this.variant).network
    return model(this.model).build(prior, lr_side(this, prior.size), profile, **chosen)


def lr_side(this: Experiment, size: int) -> int:
    """The side of y. Raises ValueError for a factor that does not divide the prior's size."""
    if this.factor < 1:
        raise ValueError(f"factor must be at least 1, got {this.factor}")
    if size % this.factor:
        raise ValueError(f"factor {this.factor} must divide the prior's {size} pixels")
    return size // this.factor


def operators(this: Experiment, size: int) -> tuple[LinearOperator, LinearOperator | None]:
    """(what makes y, whose null space the network answers in). Raises ValueError for unknown names and as lr_side."""
    lr_size = lr_side(this, size)
    known = downsamplers((size, size), (lr_size, lr_size))
    if this.downsampler not in known:
        raise ValueError(f"unknown downsampler {this.downsampler!r}{did_you_mean(this.downsampler, known)}")
    if this.null_space not in NULL_SPACES:
        raise ValueError(f"unknown null space {this.null_space!r}{did_you_mean(this.null_space, NULL_SPACES)}")
    A_true = known[this.downsampler]
    return A_true, {"none": None, "pd": AveragePool(this.factor), "exact": A_true}[this.null_space]


def pairs(images: Tensor, A_true: LinearOperator, recipe: RestorerRecipe) -> Callable[[int], tuple[Tensor, Tensor]]:
    """t -> (x, y): half of the x mirrored; y = A x in 8 bits, as LR files are."""

    def pairs_at(t: int) -> tuple[Tensor, Tensor]:
        x = from_uint8(images[batch_indices(len(images), recipe.global_batch, t, seed=recipe.seed)])
        mirrored = torch.rand(len(x), 1, 1, 1, generator=step_generator(recipe.seed, t, "mirror")) < 0.5
        x = torch.where(mirrored, x.flip(-1), x)
        return x, measure(A_true, x)

    return pairs_at


def measure(A: LinearOperator, x: Tensor) -> Tensor:
    """y = A x as an 8-bit file would hold it."""
    return as_file(A(x))
