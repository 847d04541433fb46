"""KernelGAN's two networks: a deep *linear* generator, which is a blur kernel, and a discriminator of small patches."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

FILTERS = (7, 5, 3, 1, 1, 1)  # receptive field 7 + 4 + 2 = 13: the kernel's side
RECEPTIVE = 7  # pixels of a patch that the discriminator judges


class DeepLinearGenerator(nn.Module):
    r"""Convolutions without bias and activation, channel by channel: (N, C, H, W) -> (N, C, H/2 - 6, W/2 - 6).

    Six linear layers are one linear layer: :math:`G(x) = (x \star k)\downarrow_s`, with the kernel k the composition of
    the filters. The parameters are the six filters, and that is what makes the descent prefer simple kernels
    (Bell-Kligler et al. 2019, Section 3); how G(x) is computed is free. ``forward`` composes k, (13, 13), and
    correlates once: the same numbers and the same gradients as ``stacked``, the six convolutions one by one, in a
    small part of the time. No padding; ``filters=(13,)`` is the single layer that the paper compares with.

    ``weights`` are the (out, in, side, side) filters, first to last, drawn normal with Xavier's spread times ``gain``.
    Raises ValueError for filters that are not odd.
    """

    def __init__(self, filters: tuple[int, ...] = FILTERS, channels: int = 64, *, factor: int = 2, gain: float = 0.1):
        super().__init__()
        if not filters or any(side < 1 or side % 2 == 0 for side in filters):
            raise ValueError(f"filters must be odd sides, first layer to last, got {filters}")
        widths = [1] + [channels] * (len(filters) - 1) + [1]
        shapes = [(b, a, side, side) for a, b, side in zip(widths, widths[1:], filters, strict=False)]
        self.factor = factor
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(shape)) for shape in shapes)
        for w in self.weights:
            nn.init.xavier_normal_(w, gain)

    def kernel(self) -> Tensor:
        """k (13, 13), differentiable: a picture of the weights under one LR pixel, as ``conv2d`` takes it.

        Composed from the last layer down: one channel times 64, never 64 times 64.
        """
        k = self.weights[-1]  # (1, 64, 1, 1)
        for w in reversed(self.weights[:-1]):
            k = F.conv_transpose2d(k, w)  # full convolution, summed over the channels between
        return k[0, 0]

    def forward(self, x: Tensor) -> Tensor:
        """G(x) by one correlation with k."""
        return correlate(x, self.kernel(), self.factor)

    def stacked(self, x: Tensor) -> Tensor:
        """G(x) layer by layer; the stride sits in the last one."""
        n, c = x.shape[:2]
        h = x.flatten(0, 1)[:, None]  # (N C, 1, H, W)
        for w in self.weights[:-1]:
            h = F.conv2d(h, w)
        return F.conv2d(h, self.weights[-1], stride=self.factor).unflatten(0, (n, c))[:, :, 0]


class PatchDiscriminator(nn.Module):
    """Is each 7 x 7 patch from the image or from G? (N, 3, H, W) in [-1, 1] -> (N, 1, H - 6, W - 6) in (0, 1).

    A 7 x 7 convolution, then ``hidden`` times 1 x 1 with batch norm and ReLU, then 1 x 1 and a sigmoid; no stride, no
    padding, every convolution divided by its largest singular value (spectral norm).
    """

    def __init__(self, channels: int = 64, hidden: int = 5, in_channels: int = 3):
        super().__init__()
        layers: list[nn.Module] = [_conv(in_channels, channels, RECEPTIVE)]
        for _ in range(hidden):
            norm = nn.BatchNorm2d(channels)
            nn.init.normal_(norm.weight, 1, 0.02)
            layers += [_conv(channels, channels, 1), norm, nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, _conv(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.layers(x))


def correlate(x: Tensor, k: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) correlated with one kernel (kh, kw), every factor-th position, no padding."""
    n, c = x.shape[:2]
    return F.conv2d(x.flatten(0, 1)[:, None], k[None, None], stride=factor).unflatten(0, (n, c))[:, :, 0]


def _conv(a: int, b: int, side: int) -> nn.Module:
    conv = nn.Conv2d(a, b, side)
    nn.init.xavier_normal_(conv.weight, 0.1)
    nn.init.zeros_(conv.bias)
    return parametrizations.spectral_norm(conv)


def normalised_once() -> parametrize.cached:
    """Context in which a spectral norm is computed once, not at every use of its layer."""
    return parametrize.cached()
