"""Ground truth as it is found: a part of the training images blurred, noisy and compressed (paper, Figure 8)."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images import from_uint8, to_uint8
from .stream import step_generator
from .views import blurred

SHARE = 0.5  # of the images that are degraded; the paper names no figures
BLUR = (0.5, 1.5)  # standard deviation in pixels
NOISE = (0.04, 0.1)  # standard deviation, of the image range
QUALITY = (60, 95)  # of the JPEG file: high enough that it keeps some of the noise


def degrade(images: Tensor, *, share: float = SHARE, seed: int = 0) -> Tensor:
    """uint8 (N, 3, H, W) -> the same, about ``share`` of the images blurred, then noisy, then a JPEG file's.

    What happens to image i depends on (seed, i) alone: the same images are degraded in the same way in every run, and
    the first ones stay as they are when others are added. Raises ValueError for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share!r}")
    found = images.clone()
    for i in range(len(images)):
        generator = step_generator(seed, i, "degraded image")
        if torch.rand((), generator=generator) < share:
            found[i] = degraded(images[i], generator)
    return found


def degraded(image: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 (3, H, W) -> the same, blurred, noisy and compressed, each by a strength drawn from its range."""

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(1, generator=generator)

    x = blurred(from_uint8(image)[None], draw(*BLUR))[0]
    x = x + draw(*NOISE) * torch.randn(x.shape, generator=generator)
    return compressed(to_uint8(x), round(float(draw(*QUALITY))))


def compressed(file: Tensor, quality: int) -> Tensor:
    """What a JPEG file of this quality (1 to 95) keeps of an 8-bit image (3, H, W)."""
    held = io.BytesIO()
    Image.fromarray(file.permute(1, 2, 0).contiguous().numpy()).save(held, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(held))).permute(2, 0, 1)
