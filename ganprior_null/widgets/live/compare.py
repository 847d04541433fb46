"""Before and after: pictures of one scene, two of them on either side of a line that the reader drags."""

import torch
import traitlets
from torch import Tensor

from ...images import grid
from .base import LiveFigure, encode, module

QUALITY = 82  # of WebP: what differs between two restorations survives


class LiveCompare(LiveFigure):
    """pictures: {name: (3, H, W) or (1, 3, H, W) in [0, 1]}, all of one size; notes: {name: what the read-out says}.

    Raises ValueError for fewer than two pictures, unlike sizes, or a picture without a note.
    """

    _esm = module("compare")
    sheet = traitlets.Bytes().tag(sync=True)  # WebP: the pictures side by side
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    notes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    side = traitlets.Int().tag(sync=True)  # width of one picture
    left = traitlets.Unicode().tag(sync=True)
    right = traitlets.Unicode().tag(sync=True)
    cut = traitlets.Float(0.5, min=0, max=1).tag(sync=True)

    def __init__(self, pictures: dict[str, Tensor], notes: dict[str, str]):
        images = [image.reshape(image.shape[-3:]) for image in pictures.values()]
        if len(images) < 2 or len({image.shape for image in images}) > 1 or pictures.keys() != notes.keys():
            shapes = {name: tuple(image.shape) for name, image in pictures.items()}
            raise ValueError(
                f"need two pictures or more, of one size, with a note each, got {shapes} and {list(notes)}"
            )
        names = list(pictures)
        super().__init__(
            sheet=encode(grid(torch.stack(images), columns=len(images), pad=0), format="WEBP", quality=QUALITY),
            names=names,
            notes=[notes[name] for name in names],
            side=images[0].shape[-1],
            left=names[0],
            right=names[-1],
        )
