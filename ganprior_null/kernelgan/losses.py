"""What KernelGAN's kernel is held to: the adversarial loss and the penalties (Bell-Kligler et al. 2019, Section 4.2).

The published program takes means over the 169 weights where the paper writes sums, |k|^0.2 where it writes |k|^0.5,
and compares D with 1 and 0 by L1. So do these functions by default: weights such as lambda = 5 belong to them.
"""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..operators import resample_matrix
from .networks import correlate

TINY = 1e-20  # a weight that counts as 0


@dataclass(frozen=True)
class Weights:
    """How much each part of the generator's loss counts beside the adversarial one."""

    sum_to_one: float
    boundaries: float
    centring: float
    sparsity: float
    bicubic: float = 0.0


def penalty(k: Tensor, weights: Weights, power: float = 0.2) -> Tensor:
    """The weighted sum of the four penalties on kernels (..., n, n), (...); one of weight 0 is not even evaluated."""
    parts = {"sum_to_one": sum_to_one, "boundaries": boundaries, "centring": centring}
    total = sum(
        (getattr(weights, name) * f(k) for name, f in parts.items() if getattr(weights, name)),
        k.new_zeros(k.shape[:-2]),
    )
    return total + weights.sparsity * sparsity(k, power) if weights.sparsity else total


def adversarial(judged: Tensor, real: bool) -> Tensor:
    """mean |D - 1| for patches that should pass as real, mean |D| for others; (..., N, 1, H, W) -> (...)."""
    return (1 - judged if real else judged).abs().mean((-4, -3, -2, -1))


def sum_to_one(k: Tensor) -> Tensor:
    """|1 - sum k|: brightness is kept."""
    return (1 - k.sum((-2, -1))).abs()


def boundaries(k: Tensor) -> Tensor:
    """mean |k m|, with m of :func:`boundary_mask`: weights far from the middle cost."""
    return (k * boundary_mask(k)).abs().mean((-2, -1))


def sparsity(k: Tensor, power: float = 0.2) -> Tensor:
    """mean |k|^power: few weights rather than many small ones. Next to 0, where the slope is infinite, it is 1."""
    size = k.abs()
    return torch.where(size > TINY, size.clamp_min(TINY).pow(power), size).mean((-2, -1))


def centring(k: Tensor) -> Tensor:
    """Mean squared distance, per axis, of the centre of mass from the middle of the central 2 x 2 cell.

    A blur and a shifted one make the same patches: only this keeps the LR pixel in the middle of its HR cell, where
    ``BlurDownsample`` and average pooling have it.
    """
    return (centre_of_mass(k) - cell_centre(k.shape[-1])).square().mean(-1)


def centre_of_mass(k: Tensor) -> Tensor:
    """(row, column) of kernels (..., n, n), as a tensor (..., 2); the first weight is at 0."""
    at = torch.arange(k.shape[-1], dtype=k.dtype, device=k.device)
    return torch.stack([(k.sum(-1) * at).sum(-1), (k.sum(-2) * at).sum(-1)], -1) / k.sum((-2, -1))[..., None]


def cell_centre(n: int) -> float:
    """Where ``BlurDownsample`` means the middle of its s x s cell, s even, on the axis of a kernel of side n.

    (n - 1) / 2 for even n; half a pixel further for odd n, which has no weight there.
    """
    return (n - 1) / 2 if n % 2 == 0 else n / 2


def boundary_mask(k: Tensor) -> Tensor:
    """30 (1 - g / max g), g a Gaussian as wide (sigma) as the kernel, and 0 but for the outermost two rings; (n, n)."""
    n = k.shape[-1]
    z = torch.arange(n, dtype=torch.float64, device=k.device) - (n - 1) / 2
    g = torch.exp(-(z**2) / (2 * n**2))
    g = g[:, None] * g
    mask = 30 * (1 - g / g.max())
    ring = (n - 7) // 2 - 1  # 2 for 13
    mask[ring:-ring, ring:-ring] = 0
    return mask.to(k.dtype)


def bicubic_target(x: Tensor, *, channels_summed: bool = False) -> Tensor:
    """What G should first make of a crop: x at half size by antialiased bicubic, cut to G's output.

    (N, C, H, W) -> (N, C, H/2 - 6, W/2 - 6). ``channels_summed`` is the published program's target, in which every
    channel is the sum of the three: on a colourful image no kernel can reach it.
    """
    y = correlate(x, bicubic_kernel().to(x), 2)
    return y.sum(1, keepdim=True).expand_as(y) if channels_summed else y


def bicubic_loss(gx: Tensor, x: Tensor, *, channels_summed: bool = False) -> Tensor:
    """Mean squared distance of G(x) from :func:`bicubic_target`; (..., N, C, H, W) -> (...)."""
    target = bicubic_target(x.flatten(0, -4), channels_summed=channels_summed).view_as(gx)
    return (gx - target).square().mean((-4, -3, -2, -1))


@functools.cache
def bicubic_kernel() -> Tensor:
    """The kernel of antialiased bicubic 2x, a = -0.5, in the middle of (13, 13) zeros, float64."""
    taps = resample_matrix(16, 8)[4, 5:13]  # (8,)
    return F.pad(taps[:, None] * taps, (3, 2, 3, 2))
