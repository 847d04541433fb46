r"""pSp: a face as latents alone, one for each layer of a fixed StyleGAN2 (Richardson et al. 2021).

    y, enlarged --IR-SE-50--> c1, c2, c3 --feature pyramid--> maps c3, p2, p1 of sides S/16, S/8, S/4
    a map --one head per layer--> a code;  w_plus = codes + mean w;  x = StyleGAN2(w_plus)

No spatial feature of y reaches the generator, and no loss compares A x with y: what w_plus cannot say is lost.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import EqualLinear
from ..layers.irse import WIDTHS, IRTrunk
from ..operators.resample import cubic
from ..priors import StyleGAN2
from .bank import PriorNetwork
from .restorer import EnlargingRestorer, check_in_size

SLOPE = 0.01  # of the heads' leaky ReLU
COARSE, MIDDLE = 3, 7  # layers 0-2 are read off c3, 3-6 off p2, the others off p1


class PSPNetwork(PriorNetwork):
    """y (N, 3, in_size, in_size) -> x (N, 3, out_size, out_size), both in [-1, 1]; other arguments as :class:`PSP`.

    in_size: a power of two from 32. Names are the published ones, but for the decoder, which is called bank, and
    ``latent_avg`` (L, D), a buffer here and beside the state dict there. The parts can be called one by one:
    ``latents``, ``inject``, ``bank``.
    """

    latent_avg: Tensor

    title = "pSp"

    def __init__(
        self,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        style_dim: int = 512,
        n_mlp: int = 8,
        encoder_widths: tuple[int, int, int, int] = WIDTHS,
        reduction: int = 16,
    ):
        bank = StyleGAN2(out_size, style_dim, n_mlp, channels)
        super().__init__(in_size, bank, sides=[2**k for k in range(5, 11)], train_bank=False)
        self.encoder = StyleEncoder(in_size, bank.latents, style_dim, encoder_widths, reduction)
        self.register_buffer("latent_avg", torch.zeros(bank.latents, style_dim))

    def forward(self, y: Tensor) -> Tensor:
        return self.bank(self.latents(y))

    def latents(self, y: Tensor) -> Tensor:
        """y -> w_plus (N, L, D)."""
        return self.encoder(self.check(y)) + self.latent_avg

    def inject(self, w_plus: Tensor, other: Tensor, layers: Iterable[int], share: float = 1.0) -> Tensor:
        """w_plus (N, L, D) with ``share`` of ``other``, (N or 1, L, D), in these layers: variants of one answer.

        Raises ValueError for a layer that the bank does not have.
        """
        layers = list(layers)
        if bad := [i for i in layers if not 0 <= i < self.bank.latents]:
            raise ValueError(f"{self} has layers 0 ... {self.bank.latents - 1}, got {bad}")
        mixed = w_plus.clone()
        mixed[:, layers] = torch.lerp(w_plus, other.expand_as(w_plus), share)[:, layers]
        return mixed

    def load_prior(self, prior: StyleGAN2) -> None:
        """As every bank's, and ``latent_avg`` becomes the prior's mean w."""
        super().load_prior(prior)
        self.latent_avg.copy_(prior.mean_w(10_000, generator=torch.Generator().manual_seed(0)))


class PSP(EnlargingRestorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x_r (N, 3, out_size, out_size), about [0, 1] (Richardson et al. 2021).

    in_size: a power of two up to encoder_size, the side to which y is enlarged for the encoder: 256 in the published
    network, None takes that or out_size, whichever is smaller, but at least 32. channels: {side: width} of the
    generator, default the published table. style_dim, n_mlp: of the StyleGAN2. encoder_widths, reduction: of the
    IR-SE-50. The generator is frozen; :meth:`from_prior` fills it with a trained one, without which x is noise.

    Batch normalisation makes training and evaluation mode differ: call ``eval()`` before use. Raises ValueError for
    sizes and width tables that do not fit and for y of another size.

    >>> widths = dict.fromkeys((4, 8, 16, 32), 8)
    >>> psp = PSP(8, 32, widths, style_dim=8, n_mlp=2, encoder_widths=(4, 4, 4, 4), reduction=2)
    >>> psp.eval()(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 32, 32])
    """

    def __init__(
        self,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        style_dim: int = 512,
        n_mlp: int = 8,
        *,
        encoder_size: int | None = None,
        encoder_widths: tuple[int, int, int, int] = WIDTHS,
        reduction: int = 16,
    ):
        side = max(32, min(256, out_size)) if encoder_size is None else encoder_size
        check_in_size(in_size, side)
        super().__init__(in_size, PSPNetwork(side, out_size, channels, style_dim, n_mlp, encoder_widths, reduction))


class StyleEncoder(IRTrunk):
    """y (N, 3, S, S) -> one code for each of ``latents`` layers, (N, L, D)."""

    def __init__(self, size: int, latents: int, style_dim: int, widths: tuple[int, int, int, int], reduction: int):
        super().__init__(widths, reduction)
        _, fine, middle, coarse = widths
        sides = [size // (16 if i < COARSE else 8 if i < MIDDLE else 4) for i in range(latents)]
        self.styles = nn.ModuleList(Head(coarse, style_dim, side) for side in sides)
        self.latlayer1, self.latlayer2 = nn.Conv2d(middle, coarse, 1), nn.Conv2d(fine, coarse, 1)

    def forward(self, y: Tensor) -> Tensor:
        c1, c2, c3 = self.taps(y)  # (N, C, S/4, S/4), (N, C', S/8, S/8), (N, C'', S/16, S/16)
        p2 = enlarge(c3, c2) + self.latlayer1(c2)  # (N, C'', S/8, S/8)
        p1 = enlarge(p2, c1) + self.latlayer2(c1)  # (N, C'', S/4, S/4)
        maps = [c3 if i < COARSE else p2 if i < MIDDLE else p1 for i in range(len(self.styles))]
        return torch.stack([head(m) for head, m in zip(self.styles, maps, strict=True)], dim=1)  # (N, L, D)


class Head(nn.Module):
    """(N, C, s, s) -> (N, D): halved until one pixel is left."""

    def __init__(self, channels: int, style_dim: int, side: int):
        super().__init__()
        layers = []
        for _ in range(side.bit_length() - 1):  # log2(side)
            layers += [nn.Conv2d(channels, style_dim, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
            channels = style_dim
        self.convs, self.linear = nn.Sequential(*layers), EqualLinear(style_dim, style_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.convs(x).flatten(1))


def shrink(x: Tensor, factor: int) -> Tensor:
    """x (N, C, H, W) -> (N, C, H / factor, W / factor): the cubic filter that pSp's training images went through.

    4 factor taps, mirrored borders, unclamped; the program then clamped, truncated to 8 bits and enlarged bilinearly.
    For even factors it agrees with bicubic ``Resize`` away from the borders. Factor 1 is not the identity: the taps lie
    half a pixel off.
    """
    taps = cubic((torch.arange(4 * factor, dtype=torch.float64) - 2 * factor + 0.5) / factor, a=-0.5)
    taps = (taps / taps.sum()).to(x).expand(x.shape[1], 1, 1, -1)
    pad = (3 * factor // 2, 3 * factor - 3 * factor // 2)
    # rows first, as the program: it truncates the result, so the last bit counts
    x = F.conv2d(F.pad(x, (0, 0, *pad), mode="reflect"), taps.mT, stride=(factor, 1), groups=x.shape[1])
    return F.conv2d(F.pad(x, (*pad, 0, 0), mode="reflect"), taps, stride=(1, factor), groups=x.shape[1])


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, corner pixels on corner pixels, to the side of another map."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)
