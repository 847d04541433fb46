"""ESRGAN as a restorer of fixed sizes: what super-resolution is without a GAN prior (Wang et al. 2018)."""

import torch
from torch import Tensor

from ..networks.rrdbnet import RRDBNet
from ..operators.check import check_finite, check_sides
from .restorer import Restorer


class ESRGAN(Restorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x_r (N, 3, out_size, out_size), about [0, 1], unclamped.

    out_size / in_size: a power of two. rrdb_blocks, rrdb_channels: depth and width of the
    :class:`~ganprior_null.networks.rrdbnet.RRDBNet` inside, which speaks [0, 1] and begins at random; network: one that
    is there, in its place. Raises ValueError for other sizes and for y of another size.
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        rrdb_blocks: int = 23,
        rrdb_channels: int = 64,
        *,
        network: RRDBNet | None = None,
    ):
        if in_size < 1 or out_size % in_size:
            raise ValueError(f"out_size must be a multiple of in_size, got {out_size} and {in_size}")
        factor = out_size // in_size
        network = RRDBNet(rrdb_channels, rrdb_blocks, factor=factor) if network is None else network
        if network.factor != factor:
            raise ValueError(f"the network enlarges {network.factor} times, not {factor} ({in_size} to {out_size})")
        super().__init__(network, in_size=in_size, out_size=out_size)

    def forward(self, y: Tensor) -> Tensor:
        return self.network(self.prepare(y))

    def prepare(self, y: Tensor) -> Tensor:
        """What the network sees of y: the same image, channels-last inside."""
        check_sides(y, "y", (self.in_size, self.in_size))
        if y.ndim != 4 or y.shape[1] != 3:
            raise ValueError(f"y must be (N, 3, {self.in_size}, {self.in_size}), got {tuple(y.shape)}")
        return check_finite(y, "y").contiguous(memory_format=torch.channels_last)
