"""The residual network of dlib that knows people by their faces (King 2017; after He et al. 2016)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 150  # pixels of the portraits that it was trained on
MEAN_COLOUR = (122.782, 117.001, 104.298)  # of 255
STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))  # channels, units; all but the first begin with a halving one


class DlibFaces(nn.Module):
    """RGB faces (N, 3, H, W) in [0, 1] -> (N, 128); portraits of one person are nearer than 0.6 to one another.

    margin: the share of H and W that is cut from every side before the rest is enlarged (or reduced) to 150 x 150, for
    images that show more than a face. All share a large mean: compare by distance, or by cosine after subtracting it,
    as :func:`ganprior_null.metrics.identity` does. Weights: :func:`ganprior_null.weights.load_dlib_faces`; a new one is
    random. Raises TypeError for integers, ValueError for other images and a margin outside [0, 0.5).

    >>> layers.DlibFaces()(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 128])
    """

    mean: Tensor

    def __init__(self, margin: float = 0.0):
        super().__init__()
        if not 0 <= margin < 0.5:
            raise ValueError(f"margin must be a share in [0, 0.5) of each side, got {margin}")
        self.margin = margin
        self.register_buffer("mean", torch.tensor(MEAN_COLOUR).view(1, 3, 1, 1) / 255, persistent=False)
        self.stem = Scaled(3, STAGES[0][0], 7, stride=2)
        units, before = [], STAGES[0][0]
        for stage, (width, count) in enumerate(STAGES):
            for i in range(count):
                units.append(Unit(before, width, halve=stage > 0 and i == 0))
                before = width
        self.units = nn.Sequential(*units)
        self.embed = nn.Linear(before, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = portrait(x, self.margin)  # (N, 3, 150, 150)
        x = F.relu(self.stem((x - self.mean) * (255 / 256)))  # (N, 32, 72, 72)
        x = self.units(F.max_pool2d(x, 3, 2))  # (N, 32, 35, 35) -> (N, 256, 2, 2)
        return self.embed(x.mean((2, 3)))


class Unit(nn.Module):
    """(N, C, r, r) -> (N, C', r, r), or (N, C', r // 2, r // 2) where it halves: two convolutions beside a shortcut.

    The shortcut has no weights. New channels begin as zeros, and so do rows and columns that the convolutions, without
    a border where they halve, do not reach.
    """

    def __init__(self, in_channels: int, out_channels: int, *, halve: bool):
        super().__init__()
        self.halve = halve
        self.conv1 = Scaled(in_channels, out_channels, 3, stride=2 if halve else 1, padding=0 if halve else 1)
        self.conv2 = Scaled(out_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.halve:
            x = F.avg_pool2d(x, 2)  # (N, C, r // 2, r // 2)
            (h, w), (rows, columns) = x.shape[2:], y.shape[2:]
            x = F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
            y = F.pad(y, (0, w - columns, 0, h - rows))
        return F.relu(x + y)


class Scaled(nn.Module):
    """A convolution, then gamma and beta for each channel: what is left of batch normalisation after training."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding)
        self.gamma = nn.Parameter(torch.ones(out_channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(out_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * self.conv(x) + self.beta


def portrait(x: Tensor, margin: float) -> Tensor:
    """(N, 3, H, W) -> (N, 3, 150, 150): the margin cut off, bilinear. Raises TypeError, ValueError for no images."""
    if not x.is_floating_point():
        raise TypeError(f"images must be floating point in [0, 1], got {x.dtype}")
    if x.ndim != 4 or x.shape[1] != 3 or min(x.shape[2:]) < 2:
        raise ValueError(f"images must be RGB (N, 3, H, W) of 2 pixels a side or more, got {tuple(x.shape)}")
    height, width = x.shape[2:]
    rows, columns = round(margin * height), round(margin * width)
    x = x[..., rows : height - rows, columns : width - columns]
    if x.shape[2:] == (SIDE, SIDE):
        return x
    return F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
