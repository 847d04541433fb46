"""Squares out of pictures."""

import torch.nn.functional as F
from torch import Tensor


def check_size(size: int) -> int:
    """Return size; ValueError unless it is an integer of at least 1."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"size must be an integer of at least 1 pixel, got {size!r}")
    return size


def square(x: Tensor, size: int, *, side: float = 1.0, across: float = 0.5, down: float = 0.5) -> Tensor:
    """(1, C, H, W) -> (1, C, size, size): a square crop, shrunk with antialiasing and never enlarged.

    side: of the crop, as a share of the short side of x (at least ``size`` pixels are taken); across, down: its place,
    0 to 1 of the room that is left. Raises ValueError when x is smaller than size.
    """
    h, w = x.shape[-2:]
    if min(h, w) < size:
        raise ValueError(f"a {h} x {w} image holds no {size} x {size} square; the largest size is {min(h, w)}")
    taken = max(size, round(side * min(h, w)))
    top, left = round(down * (h - taken)), round(across * (w - taken))
    crop = x[..., top : top + taken, left : left + taken]
    if taken == size:
        return crop
    # bilinear weights are positive and, in float64, sum to 1 closely enough for [0, 1] to stay [0, 1]
    return F.interpolate(crop.double(), (size, size), mode="bilinear", antialias=True).to(x.dtype)
