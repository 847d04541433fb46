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

    def axis_matrix(self, side: int, shorter: int) -> Tensor:
        """(side / s, side) float64: row i holds the 4s taps of LR pixel i, those outside folded back inside."""
        s = side // shorter
        taps = cubic((torch.arange(4 * s, dtype=torch.float64) + 0.5) / s - 2, a=-0.5)
        pixel = (s * torch.arange(shorter)[:, None] - (3 * s) // 2 + torch.arange(4 * s)).abs()  # -1 -> 1: reflected
        pixel = torch.where(pixel >= side, 2 * (side - 1) - pixel, pixel)  # about the border pixel, not repeated
        rows = (taps / taps.sum()).expand(shorter, -1)
        return torch.zeros(shorter, side, dtype=torch.float64).scatter_add_(1, pixel, rows)
