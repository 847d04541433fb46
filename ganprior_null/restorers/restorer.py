"""From networks that speak [-1, 1] to restorers that speak [0, 1], and from a trained prior to a network around it."""

from collections.abc import Callable
from typing import Self, cast

import torch.nn.functional as F
from torch import Tensor, nn

from ..images import from_signed, to_signed
from ..operators.check import check_finite, check_image, check_sides
from ..priors import StyleGAN2
from ..priors.stylegan2 import resolutions
from .bank import BankNetwork, PriorNetwork


class Restorer(nn.Module):
    """y (N, 3, r, r) in [0, 1] -> x (N, 3, R, R), about [0, 1], unclamped: ``network`` between the two conversions.

    in_size, out_size: r and R, the network's own unless said. Raises TypeError for integer images and ValueError for
    NaN, infinity and sizes that the network does not take.

    >>> restorer = weights.load_restorer("pdn-faces-8x")
    >>> isinstance(restorer, Restorer)
    True
    >>> restorer(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 64, 64])
    """

    def __init__(self, network: nn.Module, *, in_size: int | None = None, out_size: int | None = None):
        super().__init__()
        self.network = network
        own = cast(PriorNetwork, network)  # asked for the sides that are not given
        self.in_size: int = own.in_size if in_size is None else in_size
        self.out_size: int = own.out_size if out_size is None else out_size

    def forward(self, y: Tensor, *code, **named) -> Tensor:
        """code, named: what the network takes beside y; PDN's takes z, generator and noise."""
        return from_signed(self.network(self.prepare(y), *code, **named))

    def prepare(self, y: Tensor) -> Tensor:
        """What the network sees of y: the same image in [-1, 1]."""
        check_image(y, "y")
        return to_signed(check_finite(y, "y"))


class PriorRestorer(Restorer):
    """A restorer around a GAN prior."""

    network: PriorNetwork

    @classmethod
    def from_prior(cls, prior: StyleGAN2, in_size: int, **options) -> Self:
        """The restorer in_size -> prior.size whose bank is a copy of ``prior``, sizes and widths being the prior's.

        options: the constructor's other arguments, such as rrdb_blocks and rrdb_channels.
        """
        make: Callable[..., Self] = cls  # that of a subclass, which takes sizes and widths
        restorer = make(
            in_size,
            prior.size,
            channels=prior.channels,
            style_dim=prior.style_dim,
            n_mlp=prior.n_mlp,
            **options,
        )
        restorer.network.load_prior(prior)
        return restorer


class BankRestorer(PriorRestorer):
    """GLEAN or Panini-Net: the network ``kind`` around a StyleGAN2, made from the sizes of both."""

    kind: type[BankNetwork]

    def __init__(
        self,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        rrdb_blocks: int = 23,
        rrdb_channels: int = 64,
        style_dim: int = 512,
        n_mlp: int = 8,
    ):
        sizes = {"rrdb_blocks": rrdb_blocks, "rrdb_channels": rrdb_channels}
        super().__init__(self.kind.of_sizes(in_size, out_size, channels, style_dim, n_mlp, **sizes))


class EnlargingRestorer(PriorRestorer):
    """A restorer whose network takes a picture of another side: y is enlarged to it bilinearly, as published.

    in_size: the side of y, see :func:`check_in_size`. Raises ValueError for a y of another size.
    """

    def __init__(self, in_size: int, network: PriorNetwork):
        super().__init__(network, in_size=in_size)

    def prepare(self, y: Tensor) -> Tensor:
        """What the network sees of y: enlarged, in [-1, 1]."""
        check_sides(y, "y", (self.in_size, self.in_size))
        if self.in_size < self.network.in_size:
            y = F.interpolate(y, size=(self.network.in_size,) * 2, mode="bilinear")
        return super().prepare(y)


def sides_enlarged(largest: int) -> list[int]:
    """[1, 2, 4, ..., largest]: the sides of y where a network takes ``largest``, a power of two of at least 4."""
    return [1, 2, *resolutions(largest)]


def check_in_size(in_size: int, largest: int) -> None:
    """ValueError unless in_size is a power of two up to the side of the picture that y is enlarged to."""
    if in_size not in (legal := sides_enlarged(largest)):
        raise ValueError(f"in_size must be one of {', '.join(map(str, legal))}, as y is enlarged; got {in_size!r}")
