"""The modulated convolution of StyleGAN2."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .equalized import EqualLinear
from .fir import Blur


class ModulatedConv2d(nn.Module):
    r"""x (N, in, H, W), w (N, style) -> (N, out, H', W'): a convolution whose weight depends on w, image by image.

    :math:`W'_{oikl} = c\,s_i W_{oikl}` with :math:`s = L(w)`, then :math:`W'' = W' / \sqrt{\sum_{ikl} W'^2 + 10^{-8}}`
    (Karras et al. 2020, Eq. 1 and 3). s scales input channels and the norm scales output channels, so one plain
    convolution between two scalings gives the same numbers as N different weights, and is faster.

    resample: None; "up", a stride-2 transposed convolution, then a blur; "down", a blur, then stride 2; "bilinear", an
    enlargement by bilinear interpolation, then the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        resample: str | None = None,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel_size, kernel_size))
        self.modulation = EqualLinear(style_dim, in_channels, bias=1.0)
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.padding, self.demodulate, self.resample = kernel_size // 2, demodulate, resample
        if resample == "up":
            self.blur = Blur((5 - kernel_size) // 2, gain=4.0)  # 2H + k - 2 -> 2H pixels
        elif resample == "down":
            self.blur = Blur((kernel_size + 1) // 2)  # H -> H + k - 2 pixels, of which stride 2 keeps H / 2
        elif resample not in (None, "bilinear"):
            raise ValueError(f"resample must be None, 'up', 'down' or 'bilinear', got {resample!r}")

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        s = self.modulation(w)  # (N, in)
        weight = self.scale * self.weight[0]  # (out, in, k, k)
        x = self._convolve(x * s.to(x.dtype)[:, :, None, None], weight)
        if not self.demodulate:
            return x
        norms = weight.square().sum((2, 3))  # (out, in)
        d = torch.rsqrt(s.square() @ norms.T + 1e-8)  # (N, out)
        return x * d.to(x.dtype)[:, :, None, None]

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.resample == "up":
            return self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if self.resample == "down":
            return F.conv2d(self.blur(x), weight, stride=2)
        if self.resample == "bilinear":
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
        return F.conv2d(x, weight, padding=self.padding)
