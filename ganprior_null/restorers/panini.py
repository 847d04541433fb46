r"""Panini-Net: a trainable GAN prior whose features an encoder's replace channel by channel (Wang et al. 2022).

    y --RRDB encoder with attention--> features f_k of sides 4 ... fused_size, and latents w_plus
    v, a vector of 256 --two layers, softmax over pairs--> alpha_k, one number in (0, 1) per channel and side
    before each doubling: features = alpha_k bank + (1 - alpha_k) conv(f_k);  x is the bank's RGB image

Two forms were published. In super-resolution, v is one learned vector, so the mixing is the same for every image; in
restoration of unknown degradations, an encoder reads v off y. The published classes take y of 64 and 512 pixels only;
here every power of two works, and at the published sizes the published weights load.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.cbam import CBAM
from ..layers.rrdb import SLOPE, RRDBExtractor
from ..priors import StyleGAN2
from .bank import BankNetwork
from .degradation import DIM, DegradationEncoder
from .glean import conv
from .restorer import BankRestorer


class PaniniNetwork(BankNetwork):
    """y (N, 3, in_size, in_size) -> x (N, 3, bank.size, bank.size), both in [-1, 1]; arguments as :class:`Panini`.

    Names are the published ones, but for the bank, which has those of :class:`~ganprior_null.priors.StyleGAN2`. The
    parts can be called one by one: ``encode``, ``latents``, ``masks``, ``mix``.
    """

    title = "Panini"
    shrink = 1  # y's side over that of the finest encoder features

    def __init__(self, in_size: int, bank: StyleGAN2, rrdb_blocks: int = 23, rrdb_channels: int = 64):
        super().__init__(in_size, bank, shrink=self.shrink, train_bank=True)
        bank.style.requires_grad_(False)  # the mapping network is never used
        widths = [bank.channels[r] for r in self.fused]  # 4 ... fused_size
        self.encoder = nn.ModuleList([self.make_stem(rrdb_blocks, rrdb_channels, widths[-1])])
        for fine, coarse in zip(widths[::-1], widths[-2::-1], strict=False):
            self.encoder.append(nn.Sequential(conv(fine, coarse, stride=2), nn.LeakyReLU(SLOPE)))
        half = max(1, widths[0] // 2)
        head = [conv(widths[0], half), nn.LeakyReLU(SLOPE), nn.Flatten()]
        self.encoder.append(nn.Sequential(*head, nn.Linear(16 * half, bank.latents * bank.style_dim)))
        self.AFS_maskGen = MixingMasks(widths)
        self.fusion_out = nn.ModuleList(conv(width, width) for width in widths)
        self.make_vector()

    def make_stem(self, blocks: int, channels: int, width: int) -> nn.Sequential:
        """y -> the finest features (N, width, fused_size, fused_size)."""
        attention = CBAM(channels, reduction=8)
        return nn.Sequential(RRDBExtractor(channels, blocks), attention, conv(channels, width), nn.LeakyReLU(SLOPE))

    def make_vector(self) -> None:
        """The parameters that v comes from."""
        self.choice_vector = nn.Parameter(torch.randn(1, DIM))

    def vector(self, y: Tensor) -> Tensor:
        """v, (1, 256): the same for every y."""
        return self.choice_vector

    def forward(self, y: Tensor) -> Tensor:
        features = self.encode(y)
        return self.mix(features, self.latents(features), self.masks(y))

    def latents(self, features: list[Tensor]) -> Tensor:
        """The coarsest features (N, C, 4, 4) -> w_plus (N, L, D): the mapping network is not used."""
        return self.encoder[-1](features[0]).view(-1, self.bank.latents, self.bank.style_dim)

    def masks(self, y: Tensor) -> list[Tensor]:
        """The bank's shares alpha for sides 4 ... fused_size: (1, C, 1, 1), or (N, C, 1, 1) where they depend on y."""
        return self.AFS_maskGen(self.vector(y))

    def mix(self, features: list[Tensor], w_plus: Tensor, masks: list[Tensor]) -> Tensor:
        """The bank's image, its features interpolated with the encoder's."""

        def fuse(k: int, x: Tensor, image: Tensor | None) -> tuple[Tensor, Tensor | None]:
            f, alpha = self.fusion_out[k](features[k]), masks[k].to(x.dtype)
            return f + alpha * (x - f), image

        return self.grow(w_plus, fuse).image


class PaniniMFRNetwork(PaniniNetwork):
    """The form for unknown degradations, arguments as :class:`PaniniMFR`; the stem shrinks y eightfold."""

    title = "PaniniMFR"
    shrink = 8

    def __init__(self, in_size: int, bank: StyleGAN2, rrdb_blocks: int = 2, rrdb_channels: int = 8):
        super().__init__(in_size, bank, rrdb_blocks, rrdb_channels)

    def make_stem(self, blocks: int, channels: int, width: int) -> nn.Sequential:
        layers = [RRDBExtractor(channels, blocks), CBAM(channels, reduction=2), conv(channels, 32), nn.LeakyReLU(SLOPE)]
        for before, after in ((32, 64), (64, 128), (128, width)):
            layers += [conv(before, after, stride=2), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers)

    def make_vector(self) -> None:
        self.deg_encoder = DegradationEncoder()

    def vector(self, y: Tensor) -> Tensor:
        """v, (N, 256): how each y is degraded, seen at half its side (256 of 512 pixels in the published form)."""
        return self.deg_encoder(F.avg_pool2d(y, 2))


class Panini(BankRestorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x (N, 3, out_size, out_size), about [0, 1]: the form for resolution.

    in_size: a power of two from 4 to out_size / 2 (64 in the published class). channels: {side: width} of bank and
    encoder, default the published table. rrdb_blocks, rrdb_channels: depth and width of the encoder's stem. style_dim,
    n_mlp: of the StyleGAN2. The bank is trained along, from the prior that :meth:`from_prior` copies into it.

    Batch normalisation in the stem's attention makes training and evaluation mode differ: call ``eval()`` before use.
    Raises ValueError for sizes and width tables that do not fit and for y of another size.

    >>> prior = weights.load_prior("drawn64").generator
    >>> restorer = Panini.from_prior(prior, 8, rrdb_blocks=1, rrdb_channels=8)
    >>> restorer.eval()(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 64, 64])
    """

    kind = PaniniNetwork


class PaniniMFR(BankRestorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x (N, 3, out_size, out_size): the form for unknown degradations.

    As :class:`Panini`, but the mixing depends on y, by way of ``network.deg_encoder``, which
    :class:`~ganprior_null.restorers.degradation.MomentumContrast` pre-trains; and the stem shrinks y eightfold before
    its features meet the bank: in_size is a power of two from 32 to out_size (512 -> 1024 in the published class).

    >>> widths = dict.fromkeys((4, 8, 16, 32, 64), 8)
    >>> restorer = PaniniMFR(32, 64, widths, style_dim=8, n_mlp=2)
    >>> restorer.eval()(torch.rand(1, 3, 32, 32)).shape
    torch.Size([1, 3, 64, 64])
    """

    kind = PaniniMFRNetwork

    def __init__(
        self,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        rrdb_blocks: int = 2,
        rrdb_channels: int = 8,
        style_dim: int = 512,
        n_mlp: int = 8,
    ):
        super().__init__(in_size, out_size, channels, rrdb_blocks, rrdb_channels, style_dim, n_mlp)


class MixingMasks(nn.Module):
    """v (N, 256) -> the bank's share of every channel, one tensor (N, C, 1, 1) a side, coarse to fine.

    A softmax over a pair (bank, encoder), so the encoder's share is one minus the bank's.
    """

    def __init__(self, widths: list[int]):
        super().__init__()
        self.widths = widths
        self.mapping = nn.Sequential(nn.Linear(DIM, DIM), nn.LeakyReLU(0.1), nn.Linear(DIM, 2 * sum(widths)))

    def forward(self, v: Tensor) -> list[Tensor]:
        pairs = self.mapping(v).split([2 * width for width in self.widths], dim=1)
        return [
            pair.view(len(v), 2, width, 1, 1).softmax(1)[:, 0] for pair, width in zip(pairs, self.widths, strict=True)
        ]
