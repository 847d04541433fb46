"""The two sides of a data set: what networks are trained on, and the people or images they never see."""

import os
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import to_uint8
from .folders import load_folder_uint8, split
from .packs import load_pack

AT_ONCE = 64  # images that are enlarged at a time: as floats they take four times the memory


class Sides(NamedTuple):
    """uint8 images (N, 3, size, size) of either side, and a name each: of the person, or of the image itself."""

    training: Tensor
    held_out: Tensor
    training_names: list[str]
    held_out_names: list[str]


def load_sides(folder: str | os.PathLike, size: int, *, margin: int = 0, skip_broken: bool = False) -> Sides:
    """A pack or a folder of image files, split: by person where a pack names them, else by image name or index.

    margin: pixels cut from every side of an image before it is enlarged again to size (6 of 64 keeps the face of an
    aligned portrait). skip_broken: leave out files of a folder that are no readable images, with a warning. Raises what
    :func:`load_pack`, :func:`load_folder` and :func:`split` raise, and ValueError for a margin that leaves nothing.
    """
    folder = Path(folder)
    if (folder / "pack.json").exists():
        pack = load_pack(folder)
        x, keys, people = pack.images, [str(i) for i in range(len(pack.rows))], None
        if "person" in pack.rows[0]:
            people = [row["person"] for row in pack.rows]
    else:
        x, keys = load_folder_uint8(folder, size, skip_broken=skip_broken)
        people = None
    x, names = crop(x, size, margin), people or keys
    one, other = split(keys, people=people)
    return Sides(x[one], x[other], [names[i] for i in one], [names[i] for i in other])


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
