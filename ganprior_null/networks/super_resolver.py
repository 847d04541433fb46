"""What all backbones have in common: the range of y, its size, the factor."""

import torch.nn.functional as F
from torch import Tensor

from ..operators.check import check_image
from .stages import Stage, Staged


class SuperResolver(Staged):
    """y (N, 3, h, w) in [0, 1] -> x_r (N, 3, s h, s w): a published network, whatever it asks of its input.

    Neither y nor x_r is clamped. A float y made by a bicubic filter overshoots, and an RRDBNet makes use of that; x_r
    is clamped last, as PD comes first. factor: s. Raises ValueError unless y has three channels.
    """

    def __init__(self, network: Staged, factor: int):
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, y: Tensor) -> Tensor:
        return self.network(check_rgb(y))

    def stages(self) -> list[Stage]:
        return [Stage(check_rgb, 1, 0, 6), *self.network.stages()]

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


class Bicubic(Staged):
    """y (N, 3, h, w) -> (N, 3, s h, s w): plain interpolation, the network that knows nothing."""

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def forward(self, y: Tensor) -> Tensor:
        return F.interpolate(check_rgb(y), scale_factor=self.factor, mode="bicubic")

    def stages(self) -> list[Stage]:
        """All in one: taps lie at most two pixels away."""
        return [Stage(self.forward, self.factor, 2, 9 * self.factor**2)]


def check_rgb(y: Tensor) -> Tensor:
    """Return y; ValueError unless it is (N, 3, h, w), TypeError for integers."""
    check_image(y, "y")
    if y.shape[1] != 3:
        raise ValueError(f"y must have three channels, RGB, got shape {tuple(y.shape)}")
    return y
