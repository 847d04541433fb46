"""ESRGAN's generator (Wang et al. 2018), which Real-ESRGAN took over (Wang et al. 2021): a restorer without a prior."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.rrdb import GROWTH, SLOPE, RRDBExtractor
from .stages import Stage, Staged


class RRDBNet(Staged):
    """(N, 3, h, w) -> (N, 3, s h, s w), RGB in [0, 1]; modules stand in the order in which they run.

    factor: s, a power of two. Below 4, y is folded to s/4 of its side and the network of 4x takes it, as in BasicSR;
    above, each doubling more has a convolution more, which nobody published: a stand-in for ESRGAN at 8x and 16x.
    growth: channels that a convolution of a dense block adds. plus: ESRGAN+'s dense blocks.

    Raises ValueError for another factor, and for sides of y that cannot be folded.
    """

    title = "ESRGAN"  # for messages

    def __init__(
        self, channels: int = 64, blocks: int = 23, *, factor: int = 4, growth: int = GROWTH, plus: bool = False
    ):
        super().__init__()
        if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1 or factor & (factor - 1):
            raise ValueError(f"factor must be a power of two (1, 2, 4, 8, ...), got {factor!r}")
        self.factor, self.fold = factor, max(1, 4 // factor)
        self.features = RRDBExtractor(channels, blocks, in_channels=3 * self.fold**2, growth=growth, plus=plus)
        self.doublings = [f"conv_up{i}" for i in range(1, (self.fold * factor).bit_length())]
        for name in self.doublings:
            self.add_module(name, nn.Conv2d(channels, channels, 3, padding=1))
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        if y.shape[-2] % self.fold or y.shape[-1] % self.fold:
            sides = f"{y.shape[-2]} x {y.shape[-1]}"
            raise ValueError(f"an RRDBNet of factor {self.factor} folds y by {self.fold}, which must divide {sides}")
        return self.upsample(self.features(F.pixel_unshuffle(y, self.fold)))

    def upsample(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, 3, 4h, 4w), or whatever the factor is above 4."""
        for name in self.doublings:
            conv = self.get_submodule(name)
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)), SLOPE)  # (N, C, 2h, 2w), (N, C, 4h, 4w)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), SLOPE))

    def stages(self) -> list[Stage]:
        """:meth:`forward` in steps, block by block; between them stand (first features | x), (N, 2C, h, w).

        Raises ValueError below 4x: folding y is no stage.
        """
        if self.fold > 1:
            raise ValueError(f"an RRDBNet of factor {self.factor} folds y first and runs only whole: call network(y)")
        parts, C = self.features, self.conv_hr.in_channels

        def start(y: Tensor) -> Tensor:
            return parts.conv_first(y).repeat(1, 2, 1, 1)

        def step(v: Tensor, block: nn.Module) -> Tensor:
            return torch.cat([v[:, :C], block(v[:, C:])], dim=1)

        def end(v: Tensor) -> Tensor:
            return v[:, :C] + parts.conv_body(v[:, C:])

        upsample = Stage(self.upsample, self.factor, 2, 4 * self.factor**2 * C)
        blocks = [Stage(partial(step, block=block), 1, 15, 16 * C) for block in parts.body]  # 3 x 5 convolutions each
        return [Stage(start, 1, 1, 4 * C), *blocks, Stage(end, 1, 1, 4 * C), upsample]
