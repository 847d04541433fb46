"""Any directory of images, and a split of it that stays."""

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..images import list_images, load_image
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
    in one message; skip_broken leaves them out), for unequal sides when no size is given, and for images below it.
    """
    if size is not None:
        check_size(size)
    images, names, broken = [], [], []
    for file in list_images(path):
        try:
            x = load_image(file)
        except ValueError:
            broken.append(file.name)
            continue
        # shrink at once: a folder of large photographs need not fit into memory
        images.append(square(x, size) if size is not None and min(x.shape[-2:]) >= size else x)
        names.append(file.name)
    if broken and not (skip_broken and names):
        raise ValueError(f"{path}: {len(broken)} unreadable: {', '.join(broken)}; skip_broken=True leaves them out")
    _check_equal(path, images, names, size)
    return torch.cat(images), names


def split(names: Sequence[str], fraction: float = 0.1, *, people: Sequence[str] | None = None) -> Split:
    """Send about ``fraction`` of the names to the test side, by hash: a name stays where it is when others come or go.

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
        share = int.from_bytes(hashlib.sha256(f"ganprior-null/{label}".encode()).digest()[:8]) / 2**64
        sides[share < fraction].append(i)
    if not (sides.train and sides.test):
        raise ValueError(
            f"{len(set(labels))} names or people with fraction {fraction} leave {len(sides.train)} images to train and "
            f"{len(sides.test)} to test; take more images or another fraction"
        )
    return sides


def _check_equal(path, images: list[Tensor], names: list[str], size: int | None) -> None:
    shapes = [tuple(x.shape[-2:]) for x in images]
    if size is not None:
        small = [f"{name} ({h} x {w})" for name, (h, w) in zip(names, shapes, strict=True) if (h, w) != (size, size)]
        if small:
            raise ValueError(f"{path}: {len(small)} smaller than size {size}: {', '.join(small)}")
    elif len(set(shapes)) > 1:
        other = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
        raise ValueError(
            f"{path}: images of unequal sides, such as {names[0]} ({shapes[0][0]} x {shapes[0][1]}) and "
            f"{names[other]} ({shapes[other][0]} x {shapes[other][1]}); give size for squares of one size"
        )
