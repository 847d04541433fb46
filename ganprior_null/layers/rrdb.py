"""ESRGAN's residual-in-residual dense blocks (Wang et al. 2018), which open the encoders of GLEAN and Panini-Net."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROWTH = 32  # channels that each convolution of a dense block adds, in nearly every published network
RESIDUAL = 0.2  # share of a block's output that is added to its input
SLOPE = 0.2  # of the leaky ReLU


class RRDBExtractor(nn.Module):
    """(N, 3, H, W) -> (N, C, H, W): a convolution, ``blocks`` RRDBs, a convolution, and the first one's output added.

    Plain convolutions without an equalised learning rate; names as in the published checkpoints. in_channels: of what
    comes in, 3 for pictures. growth, plus: of the dense blocks. Raises ValueError unless channels and blocks are
    integers of at least 1.
    """

    def __init__(self, channels: int, blocks: int, *, in_channels: int = 3, growth: int = GROWTH, plus: bool = False):
        super().__init__()
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in (channels, blocks)):
            raise ValueError(
                f"rrdb_blocks and rrdb_channels must be integers of at least 1, got {blocks!r} and {channels!r}"
            )
        self.conv_first = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(channels, growth=growth, plus=plus) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, y: Tensor) -> Tensor:
        x = self.conv_first(y)
        return x + self.conv_body(self.body(x))


class RRDB(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): three dense blocks in a row, their result added by a fifth."""

    def __init__(self, channels: int, *, growth: int = GROWTH, plus: bool = False):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(channels, growth=growth, plus=plus) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL * self.rdb3(self.rdb2(self.rdb1(x)))


class DenseBlock(nn.Module):
    """(N, C, H, W) -> (N, C, H, W): five convolutions, each of which sees x and all outputs before it.

    Weights start at a tenth of He's normal scale, so that a deep stack starts near the identity. plus: ESRGAN+'s two
    sums more (Rakotonirina and Rasoanaivo 2020), without the noise that it adds in training.
    """

    def __init__(self, channels: int, *, growth: int = GROWTH, plus: bool = False):
        super().__init__()
        if plus:
            self.conv1x1 = nn.Conv2d(channels, growth, 1, bias=False)
        self.plus = plus
        widths = [(channels + i * growth, growth if i < 4 else channels) for i in range(5)]
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = (_small_conv(*width) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        seen = second = x
        for i, conv in enumerate((self.conv1, self.conv2, self.conv3, self.conv4), start=1):
            new = F.leaky_relu(conv(seen), SLOPE)  # (N, growth, H, W)
            if self.plus and i == 2:
                new = second = new + self.conv1x1(x)
            elif self.plus and i == 4:
                new = new + second
            seen = torch.cat([seen, new], dim=1)
        return x + RESIDUAL * self.conv5(seen)


def _small_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.get_parameter("bias"))
    with torch.no_grad():
        conv.weight.mul_(0.1)
    return conv
