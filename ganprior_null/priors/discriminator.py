"""The StyleGAN2 discriminator: image -> one unbounded score, high for real ones."""

import math

import torch
from torch import Tensor, nn

from ..layers import Blur, EqualConv2d, EqualLinear, FusedLeakyReLU
from .stylegan2 import check_channels, resolutions

GROUP = 4  # images that the minibatch statistic compares, at most


class StyleGAN2Discriminator(nn.Module):
    """(N, 3, size, size) in about [-1, 1] -> scores (N, 1), no sigmoid; residual form of Karras et al. 2020.

    size and channels as in :class:`~ganprior_null.priors.StyleGAN2`; names as in the most common PyTorch layout. Any
    batch size works. A score depends on the other images of its group, see :func:`minibatch_stddev`. group: images in
    it, at most; None makes the whole batch one group, as in GPEN, whose discriminator is the same otherwise.

    Raises ValueError for sizes that are no power of two, incomplete width tables and images of another shape.

    >>> D = StyleGAN2Discriminator(16, channels={4: 8, 8: 8, 16: 8})
    >>> D(torch.rand(4, 3, 16, 16)).shape
    torch.Size([4, 1])
    """

    def __init__(self, size: int, channels: dict[int, int] | None = None, *, group: int | None = GROUP):
        super().__init__()
        self.channels, self.size, self.group = check_channels(size, channels), size, group
        sides = resolutions(size)[::-1]  # size ... 4
        widths = [self.channels[r] for r in sides]
        blocks = [ResidualBlock(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        self.convs = nn.Sequential(conv_layer(3, widths[0], 1), *blocks)
        last = widths[-1]
        self.final_conv = conv_layer(last + 1, last, 3)  # one channel more: the minibatch statistic
        self.final_linear = nn.Sequential(EqualLinear(last * 4 * 4, last, activation=True), EqualLinear(last, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.stages(x)[-1])

    def stages(self, x: Tensor) -> list[Tensor]:
        """[(N, C, size, size), (N, C', size/2, size/2), ..., (N, C'', 4, 4)], which feature matching compares."""
        if x.ndim != 4 or x.shape[1:] != (3, self.size, self.size):
            raise ValueError(f"x must be (N, 3, {self.size}, {self.size}), got {tuple(x.shape)}")
        features = [x.contiguous(memory_format=torch.channels_last)]
        for block in self.convs:
            features.append(block(features[-1]))
        return features[1:]

    def score(self, features: Tensor) -> Tensor:
        """The last of :meth:`stages`, (N, C, 4, 4) -> scores (N, 1)."""
        x = self.final_conv(minibatch_stddev(features, self.group))  # (N, C, 4, 4)
        return self.final_linear(x.flatten(1))  # (N, 1)


def conv_layer(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    """(N, in, H, W) -> (N, out, H, W): convolution, bias, leaky ReLU."""
    conv = EqualConv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(conv, FusedLeakyReLU(out_channels))


def halving_layer(in_channels: int, out_channels: int) -> nn.Sequential:
    """(N, in, r, r) -> (N, out, r/2, r/2): blur, convolution at every other pixel, bias, leaky ReLU."""
    conv = EqualConv2d(in_channels, out_channels, 3, stride=2)
    return nn.Sequential(Blur(2), conv, FusedLeakyReLU(out_channels))


class ResidualBlock(nn.Module):
    """(N, C, r, r) -> (N, C', r/2, r/2): two convolutions and a linear shortcut, their sum divided by sqrt(2).

    resize: a module that changes the side in place of blur and stride, for a plain convolution after it.
    """

    def __init__(self, in_channels: int, out_channels: int, *, resize: nn.Module | None = None):
        super().__init__()
        self.conv1 = conv_layer(in_channels, in_channels, 3)
        if resize is None:
            self.conv2 = halving_layer(in_channels, out_channels)
            # the 1 x 1 convolution would drop three of four blurred pixels, so the blur does not make them
            resize = Blur(1, down=2)
        else:
            self.conv2 = nn.Sequential(resize, *conv_layer(in_channels, out_channels, 3))
        self.skip = nn.Sequential(resize, EqualConv2d(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.skip(x)) / math.sqrt(2)


class FacialComponentDiscriminator(nn.Module):
    """Patches (N, 3, H, W) in about [-1, 1], sides multiples of 4 -> scores (N, 1, H/4, W/4), no sigmoid.

    What GFP-GAN judges the left eye, the right eye and the mouth by, one of these each (Wang et al. 2021, Sec. 3.4);
    published on 80 and 120 pixels. widths: channels at H, H/2, H/4. Names are the published ones.
    """

    def __init__(self, widths: tuple[int, int, int] = (64, 128, 256)):
        super().__init__()
        fine, middle, coarse = widths
        self.conv1, self.conv2 = conv_layer(3, fine, 3), halving_layer(fine, middle)
        self.conv3, self.conv4 = conv_layer(middle, middle, 3), halving_layer(middle, coarse)
        self.conv5 = conv_layer(coarse, coarse, 3)
        self.final_conv = nn.Sequential(EqualConv2d(coarse, 1, 3, padding=1, bias=0.0))

    def stages(self, x: Tensor) -> list[Tensor]:
        """The two features that the style loss compares: (N, C, H/2, W/2), (N, C', H/4, W/4)."""
        middle = self.conv3(self.conv2(self.conv1(x)))
        return [middle, self.conv5(self.conv4(middle))]

    def forward(self, x: Tensor) -> Tensor:
        return self.final_conv(self.stages(x)[-1])


def minibatch_stddev(x: Tensor, group: int | None = GROUP) -> Tensor:
    """(N, C, H, W) -> (N, C + 1, H, W): how much the images of a group differ, as one more constant channel.

    The standard deviation over the group, sqrt(var + 1e-8), is averaged over channels and pixels to one number a group
    (Karras et al. 2018, Sec. 3). A group has G images, the largest divisor of N that is at most ``group`` (None: N);
    image i belongs to group i mod (N / G). Peers demand N <= 4 or N a multiple of 4, where this is the same; a prime
    N > 4 has groups of one, whose statistic is the constant 1e-4. Raises ValueError for a group below 1.
    """
    n, c, h, w = x.shape
    if not n:
        return x.new_empty(0, c + 1, h, w)
    most = n if group is None else group
    if most < 1:
        raise ValueError(f"a group must have at least 1 image, got {group}")
    group = max(g for g in range(1, most + 1) if n % g == 0)
    y = x.reshape(group, n // group, c, h, w)  # (G, N/G, C, H, W)
    std = torch.sqrt(y.var(0, unbiased=False) + 1e-8)  # (N/G, C, H, W)
    feature = std.mean((1, 2, 3)).repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w)
    return torch.cat([x, feature.to(x.dtype)], dim=1)
