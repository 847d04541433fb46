"""The downsampler that PULSE was published with: bicubic, reflected at the borders."""

import torch
from torch import Tensor

from .check import check_factor, check_size
from .resample import cubic
from .resize import Resize


class PulseBicubic(Resize):
    r"""Antialiased bicubic (a = -0.5, 4s taps) of images reflected about their border pixels: (N, C, s h, s w) -> LR.

    (Menon et al. 2020, BicubicDownSample.) Equal to ``Resize(size, factor)`` inside; two LR pixels along each border
    differ, by up to 5 % of the range, because Resize drops the taps outside and normalises. Exact pseudo-inverse.

    Raises ValueError unless the factor divides the sides, and for sides below 2 factors: too few pixels to reflect.
    """

    def __init__(self, size: int | tuple[int, int], factor: int):
        size, factor = check_size(size), check_factor(factor)
        if any(side % factor or side < 2 * factor for side in size):
            raise ValueError(f"factor {factor} must divide image sides of at least {2 * factor}, got {size}")
        super().__init__(size, factor, "bicubic")
        for axis, side in zip("hw", size, strict=True):
            W = _reflected_matrix(side, factor)
            self.register_buffer(f"W_{axis}", W, persistent=False)
            self.register_buffer(f"P_{axis}", torch.linalg.pinv(W), persistent=False)


def _reflected_matrix(side: int, factor: int) -> Tensor:
    """(side / s, side) float64: row i holds the 4s taps of LR pixel i, those outside folded back inside."""
    taps = cubic((torch.arange(4 * factor, dtype=torch.float64) + 0.5) / factor - 2, a=-0.5)
    first = factor * torch.arange(side // factor)[:, None] - (3 * factor) // 2
    pixel = (first + torch.arange(4 * factor)).abs()  # -1 -> 1: the border pixel itself is not repeated
    pixel = torch.where(pixel >= side, 2 * (side - 1) - pixel, pixel)
    rows = (taps / taps.sum()).expand(side // factor, -1)
    return torch.zeros(side // factor, side, dtype=torch.float64).scatter_add_(1, pixel, rows)
