"""What networks answer to many y, and the sheets that show it."""

import torch
from torch import Tensor

from ..images import grid
from ..operators import LinearOperator
from ..restorers import PDNNetwork, Restorer, enforce_consistency

BATCH = 50


@torch.no_grad()
def restore(network: Restorer, y: Tensor, A: LinearOperator | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x_r, x_hat) for y (N, 3, h, w): the network's answer, and the same in A's null space (x_r itself for None).

    The network is put into evaluation mode and back; one that samples (PDN) draws from the seed.
    """
    was_training, generator = network.training, torch.Generator().manual_seed(seed)
    network.eval()
    answers, bare = [], network.network
    for part in y.split(BATCH):
        code = (bare.draw(part, generator), generator) if isinstance(bare, PDNNetwork) else ()
        answers.append(network(part, *code).float())
    network.train(was_training)
    x_r = torch.cat(answers)
    return x_r, x_r if A is None else enforce_consistency(x_r, y, A)


def sheet(*rows: Tensor, count: int = 12) -> Tensor:
    """(3, H', W'): the first images of each batch (N, 3, H, W), a row each; smaller ones, such as y, are enlarged."""
    size, big = rows[-1].shape[-1], []
    for row in rows:
        zoom = size // row.shape[-1]
        big.append(row[:count].repeat_interleave(zoom, -2).repeat_interleave(zoom, -1))
    return grid(torch.cat(big).cpu(), columns=min(count, len(rows[-1])))
