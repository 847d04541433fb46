"""Which downsampler made these LR images? Consistency with the wrong one costs more than it gives."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..metrics import consistency_db
from ..operators import AveragePool, LinearOperator, Resize
from ..operators.check import check_image
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
    """The answer of :func:`identify_downsampler`, best name first in ``scores``."""

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


def downsampler(name: str, size: tuple[int, int], lr_size: tuple[int, int]) -> LinearOperator:
    """The downsampler called ``name``, one of NAMES, from HR (H, W) to LR (h, w).

    Raises ValueError for another name, and when no single ratio HR/LR fits both axes.
    """
    if name not in NAMES:
        raise ValueError(f"unknown downsampler {name!r}{did_you_mean(name, NAMES)}")
    factor = size[0] / lr_size[0]
    kernel, _, plain = name.partition("-")
    if name == "average" and factor == size[1] / lr_size[1] == int(factor):
        return AveragePool(int(factor))
    A = Resize(size, factor, "box" if name == "average" else kernel, antialias=not plain)
    if A.lr_size != lr_size:
        raise ValueError(
            f"LR {lr_size[0]} x {lr_size[1]} is not HR {size[0]} x {size[1]} reduced by one factor for both axes"
        )
    return A


def downsamplers(size: tuple[int, int], lr_size: tuple[int, int]) -> dict[str, LinearOperator]:
    """All of NAMES; see :func:`downsampler`."""
    return {name: downsampler(name, size, lr_size) for name in NAMES}


def identify_downsampler(x: Tensor, y: Tensor) -> Identified:
    """(N, C, H, W) HR images, (N, C, h, w) LR images of the same scenes -> the named downsampler that fits best.

    x: the ground truth; without it, anyone's super-resolved images of y. Ranked by PSNR(A x, y): the smaller the
    correction that y asks for, the likelier the operator. The correction is measured on the LR grid; on the HR grid an
    operator that sees few pixels, such as ``nearest``, would always ask for little. A ground truth tells operators
    apart by many dB; super-resolved images by a few, and only as far as their author knew the right one.

    Raises ValueError when the shapes do not fit, TypeError for integer images.
    """
    check_image(x, "x")
    check_image(y, "y")
    if x.shape[:2] != y.shape[:2]:
        raise ValueError(f"x and y must have the same images and channels, got {tuple(x.shape)} and {tuple(y.shape)}")
    operators = downsamplers(tuple(x.shape[-2:]), tuple(y.shape[-2:]))
    scores = {name: consistency_db(A, x, y).clamp_max(ROUNDING_DB) for name, A in operators.items()}
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
