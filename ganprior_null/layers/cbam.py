"""The attention block in Panini-Net's stem: a channel gate and a spatial gate (Woo et al. 2018, CBAM)."""

import torch
from torch import Tensor, nn


class CBAM(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): convolution, channel gate, the same convolution again, spatial gate.

    The one 3 x 3 convolution before both gates is Panini-Net's addition (its published code); names are those of that
    code. reduction: how much narrower the channel gate's hidden layer is. Batch normalisation in the spatial gate makes
    training and evaluation mode differ.
    """

    def __init__(self, channels: int, *, reduction: int):
        super().__init__()
        self.fea_preprocess = nn.Conv2d(channels, channels, 3, padding=1)
        self.ChannelGate = ChannelGate(channels, max(1, channels // reduction))
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        x = self.ChannelGate(self.fea_preprocess(x))
        return self.SpatialGate(self.fea_preprocess(x))


class ChannelGate(nn.Module):
    """x scaled channel by channel by sigmoid(mlp(mean) + mlp(max)), mean and max over the pixels."""

    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        gate = self.mlp(x.mean((2, 3))) + self.mlp(x.amax((2, 3)))  # (N, C)
        return x * torch.sigmoid(gate)[:, :, None, None]


class SpatialGate(nn.Module):
    """x scaled pixel by pixel by the sigmoid of a 7 x 7 convolution of its maximum and mean over the channels."""

    def __init__(self):
        super().__init__()
        self.spatial = nn.Sequential()
        self.spatial.add_module("conv", nn.Conv2d(2, 1, 7, padding=3, bias=False))
        self.spatial.add_module("bn", nn.BatchNorm2d(1, momentum=0.01))

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], dim=1)  # (N, 2, H, W)
        return x * torch.sigmoid(self.spatial(pooled))
