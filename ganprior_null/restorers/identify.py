"""Which downsampler made these LR images? Consistency with the wrong one costs more than it gives."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ..checks import height_width
from ..metrics import consistency_db
from ..operators import AveragePool, LinearOperator, Resize
from ..operators.check import check_image
from ..operators.resize import lr_side
from ..profiles import did_you_mean

NAMES = (  # average pooling, the others antialiased, then plain
    "average",
    "bilinear",
    "bicubic",
    "lanczos3",
    "nearest",
    "bilinear-plain",
    "bicubic-plain",
    "lanczos3-plain",
)
ROUNDING_DB = 140.0  # beyond it scores would compare the rounding of float32


class Identified(NamedTuple):
    """The answer of :func:`identify_downsampler`, best name first in ``scores``.

    >>> x = torch.rand(2, 3, 32, 32)
    >>> list(identify_downsampler(x, AveragePool(4)(x)).scores)[0]
    'average'
    """

    name: str
    A: LinearOperator
    scores: dict[str, Tensor]  # PSNR(A x, y) per image in dB, at most 140, (N,) float64, sorted by their means
    margin_db: float  # mean lead over the runner-up
    agreement: float  # share of the images in which this name is the best on its own

    @property
    def sure(self) -> str:
        """certain: 6 dB ahead (half the error) and in every image; likely: 1 dB and in most; else unsure."""
        if self.margin_db >= 6 and self.agreement == 1:
            return "certain"
        return "likely" if self.margin_db >= 1 and self.agreement > 0.5 else "unsure"


class Downsamplers(Mapping[str, LinearOperator]):
    """Operators by name, each made when it is first asked for, and kept."""

    def __init__(self, makers: dict[str, Callable[[], LinearOperator]]):
        self._makers = makers
        self._made: dict[str, LinearOperator] = {}

    def __getitem__(self, name: str) -> LinearOperator:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def downsampler(name: str, size: tuple[int, int], lr_size: tuple[int, int]) -> LinearOperator:
    """The downsampler called ``name``, one of NAMES, from HR (H, W) to LR (h, w).

    Raises ValueError for another name, and as :func:`downsamplers`.
    """
    return known_at(name, size, lr_size)[name]


def known_at(name: str, size: tuple[int, int], lr_size: tuple[int, int]) -> Downsamplers:
    """All that there are between two sizes, none made yet. Raises ValueError when ``name`` is not one of them."""
    if name not in NAMES:
        raise ValueError(f"unknown downsampler {name!r}{did_you_mean(name, NAMES)}")
    return downsamplers(size, lr_size)


def downsamplers(size: tuple[int, int], lr_size: tuple[int, int]) -> Downsamplers:
    """All of NAMES, made when asked for.

    Raises ValueError when no single ratio HR/LR fits both axes.
    """
    factor = size[0] / lr_size[0]
    if tuple(lr_side(side, factor) for side in size) != tuple(lr_size):
        raise ValueError(
            f"LR {lr_size[0]} x {lr_size[1]} is not HR {size[0]} x {size[1]} reduced by one factor for both axes"
        )
    pools = factor == size[1] / lr_size[1] == int(factor)
    makers: dict[str, Callable[[], LinearOperator]] = {}
    makers["average"] = partial(AveragePool, int(factor)) if pools else partial(Resize, size, factor, "box")
    for kernel in ("bilinear", "bicubic", "lanczos3", "nearest"):
        makers[kernel] = partial(Resize, size, factor, kernel)
    for kernel in ("bilinear", "bicubic", "lanczos3"):
        makers[f"{kernel}-plain"] = partial(Resize, size, factor, kernel, antialias=False)
    return Downsamplers(makers)


def identify_downsampler(x: Tensor, y: Tensor) -> Identified:
    """(N, C, H, W) HR images, (N, C, h, w) LR images of the same scenes -> the named downsampler that fits best.

    x: the ground truth; without it, anyone's super-resolved images of y. Ranked by PSNR(A x, y): the smaller the
    correction that y asks for, the likelier the operator. The correction is measured on the LR grid; on the HR grid an
    operator that sees few pixels, such as ``nearest``, would always ask for little. A ground truth tells operators
    apart by many dB; super-resolved images by a few, and only as far as their author knew the right one.

    Raises ValueError when the shapes do not fit or there is no image, TypeError for integer images.

    >>> x = torch.rand(2, 3, 32, 32)
    >>> found = identify_downsampler(x, Resize(32, 4, "bicubic")(x))
    >>> found.name, found.sure
    ('bicubic', 'certain')
    """
    check_image(x, "x")
    check_image(y, "y")
    if x.shape[:2] != y.shape[:2]:
        raise ValueError(f"x and y must have the same images and channels, got {tuple(x.shape)} and {tuple(y.shape)}")
    if not len(x):
        raise ValueError("identify_downsampler needs at least one pair of images, got none")
    operators = downsamplers(height_width(x), height_width(y))
    scores = {
        name: torch.cat([consistency_db(A, *pair) for pair in zip(x.split(1), y.split(1), strict=True)])
        for name, A in operators.items()
    }
    scores = {name: score.clamp_max(ROUNDING_DB) for name, score in scores.items()}
    scores = dict(sorted(scores.items(), key=lambda item: -float(item[1].mean())))
    name, runner_up = list(scores)[:2]
    others = torch.stack([score for other, score in scores.items() if other != name])
    return Identified(
        name,
        operators[name],
        scores,
        margin_db=float((scores[name] - scores[runner_up]).mean()),
        agreement=float((scores[name] > others).all(0).double().mean()),
    )
