"""The project's own feature network: what the course's Fréchet distance and perceptual loss look at."""

import math

import torch.nn.functional as F
from torch import Tensor, nn

from .equalized import EqualConv2d, EqualLinear, FusedLeakyReLU

WIDTHS = (16, 32, 64, 128, 192)  # channels at H, H/2, H/4, H/8, H/16
EMBEDDING = 128


class FeatureNet64(nn.Module):
    """RGB (N, 3, H, W) in [0, 1], H and W multiples of 16 from 32 up -> embedding (N, 128).

    Five stages of plain convolutions, trained at 64 pixels. There is no normalisation, so a feature depends on its
    neighbourhood in its own image and on nothing else: not on the batch, nor on the contrast elsewhere. Images are
    halved by means of 2 x 2 pixels, after the rectification: fine texture survives as energy, and is not aliased.

    Its weights come from :func:`ganprior_null.weights.load_features64`; a new one is random.

    >>> len(layers.FeatureNet64().stages(torch.rand(1, 3, 64, 64)))
    5
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(EqualConv2d(3, WIDTHS[0], 3, padding=1), FusedLeakyReLU(WIDTHS[0]))
        self.blocks = nn.ModuleList(Halve(a, b) for a, b in zip(WIDTHS, WIDTHS[1:], strict=False))
        self.embed = EqualLinear(WIDTHS[-1], EMBEDDING)

    def stages(self, x: Tensor) -> list[Tensor]:
        """[(N, 16, H, W), (N, 32, H/2, W/2), ..., (N, 192, H/16, W/16)]. Raises ValueError for other images."""
        features = [self.stem(4 * check_rgb(x) - 2)]  # about zero mean and unit variance
        for block in self.blocks:
            features.append(block(features[-1]))
        return features

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(self.stages(x)[-1].mean((2, 3)))


class Halve(nn.Module):
    """(N, in, H, W) -> (N, out, H/2, W/2): two convolutions beside a 1 x 1 convolution."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1 = EqualConv2d(in_channels, out_channels, 3, padding=1)
        self.act1 = FusedLeakyReLU(out_channels)
        self.conv2 = EqualConv2d(out_channels, out_channels, 3, padding=1)
        self.act2 = FusedLeakyReLU(out_channels)
        self.skip = EqualConv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2)
        y = self.act2(self.conv2(self.act1(self.conv1(x))))
        return (y + self.skip(x)) / math.sqrt(2)


def check_rgb(x: Tensor) -> Tensor:
    """Return x; TypeError unless floating point, ValueError unless (N, 3, H, W), sides multiples of 16 from 32 up."""
    if not x.is_floating_point():
        raise TypeError(f"images must be floating point in [0, 1], got {x.dtype}")
    if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 32 or x.shape[2] % 16 or x.shape[3] % 16:
        raise ValueError(f"images must be (N, 3, H, W), H and W multiples of 16 from 32 up, got {tuple(x.shape)}")
    return x
