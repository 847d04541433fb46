"""Eight bits without losing consistency: block means of the file equal the 8-bit y, not nearly but exactly."""

import torch
from torch import Tensor

from .box import check_pair, from_blocks, project_box, to_blocks

_LEVEL = 1e-3  # a float y may miss k / 255 by this part of a level: 100 times the rounding of float32


def to_uint8_consistent(x: Tensor, y: Tensor, factor: int) -> Tensor:
    r"""(N, C, s h, s w), (N, C, h, w) -> uint8 q of x's shape: the sum of q over each block is s^2 times the 8-bit y.

    Any x will do: it is first moved into the box (:func:`project_box`), to z say. Then every pixel of 255 z is rounded
    down, except the pixels of the block with the largest remainders, as many as the sum lacks: they go up. No 8-bit
    image with these block means is nearer to z, nor to x (z - x is one number per block, save where z is 0 or 1, and
    there is nothing to round). Ordinary rounding leaves 59 dB of PSNR(LR) when x came from an 8-bit file.

    y: uint8, or float in [0, 1] holding multiples of 1/255 (what ``load_image`` gives). Not differentiable.

    Raises ValueError when shapes do not fit, a value is NaN or infinite, or a float y is not 8-bit; TypeError for an
    integer x.

    >>> y = torch.full((1, 1, 1, 1), 100 / 255)
    >>> q = to_uint8_consistent(torch.rand(1, 1, 2, 2), y, 2)
    >>> int(q.sum())  # four pixels of the mean 100
    400
    """
    levels = levels_of(y)
    check_pair(x, levels / 255, factor)  # before x becomes float64, which would hide an integer image
    blocks = to_blocks(255 * project_box(x.detach().double(), levels / 255, factor), factor)
    down = blocks.floor()
    lacking = (factor**2 * levels - down.sum(-1)).round()  # how many pixels of each block go up
    order = _spread(factor).to(x.device)
    ranked = order[(blocks - down)[..., order].argsort(dim=-1, descending=True, stable=True)]
    goes_up = torch.arange(factor**2, device=x.device) < lacking[..., None]
    up = torch.zeros_like(goes_up).scatter_(-1, ranked, goes_up)
    return from_blocks(down + up, factor).to(torch.uint8)


def levels_of(y: Tensor) -> Tensor:
    """8-bit y, as uint8 or as float -> its levels 0 to 255, float64."""
    if y.dtype == torch.uint8:
        return y.double()
    if not y.is_floating_point():
        raise TypeError(f"y must be uint8, or floating point in [0, 1], got {y.dtype}")
    levels = 255 * y.double()
    off = (levels - levels.round()).abs()
    if (off > _LEVEL).any():
        raise ValueError(
            f"y is not an 8-bit image: {int((off > _LEVEL).sum())} of {y.numel()} values are no multiples of 1/255 "
            f"(up to {float(off.max()):.2g} of a level away); round it first, with ganprior_null.images.to_uint8"
        )
    return levels.round()


def _spread(factor: int) -> Tensor:
    """The pixels of a block in an order of which every stretch is spread over the block: (s^2,) indices.

    Ties are common (in a flat 8-bit block all pixels lack the same part); resolved row by row they would show. The
    order is that of the additive R2 sequence (Roberts 2018).
    """
    row, column = torch.meshgrid(torch.arange(factor), torch.arange(factor), indexing="ij")
    plastic = 1.32471795724474602596  # the root of p^3 = p + 1
    return (row / plastic + column / plastic**2).frac().flatten().argsort()
