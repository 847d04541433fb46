"""What networks answer to many y, and the sheets that show it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..images import grid
from ..operators import LinearOperator
from ..restorers import PDNNetwork, Restorer, enforce_consistency

BATCH = 50  # images of 64 pixels that are answered at a time
SHOWN = 12  # images in a row of a sheet


def at_once(size: int) -> int:
    """How many images of size x size are answered, and judged, at a time: as many pixels as 50 of 64 x 64 have."""
    return max(1, BATCH * 64**2 // size**2)


def restore(network: Restorer, y: Tensor, A: LinearOperator | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x_r, x_hat) for y (N, 3, h, w): the network's answer, and the same in A's null space (x_r itself for None).

    The network is put into evaluation mode and back; one that samples (PDN) draws from the seed.
    """
    with answering_to(network, seed=seed) as answer:
        x_r = torch.cat([answer(part) for part in y.split(at_once(network.out_size))])
    return x_r, x_r if A is None else enforce_consistency(x_r, y, A)


@contextmanager
def answering_to(network: Restorer, *, seed: int = 0) -> Iterator[Callable[[Tensor], Tensor]]:
    """The network in evaluation mode, y (N, 3, h, w) -> x_r; one that samples draws from the seed."""
    was_training, generator = network.training, torch.Generator().manual_seed(seed)
    bare = network.network

    @torch.no_grad()
    def answer(y: Tensor) -> Tensor:
        code = (bare.draw(y, generator), generator) if isinstance(bare, PDNNetwork) else ()
        return network(y, *code).float()

    network.eval()
    try:
        yield answer
    finally:
        network.train(was_training)


def sheet(*rows: Tensor, count: int = SHOWN) -> Tensor:
    """(3, H', W'): the first images of each batch (N, 3, H, W), a row each; smaller ones, such as y, are enlarged."""
    size, big = rows[-1].shape[-1], []
    for row in rows:
        zoom = size // row.shape[-1]
        big.append(row[:count].repeat_interleave(zoom, -2).repeat_interleave(zoom, -1))
    return grid(torch.cat(big).cpu(), columns=min(count, len(rows[-1])))
