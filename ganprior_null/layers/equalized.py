"""Layers with an equalised learning rate: weights are stored as N(0, 1) and scaled by 1/sqrt(fan_in) where they act."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLU where its argument is negative
GAIN = math.sqrt(2.0)  # keeps the second moment of an N(0, 1) argument near 1


def scaled_leaky_relu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    r""":math:`\sqrt2\,\mathrm{lrelu}_{0.2}(x + b)`; bias (C,) acts on axis 1 of x (N, C, ...).

    The gain goes inside, where it costs no pass over the image of its own: lrelu is positively homogeneous.
    """
    if bias is None:
        return F.leaky_relu(GAIN * x, SLOPE)
    bias = GAIN * bias.to(x.dtype).view(1, -1, *(1,) * (x.ndim - 2))
    return F.leaky_relu(torch.add(bias, x, alpha=GAIN), SLOPE)


class FusedLeakyReLU(nn.Module):
    """Bias, leaky ReLU and gain in one module, as the common PyTorch layout names them (``activate.bias``)."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return scaled_leaky_relu(x, self.bias)


class PixelNorm(nn.Module):
    r""":math:`z / \sqrt{\mathrm{mean}(z^2) + 10^{-8}}` over axis 1 (Karras et al. 2018). Peers may use rms + 1e-6."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    r"""(N, in) -> (N, out): :math:`x (c W)^\top + \lambda b` with :math:`c = \lambda/\sqrt{in}`, W stored as N(0, 1)/λ.

    lr_mul: λ, the learning rate of this layer relative to the others (0.01 in the mapping network).
    """

    def __init__(self, in_dim: int, out_dim: int, *, bias: float = 0.0, lr_mul: float = 1.0, activation: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_dim,), bias))
        self.scale, self.lr_mul, self.activation = lr_mul / math.sqrt(in_dim), lr_mul, activation

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return scaled_leaky_relu(x) if self.activation else x


class EqualConv2d(nn.Module):
    """(N, in, H, W) -> (N, out, H', W'): convolution with W / sqrt(in k^2). bias: its first value; None: no bias."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: float | None = None,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride, self.padding = stride, padding
        self.bias = None if bias is None else nn.Parameter(torch.full((out_channels,), bias))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, stride=self.stride, padding=self.padding)
