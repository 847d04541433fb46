"""Null-space learning when the measurement is noisy: trust the range-space correction as far as the noise lets us."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import holds
from ..operators import LinearOperator
from ..operators.check import at_least_single, check_image


class NoisyResult(NamedTuple):
    """What :func:`enforce_noisy` did: the image, and per image the weight it gave to y and the noise it assumed.

    >>> y, A = torch.rand(2, 3, 8, 8), AveragePool(4)
    >>> enforce_noisy(torch.rand(2, 3, 32, 32), y, A).sigma.shape
    torch.Size([2])
    """

    image: Tensor  # of x_r's shape
    kappa: Tensor  # (N,) in [0, 1]: 1 = plain null-space consistency, 0 = x_r as it was
    sigma: Tensor  # (N,) standard deviation of the noise in y


def enforce_noisy(x_r: Tensor, y: Tensor, A: LinearOperator, sigma: float | Tensor | None = None) -> NoisyResult:
    r"""x_r + kappa A^+ (y - A x_r) for y = A x + n, n white of standard deviation sigma, with kappa chosen per image.

    The correction d = A^+ r, r = y - A x_r, is a signal A^+ A (x - x_r) plus noise A^+ n. Of all multiples of d the one
    nearest to the signal, on average, is kappa d with
    :math:`\kappa = 1 - E\lVert A^\dagger n\rVert^2 / E\lVert d\rVert^2` (Wiener; James and Stein 1961). There
    :math:`E\lVert A^\dagger n\rVert^2 = \sigma^2 \lVert A^\dagger\rVert_F^2`, and :math:`\lVert d\rVert^2` stands in
    for its mean. In units of one measurement:

    .. math:: \kappa = \frac{v}{v + \sigma^2}, \qquad
              v = \max\Bigl(0,\; \frac{\lVert A^\dagger r\rVert^2}{\lVert A^\dagger\rVert_F^2}
              - \sigma^2 (1 + 3\,\epsilon)\Bigr).

    Where the singular values of A are equal, as for pooling, the fraction is mean r^2 and this is the weight of DDNM+
    (Wang, Yu and Zhang 2023) with a self-tuned v. Where they differ, mean r^2 would no longer minimise the error of the
    image, and the holes of a mask would count as measurements. epsilon is the relative standard deviation of the
    fraction under noise alone: what three of them explain is not taken for signal, so that the result does not get
    worse than x_r by chance.

    sigma: one number, or one per image (N,). None estimates it from r by :func:`estimate_sigma`; the result says it.
    The derivation takes n and x_r to be independent: x_r was not fitted to this very noise.

    Raises ValueError for a sigma that is negative, not finite or of another shape, and when sigma is None but y is no
    image without holes.

    >>> A, x = AveragePool(4), torch.rand(1, 3, 32, 32)
    >>> found = enforce_noisy(torch.zeros_like(x), A(x), A, sigma=0.0)
    >>> float(found.kappa)  # without noise y is followed
    1.0
    """
    r = A.residual(x_r, y)
    trace, epsilon, holes = _pinv_energy(A, r)
    if sigma is None:
        if holes:
            raise ValueError("sigma cannot be estimated: A leaves parts of y empty; give sigma")
        sigma = estimate_sigma(r.detach())
    d = A.pinv(r)
    energy = at_least_single(d).flatten(1).square().sum(1)
    sigma = _per_image(sigma, energy)
    v = energy / trace - sigma**2 * (1 + 3 * epsilon)
    v = v.clamp_min(torch.finfo(v.dtype).tiny)  # not 0: without noise y is to be trusted, whatever v
    kappa = v / (v + sigma**2)
    return NoisyResult(x_r + kappa.to(d.dtype).view(-1, *[1] * (d.ndim - 1)) * d, kappa, sigma)


def estimate_sigma(r: Tensor) -> Tensor:
    r"""(N, C, h, w) -> (N,): the standard deviation of white noise in r, from its finest detail.

    median |L r| / 0.6745 (Donoho and Johnstone 1994), with L the difference of two Laplacians, of unit norm (Immerkaer
    1996), which cancels what is smooth. Texture counts as noise: the estimate errs upwards, the less the better x_r
    predicts y (measured on 64 x 64 faces without noise: 0.006 from y itself, 0.003 from its residual). Too high a sigma
    leaves x_r more as it was.

    Raises ValueError for what is not (N, C, h, w) with sides of at least 3.
    """
    check_image(r, "the residual, to estimate sigma from,")
    if min(r.shape[-2:]) < 3:
        raise ValueError(f"sigma cannot be estimated from {r.shape[-2]} x {r.shape[-1]} pixels; give sigma")
    r = at_least_single(r)
    L = torch.tensor([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]).to(r) / 6
    detail = F.conv2d(r.flatten(0, 1)[:, None], L[None, None]).unflatten(0, r.shape[:2])
    return detail.abs().flatten(1).median(dim=1).values / 0.6745


def _per_image(sigma: float | Tensor, energy: Tensor) -> Tensor:
    """sigma in the shape (N,) and the dtype of energy; ValueError for other shapes, below 0, NaN and infinity."""
    sigma = torch.as_tensor(sigma, dtype=energy.dtype, device=energy.device)
    if sigma.shape not in ((), (1,), energy.shape):
        raise ValueError(f"sigma must be one number, or (N,) with N = {len(energy)}, got shape {tuple(sigma.shape)}")
    sigma = sigma.expand(len(energy))
    if holds((torch.isfinite(sigma) & (sigma >= 0)).all()) is False:
        raise ValueError(f"sigma must be finite and at least 0, got {sigma.tolist()}")
    return sigma


def _pinv_energy(A: LinearOperator, y: Tensor) -> tuple[float, float, bool]:
    """tr M, sqrt(2 tr M^2) / tr M, and whether A leaves parts of y empty, for M = (A^+)^T A^+; y gives the shape.

    tr M = |A^+|_F^2 is the energy of A^+ n for unit noise n, 2 tr M^2 its variance. Estimated with one vector g of +-1
    (Hutchinson 1989): tr M = g^T M g, tr M^2 = |M g|^2, where M g is the transpose of A^+ applied to A^+ g. Exact where
    M is diagonal (pooling, masks, gray), else off by about one epsilon. A A^+ g is 0 where A leaves y empty; elsewhere
    it may come near 0 by chance, but hardly for two g.
    """
    with torch.inference_mode(False):
        image, transposed = torch.func.vjp(A.pinv, _signs(y, 0))[:2]  # a third, auxiliary output was not asked for
        (Mg,) = transposed(image)
    trace, square = float(image.square().sum()), float(Mg.square().sum())
    empty = A(image).abs() < 1e-6
    if empty.any():
        empty &= A(A.pinv(_signs(y, 1))).abs() < 1e-6
    return trace, (2 * square) ** 0.5 / trace, bool(empty.any())


def _signs(y: Tensor, seed: int) -> Tensor:
    """(1, ...) of +-1, shaped as one image of y."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(0, 2, (1, *y.shape[1:]), generator=generator) * 2 - 1).to(at_least_single(y))
