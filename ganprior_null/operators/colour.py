"""Colour to gray, and back as far as linear algebra goes: the operator of colorization."""

import torch
from torch import Tensor

from .base import LinearOperator
from .check import check_finite, check_image


class Grayscale(LinearOperator):
    r"""A = weighted sum of the channels w^T x at each pixel; :math:`A^\dagger = w / \lVert w\rVert^2`.

    (N, C, H, W) -> (N, 1, H, W) with C = len(weights). The default, the plain mean, is the paper's (Appendix D);
    its printed ``base = 1`` is no pseudo-inverse (A A^+ would be 1/3), the sum of squares is.

    Raises ValueError for weights that are not a finite, non-zero vector, or do not match the channels.
    """

    def __init__(self, weights: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3)):
        super().__init__()
        weights = torch.as_tensor(weights, dtype=torch.float64)
        if weights.ndim != 1 or not torch.isfinite(weights).all() or not weights.any():
            raise ValueError(f"weights must be a finite, non-zero vector, one per channel, got {weights.tolist()}")
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, "x")
        if x.shape[1] != len(self.weights):
            raise ValueError(f"x must have {len(self.weights)} channels, one per weight, got {x.shape[1]}")
        return check_finite((x * self._column(x)).sum(1, keepdim=True), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        check_image(y, "y")
        if y.shape[1] != 1:
            raise ValueError(f"y must have one channel, got {y.shape[1]}")
        return y * self._column(y)

    def pinv(self, y: Tensor) -> Tensor:
        return self.adjoint(check_finite(y, "y")) / float(self.weights.square().sum())

    def _column(self, like: Tensor) -> Tensor:
        return self.weights.to(like).view(1, -1, 1, 1)
