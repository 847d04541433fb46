"""SPAN: a small network of convolutions gated by an attention without parameters (Wan et al. 2024)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .stages import Stage, Staged


class SPAN(Staged):
    """(N, 3, h, w) -> (N, 3, s h, s w), RGB in [0, 1]; modules stand in the order in which they run.

    The published training branches are folded into one 3 x 3 convolution each, as in the deployed networks. y is
    clamped to [0, 1]: a float y that overshoots, as a bicubic filter makes it, is answered with spots.
    """

    mean: Tensor

    def __init__(self, channels: int = 48, factor: int = 4):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))  # of the training images; the weights bring it
        self.conv_1 = nn.Conv2d(3, channels, 3, padding=1)
        self.block_1, self.block_2, self.block_3 = (Block(channels) for _ in range(3))
        self.block_4, self.block_5, self.block_6 = (Block(channels) for _ in range(3))
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_cat = nn.Conv2d(4 * channels, channels, 1)
        self.upsampler = nn.Conv2d(channels, 3 * factor**2, 3, padding=1)
        self.factor = factor

    def forward(self, y: Tensor) -> Tensor:
        first = self.conv_1(255 * (y.clamp(0, 1) - self.mean))  # (N, C, h, w), as all that follow
        x = one = self.block_1(first)
        for block in (self.block_2, self.block_3, self.block_4, self.block_5):
            x = block(x)
        inside = F.silu(self.block_6.c1(x))
        x = self.conv_cat(torch.cat([first, self.conv_2(self.block_6(x)), one, inside], dim=1))
        return F.pixel_shuffle(self.upsampler(x), self.factor)

    def stages(self) -> list[Stage]:
        """All in one: a pixel sees what 21 convolutions in a row see."""
        return [Stage(self.forward, self.factor, 1 + 6 * 3 + 1 + 1, 16 * self.conv_1.out_channels)]


class Block(nn.Module):
    """(N, C, h, w) -> (N, C, h, w): (v + x) (sigmoid(v) - 1/2), v three convolutions of x."""

    def __init__(self, channels: int):
        super().__init__()
        self.c1, self.c2, self.c3 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        v = self.c3(F.silu(self.c2(F.silu(self.c1(x)))))
        return (v + x) * (torch.sigmoid(v) - 0.5)
