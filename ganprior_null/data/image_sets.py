"""Many images of one size, held in memory or decoded when asked for: what batches are cut from."""

import os
import warnings
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import to_uint8
from .crops import square
from .faces import render
from .factors import FaceFactors, face_factors
from .stores import Store

Indices = Sequence[int] | Tensor  # whole numbers

DRAWN_HELD = 512_000_000  # bytes of drawn faces that are kept in memory: to draw takes longer than to decode
AT_ONCE = 64  # images that are enlarged, or added up, at a time: as numbers they take several times the memory


class ImageSet(Protocol):
    """N images, numbered; torch's loaders take it as a map-style data set."""

    size: int  # pixels a side
    held: bool  # in memory: to read them takes no time

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Tensor:
        """(3, size, size) uint8."""

    def __getitems__(self, indices: Indices) -> Tensor:
        """(n, 3, size, size) uint8, in the order of the indices."""

    def take(self, indices: Indices) -> "ImageSet":
        """These images, in this order, as a set."""


class Held:
    """Images (N, 3, size, size) uint8 in memory."""

    held = True

    def __init__(self, images: Tensor):
        self.images, self.size = images, images.shape[-1]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        return self.images[i]

    def __getitems__(self, indices: Indices) -> Tensor:
        return self.images[torch.as_tensor(indices, dtype=torch.long)]

    def take(self, indices: Indices) -> "Held":
        return Held(self.__getitems__(indices))


class Decoded:
    """The images of a store, decoded when asked for: the centred square of each, shrunk to size x size, in 8 bits.

    margin: as :func:`crop`. indices: which images of the store, in which order. Raises ValueError, naming it, for an
    image that cannot be read or is too small; whoever opened the store has seen to it that none was.
    """

    held = False

    def __init__(self, store: Store, indices: Indices, size: int, *, margin: int = 0):
        self.store, self.size, self.margin = store, size, margin
        self.indices = torch.as_tensor(indices, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Tensor:
        with warnings.catch_warnings(action="ignore"):  # told of when the store was checked
            x = to_uint8(square(self.store.read(int(self.indices[i])), self.size))
        return crop(x, self.size, self.margin)[0]

    def __getitems__(self, indices: Indices) -> Tensor:
        return torch.stack([self[int(i)] for i in indices])

    def take(self, indices: Indices) -> "Decoded":
        return Decoded(self.store, self.indices[torch.as_tensor(indices, dtype=torch.long)], self.size,
                       margin=self.margin)  # fmt: skip


class Drawn:
    """The first ``count`` procedural faces of a seed, drawn when asked for. Raises ValueError as :func:`.faces`."""

    held = False

    def __init__(self, factors: FaceFactors, size: int):
        self.factors, self.size = factors, size

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, i: int) -> Tensor:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: Indices) -> Tensor:
        return to_uint8(render(self.take(indices).factors, self.size))

    def take(self, indices: Indices) -> "Drawn":
        chosen = torch.as_tensor(indices, dtype=torch.long)
        return Drawn(self.factors.map(lambda t: t[chosen]), self.size)


def drawn_faces(count: int, size: int, seed: int = 0) -> ImageSet:
    """The first faces of a seed in 8 bits, held in memory where they take at most 512 MB."""
    images = Drawn(face_factors(count, seed), size)
    return Held(all_of(images)) if 3 * size**2 * count <= DRAWN_HELD else images


def all_of(images: ImageSet) -> Tensor:
    """(N, 3, size, size) uint8: every image, in memory."""
    return images.__getitems__(range(len(images)))


def mean_of(images: ImageSet) -> Tensor:
    """(3, size, size) float32 in [0, 1]: the mean image; some are in memory at a time."""
    total = torch.zeros(3, images.size, images.size, dtype=torch.int64)  # exact, whatever the order
    for first in range(0, len(images), AT_ONCE):
        total += images.__getitems__(range(first, min(first + AT_ONCE, len(images)))).sum(0, dtype=torch.int64)
    return (total.double() / len(images)).float() / 255


def crop(x: Tensor, size: int, margin: int) -> Tensor:
    """uint8 (N, 3, H, H) -> (N, 3, size, size): the margin cut off, antialiased bicubic to size."""
    side = x.shape[-1] - 2 * margin
    if margin < 0 or side < 1:
        raise ValueError(f"margin must leave something of {x.shape[-1]} pixels, got {margin}")
    x = x[..., margin : margin + side, margin : margin + side]
    if side == size:
        return x
    found = torch.empty(*x.shape[:2], size, size, dtype=torch.uint8)
    for some, into in zip(x.split(AT_ONCE), found.split(AT_ONCE), strict=True):
        into.copy_(to_uint8(F.interpolate(some.float() / 255, (size, size), mode="bicubic", antialias=True)))
    return found


def readers(wanted: int | None, images: ImageSet) -> int:
    """Processes that read ahead: as wanted, else one for each core but one, eight at most; none for images held."""
    if images.held:
        return 0
    return min(8, (os.cpu_count() or 1) - 1) if wanted is None else wanted
