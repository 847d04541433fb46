"""Colour to gray, and back as far as linear algebra goes: the operator of colorization."""

import torch
from torch import Tensor

from ..checks import holds
from .base import LinearOperator
from .check import at_least_single, check_finite, check_image


class Grayscale(LinearOperator):
    r"""A = weighted sum of the channels w^T x at each pixel; :math:`A^\dagger = w / \lVert w\rVert^2`.

    (N, C, H, W) -> (N, 1, H, W) with C = len(weights). The default, the plain mean, is the paper's (Appendix D);
    its printed ``base = 1`` is no pseudo-inverse (A A^+ would be 1/3), the sum of squares is.

    Raises ValueError for weights that are not a finite, non-zero vector, or do not match the channels.

    >>> A = Grayscale()
    >>> colour = torch.tensor([0.9, 0.3, 0.0]).view(1, 3, 1, 1)
    >>> A(colour).flatten()
    tensor([0.4000])
    >>> A.pinv(A(colour)).flatten()
    tensor([0.4000, 0.4000, 0.4000])
    """

    weights: Tensor
    inverse: Tensor

    def __init__(self, weights: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)):
        super().__init__()
        w = torch.as_tensor(weights, dtype=torch.float64)
        if w.ndim != 1 or holds(torch.isfinite(w).all() & w.any()) is False:
            raise ValueError(f"weights must be a finite, non-zero vector, one per channel, got {w.tolist()}")
        self.register_buffer("weights", w, persistent=False)
        self.register_buffer("inverse", w / w.square().sum(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, "x")
        if x.shape[1] != len(self.weights):
            raise ValueError(f"x must have {len(self.weights)} channels, one per weight, got {x.shape[1]}")
        weighted = _times(at_least_single(x), self.weights)  # (N, C, H, W)
        return check_finite(weighted.sum(1, keepdim=True).to(x.dtype), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        return self._spread(y, self.weights)

    def pinv(self, y: Tensor) -> Tensor:
        return self._spread(check_finite(y, "y"), self.inverse)

    def _spread(self, y: Tensor, weights: Tensor) -> Tensor:
        check_image(y, "y")
        if y.shape[1] != 1:
            raise ValueError(f"y must have one channel, got {y.shape[1]}")
        return _times(at_least_single(y), weights).to(y.dtype)


def _times(v: Tensor, weights: Tensor) -> Tensor:
    return v * weights.to(v).view(1, -1, 1, 1)
