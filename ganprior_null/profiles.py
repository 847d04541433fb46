"""How large a run is: smoke (seconds) | laptop (the default) | night | gpu | paper | paper-text: the table of sizes.

One frozen dataclass per experiment kind, one row per profile. The resolved profile is stored with every result. Where
the paper's text and the published configurations differ, paper follows the configurations and paper-text the text.
"""

import dataclasses
import difflib
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .options import option

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NAMES = ("smoke", "laptop", "night", "gpu", "paper", "paper-text")
ABOVE_ZERO = ("lr", "temperature")  # other floats may be 0: that switches something off
FROM_ZERO = ("warm_up", "gan_from", "ema_images")  # integers that may be 0; others count things


@dataclass(frozen=True)
class Lesson:
    """What a notebook of the course works on."""

    size: int  # side of the HR images, pixels
    images: int  # images a figure in the text is averaged over
    channels: int  # width of the untrained network that plays the backbone


LESSONS = {  #        size  images  channels
    "smoke": Lesson(    64,      2,        8),
    "laptop": Lesson(  256,     20,       16),
    "gpu": Lesson(    1024,    100,       64),
    "paper": Lesson(  1024,    100,       64),
}  # fmt: skip


@dataclass(frozen=True)
class Prior:
    """A StyleGAN2 to be trained as the prior of a later restorer."""

    size: int  # side, pixels
    style_dim: int
    n_mlp: int  # layers of the mapping network
    widths: tuple[int, ...]  # channels at 4, 8, ..., size
    images: int  # images shown, real ones, repetitions counted
    global_batch: int  # images per step, over all devices
    lr: float
    r1_gamma: float  # the heuristic of Karras et al. 2020b: 0.0002 size^2 / batch
    path_every: int  # steps between two path-length penalties
    ada_target: float = 0.0  # adaptive augmentation, for some thousand images or fewer: 0.6; 0: none
    ada_images: int = 500_000  # images in which its p may go from 0 to 1; 100_000 where a run starts from another
    accumulate: int = 1  # micro-batches of a step: less memory, the same gradients

    @property
    def channels(self) -> dict[int, int]:
        """{resolution: width}."""
        return {4 * 2**i: width for i, width in enumerate(self.widths)}

    @property
    def steps(self) -> int:
        """Optimiser steps of the generator."""
        return self.images // self.global_batch


_F = (512, 512, 512, 512, 512, 256, 128, 64, 32)  # config F, 4 to 1024 px
PRIORS = {  #    size style mlp  widths                   images      batch    lr  gamma path
    "smoke": Prior(  16,  16, 2, (8, 8, 8),                      64,      4, 2.5e-3, 0.01, 2),
    "laptop": Prior( 64, 128, 4, (128, 128, 96, 64, 32),    400_000,     16, 2.5e-3, 0.05, 8),
    "gpu": Prior(   256, 512, 8, (512, 512, 512, 256, 128, 64, 32), 800_000, 32, 2.5e-3, 0.41, 4),
    "paper": Prior(1024, 512, 8, _F,                      25_000_000,     32, 2.0e-3, 10.0, 4),
}  # fmt: skip


@dataclass(frozen=True)
class Restorer:
    """A GLEAN, Panini-Net or PDN trained around a shipped prior, whose size and widths it takes.

    The paper row follows the published configurations, paper-text the paper's text, which names another learning rate.
    Runs at 16x and 64x take 300,000 steps, with PD at a gan_weight of 1e-3; Panini-Net's own configuration has 800,000.
    The paper tests on 100 images; fd_features64 needs more than 128.
    """

    rrdb_blocks: int
    rrdb_channels: int
    steps: int
    global_batch: int  # images per step, over all devices
    lr: float
    lr_end: float  # of the cosine
    gan_weight: float  # beta
    eval_every: int  # steps
    test_images: int  # held-out images, at most
    gan_from: int = 0  # the step at which the discriminator joins
    range_weight: float = 0.0  # of mean (A x_r - y)^2
    ema_images: int = 0  # half-life of the moving average of the weights that answers, images; 0: none
    accumulate: int = 1  # micro-batches of a step: less memory, the same gradients
    profile: str = ""  # the row's name, stored with every run
    by_hand: tuple[str, ...] = ()  # fields that were set for this run: they win over a system's own recipe


RESTORERS = {  #         RRDBs  wide  steps   batch  lr    end   beta  eval  test
    "smoke": Restorer(       1,   8,       4,     4, 1e-3, 1e-5, 1e-2,    2,  132),
    "laptop": Restorer(      3,  32,     600,     8, 1e-3, 1e-6, 1e-2,  100,  200),
    "night": Restorer(       3,  32,   5_000,     8, 1e-3, 1e-6, 1e-2, 1000,  400,
                       gan_from=2_500, range_weight=0.1, ema_images=2_000),
    "gpu": Restorer(        12,  64,   6_000,    16, 5e-4, 1e-6, 1e-2, 2000,  200),
    "paper": Restorer(      23,  64, 100_000,     4, 1e-4, 1e-7, 1e-2, 5000,  200),
}  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """What distinguishes one training of a restorer from the next; everything else is the profile's.

    The one place of these options: ``train restorer`` takes them, a run's ``params.json`` holds them.
    """

    model: str = option("glean", "glean | panini | pdn | psp | gfpgan | gpen | esrgan (without the prior)")
    null_space: str = option("none", "none | pd, of average pooling | exact, of what made y")
    factor: int = option(8, "HR over LR")
    downsampler: str = option("bicubic", "what makes y from x, a name of restorers.identify.downsamplers")
    prior: str = option("faces64", "a shipped prior's name, of generator and discriminator")
    seed: int = option(0, "of the first weights and of every later draw")
    degraded: bool = option(False, "blur, noise and JPEG on half of the training images; those to test on stay clean")
    variant: str = option("", "one departure from PDN's defaults (experiments/variants.py)")


@dataclass(frozen=True)
class OnePicture:
    """A SinGAN trained on the y of one photograph: the options of ``evaluate singan``, kept in its ``params.json``."""

    size: int = option(128, "side of the HR image, the middle of the photograph, pixels")
    factor: int = option(4, "HR over LR")
    steps: int = option(1000, "iterations a scale; the published program takes 2000")
    seed: int = option(0, "of weights and noise")


@dataclass(frozen=True)
class Searches:
    """What ``evaluate pulse`` searches, and how; stored with the results."""

    count: int = option(64, "held-out images")
    factors: tuple[int, ...] = option((4, 8, 16), "HR over LR, each of which is searched at")
    seeds: int = option(3, "searches per image and factor")
    steps: int = option(100, "of a search, at most")
    restarts: int = option(1, "per search, of which the best counts")
    # the published 2e-3 would stop every search at a PSNR(LR) of 27 dB, whatever the factor; this does at 40 dB
    eps: float = option(1e-4, "mean square of A x - y that ends a search")
    loss: str = option("100*L2+0.05*GEOCROSS", "what is made small, in PULSE's words")
    space: str = option("sphere", "where codes may move", ("sphere", "free", "w+"))
    lr: float = option(0.4, "largest learning rate of a search")


@dataclass(frozen=True)
class Kernel:
    """An estimation of a blur kernel by KernelGAN."""

    steps: int  # of our recipe, at most
    starts: int  # of our recipe: searches that are averaged
    published_steps: int  # of the published program's


KERNELS = {  #       steps starts published
    "smoke": Kernel(    20,    1,        20),
    "laptop": Kernel(  300,    8,      3000),
    "gpu": Kernel(     300,    8,      3000),
    "paper": Kernel(   300,    8,      3000),
}  # fmt: skip


Row = TypeVar("Row", bound="DataclassInstance")


def _complete(table: dict[str, Row]) -> None:
    table["paper-text"], table["night"] = table["paper"], table["laptop"]


_complete(LESSONS)
_complete(PRIORS)
_complete(KERNELS)
PRIORS["night"] = dataclasses.replace(PRIORS["laptop"], images=1_000_000)
RESTORERS["paper-text"] = dataclasses.replace(RESTORERS["paper"], lr=1e-3)  # "the same as GLEAN", whose file has 1e-4


def profile_name(name: str | None = None) -> str:
    """name, or the environment variable GANPRIOR_PROFILE, or "laptop". Raises ValueError for an unknown one."""
    name = name or os.environ.get("GANPRIOR_PROFILE") or "laptop"
    if name not in NAMES:
        raise ValueError(f"unknown profile {name!r}{did_you_mean(name, NAMES)}")
    return name


def check_profile(profile: str | None, file: os.PathLike) -> str:
    """The profile that a ``params.json`` names. Raises ValueError, which says what to do, for none or another word."""
    if profile not in NAMES:
        what = f'names no profile: add "profile", one of {", ".join(NAMES)}, as the run was made'
        raise ValueError(f"{file} {what if profile is None else f'names the unknown profile {profile!r}'}")
    return profile


def prior(name: str | None = None, **overrides) -> Prior:
    """The row of PRIORS for a profile, with checked overrides. Raises ValueError for images that make no step."""
    row = override(PRIORS[profile_name(name)], **overrides)
    if row.steps < 1:
        raise ValueError(f"images must be at least global_batch ({row.global_batch}), one step's, got {row.images}")
    return row


def restorer(name: str | None = None, **overrides) -> Restorer:
    """The row of RESTORERS for a profile, with checked overrides.

    >>> restorer("night", gan_weight=0.01).by_hand
    ('gan_weight',)
    """
    row = override(dataclasses.replace(RESTORERS[name := profile_name(name)], profile=name), **overrides)
    return dataclasses.replace(row, by_hand=tuple(sorted(overrides)))


def kernel(name: str | None = None, **overrides) -> Kernel:
    """The row of KERNELS for a profile, with checked overrides."""
    return override(KERNELS[profile_name(name)], **overrides)


def lesson(name: str | None = None, **overrides) -> Lesson:
    """The row of LESSONS for a profile, with checked overrides: ``lesson("smoke", size=128)``."""
    return override(LESSONS[profile_name(name)], **overrides)


def override(profile: Row, **changes) -> Row:
    """A copy of a profile with fields replaced.

    A whole number stands for the float that it is. Raises ValueError for an unknown field, a value of another type, and
    one out of range.
    """
    fields = {field.name for field in dataclasses.fields(profile)} - {"profile", "by_hand"}
    for key, value in changes.items():
        if key not in fields:
            raise ValueError(f"unknown parameter {key!r}{did_you_mean(key, fields)}")
        default = getattr(profile, key)
        if type(value) is int and isinstance(default, float):
            value = changes[key] = float(value)
        if type(value) is not type(default):
            raise ValueError(f"{key} must be {type(default).__name__} (default {default!r}), got {value!r}")
        check_range(key, value)
    return dataclasses.replace(profile, **changes)


def check_range(name: str, value) -> None:
    """Raise ValueError for an integer below 1, since integers count things here, and a float that is below 0, or that
    is NaN or infinite.

    Apart stand ``seed``, which may be any integer, ``FROM_ZERO`` and ``ABOVE_ZERO``.
    """
    if type(value) is int and name != "seed":
        least = 0 if name in FROM_ZERO else 1
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if type(value) is float:
        above = name in ABOVE_ZERO
        if not math.isfinite(value) or value < 0 or (above and value == 0):
            raise ValueError(f"{name} must be a finite number {'above' if above else 'of at least'} 0, got {value!r}")


def did_you_mean(word: str, known) -> str:
    """The tail of an error message: the nearest known word, or all of them."""
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
