"""Blur by any kernel, keep every s-th pixel; exact pseudo-inverse in Fourier space."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import LinearOperator
from .blocks import shuffle, unshuffle
from .check import at_least_single, check_factor, check_finite, check_kernel, check_sides, check_size


class BlurDownsample(LinearOperator):
    r"""A = correlate with a kernel (circular borders), then keep every s-th pixel.

    (N, C, H, W) -> (N, C, H/s, W/s), any C. Split x into its s x s phases :math:`x_p` (pixel_unshuffle), each an LR
    image, and the kernel likewise. A is then a sum of circular correlations on the LR grid, so in its Fourier space,
    with :math:`A^\dagger = A^\top (A A^\top)^\dagger`,

    .. math:: Y = \sum_p \overline{K_p} X_p, \qquad A A^\top = D = \sum_p |K_p|^2 \text{ (diagonal)}, \qquad
              (A^\dagger y)_p = K_p\, Y / D.

    The kernel is what ``conv2d`` takes: a picture of the weights under one LR pixel, used as given (not normalised).
    Its centre lies at the centre of the pixel's s x s cell, as for average pooling (an s x s box is exactly
    ``AveragePool``), or half a pixel up and left of it where kernel side and s differ in parity.

    LR frequencies whose singular value :math:`\sqrt D` is below ``rtol`` times the largest count as zero, in A as in
    :math:`A^\dagger`: the two stay exactly each other's pseudo-inverse, A differs from the plain blur by at most rtol
    of what the image holds there, and rounding is amplified at most 1 / rtol times. ``kept`` is the share of
    frequencies that stay: 1 (nothing cut, A is the plain blur) unless the kernel is much wider than s.

    Raises ValueError for a kernel that is not a finite matrix, sums to 0 or is larger than the image, and for a factor
    that does not divide the sides of ``size`` (HR side or (H, W)).

    >>> A = BlurDownsample(torch.ones(4, 4) / 16, 4, 32)
    >>> x = torch.rand(1, 3, 32, 32)
    >>> torch.allclose(A(x), AveragePool(4)(x), atol=1e-6)
    True
    """

    spectrum: Tensor
    inverse: Tensor

    def __init__(self, kernel: Tensor, factor: int, size: int | tuple[int, int], *, rtol: float = 1e-4):
        super().__init__()
        self.factor, self.size = check_factor(factor), check_size(size)
        if any(side % factor for side in self.size):
            raise ValueError(f"factor {factor} must divide the image sides, got {self.size[0]} x {self.size[1]}")
        if not 0 < rtol < 1:
            raise ValueError(f"rtol must lie in (0, 1), got {rtol}")
        kernel = check_kernel(kernel)
        if kernel.shape[0] > self.size[0] or kernel.shape[1] > self.size[1]:
            raise ValueError(f"a kernel of shape {tuple(kernel.shape)} is larger than the image, {self.size}")
        K = torch.fft.rfft2(unshuffle(_place(kernel, factor, self.size), factor)[0, 0])  # (s^2, h, w // 2 + 1)
        power = K.abs().square().sum(0)  # D above
        keep = power > rtol**2 * power.max()
        self.kept = float(keep.double().mean())
        self.lr_size = (self.size[0] // factor, self.size[1] // factor)
        self.register_buffer("spectrum", K * keep, persistent=False)
        self.register_buffer("inverse", torch.where(keep, K / power, 0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H/s, W/s)."""
        check_sides(x, "x", self.size)
        if not len(x):
            return _empty(x, self.lr_size)
        X = torch.fft.rfft2(unshuffle(at_least_single(x), self.factor))  # (N, C, s^2, h, w // 2 + 1)
        Y = (X * self.spectrum.conj().to(X)).sum(2)
        return check_finite(torch.fft.irfft2(Y, s=self.lr_size).to(x.dtype), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        """(N, C, H/s, W/s) -> (N, C, H, W)."""
        return self._spread(y, self.spectrum)

    def pinv(self, y: Tensor) -> Tensor:
        """(N, C, H/s, W/s) -> (N, C, H, W)."""
        return self._spread(check_finite(y, "y"), self.inverse)

    def _spread(self, y: Tensor, spectrum: Tensor) -> Tensor:
        check_sides(y, "y", self.lr_size)
        if not len(y):
            return _empty(y, self.size)
        Y = torch.fft.rfft2(at_least_single(y))[:, :, None]  # (N, C, 1, h, w // 2 + 1)
        phases = torch.fft.irfft2(Y * spectrum.to(Y), s=self.lr_size)
        return shuffle(phases, self.factor).to(y.dtype)

    def extra_repr(self) -> str:
        return f"{self.size[0]}x{self.size[1]}, factor={self.factor}, frequencies kept={self.kept:.2%}"


def _place(kernel: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    """The kernel as an image (1, 1, H, W): the weights under LR pixel (0, 0), wrapped around the borders."""
    kh, kw = kernel.shape
    canvas = F.pad(kernel, (0, size[1] - kw, 0, size[0] - kh))
    return canvas.roll(((factor - kh) // 2, (factor - kw) // 2), (0, 1))[None, None]


def _empty(v: Tensor, size: tuple[int, int]) -> Tensor:
    """(0, C, ., .) -> (0, C, *size): Fourier transforms of nothing are an error in some libraries."""
    return v[..., :1, :1].expand(*v.shape[:2], *size)
