"""The one-dimensional weights behind every named resize: one row per LR pixel, one column per HR pixel."""

import math

import torch
from torch import Tensor

from .check import check_count

KERNELS = ("nearest", "box", "bilinear", "bicubic", "lanczos3")
RADIUS = {"bilinear": 1, "bicubic": 2, "lanczos3": 3}  # where the kernel ends, in its own units


def cubic(t: Tensor, a: float) -> Tensor:
    """Keys' cubic (1981), zero from 2 on. a = -0.5: MATLAB, PIL, antialiased torch; a = -0.75: OpenCV, plain torch."""
    t = t.abs()
    near = ((a + 2) * t - (a + 3)) * t**2 + 1
    far = ((t - 5) * t + 8) * t * a - 4 * a
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0.0))


def resample_matrix(n_hr: int, n_lr: int, kernel: str = "bicubic", antialias: bool = True) -> Tensor:
    """The (n_lr, n_hr) float64 matrix of a one-dimensional resize, either way; its rows sum to 1.

    LR pixel i sits at the centre of its cell, HR coordinate (i + 1/2) n_hr / n_lr, as in torch, PIL, MATLAB and
    average pooling. ``antialias`` widens the kernel by n_hr / n_lr; weights that fall outside the image are dropped and
    the row is made to sum to 1 (torch, PIL; MATLAB reflects the image instead, so border rows differ). Enlarging does
    not narrow it. Without ``antialias`` the kernel keeps its width, taps outside repeat the border pixel and the cubic
    has a = -0.75 (torch, OpenCV).

    ``box`` weighs every HR pixel by its overlap with the cell: average pooling for any ratio. ``nearest`` keeps the
    pixel at the centre of the cell (the one after it, when the centre lies between two); it has no antialiased form,
    which would be ``box``, and ``box`` without antialiasing is ``nearest``.

    Raises ValueError for another kernel, and for sides that are no integers of at least 1.
    """
    check_count(n_hr, "n_hr")
    check_count(n_lr, "n_lr")
    if kernel not in KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
    scale = n_hr / n_lr
    cell = torch.arange(n_lr, dtype=torch.float64)[:, None]  # (n_lr, 1)
    if kernel == "nearest" or (kernel == "box" and not antialias):
        pixel = (2 * torch.arange(n_lr)[:, None] + 1) * n_hr // (2 * n_lr)
        weights = torch.ones(n_lr, 1, dtype=torch.float64)
    elif kernel == "box":
        pixel = (cell * n_hr / n_lr).long() + torch.arange(math.ceil(scale) + 1)
        left, right = cell * n_hr / n_lr, (cell + 1) * n_hr / n_lr
        weights = (torch.minimum(pixel + 1, right) - torch.maximum(pixel.double(), left)).clamp_min(0)
    else:
        stretch, a = (max(scale, 1.0), -0.5) if antialias else (1.0, -0.75)
        reach = RADIUS[kernel] * stretch
        pixel = ((cell + 0.5) * scale - reach).floor().long() + torch.arange(2 * math.ceil(reach) + 1)
        weights = _profile(kernel, (pixel + 0.5 - (cell + 0.5) * scale) / stretch, a)
    if antialias:
        weights = torch.where((pixel >= 0) & (pixel < n_hr), weights, 0.0)
    rows = torch.zeros(n_lr, n_hr, dtype=torch.float64)
    return rows.scatter_add_(1, pixel.clamp(0, n_hr - 1), weights / weights.sum(1, keepdim=True))


def _profile(kernel: str, t: Tensor, a: float) -> Tensor:
    if kernel == "bilinear":
        return (1 - t.abs()).clamp_min(0)
    if kernel == "bicubic":
        return cubic(t, a)
    return torch.where(t.abs() < 3, torch.sinc(t) * torch.sinc(t / 3), 0.0)  # lanczos3
