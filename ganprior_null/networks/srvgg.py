"""The plain network of Real-ESRGAN's small models: convolutions, and the nearest pixel added (Wang et al. 2021)."""

import torch.nn.functional as F
from torch import Tensor, nn

from .stages import Stage, Staged


class SRVGG(Staged):
    """(N, 3, h, w) -> (N, 3, s h, s w), RGB in [0, 1]; modules stand in the order in which they run."""

    def __init__(self, channels: int = 64, convs: int = 16, factor: int = 4):
        super().__init__()
        widths = [3] + [channels] * (convs + 1)
        body = []
        for before, after in zip(widths[:-1], widths[1:], strict=True):
            body += [nn.Conv2d(before, after, 3, padding=1), nn.PReLU(after)]
        self.body = nn.Sequential(*body, nn.Conv2d(channels, 3 * factor**2, 3, padding=1))
        self.channels, self.factor = channels, factor

    def forward(self, y: Tensor) -> Tensor:
        return F.pixel_shuffle(self.body(y), self.factor) + F.interpolate(y, scale_factor=self.factor)

    def stages(self) -> list[Stage]:
        """All in one: a pixel sees what the convolutions in a row see."""
        convs = len(self.body) // 2 + 1
        return [Stage(self.forward, self.factor, convs, 8 * self.channels)]
