"""Networks on pictures larger than memory: stage by stage, each in tiles that see as far as the stage does."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..checks import is_out_of_memory

BAR = "{l_bar}{bar}| {elapsed}, about {remaining} to go"
LEAST = 16  # pixels; tiles with shorter sides would cost many times their own work


class Stage(NamedTuple):
    """A part of a network, (N, C, h, w) -> (N, C', s h, s w), of which one pixel sees ``reach`` pixels on each side."""

    function: Callable[[Tensor], Tensor]
    factor: int
    reach: int
    floats: int  # of memory at work, per pixel that comes in


class Staged(nn.Module):
    """A network y -> x_r that says of which stages it is made, and how many times larger x_r is."""

    factor: int

    def stages(self) -> list[Stage]:
        """What :func:`enlarge` runs one after the other."""
        raise NotImplementedError


@torch.no_grad()
def enlarge(network: Staged, y: Tensor, *, memory_gb: float = 1.5, progress: bool = False) -> Tensor:
    """network(y) for y (1, 3, h, w) of any size, equal up to the rounding of float32, in tiles of bounded memory.

    A network is a row of stages (``network.stages()``). Each runs over the whole picture before the next begins, in
    tiles that overlap by what the stage sees, so nothing needs blending: an RRDBNet, of which a pixel sees 349 pixels
    on each side, has 26 stages that see 15 at most. Beside the memory at work, ``memory_gb``, the maps between two
    stages stay: about 1 kB a pixel of y for an RRDBNet, 0.2 for the others. Only a network that does not say what its
    pixels see (a checkpoint by way of spandrel) is cut with a fixed overlap, and is nearly equal.

    Where even that memory cannot be had, the tiles get smaller, and a line says so. progress: show a bar. Raises
    ValueError for a y that is no single picture, for a network whose stages make other sizes than they say, and as
    :func:`check_memory`, RuntimeError when tiles of 16 pixels do not fit either.

    >>> network, y = networks.load_network("bicubic-x4"), torch.rand(1, 3, 20, 30)
    >>> torch.allclose(networks.enlarge(network, y, memory_gb=1e-4), network(y), atol=1e-6)
    True
    """
    if y.ndim != 4 or len(y) != 1:
        raise ValueError(f"one picture at a time, (1, 3, h, w), got shape {tuple(y.shape)}")
    check_memory(memory_gb)
    stages = network.stages()
    work = [stage.floats * (1 + stage.reach) for stage in stages]  # a rough share of the time
    with tqdm(total=sum(work), disable=not progress, unit="", bar_format=BAR) as bar:
        for stage, share in zip(stages, work, strict=True):
            y = _whole(stage, y, 1e9 * memory_gb, bar, share)
    return y


def check_memory(memory_gb: float) -> None:
    """Raise ValueError unless the memory for tiles is finite and above 0."""
    if not 0 < memory_gb < math.inf:
        raise ValueError(f"the memory for tiles must be finite and above 0 GB, got {memory_gb}")


def _whole(stage: Stage, v: Tensor, memory: float, bar: tqdm, share: float) -> Tensor:
    h, w = v.shape[-2:]
    side = math.isqrt(int(memory / v.element_size() / stage.floats)) - 2 * stage.reach
    if h * w * stage.floats * v.element_size() <= memory:
        side = max(h, w)
    out: Tensor | None = None
    done, cuts = 0, list(_cuts(h, w, max(side, LEAST)))
    while done < len(cuts):
        rows, columns = cuts[done]
        try:
            tile = _tile(stage, v, rows, columns)
        except (MemoryError, RuntimeError) as error:
            side = max(rows.stop - rows.start, columns.stop - columns.start)
            if not is_out_of_memory(error) or side <= LEAST:
                raise
            print(f"too little memory for tiles of {side} pixels: going on with {max(side // 2, LEAST)}", flush=True)
            done, cuts = 0, list(_cuts(h, w, max(side // 2, LEAST)))
            continue
        if out is None:
            out = tile.new_empty(*tile.shape[:2], stage.factor * h, stage.factor * w)
        out[..., _scaled(rows, stage.factor), _scaled(columns, stage.factor)] = tile
        done += 1
        bar.update(share / len(cuts))
    assert out is not None  # there is one tile at least
    return out


def _tile(stage: Stage, v: Tensor, rows: slice, columns: slice) -> Tensor:
    """The stage's output for these rows and columns, computed from what they see."""
    h, w = v.shape[-2:]
    top, left = max(rows.start - stage.reach, 0), max(columns.start - stage.reach, 0)
    seen = v[..., top : min(rows.stop + stage.reach, h), left : min(columns.stop + stage.reach, w)]
    inner_rows = slice(rows.start - top, rows.stop - top)
    inner_columns = slice(columns.start - left, columns.stop - left)
    made = stage.function(seen)
    if made.shape[-2:] != (stage.factor * seen.shape[-2], stage.factor * seen.shape[-1]):
        raise ValueError(
            f"the network makes {tuple(made.shape[-2:])} of {tuple(seen.shape[-2:])} pixels, not {stage.factor} times "
            "as many a side, as its stages say"
        )
    return made[..., _scaled(inner_rows, stage.factor), _scaled(inner_columns, stage.factor)]


def _cuts(h: int, w: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of tiles of nearly equal size, at most ``side`` pixels a side."""
    for rows in _parts(h, side):
        for columns in _parts(w, side):
            yield rows, columns


def _parts(n: int, side: int) -> list[slice]:
    edges = [round(i * n / math.ceil(n / side)) for i in range(math.ceil(n / side) + 1)]
    return [slice(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _scaled(part: slice, factor: int) -> slice:
    return slice(factor * part.start, factor * part.stop)
