"""Randomness addressed by step: what step t sees is a function of (seed, t), never of what ran before.

So a resumed run equals an uninterrupted one with no random state to save, and w ranks of batch b see, each its stride,
what one rank of batch w b would see.
"""

import functools
import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

LARGE = 128  # pixels: of larger images each has a generator of its own for what is drawn per pixel


def step_generator(seed: int, step: int, purpose: str = "", *, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one step of one run; ``purpose`` separates draws that should not be the same numbers."""
    # the Mersenne twister keeps 32 bits of its seed: hash, so that neighbouring steps share none
    digest = hashlib.blake2b(f"{seed}/{step}/{purpose}".encode(), digest_size=4).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little"))


def draw_noise(
    draw: Callable[[int, torch.Generator], list[Tensor]], count: int, size: int, seed: int, step: int, purpose: str,
    mine: slice, device: torch.device, *, after: torch.Generator | None = None,
) -> list[Tensor]:  # fmt: skip
    """``mine`` of what ``draw(count, generator)`` makes for a global batch of images of size x size at a step.

    Up to 128 pixels all is drawn, on the CPU, by ``after`` where it is given, which goes on from other draws. For the
    90 million numbers of a batch at 1024 pixels that takes a second on every rank, so larger images have a generator
    each, on the device: a rank, or a micro-batch, draws its own alone, and the same as any other would.
    """
    if size <= LARGE:
        return [part[mine] for part in draw(count, after or step_generator(seed, step, purpose))]
    device = torch.device("cpu") if device.type == "meta" else device  # which has no generators
    each = [draw(1, step_generator(seed, step, f"{purpose} {i}", device=device)) for i in range(count)[mine]]
    return [torch.cat(parts) for parts in zip(*each, strict=True)]


def batch_indices(count: int, batch: int, step: int, *, seed: int) -> Tensor:
    """Indices (batch,) into ``count`` images at a step: endless epochs, each a new permutation, cut every ``batch``.

    Every image is drawn once per epoch; a batch may straddle two epochs, or hold several when batch > count.
    Raises ValueError for an empty data set or batch.
    """
    if count < 1 or batch < 1:
        raise ValueError(f"need at least one image and one image a batch, got {count} images and batch {batch}")
    first = step * batch
    epochs = range(first // count, (first + batch - 1) // count + 1)
    order = torch.cat([_permutation(count, epoch, seed) for epoch in epochs])
    start = first - epochs[0] * count
    return order[start : start + batch]


@functools.lru_cache(maxsize=2)  # of 70,000 images it takes as long as a small step
def _permutation(count: int, epoch: int, seed: int) -> Tensor:
    return torch.randperm(count, generator=step_generator(seed, epoch, "epoch"))
