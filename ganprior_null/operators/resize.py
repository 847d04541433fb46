"""Resizing as MATLAB, PIL and torch do it, with its exact pseudo-inverse."""

import math

from torch import Tensor

from .banded import Spans, across, banded_pinv, down, spans
from .base import LinearOperator
from .check import at_least_single, check_finite, check_inplace, check_sides, check_size, full_precision
from .resample import KERNELS, resample_matrix


class Resize(LinearOperator):
    r"""A x = W_h x W_w^T, a separable downsampling; :math:`A^\dagger y = W_h^\dagger\, y\, (W_w^\dagger)^\top`.

    (N, C, H, W) -> (N, C, h, w), any C. Rows and columns are different axes, so the pseudo-inverse of the whole is
    made of the two one-dimensional ones, in float64 (:func:`~ganprior_null.operators.banded.banded_pinv`). All are
    zero away from the diagonal, to rounding, and applied block by block, which photographs of 4K need.

    size: HR side or (H, W); factor: HR/LR ratio, any real number >= 1. The LR sides are H/factor and W/factor rounded
    to the nearest integer (halves down), and the LR grid spans the whole image, so the factor need not divide the sides
    and the ratio used is exactly H/h. kernel: nearest, box (average pooling for any size and ratio), bilinear, bicubic
    or lanczos3; see :func:`~ganprior_null.operators.resample.resample_matrix` for the weights. Equal to
    ``torch.nn.functional.interpolate(x, (h, w), mode=kernel, antialias=antialias)`` for bilinear and bicubic.

    In float32 bicubic ``enforce`` gives a PSNR(LR) of 144 dB and more (8x, 1024 pixels), limited by the rounding of the
    weights: a second call on its result, a step of iterative refinement, settles at 145 dB. In float64: about 300 dB.

    Raises ValueError for another kernel, a factor below 1 or beyond the image, and images that are not ``size``.

    >>> A = Resize(64, 4)
    >>> A
    Resize(64x64 -> 16x16, kernel='bicubic')
    >>> y = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    >>> torch.allclose(A(A.pinv(y)), y)
    True
    """

    W_h: Tensor
    W_w: Tensor
    P_h: Tensor
    P_w: Tensor

    def __init__(self, size: int | tuple[int, int], factor: float, kernel: str = "bicubic", antialias: bool = True):
        super().__init__()
        self.size = check_size(size)
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {', '.join(KERNELS)}, got {kernel!r}")
        self.lr_size = (lr_side(self.size[0], factor), lr_side(self.size[1], factor))
        self.factor, self.kernel, self.antialias = factor, kernel, antialias
        self.spans: dict[str, Spans] = {}
        for axis, side, shorter in zip("hw", self.size, self.lr_size, strict=True):
            W = self.axis_matrix(side, shorter)
            P = banded_pinv(W)
            self.register_buffer(f"W_{axis}", W, persistent=False)  # (h, H)
            self.register_buffer(f"P_{axis}", P, persistent=False)  # (H, h)
            self.spans |= {f"W_{axis}": spans(W), f"T_{axis}": spans(W.T), f"P_{axis}": spans(P)}

    def axis_matrix(self, side: int, shorter: int) -> Tensor:
        """The weights of one axis, (shorter, side) float64."""
        return resample_matrix(side, shorter, self.kernel, self.antialias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, h, w)."""
        check_sides(x, "x", self.size)
        fine = at_least_single(x)
        with full_precision(x):
            y = across(self.W_w, down(self.W_h, fine, self.spans["W_h"]), self.spans["W_w"])
        return check_finite(y.to(x.dtype), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, H, W)."""
        check_sides(y, "y", self.lr_size)
        fine = at_least_single(y)
        with full_precision(y):
            return across(self.W_w.T, down(self.W_h.T, fine, self.spans["T_h"]), self.spans["T_w"]).to(y.dtype)

    def pinv(self, y: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, H, W)."""
        check_sides(y, "y", self.lr_size)
        fine = at_least_single(check_finite(y, "y"))
        with full_precision(y):
            return across(self.P_w, down(self.P_h, fine, self.spans["P_h"]), self.spans["P_w"]).to(y.dtype)

    def enforce(self, x_r: Tensor, y: Tensor, *, inplace: bool = False) -> Tensor:
        r"""As in the base class; in place, block by block, :math:`A^\dagger r` is never made."""
        if not inplace or type(self).pinv is not Resize.pinv:  # the map of a subclass is not to be overruled
            return super().enforce(x_r, y, inplace=inplace)
        check_inplace(x_r, y)
        r = at_least_single(self.residual(x_r, y))
        with full_precision(r):
            wide = across(self.P_w, r, self.spans["P_w"])  # (N, C, h, W)
            for rows, columns in self.spans["P_h"]:
                x_r[..., rows, :] += self.P_h[rows, columns].to(wide) @ wide[..., columns, :]
        return x_r

    def extra_repr(self) -> str:
        hr, lr = self.size, self.lr_size
        plain = "" if self.antialias else ", antialias=False"
        return f"{hr[0]}x{hr[1]} -> {lr[0]}x{lr[1]}, kernel={self.kernel!r}{plain}"


def lr_side(side: int, factor: float) -> int:
    """side / factor to the nearest integer, halves down. ValueError for a factor below 1, or when no pixel is left."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not 1 <= factor < math.inf:
        raise ValueError(f"factor must be a number of at least 1 (HR side / LR side), got {factor!r}")
    lr = math.ceil(side / factor - 0.5)
    if lr < 1:
        raise ValueError(f"factor {factor} leaves no pixel of an image side of {side}")
    return lr
