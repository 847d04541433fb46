"""Any directory of images, and a split of it that stays."""

import hashlib
import os
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..images import list_images, load_image
from ..names import printable
from .crops import check_size, square


class Split(NamedTuple):
    """Indices into the names that were split; every index is in exactly one of the two."""

    train: list[int]
    test: list[int]


def load_folder(
    path: str | os.PathLike, size: int | None = None, *, skip_broken: bool = False
) -> tuple[Tensor, list[str]]:
    """The images of a folder by name: ((N, 3, H, W) float32 in [0, 1], file names).

    size: the largest centred square of each, shrunk with antialiasing to size x size; images are never enlarged.
    Raises NotADirectoryError for no folder; ValueError for none with images, for files that are no images (all of them
    in one message; skip_broken leaves them out with a warning, where there are others), for unequal sides when no size
    is given, and for images below it.
    """
    names, images = zip(*_read(path, size, skip_broken), strict=True)
    return torch.cat(images), list(names)


def split(names: Sequence[str], fraction: float = 0.1, *, people: Sequence[str] | None = None) -> Split:
    """Send about ``fraction`` of the names to the test side, by hash: a name stays where it is when others come or go.

    A name in either Unicode form, as macOS and others store it, goes to the same side.

    people: whom each image shows; all images of a person then go to the same side. Raises ValueError for a fraction
    outside (0, 1), for labels that do not match the names in number, and when a side comes out empty.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction!r}")
    labels = names if people is None else people
    if len(labels) != len(names):
        raise ValueError(f"{len(names)} names but {len(labels)} people")
    sides = Split([], [])
    for i, label in enumerate(labels):
        # a prefix of our own: a data set may itself be what somebody's plain hash of the names left over
        text = os.fsencode(unicodedata.normalize("NFC", f"ganprior-null/{label}"))
        share = int.from_bytes(hashlib.sha256(text).digest()[:8]) / 2**64
        sides[share < fraction].append(i)
    if not (sides.train and sides.test):
        raise ValueError(
            f"{len(set(labels))} names or people with fraction {fraction} leave {len(sides.train)} images to train and "
            f"{len(sides.test)} to test; take more images or another fraction"
        )
    return sides


def _read(path: str | os.PathLike, size: int | None, skip_broken: bool) -> Iterator[tuple[str, Tensor]]:
    """(file name, (1, 3, H, W)) of one image after another; what was wrong with any is raised after the last."""
    if size is not None:
        check_size(size)
    sides: dict[str, tuple[int, int]] = {}
    broken: dict[str, str] = {}
    for file in list_images(path):
        try:
            x = load_image(file)
        except ValueError as error:
            broken[file.name] = str(error).removeprefix(f"{printable(str(file.parent))}/")
            continue
        sides[file.name] = (x.shape[-2], x.shape[-1])
        if size is None:
            yield file.name, x
        elif min(x.shape[-2:]) >= size:
            yield file.name, square(x, size)  # at once: a folder of large photographs need not fit into memory
    refuse_broken(path, broken, skip_broken, others=bool(sides))
    if size is not None:
        refuse_small(path, {name: side for name, side in sides.items() if min(side) < size}, size)
    elif len(set(sides.values())) > 1:
        first = next(iter(sides))
        other = next(name for name in sides if sides[name] != sides[first])
        raise ValueError(
            f"{path}: images of unequal sides, such as {_told(first, sides[first])} and {_told(other, sides[other])}; "
            "give size for squares of one size"
        )


def refuse_broken(path: str | os.PathLike, broken: dict[str, str], skip_broken: bool, *, others: bool) -> None:
    """Raise ValueError with {name: what is wrong with it}, or warn where these are to be left out.

    others: whether there are readable images; without any, to leave out is no way out.
    """
    if not broken:
        return
    what = f"{path}: {len(broken)} unreadable: {'; '.join(broken.values())}"
    if not others:
        raise ValueError(what)
    if not skip_broken:
        raise ValueError(f"{what}; repair or remove them, or leave them out with --skip-broken (skip_broken=True)")
    warnings.warn(f"{what}; left out", stacklevel=4)


def refuse_small(path: str | os.PathLike, small: dict[str, tuple[int, int]], size: int) -> None:
    """Raise ValueError with {name: (height, width)} of images that hold no square of this size, where there are any."""
    if small:
        told = ", ".join(_told(*item) for item in small.items())
        raise ValueError(f"{path}: {len(small)} smaller than size {size}: {told}")


def _told(name: str, side: tuple[int, int]) -> str:
    return f"{name} ({side[0]} x {side[1]})"
