"""Blur kernels: cleaned, centred, from 2x to 4x, and how far apart two of them are."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import cell_centre, centre_of_mass

KEPT = 40  # weights of a kernel that the published program keeps
WINDOW = 21  # side of the grid on which two kernels are compared


class KernelError(NamedTuple):
    """How far an estimated kernel is from the true one, both centred on their centre of mass."""

    l1: float  # sum |k - k*|; 0 is perfect, 2 is disjoint
    correlation: float  # of the weights, as vectors: <k, k*> / (|k| |k*|)
    psnr: float  # dB; peak: the largest weight of k*


def drop_small(k: Tensor, kept: int = KEPT) -> Tensor:
    """max(k - t, 0) made to sum to 1, t = 3/4 of the (kept + 1)-th largest weight. Weights above t sink, too.

    A kernel of no more weights than are kept keeps all.
    """
    t = 0.75 * k.flatten().sort().values[-kept - 1] if k.numel() > kept else 0.0
    k = (k - t).clamp_min(0)
    return k / k.sum()


def centred(k: Tensor, side: int | None = None) -> Tensor:
    """k moved by a cubic spline until its centre of mass is in the middle of the cell, in (side, side) weights.

    side defaults to k's own. Weights that leave the window are lost, and the sum is kept.
    """
    from scipy import ndimage  # here: it takes longer to import than the whole package

    side = side or k.shape[-1]
    spare = side // 2 + 1
    grown = F.pad(k.double(), (spare,) * 4)
    off = cell_centre(k.shape[-1]) + spare - centre_of_mass(grown)
    moved = torch.from_numpy(ndimage.shift(grown.cpu().numpy(), off.tolist()))
    # the cell centre of the cut-out falls on that of k
    start = round(cell_centre(k.shape[-1]) + spare - cell_centre(side))
    cut = moved[start : start + side, start : start + side]
    return (cut * (k.double().sum().cpu() / cut.sum())).to(k)


def post_process(k: Tensor, kept: int = KEPT) -> Tensor:
    """What the published program returns, in k's own size: :func:`drop_small`, then :func:`centred`."""
    return centred(drop_small(k, kept))


def composed(k: Tensor) -> Tensor:
    """The kernel of "2x by k, twice", (n, n) -> (3 n - 2, 3 n - 2): k with a copy of it spread on every second weight.

    .. math:: k_4[m] = \\sum_{a + 2 b = m} k[a]\\, k[b]
    """
    n = k.shape[-1]
    spread = k.new_zeros(2 * n - 1, 2 * n - 1)
    spread[::2, ::2] = k
    return F.conv_transpose2d(spread[None, None], k[None, None])[0, 0]


def kernel_x4(k: Tensor) -> Tensor:
    """The 4x kernel that follows from a 2x kernel (13, 13), for ``BlurDownsample(kernel_x4(k), 4, size)``: (25, 25).

    The middle of :func:`composed`, made to sum to k's sum squared. The window is the one whose weights
    ``BlurDownsample`` puts where two rounds of 2x put them; the published program's begins one weight earlier.
    """
    full, n = composed(k), 2 * k.shape[-1] - 1
    start = k.shape[-1] // 2 + 1
    cut = full[start : start + n, start : start + n]
    return cut * (full.sum() / cut.sum())


def from_sharp(k: Tensor, rounds: int = 2, *, onto: Tensor | None = None) -> Tensor:
    """The blur seen from a perfectly sharp scene, of which patch recurrence finds only the last step; (n, n) -> same.

    Patches recur from one scale to the next in images that share one blur. Let K be the whole blur of y: a 2x sharper
    image has K(f / 2), and what recurrence finds is the step between the two, k(f) = K(f) / K(f / 2) (Michaeli and
    Irani 2013). Hence :math:`K(f) = k(f)\\, k(f/2)\\, k(f/4) \\cdots`, here ``rounds`` factors after the first: a
    Gaussian's sigma grows by up to 2 / sqrt 3. A photograph that was soft itself gets more than its due.
    onto: :func:`kernel_x4` of k, which gets the same further factors; default k.
    """
    middle = cell_centre(k.shape[-1])
    whole = (k if onto is None else onto).double()
    total = whole.sum()
    to = torch.arange(k.shape[-1], dtype=torch.float64) - k.shape[-1] // 2
    for i in range(1, rounds + 1):
        at = (torch.arange(k.shape[-1], dtype=torch.float64) - middle) / 2**i
        shrink = torch.sinc(to[:, None] - at)  # band-limited: the spectrum k(f / 2^i), cut at f = 1/2
        part = shrink @ k.double() @ shrink.T
        whole = F.conv2d(whole[None, None], part.flip(0, 1)[None, None] / part.sum(), padding="same")[0, 0]
    return (whole * (total / whole.sum())).to(k)


def mean_kernel(kernels: Tensor) -> Tensor:
    """(m, n, n) -> (n, n): each moved to the middle of the cell, made to sum to 1; averaged. One stays as it is."""
    if len(kernels) == 1:
        return kernels[0]
    return torch.stack([centred(k / k.sum()) for k in kernels]).mean(0)


def kernel_error(k: Tensor, truth: Tensor) -> KernelError:
    """Distance of two kernels of any odd sides, each made to sum to 1 and centred, on one 21 x 21 grid (or larger).

    A shift of the blur is a shift of the image: no patch statistics tell it, so it is not counted as an error.
    """
    side = max(WINDOW, k.shape[-1], truth.shape[-1])
    side += 1 - side % 2
    k, truth = (centred(v.double() / v.double().sum(), side) for v in (k, truth))
    error = k - truth
    psnr = 10 * math.log10(float(truth.max()) ** 2 / max(float(error.square().mean()), 1e-20))
    return KernelError(float(error.abs().sum()), float((k * truth).sum() / (k.norm() * truth.norm())), psnr)


def gaussian_kernel(variances: tuple[float, float], angle: float = 0.0, side: int = 13) -> Tensor:
    """An anisotropic Gaussian, (side, side) float64, sum 1, in the middle of the cell of an even factor.

    variances: along its two axes, HR pixels squared; angle: of the first axis, radians, from the columns' direction
    towards the rows'. Raises ValueError unless both variances are positive.
    """
    if min(variances) <= 0:
        raise ValueError(f"the variances of a Gaussian must be positive, got {variances}")
    at = torch.arange(side, dtype=torch.float64) - cell_centre(side)
    row, column = at[:, None], at
    along = math.cos(angle) * column + math.sin(angle) * row
    across = math.cos(angle) * row - math.sin(angle) * column
    k = torch.exp(-(along**2) / (2 * variances[0]) - across**2 / (2 * variances[1]))
    return k / k.sum()


def random_kernel(generator: torch.Generator, factor: int = 2, noise: float = 0.25) -> Tensor:
    """A kernel as DIV2KRK draws them: a rotated Gaussian, each weight times U(1 - noise, 1 + noise), sum 1, centred.

    Sides 11 at 2x and 21 at 4x, variances U(0.3 s, 2.5 s), which at 2x are the 0.6 to 5 of Bell-Kligler et al. 2019.
    """
    variances = (0.3 + 2.2 * torch.rand(2, generator=generator, dtype=torch.float64)) * factor
    angle = math.pi * float(torch.rand(1, generator=generator))
    k = gaussian_kernel(tuple(variances.tolist()), angle, side=5 * factor + 1)
    return multiplied(k, noise, generator)


def multiplied(k: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """k with each weight times U(1 - noise, 1 + noise), centred and made to sum to 1 again."""
    k = k * (1 + noise * (2 * torch.rand(k.shape, generator=generator, dtype=torch.float64) - 1))
    return centred(k / k.sum())
