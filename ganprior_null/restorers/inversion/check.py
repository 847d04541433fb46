"""What a latent search demands before it starts: one clear error, with the value and what would be right."""

import math

import torch
from torch import Tensor

from ...operators import LinearOperator
from ...operators.check import check_finite, check_floating
from ...priors import StyleGAN2
from ...profiles import did_you_mean

SLACK = 0.01  # y may be rounded to 8 bits, or carry a little noise


def check_name(value: str, known, what: str) -> None:
    """ValueError, with the nearest known word, for an unknown one."""
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}{did_you_mean(str(value), list(known))}")


def check_counts(**counts: int) -> None:
    """ValueError, with the name, unless each is an integer of at least 1."""
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")


def check_positive(**numbers: float) -> None:
    """ValueError, with the name, unless each is finite and positive."""
    for name, value in numbers.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {value!r}")


def check_measurement(y: Tensor, prior: StyleGAN2, A: LinearOperator) -> Tensor:
    """Return y in the prior's dtype, on its device; ValueError unless A can make it of an image of the prior's size.

    Its shape must be that of A x, and its lowest and highest value must be ones that A makes of images in [0, 1]. That
    is [0, 1] itself for averages, a little more for kernels with negative lobes such as bicubic.
    """
    check_floating(y, "y")
    weight = prior.input.input
    blank = weight.new_zeros(1, 3, prior.size, prior.size)
    try:
        shape = tuple(A(blank).shape[1:])
    except ValueError as error:
        size = f"{prior.size} x {prior.size}"
        raise ValueError(f"A does not take the prior's images of {size} pixels: {error}") from error
    if y.ndim != len(shape) + 1 or y.shape[1:] != shape or len(y) < 1:
        raise ValueError(
            f"y has shape {tuple(y.shape)}, but A makes (N, {', '.join(map(str, shape))}) of the prior's images of "
            f"{prior.size} x {prior.size} pixels{_fitting(y, prior.size)}"
        )
    y = check_finite(y.detach(), "y").to(weight)
    _check_reachable(y, A, blank)
    return y


def _fitting(y: Tensor, size: int) -> str:
    """What would fit: the factor for this y, where there is one, and all sides that a factor gives."""
    sides = [size // f for f in range(1, size + 1) if size % f == 0]
    if y.ndim == 4 and y.shape[-1] == y.shape[-2] and y.shape[-1] in sides:
        return f"; a y of {y.shape[-2]} x {y.shape[-1]} fits the factor {size // y.shape[-1]}"
    return f"; whole factors need a square y with a side of {', '.join(map(str, sides))}"


def _check_reachable(y: Tensor, A: LinearOperator, blank: Tensor) -> None:
    """ValueError when the lowest or highest value of y is one that A makes of no image in [0, 1].

    Row a of A sends [0, 1] to values from its negative weights summed to its positive ones; A^T of a unit vector is
    that row.
    """
    flat = y.flatten(1)
    for extreme, sign in ((flat.min(), -1), (flat.max(), 1)):
        column = (flat == extreme).any(0).nonzero()[0]
        unit = torch.zeros_like(flat[:1]).index_fill_(1, column, 1.0).view(1, *y.shape[1:])
        image = (sign * A.adjoint(unit) > 0).to(blank)
        bound = float(A(image).flatten(1)[0, column])
        if sign * (float(extreme) - bound) > SLACK:
            lies, most = ("above", "most") if sign > 0 else ("below", "least")
            raise ValueError(
                f"y holds {float(extreme):.4g}, {lies} {bound:.4g}, the {most} that A makes of images in [0, 1] there; "
                "y must lie in [0, 1] (8-bit values divided by 255; a network's [-1, 1] through images.from_signed)"
            )
