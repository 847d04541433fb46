r"""GPEN: an encoder's features stand in for the noise of a StyleGAN2 at every side (Yang et al. 2021).

    y, enlarged --encoder--> features e_r, r = in_size ... 4;  e_4 --linear--> z --mapping network--> w, for all layers
    a convolution of side r with output F: F -> [F, a e_r], a the layer's noise strength;  x is the RGB image

All strengths a start at 0: a new network ignores its features until training finds a use for them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..layers import EqualLinear
from ..priors import StyleGAN2
from ..priors.discriminator import conv_layer, halving_layer
from ..priors.stylegan2 import resolutions
from .bank import PriorNetwork
from .restorer import EnlargingRestorer, check_in_size


class GPENNetwork(PriorNetwork):
    """y (N, 3, in_size, in_size) -> x (N, 3, out_size, out_size), both in [-1, 1]; other arguments as :class:`GPEN`.

    in_size: out_size in the published networks; where it is smaller, the sides above it take noise, two tensors
    (N or 1, C, r, r) a side: those given, or drawn from a generator, or else the same ones in every call. Names are the
    published ones, but for ``bank`` (there ``generator``) and ``encoder.k`` (there ``ecdk.0``). The parts can be called
    one by one: ``encode``, ``latents``, ``grow``.
    """

    title = "GPEN"

    def __init__(
        self,
        in_size: int,
        out_size: int,
        channels: dict[int, int] | None = None,
        style_dim: int = 512,
        n_mlp: int = 8,
        *,
        concat: bool = True,
    ):
        bank = StyleGAN2(out_size, style_dim, n_mlp, channels, noise="beside" if concat else "added")
        super().__init__(in_size, bank, sides=resolutions(out_size), train_bank=True)
        self.concat = concat
        widths = [bank.channels[r] for r in resolutions(in_size)[::-1]]  # in_size ... 4
        self.encoder = nn.ModuleList([conv_layer(3, widths[0], 1)])
        self.encoder.extend(halving_layer(fine, coarse) for fine, coarse in zip(widths, widths[1:], strict=False))
        self.final_linear = nn.Sequential(EqualLinear(16 * widths[-1], style_dim, activation=True))

    def forward(
        self, y: Tensor, noise: Sequence[Tensor] | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        features = self.encode(y)
        if noise is None:
            noise = self.draw(len(y), generator)
        return self.grow(features, self.latents(features), noise)

    def encode(self, y: Tensor) -> list[Tensor]:
        """y -> features (N, C, r, r) for r = 4, 8, ..., in_size."""
        features, f = [], self.check(y)
        for layer in self.encoder:
            f = layer(f)
            features.append(f)
        return features[::-1]

    def latents(self, features: list[Tensor]) -> Tensor:
        """The coarsest features (N, C, 4, 4) -> w (N, D)."""
        return self.bank.mapping(self.final_linear(features[0].flatten(1)))

    def grow(self, features: list[Tensor], w: Tensor, noise: Sequence[Tensor] = ()) -> Tensor:
        """The bank's image for these features and this w; noise for the sides above in_size."""
        coarse, *others = features
        return self.bank(w, [coarse, *(f for f in others for _ in range(2)), *noise])

    def draw(self, count: int, generator: torch.Generator | None = None) -> list[Tensor]:
        """N(0, 1) noise for the sides above in_size, of all channels; without a generator, the same for all images."""
        if generator is None:
            count, generator = 1, torch.Generator().manual_seed(0)
        sides = [r for r in self.bank.sides if r > self.in_size]
        shapes = [(count, self.bank.channels[r], r, r) for r in sides]
        draws = [torch.randn(shape, generator=generator, device=generator.device) for shape in shapes]
        return [draw.to(self.bank.input.input) for draw in draws]

    def load_prior(self, prior: StyleGAN2) -> None:
        """Copy a generator's weights; its fixed noise has no place here. ValueError with features beside."""
        if self.concat:
            raise ValueError(
                f"{self} sees features beside its own and is twice as wide as a StyleGAN2: an ordinary prior fits only "
                "concat=False"
            )
        super().load_prior(prior)


class GPEN(EnlargingRestorer):
    """y (N, 3, in_size, in_size) in [0, 1] -> x_r (N, 3, out_size, out_size), about [0, 1] (Yang et al. 2021).

    in_size: a power of two up to encoder_size, the side to which y is enlarged for the encoder: None takes out_size, as
    published; in_size enlarges nothing, and the finer sides take noise. channels: {side: width} of bank and encoder,
    default the published table. style_dim, n_mlp: of the StyleGAN2. concat: features beside the bank's own, as
    published; False adds them, which is what an ordinary StyleGAN2 can start from (:meth:`from_prior`).

    ``forward(y, noise=None, generator=None)``: see :class:`GPENNetwork`; with encoder_size None there is no noise. The
    bank is trained along. Raises ValueError for sizes and width tables that do not fit and for y of another size.

    >>> widths = dict.fromkeys((4, 8, 16, 32), 8)
    >>> GPEN(8, 32, widths, style_dim=8, n_mlp=2)(torch.rand(1, 3, 8, 8)).shape
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
        concat: bool = True,
    ):
        side = out_size if encoder_size is None else encoder_size
        check_in_size(in_size, side)
        super().__init__(in_size, GPENNetwork(side, out_size, channels, style_dim, n_mlp, concat=concat))
