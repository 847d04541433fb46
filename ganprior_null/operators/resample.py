"""The one-dimensional weights behind every named resize: one row per LR pixel, one column per HR pixel."""

import torch
from torch import Tensor

KERNELS = ("nearest", "box", "bilinear", "bicubic", "lanczos3")


def cubic(t: Tensor, a: float) -> Tensor:
    """Keys' cubic (1981), zero from 2 on. a = -0.5: MATLAB, PIL, antialiased torch; a = -0.75: OpenCV, plain torch."""
    t = t.abs()
    near = ((a + 2) * t - (a + 3)) * t**2 + 1
    far = ((t - 5) * t + 8) * t * a - 4 * a
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0.0))


def resample_matrix(n_hr: int, n_lr: int, kernel: str = "bicubic", antialias: bool = True) -> Tensor:
    """The (n_lr, n_hr) float64 matrix of a one-dimensional resize; its rows sum to 1.

    LR pixel i sits at the centre of its cell, HR coordinate (i + 1/2) n_hr / n_lr, as in torch, PIL, MATLAB and
    average pooling. ``antialias`` widens the kernel by n_hr / n_lr; weights that fall outside the image are dropped and
    the row is made to sum to 1 (torch, PIL; MATLAB reflects the image instead, so border rows differ). Without it the
    kernel keeps its width, taps outside repeat the border pixel and the cubic has a = -0.75 (torch, OpenCV).

    ``box`` weighs every HR pixel by its overlap with the cell: average pooling for any ratio. ``nearest`` keeps the
    pixel at the centre of the cell (the one after it, when the centre lies between two); it has no antialiased form,
    which would be ``box``, and ``box`` without antialiasing is ``nearest``.
    """
    scale = n_hr / n_lr
    cell = torch.arange(n_lr, dtype=torch.float64)[:, None]  # (n_lr, 1)
    if kernel == "nearest" or (kernel == "box" and not antialias):
        index = (2 * torch.arange(n_lr) + 1) * n_hr // (2 * n_lr)
        return torch.nn.functional.one_hot(index, n_hr).double()
    if kernel == "box":
        pixel = torch.arange(n_hr, dtype=torch.float64)
        overlap = torch.minimum(pixel + 1, (cell + 1) * n_hr / n_lr) - torch.maximum(pixel, cell * n_hr / n_lr)
        return _normalised(overlap.clamp_min(0))
    if antialias:
        pixel = torch.arange(n_hr, dtype=torch.float64)
        return _normalised(_profile(kernel, (pixel + 0.5 - (cell + 0.5) * scale) / scale, a=-0.5))
    pixel = torch.arange(-3, n_hr + 3)  # three taps beyond either border are enough for the widest kernel
    taps = _normalised(_profile(kernel, pixel + 0.5 - (cell + 0.5) * scale, a=-0.75))
    return torch.zeros(n_lr, n_hr, dtype=torch.float64).index_add_(1, pixel.clamp(0, n_hr - 1), taps)


def _profile(kernel: str, t: Tensor, a: float) -> Tensor:
    if kernel == "bilinear":
        return (1 - t.abs()).clamp_min(0)
    if kernel == "bicubic":
        return cubic(t, a)
    return torch.where(t.abs() < 3, torch.sinc(t) * torch.sinc(t / 3), 0.0)  # lanczos3


def _normalised(rows: Tensor) -> Tensor:
    return rows / rows.sum(1, keepdim=True)
