"""Many answers to one y: a walk from code to code, every picture of it consistent in its 8-bit file."""

from collections.abc import Callable
from typing import Any

import torch
import traitlets
from torch import Tensor

from ...images import from_uint8, grid, to_uint8, to_uint8_consistent
from .base import LiveFigure, encode, module

LOSSLESS: dict[str, Any] = {"format": "WEBP", "quality": 100, "lossless": True}


class LiveCodes(LiveFigure):
    """Answers x_hat(y, z) for codes z and steps between them, made beforehand; the browser checks A x_hat = y.

    answer: y (M, 3, h, w), z (M, D) -> x_hat (M, 3, H, W), as :class:`~ganprior_null.restorers.PDN` answers.
    y (1, 3, h, w). z (K, D): the codes that the row shows; steps: samples from each to the next, on the great circle.
    Pictures are stored without loss, as files of 8 bits whose block means are the 8-bit y exactly: the read-out, which
    the browser computes from the pixels it shows, is a measurement.

    Raises ValueError for fewer than two codes, fewer than one step, or more than one y.
    """

    _esm = module("codes")
    sheet = traitlets.Bytes().tag(sync=True)  # lossless WebP: the samples side by side
    measurement = traitlets.Bytes().tag(sync=True)  # lossless WebP: y
    side = traitlets.Int().tag(sync=True)
    factor = traitlets.Int().tag(sync=True)
    codes = traitlets.Int().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    place = traitlets.Float().tag(sync=True)  # 1 at the first code, 2 at the second

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor], y: Tensor, z: Tensor, *, steps: int = 5):
        if len(z) < 2 or steps < 1 or len(y) != 1:
            raise ValueError(
                f"need one y, at least two codes and one step, got {len(y)} y, {len(z)} codes, {steps} steps"
            )
        way, y = between(z, steps), from_uint8(to_uint8(y))
        with torch.no_grad():
            x_hat = torch.cat([answer(y.expand(len(part), -1, -1, -1), part) for part in way.split(8)])
        factor = x_hat.shape[-1] // y.shape[-1]
        files = from_uint8(to_uint8_consistent(x_hat, y.expand(len(x_hat), -1, -1, -1), factor))
        super().__init__(
            sheet=encode(grid(files, columns=len(files), pad=0), **LOSSLESS),
            measurement=encode(y, **LOSSLESS),
            side=x_hat.shape[-1],
            factor=factor,
            codes=len(z),
            steps=steps,
            place=1.0,
        )


def between(z: Tensor, steps: int) -> Tensor:
    """z (K, D) -> ((K - 1) steps + 1, D): from each code to the next along the great circle of their directions.

    The length goes over from one to the next evenly. A mapping network sees the direction alone; the straight line
    would pass nearer to the origin, where no Gaussian code of many dimensions is.
    """
    length = z.norm(dim=1, keepdim=True)
    u, points = z / length, []
    for k in range(len(z) - 1):
        angle = (u[k] @ u[k + 1]).clamp(-1, 1).arccos()
        for t in torch.arange(steps).to(z) / steps:
            turned = ((1 - t) * angle).sin() * u[k] + (t * angle).sin() * u[k + 1]
            points.append(torch.lerp(length[k], length[k + 1], t) * turned / angle.sin())
    return torch.stack([*points, z[-1]])
