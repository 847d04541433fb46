"""Where KernelGAN looks: crops drawn in proportion to the image's gradients."""

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
EDGE = 5  # pixels along the border whose gradients do not count
SHARE = 0.97  # gradients above this quantile count alike


def gradient_map(image: Tensor) -> Tensor:
    """(3, H, W) in [0, 1] -> (H, W) of mean 1: how much there is to see around each pixel.

    The sum of three maps, each of sum 1: the gradient's length, and its horizontal and its vertical part reduced to
    "among the strongest 3 per cent"; then a 5 x 5 mean. Raises ValueError for an image without gradients.
    """
    luma = (image * image.new_tensor(LUMA)[:, None, None]).sum(0)
    down, right = torch.gradient(luma)
    inner = F.pad(torch.ones_like(luma)[EDGE:-EDGE, EDGE:-EDGE], (EDGE,) * 4)
    down, right = down.abs() * inner, right.abs() * inner
    maps = [_strongest(right), _strongest(down), (down**2 + right**2).sqrt()]
    if not maps[-1].sum() > 0:
        raise ValueError("the image has no gradients away from its border: a constant image tells nothing of its blur")
    total = _box(sum((m / m.sum() for m in maps if m.sum() > 0), torch.zeros_like(luma)), 5)
    return total / total.mean()


def crop_probabilities(weights: Tensor, size: int) -> Tensor:
    """(H, W) map -> (H, W): the chance that a crop of this size has its middle here; 0 where it would not fit."""
    half = size // 2
    p = _box(weights, half)
    fits = F.pad(torch.ones_like(p)[half:-half, half:-half], (half,) * 4)
    p = p * fits
    return p / p.sum()


class CropSampler:
    """Crops of one image (3, H, W), for the generator (large, as they look at half size) and for the discriminator.

    All places are drawn in advance from ``generator``. Raises ValueError for a constant image.
    """

    def __init__(self, image: Tensor, large: int, small: int, count: int, generator: torch.Generator):
        self.image = image
        half = F.interpolate(image[None], scale_factor=0.5, mode="bicubic", antialias=True)[0]
        coarse = gradient_map(half).repeat_interleave(2, 0).repeat_interleave(2, 1)  # (H, W)
        self._large = self._places(crop_probabilities(coarse, large), large, count, generator)
        self._small = self._places(crop_probabilities(gradient_map(image), small), small, count, generator)
        self._sizes = (large, small)

    def _places(self, p: Tensor, size: int, count: int, generator: torch.Generator) -> Tensor:
        middle = torch.multinomial(p.flatten(), count, replacement=True, generator=generator)
        corner = torch.stack([middle // p.shape[1], middle % p.shape[1]], 1) - size // 2
        return corner - corner % 2  # even: a crop never changes the phase

    def large(self, which: slice) -> Tensor:
        """(n, 3, large, large)."""
        return self._cut(self._large[which], self._sizes[0])

    def small(self, which: slice) -> Tensor:
        """(n, 3, small, small)."""
        return self._cut(self._small[which], self._sizes[1])

    def degrade(self, which: slice, sigma: float, generator: torch.Generator) -> None:
        """Add noise to the small crops' pixels *in the image itself*: what the published program does by mistake."""
        for top, left in self._small[which].tolist():
            window = self.image[:, top : top + self._sizes[1], left : left + self._sizes[1]]
            window += sigma * torch.randn(window.shape, generator=generator)

    def _cut(self, corners: Tensor, size: int) -> Tensor:
        return torch.stack([self.image[:, i : i + size, j : j + size] for i, j in corners.tolist()])


def _strongest(m: Tensor) -> Tensor:
    """m cut to the narrow band between one order statistic and the next: practically 0 or 1 times a constant."""
    ordered = m.flatten().sort().values
    pivot = int(SHARE * len(ordered))
    low, high = ordered[pivot], ordered[pivot + 1]
    return torch.minimum(m, high if high > low else low + 1e-5).clamp_min(low) - low


def _box(m: Tensor, side: int) -> Tensor:
    """Mean over side x side pixels, zeros outside; the longer half of an even side lies before the pixel."""
    before, after = side // 2, (side - 1) // 2
    return F.avg_pool2d(F.pad(m[None, None], (before, after, before, after)), side, 1)[0, 0]
