"""PyTorch's DataLoader behind the stream of batches that is addressed by step: read ahead, and still resumable."""

import signal
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..data import ImageSet
from .stream import batch_indices

AHEAD = 2  # batches that each process reads ahead


class Batches:
    """t -> (b, 3, size, size) uint8: this process's share of the batch of step t, ``batch_indices(t)[rank::world]``.

    What step t sees depends on t alone, whatever was asked for before, by how many readers, on how many processes. In
    the order of the steps, ``readers`` processes of their own prepare the next batches while a step runs; any other
    order starts them anew. Only this process's share is read. As a context it ends its readers, which take no signals.

    pinned: keep batches in page-locked memory, from which a GPU copies them while it computes. Raises ValueError, in
    one line, for an image that cannot be read any more.
    """

    def __init__(self, images: ImageSet, batch: int, *, seed: int, rank: int = 0, world: int = 1, readers: int = 0,
                 pinned: bool = False):  # fmt: skip
        self.images, self.readers, self.pinned = images, readers, pinned
        self._steps = dict(count=len(images), batch=batch, seed=seed, rank=rank, world=world)
        self._next: int | None = None
        self._stream: Iterator[Tensor | str] = iter(())

    def __call__(self, t: int) -> Tensor:
        if self._next != t:
            self._stream = iter(self._loader(t))
        self._next = t + 1
        found = next(self._stream)
        if isinstance(found, str):
            raise ValueError(
                f"{found}: what a run reads must stay as it is. Put it back; the same command then goes on from its "
                "last checkpoint"
            )
        return found

    def __enter__(self) -> "Batches":
        return self

    def __exit__(self, *_) -> None:
        self._next, self._stream = None, iter(())  # the loader's iterator ends its processes as it goes

    def _loader(self, first: int) -> DataLoader:
        ahead: dict[str, Any] = dict(prefetch_factor=AHEAD, worker_init_fn=_ignore_signals) if self.readers else {}
        return DataLoader(
            _Readable(self.images),
            batch_sampler=_Steps(first, **self._steps),
            collate_fn=_as_it_is,
            num_workers=self.readers,
            pin_memory=self.pinned,
            **ahead,
        )


class _Steps(Sampler):
    """The indices of this process's share of each batch, from step ``first`` on, for ever."""

    def __init__(self, first: int, *, count: int, batch: int, seed: int, rank: int, world: int):
        self.first, self.mine = first, slice(rank, None, world)
        self.count, self.batch, self.seed = count, batch, seed

    def __iter__(self) -> Iterator[list[int]]:
        t = self.first
        while True:
            yield batch_indices(self.count, self.batch, t, seed=self.seed)[self.mine].tolist()
            t += 1


class _Readable(Dataset):
    """An image set whose errors come as text: torch would wrap those of a reader in its traceback."""

    def __init__(self, images: ImageSet):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: list[int]) -> Tensor | str:
        try:
            return self.images.__getitems__(indices)
        except (ValueError, OSError) as error:
            return str(error)


def _as_it_is(batch):
    return batch


def _ignore_signals(_reader: int) -> None:
    """Ctrl-C and a cluster's SIGTERM reach all processes; the run's own ends after its step, and these with it."""
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
