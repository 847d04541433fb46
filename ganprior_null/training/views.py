"""Random views of images: the same content, cropped, mirrored, recoloured, blurred, noisy."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import from_uint8, to_uint8

BLUR, NOISE = 2.0, 0.1  # the largest standard deviations, in pixels and in units of the image range
REACH = 5  # taps of the blur on each side of a pixel


class Views(NamedTuple):
    """x (N, 3, H, W) in [0, 1] as an 8-bit file would hold it; damage (N, 2): blur and noise, shares of the largest."""

    x: Tensor
    damage: Tensor


def random_views(x: Tensor, generator: torch.Generator) -> Views:
    """One view of each image (N, 3, H, W) in [0, 1]: crop, mirror, colours, then blur and noise, each in half of them.

    A quarter of the views keep their crop: pixels that are not interpolated belong to what a network should know.
    """
    x = recoloured(cropped(x, generator), generator)
    kept = torch.rand(len(x), 2, generator=generator) < 0.5
    damage = torch.rand(len(x), 2, generator=generator) * kept
    x = blurred(x, BLUR * damage[:, 0])
    x = x + NOISE * damage[:, 1].view(-1, 1, 1, 1) * torch.randn(x.shape, generator=generator)
    return Views(from_uint8(to_uint8(x)), damage)


def cropped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Squares of 0.6 to 1 of the side, turned by up to 0.2 radians, enlarged again; half of the images mirrored."""
    scale, across, down, turn, kept, side = torch.rand(6, len(x), generator=generator)
    scale = torch.where(kept < 0.25, 1.0, 0.6 + 0.4 * scale)
    angle = torch.where(kept < 0.25, 0.0, 0.4 * turn - 0.2)
    mirror = torch.where(side < 0.5, -1.0, 1.0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = [mirror * cos, -sin, (1 - scale) * (2 * across - 1), mirror * sin, cos, (1 - scale) * (2 * down - 1)]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def recoloured(x: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation and the gains of the three channels, each off by a factor of 1.3 or so."""
    draws = torch.randn(6, len(x), 1, 1, 1, generator=generator)
    brightness, contrast, saturation = (0.2 * draws[:3]).exp()
    gains = (0.08 * draws[3:]).exp().permute(1, 4, 2, 3, 0).reshape(len(x), 3, 1, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = contrast * (x - mean) + brightness * mean
    gray = x.mean(1, keepdim=True)
    return gains * (gray + saturation * (x - gray))


def blurred(x: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of every image (N, C, H, W) by its own sigma (N,), in pixels; 0 changes nothing."""
    n, channels = x.shape[:2]
    offsets = torch.arange(-REACH, REACH + 1, dtype=x.dtype)
    # sigma 0 would divide by zero; at 0.01 the neighbours' weights are exactly 0 in float32
    taps = torch.exp(-0.5 * (offsets / sigma.clamp_min(0.01)[:, None]) ** 2)
    taps = (taps / taps.sum(1, keepdim=True)).repeat_interleave(channels, 0)  # (N C, taps)
    x = F.pad(x, (REACH,) * 4, mode="reflect").reshape(1, n * channels, x.shape[2] + 2 * REACH, -1)
    x = F.conv2d(F.conv2d(x, taps[:, None, None], groups=n * channels), taps[:, None, :, None], groups=n * channels)
    return x.reshape(n, channels, *x.shape[2:])


def cosine_rate(t: int, steps: int, *, warm_up: int) -> float:
    """Share of the full learning rate at step t: a linear rise, then half a cosine down to 0 at ``steps``."""
    if t < warm_up:
        return (t + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (t - warm_up) / max(steps - warm_up, 1))
