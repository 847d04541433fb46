"""IR-SE-50, the residual network with channel gates that ArcFace knows faces by, and pSp encodes them with."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

UNITS = (3, 4, 14, 3)  # residual units of the four stages; 50 layers in all
WIDTHS = (64, 128, 256, 512)


class IRTrunk(nn.Module):
    """RGB (N, 3, S, S) in [-1, 1] -> features of its stages, see :meth:`taps`.

    widths: channels of the four stages. reduction: how much narrower the hidden layer of a channel gate is. Names are
    the published ones (Deng et al. 2019; Hu et al. 2018 for the gates). Batch normalisation makes training and
    evaluation mode differ.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, reduction: int = 16):
        super().__init__()
        stem = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.input_layer = nn.Sequential(stem, nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0]))
        units, before = [], widths[0]
        for width, count in zip(widths, UNITS, strict=True):
            units.append(Unit(before, width, stride=2, reduction=reduction))
            units += [Unit(width, width, stride=1, reduction=reduction) for _ in range(count - 1)]
            before = width
        self.body = nn.Sequential(*units)

    def taps(self, x: Tensor) -> list[Tensor]:
        """The features after stages 2, 3 and 4: (N, C, S/4, S/4), (N, C', S/8, S/8), (N, C'', S/16, S/16)."""
        # never channels-last: torch 2.13 on a CPU then writes past the gradients of a unit that widens, and aborts
        x, features = self.input_layer(x.contiguous(memory_format=torch.contiguous_format)), []  # (N, C1, S, S)
        for i, unit in enumerate(self.body, start=1):
            x = unit(x)
            if i in (sum(UNITS[:2]), sum(UNITS[:3]), sum(UNITS)):
                features.append(x)
        return features


class IRSE50(IRTrunk):
    """RGB (N, 3, 112, 112) in [-1, 1] -> (N, features) of length 1; the inner product tells how alike two faces are."""

    def __init__(self, widths: tuple[int, ...] = WIDTHS, reduction: int = 16, features: int = 512):
        super().__init__(widths, reduction)
        width = widths[-1]
        head = [nn.BatchNorm2d(width), nn.Dropout(0.6), nn.Flatten(), nn.Linear(7 * 7 * width, features)]
        self.output_layer = nn.Sequential(*head, nn.BatchNorm1d(features))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.output_layer(self.taps(x)[-1]), dim=1)


class Unit(nn.Module):
    """(N, C, r, r) -> (N, C', r/stride, r/stride): two convolutions and a gate, beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, reduction: int):
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)  # every stride-th pixel
        if in_channels != out_channels:
            conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(conv, nn.BatchNorm2d(out_channels))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            SqueezeExcite(out_channels, out_channels // reduction),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class SqueezeExcite(nn.Module):
    """x (N, C, H, W) scaled channel by channel by a number in (0, 1) that its means over the pixels decide."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()
