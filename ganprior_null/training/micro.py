"""Micro-batches: one optimiser step whose gradient is added up from parts that fit into memory."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

Scalars = dict[str, Tensor]


class Micro(NamedTuple):
    """A part of this process's share of a batch."""

    mine: slice  # into the global batch
    own: slice  # into this process's share
    weight: float  # the part's images over the share's


def micro_batches(fabric, count: int, accumulate: int) -> list[Micro]:
    """The parts of this process's share of ``count`` images: strides, as the shares themselves are; none is empty."""
    rank, world = fabric.global_rank, fabric.world_size
    share = len(range(count)[rank::world])
    parts = []
    for k in range(min(accumulate, share)):
        images = len(range(share)[k::accumulate])
        parts.append(
            Micro(slice(rank + k * world, None, world * accumulate), slice(k, None, accumulate), images / share)
        )
    return parts


def optimise(
    fabric,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    parts: Sequence[Micro],
    loss_of: Callable[[Micro], tuple[Tensor, Scalars]],
) -> Scalars:
    """One optimiser step on the mean over all images of loss_of(part) -> (loss, scalars); the scalars' means."""
    optimizer.zero_grad(set_to_none=True)
    found: Scalars = {}
    for part in parts:
        loss, scalars = loss_of(part)
        fabric.backward(part.weight * loss)
        add(found, scalars, part.weight)
    apply_gradients(fabric, module, optimizer)
    return found


def add(found: Scalars, scalars: Scalars, weight: float) -> None:
    """Add scalars of a part to the means of the whole, in place."""
    for name, value in scalars.items():
        found[name] = found.get(name, 0.0) + weight * value.detach()


def apply_gradients(fabric, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """The optimiser step on the gradients there are, averaged over ranks."""
    if fabric.world_size > 1:
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad = fabric.all_reduce(parameter.grad, reduce_op="mean")
    optimizer.step()
