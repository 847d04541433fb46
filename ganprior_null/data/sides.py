"""The two sides of a data set: what networks are trained on, and the people or images they never see."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..images import to_uint8
from .checked import check
from .crops import check_size
from .folders import split
from .image_sets import Decoded, Held, ImageSet, all_of, crop
from .packs import load_pack
from .stores import Store, open_store

HELD = 64_000_000  # bytes of decoded images that are kept in memory; more are decoded when they are asked for


Images = TypeVar("Images", Tensor, ImageSet)


class Sides(NamedTuple, Generic[Images]):
    """Images of either side, and a name each: of the person, or of the image itself.

    Of :func:`load_sides` uint8 tensors (N, 3, size, size), of :func:`open_sides` sets.
    """

    training: Images
    held_out: Images
    training_names: list[str]
    held_out_names: list[str]


def load_sides(folder: str | os.PathLike, size: int, *, margin: int = 0, skip_broken: bool = False) -> Sides[Tensor]:
    """:func:`open_sides` with all images in memory."""
    sides = open_sides(folder, size, margin=margin, skip_broken=skip_broken)
    return Sides(all_of(sides.training), all_of(sides.held_out), *sides[2:])


def open_sides(folder: str | os.PathLike, size: int, *, margin: int = 0, skip_broken: bool = False) -> Sides[ImageSet]:
    """A pack, a folder of image files or of shards, split: by person where a pack names them, else by image name or
    index. Sub-folders are searched.

    Packs are held in memory, others where their decoded images take at most 64 MB; of larger ones each image is decoded
    when it is asked for, so that memory does not grow with their number. The images are the same either way.

    margin: pixels cut from every side of an image before it is enlarged again to size (6 of 64 keeps the face of an
    aligned portrait). skip_broken: leave out files that are no readable images, with a warning. Raises what
    :func:`load_pack`, :func:`~.stores.open_store`, :func:`~.checked.check` and :func:`split` raise, and ValueError for
    a margin that leaves nothing.
    """
    folder, people = Path(folder), None
    images: ImageSet
    if (folder / "pack.json").exists():
        pack = load_pack(folder)
        images, keys = Held(crop(pack.images, size, margin)), [str(i) for i in range(len(pack.rows))]
        if "person" in pack.rows[0]:
            people = [row["person"] for row in pack.rows]
    else:
        images, keys = open_images(open_store(folder), check_size(size), margin=margin, skip_broken=skip_broken)
    names = people or keys
    one, other = split(keys, people=people)
    return Sides(images.take(one), images.take(other), [names[i] for i in one], [names[i] for i in other])


def open_images(store: Store, size: int, *, margin: int, skip_broken: bool) -> tuple[ImageSet, list[str]]:
    """(the usable images of a store, their names); held where they are few. Raises as :func:`open_sides`."""
    crop(torch.empty(0, 3, size, size, dtype=torch.uint8), size, margin)  # a wrong margin is said first
    count = len(store.names)
    if 3 * size**2 * count > HELD:
        good = check(store, size, skip_broken=skip_broken)
        return Decoded(store, good, size, margin=margin), [store.names[i] for i in good]
    x = torch.empty(count, 3, size, size, dtype=torch.uint8)
    good = check(store, size, skip_broken=skip_broken, keep=lambda i, image: x[i].copy_(to_uint8(image[0])))
    return Held(crop(x[good], size, margin)), [store.names[i] for i in good]


def fingerprint(*names: Sequence[str]) -> str:
    """A digest of the names of both sides: another folder, or one that has changed, has another."""
    text = "\n".join("\n".join(side) for side in names)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
