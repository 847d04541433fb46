"""A blur kernel by four sliders, and what it does to a picture."""

import torch.nn.functional as F
import traitlets
from torch import Tensor

from ...data import photograph
from .base import LiveFigure, encode, module

_SIDE = 96  # of the picture: the full blur is a sum over 24 x 24 weights for each pixel


class LiveKernel(LiveFigure):
    """An anisotropic Gaussian drawn along a path, and what ``BlurDownsample`` makes of a picture with it.

    picture: (3, H, W) or (1, 3, H, W) in [0, 1], sides multiples of 16, from 32 to 128; default a cat.
    """

    _esm = module("kernel")
    picture = traitlets.Bytes().tag(sync=True)  # JPEG
    width = traitlets.Float(1.5, min=0.4, max=4).tag(sync=True)  # standard deviation along the angle, pixels of x
    angle = traitlets.Float(30, min=0, max=180).tag(sync=True)  # degrees, anticlockwise
    eccentricity = traitlets.Float(0.8, min=0, max=0.95).tag(sync=True)
    motion = traitlets.Float(0, min=0, max=16).tag(sync=True)  # length of the path, pixels of x
    factor = traitlets.Enum((2, 4, 8), 4).tag(sync=True)

    def __init__(self, picture: Tensor | None = None, **traits):
        if picture is None:
            picture = F.interpolate(photograph("chelsea")[..., :256, 96:352], _SIDE, mode="bilinear", antialias=True)
        if any(side % 16 or not 32 <= side <= 128 for side in picture.shape[-2:]):
            raise ValueError(f"sides must be multiples of 16 from 32 to 128, got {tuple(picture.shape[-2:])}")
        super().__init__(picture=encode(picture), **traits)
