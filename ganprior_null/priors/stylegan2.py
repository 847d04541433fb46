r"""StyleGAN2, the whole generator: z -> w -> image.

    z (N, D) --mapping--> w (N, D) --repeat / mix / truncate--> w_plus (N, L, D) --synthesis--> image (N, 3, size, size)

Synthesis starts from a learned 4 x 4 constant and doubles the side stage by stage; every stage adds its own RGB image
to the enlarged sum of those before it. Layer i is steered by w_plus[:, i]; a stage's to_rgb shares the latent of the
next stage's first convolution, so L = 2 log2(size) - 2.

The formulas are those of Karras et al. 2020 (config E/F, skip generator); parameter and buffer names are those of the
most common PyTorch layout (rosinality/stylegan2-pytorch), so its ``g_ema`` loads with ``load_state_dict``. Images are
RGB and *about* [-1, 1]: the network has no final squashing, and this file neither clamps nor rescales.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..layers import EqualLinear, FusedLeakyReLU, ModulatedConv2d, PixelNorm, Upsample

LR_MAPPING = 0.01  # learning rate of the mapping network relative to the rest
ENLARGE = {"fir": Upsample, "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear")}  # of the RGB sum
NOISE = ("stored", "added", "beside")


def channel_table(size: int, multiplier: int = 2) -> dict[int, int]:
    """{resolution: width} from 4 to size, as published: multiplier 2 is config F, 1 is config E."""
    return {r: 512 if r <= 32 else 64 * 256 * multiplier // r for r in resolutions(size)}


def resolutions(size: int) -> list[int]:
    """[4, 8, ..., size]. Raises ValueError unless size is a power of two of at least 4."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 4 or size & (size - 1):
        raise ValueError(f"size must be a power of two of at least 4 (4, 8, 16, ..., 1024), got {size!r}")
    return [2**k for k in range(2, size.bit_length())]


def check_channels(size: int, channels: dict[int, int] | None) -> dict[int, int]:
    """The widths to use at 4 ... size, default :func:`channel_table`. Raises ValueError when one is missing or < 1."""
    if channels is None:
        return channel_table(size)
    wanted = resolutions(size)
    bad = [r for r in wanted if not isinstance(channels.get(r), int) or channels[r] < 1]
    if bad:
        raise ValueError(f"channels must give a width of at least 1 for each of {wanted}; wrong at {bad}: {channels}")
    return {r: channels[r] for r in wanted}


class Stage(NamedTuple):
    """What takes the features (N, C, r/2, r/2) and the RGB sum to r x r, r = resolution."""

    resolution: int
    up_conv: "StyledConv"  # (x, w, noise) -> (N, C', r, r)
    conv: "StyledConv"  # (x, w, noise) -> (N, C', r, r)
    to_rgb: "ToRGB"  # (x, w, rgb) -> (N, 3, r, r)


class StyleGAN2(nn.Module):
    """w_plus (N, L, D) -> image (N, 3, size, size), about [-1, 1]; ``mapping`` makes w from z.

    size: any power of two from 4. style_dim: D. n_mlp: layers of the mapping network. channels: {resolution: width}
    for 4 ... size (further entries are ignored), default the published table with multiplier 2. Works channels-last
    inside by itself; ``.to(memory_format=...)`` is not needed, and torch refuses it for weights of five axes.

    Two departures serve networks around it. resample: "fir", the published filter, or "bilinear" interpolation, as in
    GFP-GAN. noise: what the noise inputs take. "stored" buffers by default; "added", features (N, C, r, r) in their
    place, given with every call; "beside", such features as C more channels after the convolution's own, as in GPEN.

    Raises ValueError for other sizes, for incomplete width tables and for inputs whose shapes do not fit.

    >>> G = StyleGAN2(16, style_dim=8, n_mlp=2, channels={4: 8, 8: 8, 16: 8})
    >>> w = G.mapping(torch.randn(2, 8))
    >>> G(w).shape
    torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self,
        size: int,
        style_dim: int = 512,
        n_mlp: int = 8,
        channels: dict[int, int] | None = None,
        *,
        resample: str = "fir",
        noise: str = "stored",
    ):
        super().__init__()
        if style_dim < 1 or n_mlp < 1:
            raise ValueError(f"style_dim and n_mlp must be at least 1, got {style_dim} and {n_mlp}")
        if resample not in ENLARGE or noise not in NOISE:
            legal = f"{' or '.join(ENLARGE)}; {', '.join(NOISE)}"
            raise ValueError(f"resample and noise must be one of {legal}; got {resample!r} and {noise!r}")
        self.channels = check_channels(size, channels)
        self.size, self.style_dim, self.n_mlp, self.resample, self.noise = size, style_dim, n_mlp, resample, noise
        self.latents = 2 * int(math.log2(size)) - 2  # L

        layers = [EqualLinear(style_dim, style_dim, lr_mul=LR_MAPPING, activation=True) for _ in range(n_mlp)]
        self.style = nn.Sequential(PixelNorm(), *layers)
        width = self.channels[4]
        self.input = ConstantInput(width)
        beside, up = noise == "beside", "up" if resample == "fir" else resample
        seen = 2 if beside else 1  # a layer's output, over the width of its convolution
        self.conv1 = StyledConv(width, width, style_dim, beside=beside)
        self.to_rgb1 = ToRGB(seen * width, style_dim)
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for resolution in resolutions(size)[1:]:
            before, width = width, self.channels[resolution]
            self.convs.append(StyledConv(seen * before, width, style_dim, resample=up, beside=beside))
            self.convs.append(StyledConv(seen * width, width, style_dim, beside=beside))
            self.to_rgbs.append(ToRGB(seen * width, style_dim, enlarge=ENLARGE[resample]()))
        self.sides = [4] + [r for r in resolutions(size)[1:] for _ in range(2)]  # of the noise inputs
        if noise == "stored":
            self.noises = FixedNoise(self.sides)

    def mapping(self, z: Tensor) -> Tensor:
        """z (N, D), N(0, I) -> w (N, D). The scale of z does not matter: it is normalised first."""
        if z.ndim != 2 or z.shape[1] != self.style_dim:
            raise ValueError(f"z must be (N, {self.style_dim}), got {tuple(z.shape)}")
        return self.style(z)

    def forward(self, w_plus: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """w_plus (N, L, D), or w (N, D) for all layers -> image (N, 3, size, size).

        noise: None, the fixed buffers ``noises.noise_i`` (deterministic, and part of published weights); or L - 1
        tensors (N or 1, 1, r, r), for example from :meth:`fresh_noise`. None is stored? Features (N or 1, C, r, r).
        """
        w_plus, noise = self.spread(w_plus), self.check_noise(noise, len(w_plus))
        x = self.conv1(self.input(len(w_plus)), w_plus[:, 0], noise[0])  # (N, C, 4, 4)
        rgb = self.to_rgb1(x, w_plus[:, 1])  # (N, 3, 4, 4)
        for i, stage in enumerate(self.stages()):
            x = stage.up_conv(x, w_plus[:, 2 * i + 1], noise[2 * i + 1])  # (N, C, r, r)
            x = stage.conv(x, w_plus[:, 2 * i + 2], noise[2 * i + 2])  # (N, C, r, r)
            rgb = stage.to_rgb(x, w_plus[:, 2 * i + 3], rgb)  # (N, 3, r, r)
        return rgb

    def stages(self) -> Iterator[Stage]:
        """The stages 8, 16, ..., size in order: (resolution, up_conv, conv, to_rgb).

        Stage i (from 0) takes latents 2i+1, 2i+2, 2i+3 and noises 2i+1, 2i+2; the 4 x 4 start is input, conv1 and
        to_rgb1 with latents 0, 1 and noise 0. A network that fuses encoder features is a loop over these.
        """
        convs, to_rgbs = cast(list[StyledConv], self.convs), cast(list[ToRGB], self.to_rgbs)
        for i, to_rgb in enumerate(to_rgbs):
            yield Stage(8 * 2**i, convs[2 * i], convs[2 * i + 1], to_rgb)

    def spread(self, w: Tensor) -> Tensor:
        """w (N, D) -> w_plus (N, L, D), one code for all layers; w_plus passes through. ValueError for other shapes."""
        if w.ndim == 2 and w.shape[1] == self.style_dim:
            return w[:, None].expand(-1, self.latents, -1)
        if w.ndim == 3 and w.shape[1:] == (self.latents, self.style_dim):
            return w
        raise ValueError(
            f"w must be (N, {self.style_dim}) or w_plus (N, {self.latents}, {self.style_dim}), got {tuple(w.shape)}"
        )

    def mix(self, w_coarse: Tensor, w_fine: Tensor, crossover: int) -> Tensor:
        """Two w (N, D) -> w_plus (N, L, D): the first steers layers 0 ... crossover-1, the second the rest."""
        if not 0 <= crossover <= self.latents:
            raise ValueError(f"crossover must lie in 0 ... {self.latents} for {self.size} px, got {crossover}")
        return torch.cat([self.spread(w_coarse)[:, :crossover], self.spread(w_fine)[:, crossover:]], dim=1)

    @torch.no_grad()
    def mean_w(self, samples: int = 4096, *, generator: torch.Generator | None = None) -> Tensor:
        """(D,): the mean of w over N(0, I), which truncation pulls towards (``latent_avg`` of published files)."""
        weight = self.style[1].get_parameter("weight")
        z = torch.randn(samples, self.style_dim, generator=generator, device=generator.device if generator else None)
        return self.mapping(z.to(weight)).mean(0)

    def fresh_noise(self, count: int, *, generator: torch.Generator | None = None) -> list[Tensor]:
        """L - 1 tensors (count, 1, r, r) of N(0, 1), one for each noise input, drawn on the generator's device."""
        device = generator.device if generator else None
        draws = [torch.randn(count, 1, r, r, generator=generator, device=device) for r in self.sides]
        return [draw.to(self.input.input) for draw in draws]

    def check_noise(self, noise: Sequence[Tensor] | None, count: int) -> list[Tensor]:
        """The noise tensors for count images; None gives the fixed ones. ValueError for a wrong number or shape."""
        stored = self.noise == "stored"
        if noise is None and stored:
            return list(self.noises)
        given = list(noise or ())
        got = [tuple(n.shape) for n in given]
        widths = [1 if stored else self.channels[r] for r in self.sides]
        fits = [{(count, c, r, r), (1, c, r, r)} for c, r in zip(widths, self.sides, strict=True)]
        if len(got) != len(fits) or any(shape not in fit for shape, fit in zip(got, fits, strict=True)):
            shapes = f"({count} or 1, {1 if stored else 'C'}, r, r) with r = {self.sides}"
            c = "" if stored else f" and C = {widths}"
            raise ValueError(f"noise must be {len(fits)} tensors {shapes}{c}, got {got}")
        return given


def truncate(w: Tensor, w_mean: Tensor, psi: float | Tensor) -> Tensor:
    r""":math:`\bar w + \psi (w - \bar w)`: psi 1 leaves w, 0 gives the mean; between, less variety, more quality.

    w: (N, D) or (N, L, D); w_mean: (D,), see :meth:`StyleGAN2.mean_w` (Karras et al. 2019, Sec. B).
    """
    return w_mean + psi * (w - w_mean)


class ConstantInput(nn.Module):
    """The learned 4 x 4 image that every sample starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, count: int) -> Tensor:
        x = self.input.expand(count, -1, -1, -1)  # (N, C, 4, 4)
        return x.contiguous(memory_format=torch.channels_last)  # all layers keep it: faster, on a CPU above all


class FixedNoise(nn.Module):
    """Buffers noise_0, noise_1, ...: an N(0, 1) image (1, 1, r, r) for each side r, saved with the weights."""

    def __init__(self, sides: list[int]):
        super().__init__()
        for i, r in enumerate(sides):
            self.register_buffer(f"noise_{i}", torch.randn(1, 1, r, r))

    def __iter__(self) -> Iterator[Tensor]:
        return self.buffers()


class NoiseInjection(nn.Module):
    """x + strength * noise: one learned scalar for a layer, one noise value for all channels of a pixel.

    beside: [x, strength * features] in place of the sum, features having as many channels as x.
    """

    def __init__(self, *, beside: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.beside = beside

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        scaled = (self.weight * noise).to(x.dtype)
        return torch.cat([x, scaled.expand_as(x)], dim=1) if self.beside else x + scaled


class StyledConv(nn.Module):
    """Modulated 3 x 3 convolution -> noise -> bias, leaky ReLU: (N, C, r, r) -> (N, C', r, r), or 2r x 2r.

    resample: as in :class:`ModulatedConv2d`. beside: as in :class:`NoiseInjection`; the result then has 2C' channels.
    """

    def __init__(
        self, in_channels: int, out_channels: int, style_dim: int, *, resample: str | None = None, beside: bool = False
    ):
        super().__init__()
        self.conv = ModulatedConv2d(in_channels, out_channels, 3, style_dim, resample=resample)
        self.noise = NoiseInjection(beside=beside)
        self.activate = FusedLeakyReLU(2 * out_channels if beside else out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        return self.activate(self.noise(self.conv(x, w), noise))


class ToRGB(nn.Module):
    """(N, C, r, r) -> (N, 3, r, r): modulated 1 x 1 convolution, not demodulated, plus the enlarged RGB sum so far."""

    def __init__(self, channels: int, style_dim: int, *, enlarge: nn.Module | None = None):
        super().__init__()
        self.conv = ModulatedConv2d(channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.upsample = enlarge or nn.Identity()

    def forward(self, x: Tensor, w: Tensor, rgb: Tensor | None = None) -> Tensor:
        y = self.conv(x, w) + self.bias  # under autocast this promotes: the RGB sum stays in float32
        return y if rgb is None else y + self.upsample(rgb)
