"""Randomness addressed by step: what step t sees is a function of (seed, t), never of what ran before.

So a resumed run equals an uninterrupted one with no random state to save, and w ranks of batch b see, each its stride,
what one rank of batch w b would see.
"""

import hashlib

import torch
from torch import Tensor


def step_generator(seed: int, step: int, purpose: str = "") -> torch.Generator:
    """A CPU generator for one step of one run; ``purpose`` separates draws that should not be the same numbers."""
    # the Mersenne twister keeps 32 bits of its seed: hash, so that neighbouring steps share none
    digest = hashlib.blake2b(f"{seed}/{step}/{purpose}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def batch_indices(count: int, batch: int, step: int, *, seed: int) -> Tensor:
    """Indices (batch,) into ``count`` images at a step: endless epochs, each a new permutation, cut every ``batch``.

    Every image is drawn once per epoch; a batch may straddle two epochs, or hold several when batch > count.
    Raises ValueError for an empty data set or batch.
    """
    if count < 1 or batch < 1:
        raise ValueError(f"need at least one image and one image a batch, got {count} images and batch {batch}")
    first = step * batch
    epochs = range(first // count, (first + batch - 1) // count + 1)
    order = torch.cat([torch.randperm(count, generator=step_generator(seed, epoch, "epoch")) for epoch in epochs])
    start = first - epochs[0] * count
    return order[start : start + batch]
