r"""GLEAN: encoder, generative latent bank, decoder (Chan et al. 2021).

    y --RRDB encoder--> features f_k of sides in_size ... 4, and latents w_plus
    w_plus, f_k --StyleGAN2, frozen--> features g_i of sides 2 in_size ... out_size
    f of side in_size, g_i --decoder--> x

The bank's convolutions see, before each doubling up to in_size, a convolution of their own features beside the
encoder's. The decoder then climbs from the encoder's finest features by pixel shuffles, taking in one g_i a step.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.rrdb import SLOPE, RRDBExtractor
from ..priors import StyleGAN2
from .bank import BankNetwork, Grown
from .restorer import BankRestorer

LAST = 64  # channels before the last convolution of the decoder


class FusedBank(BankNetwork):
    """Encoder and bank with the fusion by concatenation that GLEAN and PDN share; without the latents' source.

    fuse_rgb: whether the bank's RGB sum is fused with the encoder's features too.
    """

    def __init__(
        self,
        in_size: int,
        bank: StyleGAN2,
        *,
        rrdb_blocks: int,
        rrdb_channels: int,
        train_bank: bool = False,
        fuse_rgb: bool = True,
    ):
        super().__init__(in_size, bank, train_bank=train_bank)
        widths = [bank.channels[r] for r in self.fused]  # 4 ... in_size
        stem = RRDBExtractor(rrdb_channels, rrdb_blocks)
        self.encoder = nn.ModuleList([nn.Sequential(stem, conv(rrdb_channels, widths[-1]), nn.LeakyReLU(SLOPE))])
        for fine, coarse in zip(widths[::-1], widths[-2::-1], strict=False):
            halve = [conv(fine, coarse, stride=2), nn.LeakyReLU(SLOPE), conv(coarse, coarse), nn.LeakyReLU(SLOPE)]
            self.encoder.append(nn.Sequential(*halve))
        self.fusion_out = nn.ModuleList(conv(2 * width, width) for width in widths)
        if fuse_rgb:
            self.fusion_skip = nn.ModuleList(conv(width + 3, 3) for width in widths)
        self.fuse_rgb = fuse_rgb

    def grow_from(
        self, features: list[Tensor], w_plus: Tensor, *, noise: Sequence[Tensor] | None = None, rgb: bool = True
    ) -> Grown:
        """The bank's images and features, see :meth:`BankNetwork.grow`, with the encoder's features concatenated."""

        def fuse(k: int, x: Tensor, image: Tensor | None) -> tuple[Tensor, Tensor | None]:
            f = features[k]
            if image is not None and self.fuse_rgb:
                image = self.fusion_skip[k](torch.cat([image, f], dim=1))
            return self.fusion_out[k](torch.cat([x, f], dim=1)), image

        return self.grow(w_plus, fuse, noise=noise, rgb=rgb)


class GLEANNetwork(FusedBank):
    """y (N, 3, in_size, in_size) -> x (N, 3, bank.size, bank.size), both in [-1, 1]; arguments as :class:`GLEAN`.

    Names are the published ones, but for the bank, which has those of :class:`~ganprior_null.priors.StyleGAN2`. The
    parts can be called one by one: ``encode``, ``latents``, ``grow_from``, ``decode``.
    """

    title = "GLEAN"

    def __init__(self, in_size: int, bank: StyleGAN2, rrdb_blocks: int = 23, rrdb_channels: int = 64):
        super().__init__(in_size, bank, rrdb_blocks=rrdb_blocks, rrdb_channels=rrdb_channels)
        width, codes = bank.channels[4], bank.latents * bank.style_dim
        head = [conv(width, width), nn.LeakyReLU(SLOPE), nn.Flatten(), nn.Linear(16 * width, codes)]
        self.encoder.append(nn.Sequential(*head))
        self.decoder = nn.ModuleList()
        sides = [r for r in bank.channels if r >= in_size]  # in_size ... out_size
        for before, after in zip(sides, sides[1:], strict=False):
            wide = bank.channels[before] * (1 if before == in_size else 2)
            self.decoder.append(PixelShuffle(wide, bank.channels[after]))
        self.decoder.append(nn.Sequential(conv(2 * bank.channels[bank.size], LAST), nn.LeakyReLU(SLOPE), conv(LAST, 3)))

    def forward(self, y: Tensor) -> Tensor:
        features = self.encode(y)
        # the bank's RGB sum would be thrown away, and with it fusion_skip's part, which hence never learns
        grown = self.grow_from(features, self.latents(features), rgb=False)
        return self.decode(features, grown.features)

    def latents(self, features: list[Tensor]) -> Tensor:
        """The coarsest features (N, C, 4, 4) -> w_plus (N, L, D): the mapping network is not used."""
        return self.encoder[-1](features[0]).view(-1, self.bank.latents, self.bank.style_dim)

    def decode(self, features: list[Tensor], grown: list[Tensor]) -> Tensor:
        """Encoder features of sides 4 ... in_size, the bank's of sides 8 ... out_size -> x."""
        x = self.decoder[0](features[-1])
        for block, g in zip(self.decoder[1:], grown[len(self.fused) - 1 :], strict=True):
            x = block(torch.cat([x, g], dim=1))
        return x


class GLEAN(BankRestorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x (N, 3, out_size, out_size), about [0, 1] (Chan et al. 2021).

    in_size: a power of two from 4 to out_size / 2. channels: {side: width} of bank, encoder and decoder, default the
    published table. rrdb_blocks, rrdb_channels: depth and width of the encoder's stem. style_dim, n_mlp: of the
    StyleGAN2. The bank is frozen; :meth:`from_prior` fills it with a trained one, without which it is noise.

    Raises ValueError for sizes and width tables that do not fit and for y of another size.

    >>> prior = weights.load_prior("drawn64").generator
    >>> restorer = GLEAN.from_prior(prior, 8, rrdb_blocks=1, rrdb_channels=8)
    >>> restorer(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 64, 64])
    """

    kind = GLEANNetwork


class PixelShuffle(nn.Module):
    """(N, C, r, r) -> (N, C', 2r, 2r): a convolution to 4 C' channels, spread over 2 x 2 pixels; no activation.

    The four pixels of a square start alike, so that the first answers have no checkerboard (Aitken et al. 2017).
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.upsample_conv = conv(in_channels, 4 * out_channels)
        with torch.no_grad():
            for start in self.upsample_conv.parameters():
                start.copy_(start[::4].repeat_interleave(4, 0))

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.upsample_conv(x), 2)


def conv(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution that keeps the side, or halves it."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
