"""Ground truth as it is found: a part of the training images blurred, noisy and compressed (paper, Figure 8)."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data import Held, ImageSet
from ..data.image_sets import Indices, all_of
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
    return all_of(Degraded(Held(images), share=share, seed=seed))


class Degraded:
    """:func:`degrade` of a set, each image when it is asked for."""

    def __init__(self, images: ImageSet, *, share: float = SHARE, seed: int = 0):
        if not 0 <= share <= 1:
            raise ValueError(f"share must be between 0 and 1, got {share!r}")
        self.images, self.share, self.seed = images, share, seed
        self.size, self.held = images.size, False  # it takes time to degrade them

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Tensor:
        generator = step_generator(self.seed, i, "degraded image")
        image = self.images[i]
        return degraded(image, generator) if torch.rand((), generator=generator) < self.share else image

    def __getitems__(self, indices: Indices) -> Tensor:
        return torch.stack([self[int(i)] for i in indices])

    def take(self, indices: Indices) -> ImageSet:
        """These, degraded as they are here, in memory."""
        return Held(self.__getitems__(indices))


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
