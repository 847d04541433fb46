"""Images too big for memory: pooling never mixes blocks, so tiles cut at multiples of the factor have no seams."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

LANES = 64  # vectorised sums run over this many columns at most; cut elsewhere, they would round in another order


class Tile(NamedTuple):
    """The same piece of an image and of its measurement: ``x[..., *tile.hr]``, ``y[..., *tile.lr]``."""

    hr: tuple[slice, slice]
    lr: tuple[slice, slice]


def tiles(height: int, width: int, factor: int, *, tile: int = 1024) -> Iterator[Tile]:
    """Cut an image of height x width pixels into tiles of about ``tile`` pixels a side, row by row.

    Sides are multiples of the factor and of 64 (at the right and at the bottom, what is left). The second keeps the
    float sums of a tile bit-equal to those of the whole image.

    Raises ValueError unless the factor divides both sides, and for a tile of less than one pixel.
    """
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"factor {factor} must divide the image sides, got {height} x {width}")
    if tile < 1:
        raise ValueError(f"tile must be at least 1 pixel, got {tile}")
    step = math.lcm(factor, LANES)
    side = max(tile // step, 1) * step
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = (top, min(top + side, height)), (left, min(left + side, width))
            yield Tile(
                (slice(*rows), slice(*columns)),
                (slice(rows[0] // factor, rows[1] // factor), slice(columns[0] // factor, columns[1] // factor)),
            )


def map_tiles(
    function: Callable[[Tensor, Tensor], Tensor],
    x_r: Tensor,
    y: Tensor,
    factor: int,
    *,
    out: Tensor | None = None,
    tile: int = 1024,
) -> Tensor:
    """function(x_r, y) for (N, C, s h, s w) and (N, C, h, w), tile by tile, with the memory of a few tiles.

    For functions that work block by block: :func:`enforce_consistency` with an ``AveragePool``, ``project_box``,
    ``to_uint8_consistent``. The result equals that for the whole image bit for bit (on a GPU, up to rounding). x_r, y
    and out may lie in files larger than memory::

        x_r = torch.from_file("x_r.bin", shared=True, size=3 * H * W).view(1, 3, H, W)
        map_tiles(lambda x, y: enforce_consistency(x, y, A), x_r, y, A.factor, out=x_r)

    out: where to write, x_r itself if wished; None makes a new tensor. No gradient is recorded.

    Raises ValueError when the shapes do not fit, before anything is written; an error of ``function`` stops the work,
    with the tiles before it written.
    """
    cuts = list(tiles(x_r.shape[-2], x_r.shape[-1], factor, tile=tile))
    expected = (*x_r.shape[:-2], x_r.shape[-2] // factor, x_r.shape[-1] // factor)
    if y.shape != expected:
        raise ValueError(f"y has shape {tuple(y.shape)}, but an image of {tuple(x_r.shape)} needs {expected}")
    if out is not None and out.shape != x_r.shape:
        raise ValueError(f"out has shape {tuple(out.shape)}, the image {tuple(x_r.shape)}")
    with torch.no_grad():
        for cut in cuts:
            result = function(x_r[..., *cut.hr], y[..., *cut.lr])
            if out is None:
                out = result.new_empty(x_r.shape)
            out[..., *cut.hr] = result
    assert out is not None  # a picture has one tile at least
    return out
