"""Where the search begins: the Gaussian under which patches have the same covariance at both scales.

Patch recurrence in second order, and in closed form: the covariance of the 7 x 7 patches of y follows from y's
autocovariance r, and that of the patches of :math:`(y \\star k)\\downarrow_2` from :math:`(r \\star k \\star \\tilde
k)\\downarrow_2`, with k~ the mirrored kernel. No patch is ever cut out, and the fit takes no longer than a few steps
of the networks.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import cell_centre
from .networks import RECEPTIVE

LAGS = 24  # of the autocovariance of y, each way: twice the 6 of a patch, plus the 12 of k * k~
FLOOR = 1e-5  # variance that 8-bit rounding alone makes: components below it tell nothing
BEGINNINGS = ((0.3, 0.0, 0.3), (0.3, 0.8, 0.0), (0.3, -0.8, 0.0))  # round, and leaning either way


def matched_gaussian(image: Tensor, side: int = 13) -> Tensor:
    """(3, H, W) -> (side, side) float64, sum 1: where the generator starts.

    Minimises the variance of the log ratio of the two covariances along the principal components of y's patches;
    a common factor, which is contrast, is free. Raises ValueError for a constant image.
    """
    if image.min() == image.max():
        raise ValueError(f"the image is constant ({image.max():.4g}): it tells nothing of its blur")
    r = autocovariance(image.double())
    variances, components = torch.linalg.eigh(_patch_covariance(r))
    varying = components.sum(0).abs() < 1  # all but the constant, whose sum is 7 and whose variance is taken out
    variances, components = variances[varying].clamp_min(0), components[:, varying]
    predict = _coarse_variances(r, components)  # (48, 625)

    def gap(p: Tensor) -> Tensor:
        k = _gaussian(p, side)
        spread = F.conv2d(k[None, None], k[None, None], padding=side - 1).flatten()  # k * k~, (625,)
        seen = (predict @ spread).clamp_min(0)
        return torch.log((seen + FLOOR) / (variances + FLOOR)).var()

    fits = [_descend(gap, beginning) for beginning in BEGINNINGS]
    return _gaussian(min(fits, key=lambda p: float(gap(p))), side)


def autocovariance(image: Tensor) -> Tensor:
    """(C, H, W) -> (2 LAGS + 1, 2 LAGS + 1), mean over the channels; each lag over the pixel pairs there are."""
    x = image - image.mean((1, 2), keepdim=True)
    size = (2 * x.shape[1], 2 * x.shape[2])  # no pair wraps around

    def correlated(v: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(v, s=size).abs().square(), s=size)

    r = (correlated(x) / correlated(torch.ones_like(x)).clamp_min(1)).mean(0)
    return r.roll((LAGS, LAGS), (0, 1))[: 2 * LAGS + 1, : 2 * LAGS + 1]


def _coarse_variances(r: Tensor, components: Tensor) -> Tensor:
    """(49, J) patch components -> (J, 625): their variance in the downscaled image, linear in k * k~ (25, 25)."""
    seen = components.T.reshape(-1, 1, RECEPTIVE, RECEPTIVE)
    pairs = F.conv2d(seen.transpose(0, 1), seen, padding=RECEPTIVE - 1, groups=len(seen))[0]  # (J, 13, 13), by lag
    # r at twice each of a patch's lags, plus each of the kernel's
    around = F.unfold(r[None, None], LAGS + 1, stride=2)[0]  # (625, 169)
    return pairs.flatten(1) @ around.T


def _patch_covariance(r: Tensor) -> Tensor:
    """Autocovariance -> covariance (49, 49) of the pixels of a 7 x 7 patch less the patch's mean."""
    pixel = torch.arange(RECEPTIVE**2)
    row, column = pixel // RECEPTIVE, pixel % RECEPTIVE
    centre = r.shape[0] // 2
    c = r[centre + row[:, None] - row, centre + column[:, None] - column]
    without_mean = torch.eye(len(pixel), dtype=r.dtype) - 1 / len(pixel)
    return without_mean @ c @ without_mean


def _gaussian(p: Tensor, side: int) -> Tensor:
    """p: log l11, l21, log l22 of the covariance L L^T + 0.04 I, HR pixels squared."""
    zero = torch.zeros_like(p[0])
    lower = torch.stack([torch.stack([p[0].exp(), zero]), torch.stack([p[1], p[2].exp()])])
    precision = torch.linalg.inv(lower @ lower.T + 0.04 * torch.eye(2, dtype=p.dtype))
    at = torch.arange(side, dtype=p.dtype) - cell_centre(side)
    where = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1)
    g = torch.exp(-torch.einsum("hwi,ij,hwj->hw", where, precision, where) / 2)
    return g / g.sum()


def _descend(gap, beginning: tuple[float, float, float]) -> Tensor:
    p = torch.tensor(beginning, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([p], max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = gap(p)
        loss.backward()
        return loss

    optimiser.step(closure)
    # a search that ran off to where numbers end is no better than its beginning
    return p.detach() if math.isfinite(float(gap(p).detach())) else torch.tensor(beginning, dtype=torch.float64)
