"""The restorers of :mod:`.models` around a shipped prior, with and without a null space in the forward pass."""

import dataclasses
import hashlib
import platform
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..data import ImageSet, Sides, drawn_faces, open_sides
from ..data.sides import fingerprint
from ..images import from_uint8, save_image
from ..metrics import FEWEST_IMAGES
from ..operators import AveragePool, LinearOperator
from ..priors import StyleGAN2Discriminator
from ..profiles import Experiment, did_you_mean
from ..profiles import Restorer as Profile
from ..restorers.identify import downsamplers
from ..restorers.restorer import Restorer
from ..storage import write_json
from ..training import USUAL, Execution, Run, fit, make_fabric, resolve_precision, step_generator
from ..training.degrade import Degraded
from ..training.loop import refuse_unequal
from ..training.restore import FURTHER, RestorerRecipe, answering, restorer_state, restorer_step
from ..training.runtime import memory_advice
from ..weights import load_discriminator, load_features64, load_prior, vgg16_conv4_3, weights_path
from .evaluation import evaluate, measure
from .figures import at_once, sheet
from .models import COUPLED, model
from .prior import share_of
from .rehearsal import Estimate, Stopwatch, temporary_run
from .variants import variant

DRAWN = 5_000  # procedural faces to train on when no folder is given
NULL_SPACES = ("none", "pd", "exact")
WITHOUT_D = ("pixel_weight", "perceptual_weight", "identity_weight", "pyramid_weight")  # losses that need no adversary


def train_restorer(data: Path | None, out: Path, this: Experiment, profile: Profile, *, margin: int = 0,
                   skip_broken: bool = False, execution: Execution = USUAL,
                   vgg16: Path | None = None) -> bool:  # fmt: skip
    """Train one restorer, evaluate it as it learns, and leave figures, a sheet and weights in ``out``.

    data: a pack or a folder, split by :func:`~ganprior_null.data.open_sides`; None draws faces. skip_broken: leave out
    files that are no readable images. execution: how, on what; a rehearsal writes nothing to ``out`` and prints its
    estimate. vgg16: torchvision's file, for the perceptual loss of the published configurations; None: the project's
    own features. True when finished, False when stopped by a signal. Raises ValueError, before anything is written, for
    unknown names, sizes that do not fit, and too few images to test on.
    """
    precision = resolve_precision(execution.precision)
    fabric = make_fabric(precision=precision, accelerator=execution.accelerator)
    refuse_unequal(profile.global_batch, fabric.world_size)
    torch.manual_seed(this.seed)  # the initial weights; every later draw is addressed by step
    prior, recipe = load_prior(this.prior).generator, recipe_of(this, profile)
    A_true, A = operators(this, prior.size)
    network = build(this, prior, profile).to(fabric.device)
    D = critic_of(this.prior, prior.size).to(fabric.device)  # before images, which take long
    seen_by, embed = (vgg16_conv4_3(vgg16, signed=True) if vgg16 else load_features64()), load_features64()
    fewest = 1 if execution.rehearse else FEWEST_IMAGES
    sides = choose_sides(data, prior.size, profile, margin=margin, skip_broken=skip_broken, fewest=fewest)
    state = restorer_state(network, D, recipe)
    execution.prepare(network, D)
    if recipe.accumulate > 1 and this.model in COUPLED:
        warnings.warn(f"{this.model} normalises over a micro-batch, not over all images of a step", stacklevel=2)
    seen_by, embed, batch = seen_by.to(fabric.device), embed.to(fabric.device), recipe.global_batch
    images = Degraded(sides.training) if this.degraded else sides.training
    test = sides.held_out.take(range(min(profile.test_images, len(sides.held_out))))
    advice = f"raise accumulate (now {recipe.accumulate}) or add --recompute, then lower global_batch (now {batch})"
    smaller = f"{advice}, then rrdb_channels (now {profile.rrdb_channels})"
    with share_of(images, fabric, batch, recipe.seed, execution) as shared, memory_advice(smaller):
        step = restorer_step(pairs(shared, A_true, recipe, fabric), A, recipe, seen_by, embed)
        if execution.rehearse:
            return rehearse(fabric, step, state, test, A_true, A, recipe, profile.eval_every)
        about = about_run(data, sides, margin, precision, this, profile, recipe)
        run = Run(out, about | ({"perceptual": "vgg16"} if vgg16 else {}), loggers=execution.loggers)
        look = evaluation(run, test, A_true, A, recipe.steps)
        hooks = [(profile.eval_every, look)]
        return fit(fabric, step, state, run, steps=recipe.steps, global_batch=batch, hooks=hooks, first=look)


def critic_of(prior: str, size: int) -> StyleGAN2Discriminator:
    """The prior's discriminator. Raises ValueError for a prior without one, and for one of another size."""
    D = load_discriminator(prior)
    if D.size != size:
        raise ValueError(f"the prior {prior!r} makes {size} pixels, the discriminator beside it sees {D.size}")
    return D


def rehearse(fabric, step: Callable, state: dict, test: ImageSet, A_true: LinearOperator, A: LinearOperator | None,
             recipe: RestorerRecipe, every: int) -> bool:  # fmt: skip
    """Two steps with all losses and an evaluation of a few images; prints what all of them would take."""
    watch, t = Stopwatch(fabric), recipe.gan_from if recipe.gan_weight else 0
    step(fabric, state, t)  # the first allocates and compiles
    one = watch.time(lambda: step(fabric, state, t + 1))
    few = test.take(range(min(len(test), at_once(test.size))))
    with temporary_run() as run:
        look = watch.time(lambda: evaluation(run, few, A_true, A, recipe.steps)(state)) * len(test) / len(few)
    seconds = recipe.steps * one + (recipe.steps // every + 1) * look
    print(Estimate(recipe.steps, one, seconds, watch.peak(), look).text())
    return True


def about_run(data: Path | None, sides: Sides[ImageSet], margin: int, precision: str, this: Experiment,
              profile: Profile, recipe: RestorerRecipe) -> dict:  # fmt: skip
    """What a run's ``params.json`` holds; of the losses that single systems have, those that it was trained with.

    Options that are off are left out, so that runs begun before they existed go on.
    """
    losses = dataclasses.asdict(recipe)
    losses = {name: value for name, value in losses.items() if value or name not in FURTHER}
    names = {"data_names": fingerprint(sides.training_names, sides.held_out_names)} if data else {}
    about = {
        "experiment": "restorer",
        "data": data.name if data else "drawn faces",
        "training_images": len(sides.training),
        "margin": margin,
        "precision": precision,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "prior_sha256": hashlib.sha256(weights_path(this.prior).read_bytes()).hexdigest()[:16],
        **dataclasses.asdict(this),
        **names,
        **dataclasses.asdict(profile),
        **losses,
    }
    del about["by_hand"]
    if recipe.accumulate == 1:
        del about["accumulate"]
    return about


def evaluation(
    run: Run, images: ImageSet, A_true: LinearOperator, A: LinearOperator | None, steps: int
) -> Callable[[dict], None]:
    """state -> a line of figures on the held-out images in the run's log; ``summary.json`` and the sheets renewed."""

    def look(state: dict) -> None:
        network = answering(state)
        features = load_features64().to(next(network.parameters()).device)
        values, (x, y, x_r, x_hat) = evaluate(network, images, A_true, A, features)
        run.log(state["step"], values)
        write_json(run.path / "summary.json", {"step": state["step"], "images": len(images), **values})
        save_image(sheet(x_r, x_hat), run.path / "sheet.webp")
        if 2 * state["step"] >= steps and not (half := run.path / "sheet_halfway.webp").exists():
            save_image(sheet(x_r, x_hat), half)
        save_image(sheet(y, x_r, x_hat, x), run.path / "sheet_with_truth.webp")  # shows the data: stays here

    return look


def choose_sides(data: Path | None, size: int, profile: Profile, *, margin: int, skip_broken: bool,
                 fewest: int = FEWEST_IMAGES) -> Sides[ImageSet]:  # fmt: skip
    """What to train on and what to test on. Raises ValueError for fewer to test on than fd_features64 needs."""
    if profile.test_images < fewest:
        raise ValueError(
            f"test_images must be at least {FEWEST_IMAGES}, which fd_features64 needs, got {profile.test_images}"
        )
    if data is None:
        return drawn_sides(size, profile)
    with memory_advice(f"take fewer images than {data} holds"):
        sides = open_sides(data, size, margin=margin, skip_broken=skip_broken)
    if (left := len(sides.held_out)) < fewest:
        about = f"{round(10 * FEWEST_IMAGES, -2):,}"  # a tenth is held out
        raise ValueError(
            f"{data} leaves {left} images to test; at least {FEWEST_IMAGES} are needed (about {about} in all)"
        )
    return sides


def drawn_sides(size: int, profile: Profile) -> Sides[ImageSet]:
    """Procedural faces, those to test on of another seed."""
    counts = min(DRAWN, profile.steps * profile.global_batch), profile.test_images
    x, other = (drawn_faces(count, size, seed) for seed, count in enumerate(counts))
    return Sides(x, other, [str(i) for i in range(len(x))], [str(i) for i in range(len(other))])


def recipe_of(this: Experiment, profile: Profile) -> RestorerRecipe:
    """The losses of each model as published, unless set by hand; the profile's sizes, the experiment's seed.

    Raises ValueError for what leaves the first steps without a loss.
    """
    shared = {f.name for f in dataclasses.fields(profile)} & {f.name for f in dataclasses.fields(RestorerRecipe)}
    recipe = RestorerRecipe(**{name: getattr(profile, name) for name in shared}, seed=this.seed)
    own = model(this.model).recipe | variant(this.model, this.variant).recipe
    recipe = dataclasses.replace(recipe, **{name: value for name, value in own.items() if name not in profile.by_hand})
    others = [*WITHOUT_D, *(["range_weight"] if this.null_space != "none" else [])]
    if not any(getattr(recipe, weight) for weight in others) and (recipe.gan_from or not recipe.gan_weight):
        raise ValueError(
            f"{this.model} learns from D alone: gan_from must be 0 and gan_weight above 0, got {recipe.gan_from} and "
            f"{recipe.gan_weight:g}, or another loss needs a weight"
        )
    return recipe


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


def pairs(
    shares: Callable[[int], Tensor], A_true: LinearOperator, recipe: RestorerRecipe, fabric
) -> Callable[[int], tuple[Tensor, Tensor]]:
    """t -> (x, y), this process's share on its device: half of the x mirrored; y = A x in 8 bits, as LR files are.

    shares: t -> the share in 8 bits, as :class:`~ganprior_null.training.loader.Batches` has it.
    """
    mine = slice(fabric.global_rank, None, fabric.world_size)

    def pairs_at(t: int) -> tuple[Tensor, Tensor]:
        x = from_uint8(shares(t).to(fabric.device, non_blocking=True))
        drawn = torch.rand(recipe.global_batch, 1, 1, 1, generator=step_generator(recipe.seed, t, "mirror"))
        x = torch.where(drawn[mine].to(x.device) < 0.5, x.flip(-1), x)
        return x, measure(A_true, x)

    return pairs_at
