r"""SinGAN: a chain of small adversarial networks trained on one picture, and its super-resolution (Shaham et al. 2019).

    real_0, ..., real_N = y, reduced by r^(N-k);   out_k = G_k(amp_k z_k + up(out_{k-1}), up(out_{k-1}))
    super-resolution: enlarge y a little, let G_N add its detail, and again, until it is ``factor`` times larger

Neither a prior nor another picture is used: what the finest generator knows is how y looks at its own scale.

The published program is repaired here where it departs from its paper or does not run: pictures are resized without
truncating them to 8 bits at every scale, which also cut the gradient; the resize mirrors all four borders, where the
program's unsigned index dropped the pixels beyond two of them; the noise of the reconstruction is drawn once, not anew
in every iteration; each step of G makes its own fake picture, where the program stepped three times on one graph, an
error in torch from 1.5 on. Kept: its gradient penalty, see :func:`gradient_penalty`, whose weight belongs to it.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..images import from_signed, to_signed
from ..operators.check import check_factor, check_finite, check_image
from ..operators.resample import cubic

SLOPE = 0.2
LAYERS = 5  # convolutions of 3 x 3 without padding: as many pixels are lost on each side
STEP = 2 ** (1 / 3)  # nearly: by how much one pass enlarges, and the pyramid's scales differ
COARSEST = 18  # pixels of the short side at scale 0, where y has more
WIDEST = 128
INNER = 3  # steps of D, then of G, in one iteration
GP_WEIGHT, REC_WEIGHT, NOISE = 0.1, 100.0, 0.1


class Scale(NamedTuple):
    """One scale, trained: its generator, the noise's amplitude, and the picture that it was trained on."""

    generator: "SinGANGenerator"
    amplitude: float
    real: Tensor  # (1, 3, h, w) in [-1, 1]


class SinGANResult(NamedTuple):
    """What :func:`singan` found.

    >>> len(singan(torch.rand(1, 3, 16, 16), 2, steps=1).scales)
    1
    """

    x: Tensor  # (1, 3, factor h, factor w), about [0, 1]
    scales: list[Scale]  # coarse to fine
    errors: list[float]  # root mean square of reconstruction - real, [-1, 1], for each scale


class Trunk(nn.Module):
    """Four blocks of convolution, batch normalisation, leaky ReLU; with the published names. widths: of the four."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        head, *body = widths
        self.head = block(3, head)
        self.body = nn.Sequential()
        for i, (before, width) in enumerate(zip(widths, body, strict=False), start=1):
            self.body.add_module(f"block{i}", block(before, width))

    def start(self) -> None:
        """Draw the published first weights."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)


class SinGANGenerator(Trunk):
    """(noise, previous), both (N, 3, h, w) -> previous + detail, (N, 3, h, w). Only the picture is padded, by zeros."""

    def __init__(self, widths: Sequence[int] = (32, 32, 32, 32)):
        super().__init__(widths)
        self.tail = nn.Sequential(nn.Conv2d(widths[-1], 3, 3), nn.Tanh())
        self.start()

    def forward(self, noise: Tensor, previous: Tensor) -> Tensor:
        x = F.pad(noise + previous, (LAYERS,) * 4)
        return self.tail(self.body(self.head(x))) + previous


class SinGANDiscriminator(Trunk):
    """(N, 3, h, w) -> scores of patches of 11 x 11 pixels, (N, 1, h - 10, w - 10); their mean judges the picture."""

    def __init__(self, widths: Sequence[int] = (32, 32, 32, 32)):
        super().__init__(widths)
        self.tail = nn.Conv2d(widths[-1], 1, 3)
        self.start()

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.body(self.head(x)))


def singan(
    y: Tensor,
    factor: int,
    *,
    steps: int = 2000,
    seed: int = 0,
    width: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> SinGANResult:
    """y (1, 3, h, w) in [0, 1] -> x, ``factor`` times larger: a SinGAN is trained on y, then asked for detail.

    steps: iterations a scale, of three steps of D and three of G each. width: channels at the coarsest four scales,
    doubled every four, 128 at most. progress: called with (scale, scales) before each scale. One random sample; the
    global random state, from which the first weights are drawn, is left as it was.

    Half precision is trained in float32. Raises TypeError for an integer image; ValueError for NaN, for another shape,
    for sides below 11 pixels, which is what a discriminator sees, for a factor below 2, and for less than one step or
    channel.

    >>> found = singan(torch.rand(1, 3, 16, 16), 2, steps=1)  # 2000 in earnest
    >>> found.x.shape
    torch.Size([1, 3, 32, 32])
    """
    check_image(y, "y")
    if y.shape[:2] != (1, 3) or min(y.shape[-2:]) <= 2 * LAYERS:
        raise ValueError(f"SinGAN takes one RGB image, (1, 3, h, w) of at least 11 pixels, got {tuple(y.shape)}")
    if check_factor(factor) < 2:
        raise ValueError(f"factor must be at least 2, got {factor}")
    for name, count in {"steps": steps, "width": width}.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    y = y.to(torch.promote_types(y.dtype, torch.float32))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # all draws are the processor's; torch.manual_seed sets GPUs' too
        scales, errors = train(to_signed(check_finite(y, "y")), steps=steps, width=width, progress=progress)
        x = super_resolve(scales[-1], factor)
    return SinGANResult(from_signed(x), scales, errors)


def train(
    real: Tensor, *, steps: int, width: int, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Scale], list[float]]:
    """A chain of scales for one picture in [-1, 1], and the error of each one's reconstruction."""
    reals, ratio = pyramid(real)
    scales: list[Scale] = []
    errors = []
    noise, rec = draw_noise(reals[0], planes=1), torch.zeros_like(reals[0])  # what reconstructs real_0
    amplitude = 1.0
    before: tuple[tuple[int, ...], SinGANGenerator, SinGANDiscriminator] | None = None
    for k, real in enumerate(reals):
        if progress:
            progress(k, len(reals))
        if k:
            noise, rec = torch.zeros_like(real), up(rec, ratio, real)
            amplitude = float(NOISE * (real - rec).square().mean().sqrt())
        widths = (min(width * 2 ** (k // 4), WIDEST),) * 4
        G, D = SinGANGenerator(widths).to(real), SinGANDiscriminator(widths).to(real)
        if before is not None and before[0] == widths:
            G.load_state_dict(before[1].state_dict())
            D.load_state_dict(before[2].state_dict())
        before = (widths, G, D)
        this = Scale(G, amplitude, real)
        train_scale(D, this, scales, ratio, (noise, rec), steps=steps)
        scales.append(this)
        G.eval().requires_grad_(False)
        rec = G(noise, rec)
        errors.append(float((rec - real).square().mean().sqrt()))
    return scales, errors


def train_scale(
    D: SinGANDiscriminator,
    this: Scale,
    below: list[Scale],
    ratio: float,
    reconstruct: tuple[Tensor, Tensor],
    *,
    steps: int,
) -> None:
    """WGAN-GP on patches, and the demand that one input gives the picture itself."""
    G = this.generator
    optimisers = [torch.optim.Adam(net.parameters(), lr=5e-4, betas=(0.5, 0.999)) for net in (D, G)]
    schedules = [torch.optim.lr_scheduler.MultiStepLR(o, [int(0.8 * steps)], 0.1) for o in optimisers]
    for _ in range(steps):
        for _ in range(INNER):
            noise, previous = random_input(this, below, ratio)
            with torch.no_grad():
                fake = G(noise, previous)
            share = torch.rand(1, 1, 1, 1).to(fake)
            loss = D(fake).mean() - D(this.real).mean() + GP_WEIGHT * gradient_penalty(D, this.real, fake, share)
            optimisers[0].zero_grad()
            loss.backward()
            optimisers[0].step()
        for _ in range(INNER):
            loss = REC_WEIGHT * F.mse_loss(G(*reconstruct), this.real) - D(G(noise, previous)).mean()
            optimisers[1].zero_grad()
            loss.backward()
            optimisers[1].step()
        for schedule in schedules:
            schedule.step()


def gradient_penalty(D: nn.Module, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    r"""Mean over pixels of :math:`(\|\nabla\| - 1)^2` at share real + (1 - share) fake, 0-d.

    The norm is that of the three channels of each pixel, of the gradient of the sum of all patch scores, as in the
    published program; Gulrajani et al. (2017) take it over the whole picture.
    """
    x = (share * real + (1 - share) * fake).detach().requires_grad_()
    (grad,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return (grad.norm(dim=1) - 1).square().mean()


@torch.no_grad()
def random_input(this: Scale, below: list[Scale], ratio: float) -> tuple[Tensor, Tensor]:
    """(noise, previous) for a scale: the scales below it draw a picture."""
    x = torch.zeros_like((below[0] if below else this).real)
    for k, scale in enumerate(below):
        x = scale.generator(scale.amplitude * draw_noise(x, planes=3 if k else 1), x)
        x = up(x, ratio, (below[k + 1] if k + 1 < len(below) else this).real)
    return this.amplitude * draw_noise(x, planes=3 if below else 1), x


@torch.no_grad()
def super_resolve(finest: Scale, factor: int) -> Tensor:
    """(1, 3, factor h, factor w) in [-1, 1]: the finest picture, enlarged in passes of about 2^(1/3)."""
    passes = round(math.log(factor) / math.log(STEP))
    x = finest.real
    for i in range(passes):
        x = resize(x, factor ** (1 / passes))
        x = finest.generator(finest.amplitude * draw_noise(x, planes=3 if i else 1), x)
    h, w = finest.real.shape[-2:]
    return x[..., : factor * h, : factor * w]


def pyramid(real: Tensor) -> tuple[list[Tensor], float]:
    """The picture reduced by r^N, ..., r, 1 until its short side is COARSEST, and r, about 1 / STEP or above."""
    short = min(real.shape[-2:])
    if short <= COARSEST:
        return [real], 1.0
    count = math.ceil(math.log(COARSEST / short) / -math.log(STEP)) + 1
    ratio = (COARSEST / short) ** (1 / count)
    return [resize(real, ratio ** (count - k)) for k in range(count)] + [real], ratio


def up(x: Tensor, ratio: float, like: Tensor) -> Tensor:
    """x enlarged by 1 / ratio, to the size of the next scale's picture."""
    h, w = like.shape[-2:]
    return resize(x, 1 / ratio)[..., :h, :w]


def draw_noise(like: Tensor, *, planes: int) -> Tensor:
    """N(0, 1) noise, (1, 3, h, w); planes: 1, the same for all channels, or 3."""
    return torch.randn(1, planes, *like.shape[-2:]).to(like).expand(-1, 3, -1, -1)


def resize(x: Tensor, ratio: float) -> Tensor:
    """(N, C, H, W) -> sides of ceil(ratio H), ceil(ratio W): bicubic, antialiased, borders mirrored, clamped.

    Pixel i lies at (i + 1/2) / ratio, whatever the rounding of the sides. The program clamps to [-1, 1] before and
    after; so does this.
    """
    rows, columns = (resize_matrix(side, ratio).to(x) for side in x.shape[-2:])
    return (rows @ x.clamp(-1, 1) @ columns.T).clamp(-1, 1)


def resize_matrix(side: int, ratio: float) -> Tensor:
    """(ceil(ratio side), side), rows of sum 1."""
    index, weight = resize_taps(side, ratio)
    period = index % (2 * side)
    mirrored = torch.where(period < side, period, 2 * side - 1 - period)
    return torch.zeros(len(index), side, dtype=weight.dtype).scatter_add_(1, mirrored, weight)


def resize_taps(side: int, ratio: float) -> tuple[Tensor, Tensor]:
    """For each new pixel the old ones that it is made of, those beyond the border too, and their weights of sum 1."""
    shrink = min(ratio, 1.0)
    centre = (torch.arange(math.ceil(ratio * side), dtype=torch.float64) + 0.5) / ratio - 0.5
    reach = math.ceil(2 / shrink)
    index = centre.floor().long()[:, None] + torch.arange(-reach, reach + 2)
    weight = cubic((centre[:, None] - index) * shrink, a=-0.5)
    return index, weight / weight.sum(1, keepdim=True)


def block(in_channels: int, out_channels: int) -> nn.Sequential:
    """(N, in, h, w) -> (N, out, h - 2, w - 2)."""
    layers = nn.Sequential()
    layers.add_module("conv", nn.Conv2d(in_channels, out_channels, 3))
    layers.add_module("norm", nn.BatchNorm2d(out_channels))
    layers.add_module("activate", nn.LeakyReLU(SLOPE))
    return layers
