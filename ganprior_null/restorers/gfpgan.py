r"""GFP-GAN: a U-Net predicts latents, and at every side a scale and a shift for half of the channels of a StyleGAN2.

    y, enlarged --U-Net--> w_plus from its bottom; scale_r, shift_r from its decoder, r = 8 ... out_size
    after the first convolution of side r: [F_a, F_b] -> [F_a, scale_r F_b + shift_r];  x is the RGB image

(Wang et al. 2021.) Two forms were published, which differ in how they halve and double: by the filters of StyleGAN2
("fir", version 1), or by 2 x 2 means and bilinear interpolation ("bilinear", versions 1.2 to 1.4). The files of the
latter hold the network with its equalised learning rates folded into plain layers; ``weights.convert`` unfolds them, so
that both forms are this one network, ready to be trained on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..layers import EqualConv2d, EqualLinear
from ..priors import StyleGAN2
from ..priors.discriminator import ResidualBlock, conv_layer
from .bank import PriorNetwork
from .restorer import EnlargingRestorer, check_in_size


class Encoded(NamedTuple):
    """What the U-Net made of y."""

    w_plus: Tensor  # (N, L, D), or (N, D) for all layers
    conditions: list[tuple[Tensor, Tensor]]  # scale and shift (N, C/2 or C, r, r) for r = 8, 16, ..., out_size
    features: list[Tensor]  # of its decoder, (N, C/2, r, r), for the intermediate images of training


class GFPGANNetwork(PriorNetwork):
    """y -> x, both (N, 3, out_size, out_size) in [-1, 1]; arguments as :class:`GFPGAN`.

    Names are version 1's, but for its decoder, which is called bank and has the names of
    :class:`~ganprior_null.priors.StyleGAN2`. The parts can be called one by one: ``encode``, ``grow``, ``images``.
    """

    title = "GFP-GAN"

    def __init__(
        self,
        out_size: int,
        channels: dict[int, int] | None = None,
        style_dim: int = 512,
        n_mlp: int = 8,
        *,
        resample: str = "fir",
        half: bool = True,
        one_code: bool = False,
        train_bank: bool = False,
    ):
        bank = StyleGAN2(out_size, style_dim, n_mlp, channels, resample=resample)
        super().__init__(out_size, bank, sides=[out_size] if out_size > 4 else [], train_bank=train_bank)
        if odd := {r: c for r, c in bank.channels.items() if c % 2}:
            raise ValueError(f"{self.title} steers half of the bank's channels, so the widths must be even; got {odd}")
        self.one_code = one_code
        widths = [c // 2 for c in bank.channels.values()]  # of the U-Net at 4, 8, ..., out_size
        steps = list(zip(widths, widths[1:], strict=False))  # (coarse, fine)
        halve, double = nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="bilinear")
        down = None if resample == "fir" else halve
        self.conv_body_first = conv_layer(3, widths[-1], 1)
        self.conv_body_down = nn.ModuleList(ResidualBlock(fine, coarse, resize=down) for coarse, fine in steps[::-1])
        self.final_conv = conv_layer(widths[0], widths[0], 3)
        self.final_linear = EqualLinear(16 * widths[0], style_dim if one_code else bank.latents * style_dim)
        self.conv_body_up = nn.ModuleList(ResidualBlock(coarse, fine, resize=double) for coarse, fine in steps)
        self.toRGB = nn.ModuleList(EqualConv2d(fine, 3, 1, bias=0.0) for _, fine in steps)
        steered = [(fine, fine if half else 2 * fine) for _, fine in steps]
        self.condition_scale = nn.ModuleList(condition(a, b, start=1.0) for a, b in steered)
        self.condition_shift = nn.ModuleList(condition(a, b, start=0.0) for a, b in steered)

    def forward(self, y: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        encoded = self.encode(y)
        return self.grow(encoded.w_plus, encoded.conditions, noise=noise)

    def encode(self, y: Tensor) -> Encoded:
        """y (N, 3, R, R) -> latents, conditions, features, R = out_size."""
        f = self.conv_body_first(self.check(y))  # (N, C, R, R); no skip connection carries it over
        skips = []
        for block in self.conv_body_down:
            f = block(f)
            skips.append(f)  # (N, C, r, r) for r = R/2, ..., 4
        f = self.final_conv(f)  # (N, C, 4, 4)
        code = self.final_linear(f.flatten(1))
        w_plus = self.bank.mapping(code) if self.one_code else code.view(len(y), self.bank.latents, self.bank.style_dim)
        conditions, features = [], []
        for i, block in enumerate(self.conv_body_up):
            f = block(f + skips.pop())  # (N, C, r, r) for r = 8, ..., R
            conditions.append((self.condition_scale[i](f), self.condition_shift[i](f)))
            features.append(f)
        return Encoded(w_plus, conditions, features)

    def grow(
        self, w_plus: Tensor, conditions: list[tuple[Tensor, Tensor]], *, noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """The bank's image (N, 3, R, R) for these latents and conditions. noise: None for the bank's fixed one."""
        bank = self.bank
        w, noise = bank.spread(w_plus), bank.check_noise(noise, len(w_plus))
        x = bank.conv1(bank.input(len(w)), w[:, 0], noise[0])  # (N, C, 4, 4)
        rgb = bank.to_rgb1(x, w[:, 1])
        for i, (stage, (scale, shift)) in enumerate(zip(bank.stages(), conditions, strict=True)):
            x = stage.up_conv(x, w[:, 2 * i + 1], noise[2 * i + 1])  # (N, C, r, r)
            kept = x.shape[1] - scale.shape[1]  # half of the channels, or none
            x = torch.cat([x[:, :kept], x[:, kept:] * scale + shift], dim=1)
            x = stage.conv(x, w[:, 2 * i + 2], noise[2 * i + 2])
            rgb = stage.to_rgb(x, w[:, 2 * i + 3], rgb)
        return rgb

    def images(self, features: list[Tensor]) -> list[Tensor]:
        """The U-Net's own images (N, 3, r, r) for r = 8, ..., R, which training compares with the target's pyramid."""
        return [to_rgb(f) for to_rgb, f in zip(self.toRGB, features, strict=True)]


class GFPGAN(EnlargingRestorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x_r (N, 3, out_size, out_size), about [0, 1] (Wang et al. 2021).

    in_size: a power of two up to out_size, to which y is enlarged for the U-Net. channels: {side: width} of the bank,
    even numbers, default the published table of version 1.2 and later; the U-Net has half of each. style_dim, n_mlp: of
    the StyleGAN2. resample: "fir" as in version 1, or "bilinear" as in 1.2 to 1.4. half: steer half of the bank's
    channels, False all of them. one_code: one code for all layers, by way of the mapping network. train_bank: let the
    bank learn too.

    ``forward(y, noise=None)``: the bank's stored noise, unless noise is given as ``network.bank.fresh_noise`` makes it.
    :meth:`from_prior` fills the bank with a trained one (resample "fir"). Raises ValueError for sizes and width tables
    that do not fit and for y of another size.

    >>> widths = dict.fromkeys((4, 8, 16, 32), 8)
    >>> GFPGAN(8, 32, widths, style_dim=8, n_mlp=2)(torch.rand(1, 3, 8, 8)).shape
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
        resample: str = "fir",
        half: bool = True,
        one_code: bool = False,
        train_bank: bool = False,
    ):
        check_in_size(in_size, out_size)
        network = GFPGANNetwork(
            out_size,
            channels,
            style_dim,
            n_mlp,
            resample=resample,
            half=half,
            one_code=one_code,
            train_bank=train_bank,
        )
        super().__init__(in_size, network)


def condition(in_channels: int, out_channels: int, *, start: float) -> nn.Sequential:
    """(N, in, r, r) -> (N, out, r, r): a scale or a shift; start: the bias of the last convolution."""
    last = EqualConv2d(in_channels, out_channels, 3, padding=1, bias=start)
    return nn.Sequential(*conv_layer(in_channels, in_channels, 3), last)
