"""Pooling-based decomposition (PD): the operator whose pseudo-inverse is mere replication."""

import torch
from torch import Tensor

from .base import LinearOperator
from .check import check_factor, check_finite, check_image
from .pooling_fused import block_sum, enforce, repeat


class AveragePool(LinearOperator):
    r"""A = mean over s x s blocks; :math:`A^\dagger` = repeat each pixel s x s times (PD, paper Eq. 8-11, Fig. 2).

    :math:`A A^\top = I / s^2`, hence :math:`A^\dagger = A^\top (A A^\top)^{-1} = s^2 A^\top` and
    :math:`A A^\dagger = I`. Any C, any H and W that the factor divides; the same map in [0, 1] and in [-1, 1]. Results
    keep the memory format of what they were made from.

    Raises ValueError for a factor that is no positive integer, and when it does not divide the image sides.

    >>> A = AveragePool(2)
    >>> A(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]))
    tensor([[[[4.]]]])
    >>> A.pinv(torch.tensor([[[[4.0]]]]))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = check_factor(factor)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H/s, W/s): the mean of each block."""
        return check_finite((block_sum(self.check_blocks(x), self.factor) / self.factor**2).to(x.dtype), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, s h, s w): replication divided by s^2."""
        check_image(y, "y")
        return repeat(y, self.factor) / self.factor**2

    def pinv(self, y: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, s h, s w): replication."""
        check_image(y, "y")
        return repeat(check_finite(y, "y"), self.factor)

    def enforce(self, x_r: Tensor, y: Tensor, *, inplace: bool = False) -> Tensor:
        r""":math:`x_r + A^\dagger (y - A x_r)`, as in the base class, in one pass over the image."""
        own = (type(self).forward, type(self).pinv) == (AveragePool.forward, AveragePool.pinv)
        if not own or torch.compiler.is_compiling():  # not to overrule a subclass; nor to hide operations to be fused
            return super().enforce(x_r, y, inplace=inplace)
        return enforce(self.check_blocks(x_r), y, self.factor, inplace=inplace)

    def check_blocks(self, x: Tensor) -> Tensor:
        """Return x; ValueError unless it is an image whose sides the factor divides."""
        check_image(x, "x")
        if x.shape[-2] % self.factor or x.shape[-1] % self.factor:
            raise ValueError(f"factor {self.factor} must divide the image sides, got {x.shape[-2]} x {x.shape[-1]}")
        return x

    def extra_repr(self) -> str:
        return f"factor={self.factor}"
