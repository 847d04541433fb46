"""Pooling-based decomposition of the reader's own picture."""

import torch.nn.functional as F
import traitlets
from torch import Tensor

from ...data import faces, photograph
from .base import LiveFigure, encode, module

_SIDE = 128  # of the first picture


class LivePD(LiveFigure):
    r""":math:`\hat x = A^\dagger y + \lambda (I - A^\dagger A) x_r` for block means, in float64, in the browser.

    picture: the one shown first, (3, H, W) or (1, 3, H, W) in [0, 1], sides multiples of 16 and at most 256; default a
    portrait. The reader's own pictures are read by the browser and reach neither a server nor Python.
    """

    _esm = module("pooling")
    picture = traitlets.Bytes().tag(sync=True)  # JPEG
    other = traitlets.Bytes().tag(sync=True)  # JPEG, what the backbone "another face" answers
    factor = traitlets.Enum((2, 4, 8, 16), 8).tag(sync=True)
    backbone = traitlets.Enum(("nearest", "bicubic", "noise", "another face"), "bicubic").tag(sync=True)
    strength = traitlets.Float(1.0, min=0, max=2).tag(sync=True)
    eight_bits = traitlets.Bool(False).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)

    def __init__(self, picture: Tensor | None = None, **traits):
        if picture is None:
            head = photograph("astronaut")[..., :256, 96:352]
            picture = F.interpolate(head, _SIDE, mode="bilinear", antialias=True)
        if any(side % 16 or not 16 <= side <= 256 for side in picture.shape[-2:]):
            raise ValueError(f"sides must be multiples of 16, 256 at most, got {tuple(picture.shape[-2:])}")
        super().__init__(picture=encode(picture), other=encode(faces(1, 64, seed=0)), **traits)
