"""Resampling by a small FIR filter, channel by channel: the anti-aliasing of StyleGAN2."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upfirdn2d(x: Tensor, kernel: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)) -> Tensor:
    r"""(N, C, H, W) -> (N, C, H', W'): put ``up - 1`` zeros after each pixel, pad, convolve, keep every ``down``-th.

    H' = (H up + pad[0] + pad[1] - kh) // down + 1. pad: zeros (before, after) on both axes; negative crops. kernel:
    (kh, kw), one for all channels, turned by 180 degrees as a convolution demands; it receives no gradient.

    The map is linear and its adjoint is another upfirdn2d with up and down exchanged, so derivatives of every order
    are again this function. (The native second derivative of a depthwise convolution is about five times slower.)
    """
    apply = _filter if torch.compiler.is_compiling() else _UpFirDown.apply  # compilers make their own derivatives
    return apply(x, kernel.to(x.dtype), up, down, *pad, *pad)


def binomial(gain: float = 1.0) -> Tensor:
    """The 4 x 4 low-pass filter outer([1, 3, 3, 1]) of StyleGAN2 (Karras et al. 2020), scaled to the sum ``gain``."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return gain * torch.outer(taps, taps) / taps.sum() ** 2


class Blur(nn.Module):
    """(N, C, H, W): low-pass filter over ``pad`` zeros on each side; keeps every ``down``-th pixel.

    gain: the filter's sum, 4 where zeros were inserted before, so that constants keep their value.
    """

    kernel: Tensor

    def __init__(self, pad: int, *, gain: float = 1.0, down: int = 1):
        super().__init__()
        self.pad, self.down = pad, down
        self.register_buffer("kernel", binomial(gain))

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.kernel, down=self.down, pad=(self.pad, self.pad))


class Upsample(nn.Module):
    """(N, C, H, W) -> (N, C, 2H, 2W): zeros inserted, then filtered with gain 4, which keeps constants."""

    kernel: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", binomial(4.0))

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.kernel, up=2, pad=(2, 1))


class _UpFirDown(torch.autograd.Function):
    """upfirdn2d with padding (top, bottom, left, right); its backward is itself."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, kernel, up, down, top, bottom, left, right):
        return _filter(x, kernel, up, down, top, bottom, left, right)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, kernel, ctx.up, ctx.down, *ctx.pad = inputs
        ctx.save_for_backward(kernel)
        ctx.save_for_forward(kernel)
        (kh, kw), (top, _, left, _) = kernel.shape, ctx.pad
        ctx.adjoint_pad = (
            *_adjoint_pad(x.shape[-2], output.shape[-2], kh, top, ctx.up, ctx.down),
            *_adjoint_pad(x.shape[-1], output.shape[-1], kw, left, ctx.up, ctx.down),
        )

    @staticmethod
    def backward(ctx, grad):
        (kernel,) = ctx.saved_tensors
        return _UpFirDown.apply(grad, kernel.flip(0, 1), ctx.down, ctx.up, *ctx.adjoint_pad), *[None] * 7

    @staticmethod
    def jvp(ctx, dx, *_):
        (kernel,) = ctx.saved_tensors
        return _UpFirDown.apply(dx, kernel, ctx.up, ctx.down, *ctx.pad)


def _adjoint_pad(before: int, after: int, taps: int, pad: int, up: int, down: int) -> tuple[int, int]:
    """Padding of the adjoint along one axis that maps ``after`` pixels back to ``before``."""
    return taps - 1 - pad, before * up - after * down + pad - up + 1


def _filter(x: Tensor, kernel: Tensor, up: int, down: int, top: int, bottom: int, left: int, right: int) -> Tensor:
    channels, (kh, kw) = x.shape[1], kernel.shape
    kernel = kernel.to(x.dtype)  # autocast, which mixes them in a forward pass, is off in its backward
    if up == 1:
        taps = kernel.flip(0, 1).expand(channels, 1, kh, kw)  # conv2d correlates
        if top == bottom >= 0 and left == right >= 0:
            return F.conv2d(x, taps, stride=down, padding=(top, left), groups=channels)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), taps, stride=down, groups=channels)
    if x.dtype == torch.bfloat16 and x.device.type == "cpu":  # no fast path there when transposed and depthwise
        return _filter(x.float(), kernel.float(), up, down, top, bottom, left, right).to(x.dtype)
    taps = kernel.expand(channels, 1, kh, kw)
    x = F.conv_transpose2d(x, taps, stride=up, groups=channels)  # every overlap: (H - 1) up + kh rows
    x = F.pad(x, (left - kw + 1, right - kw + up, top - kh + 1, bottom - kh + up))
    return x[..., ::down, ::down] if down > 1 else x
