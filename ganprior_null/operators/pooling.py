"""Pooling-based decomposition (PD): the operator whose pseudo-inverse is mere replication."""

import torch
from torch import Tensor

from ..batches import one_batch
from .base import LinearOperator
from .check import check_factor, check_finite, check_image, check_inplace, check_measurement, in_finer_dtype


class AveragePool(LinearOperator):
    r"""A = mean over s x s blocks; :math:`A^\dagger` = repeat each pixel s x s times (PD, paper Eq. 8-11, Fig. 2).

    :math:`A A^\top = I / s^2`, hence :math:`A^\dagger = A^\top (A A^\top)^{-1} = s^2 A^\top` and
    :math:`A A^\dagger = I`. Any C, any H and W that the factor divides; the same map in [0, 1] and in [-1, 1]. Results
    keep the memory format of what they were made from.

    Raises ValueError for a factor that is no positive integer, and when it does not divide the image sides.
    """

    def __init__(self, factor: int):
        super().__init__()
        self.factor = check_factor(factor)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H/s, W/s).

        Rows first, then columns: two short float32 sums instead of one of s^2 terms, which keeps about 8 dB of
        PSNR(LR) at 8x (measured in notebook 02) and reads memory in order.
        """
        return check_finite((self._sum(x) / self.factor**2).to(x.dtype), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, s h, s w): replication divided by s^2."""
        return self._repeat(y) / self.factor**2

    def pinv(self, y: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, s h, s w): replication."""
        return self._repeat(check_finite(y, "y"))

    def enforce(self, x_r: Tensor, y: Tensor, *, inplace: bool = False) -> Tensor:
        r""":math:`x_r + A^\dagger r`, r = y - A x_r, as in the base class, but :math:`A^\dagger r` is never made.

        r is widened along the rows only and broadcast down the columns, onto a copy of x_r or, in place, onto x_r
        itself (``make bench``: about 1.4 and 0.4 times the time of ``x_r.clone()``).
        """
        own = (type(self).forward, type(self).pinv) == (AveragePool.forward, AveragePool.pinv)
        if not own or torch.compiler.is_compiling():  # not to overrule a subclass; nor to hide operations to be fused
            return super().enforce(x_r, y, inplace=inplace)
        if inplace:
            check_inplace(x_r, y)
            return _add_repeated_(x_r, self._subtract(x_r, y), self.factor)
        return _Enforce.apply(x_r, y, self)

    def _subtract(self, x_r: Tensor, y: Tensor) -> Tensor:
        """y - A x_r as :meth:`residual`, in fewer passes over small tensors: each is a wait for the slowest thread."""
        x = in_finer_dtype(x_r, y)
        total = self._sum(x)
        check_measurement(y, total, x_r)
        return check_finite(torch.sub(y, total, alpha=1 / self.factor**2).to(x.dtype), "y - A x_r")

    def _sum(self, x: Tensor) -> Tensor:
        check_image(x, "x")
        if x.shape[-2] % self.factor or x.shape[-1] % self.factor:
            raise ValueError(f"factor {self.factor} must divide the image sides, got {x.shape[-2]} x {x.shape[-1]}")
        return _block_sum(x, self.factor)

    def _repeat(self, y: Tensor) -> Tensor:
        check_image(y, "y")
        wide = _widen(_in_order(y, y), self.factor)
        return _image(wide.expand(*wide.shape[:-3], self.factor, *wide.shape[-2:]).flatten(-4, -3))

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


class _Enforce(torch.autograd.Function):
    r"""Copy, then add in place, and the same on the way back: I - A^+ A is symmetric, and (A^+)^T = s^2 A.

    Recorded operation by operation, autograd would make several images more.
    """

    @staticmethod
    def forward(x_r: Tensor, y: Tensor, A: AveragePool) -> Tensor:
        r = A._subtract(x_r, y)
        return _add_repeated_(x_r.to(r.dtype, copy=True), r, A.factor)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.factor = inputs[2].factor

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        total = _block_sum(grad, ctx.factor)  # unchecked: mixed precision meets infinite gradients, and skips the step
        mean = (total / -(ctx.factor**2)).to(grad.dtype)
        return _add_repeated_(grad.clone(), mean, ctx.factor), total.to(grad.dtype), None

    @staticmethod
    def jvp(ctx, dx: Tensor, dy: Tensor, _) -> Tensor:
        r = dy - (_block_sum(dx, ctx.factor) / ctx.factor**2).to(dx.dtype)
        return _add_repeated_(dx.to(r.dtype, copy=True), r, ctx.factor)

    @staticmethod
    def vmap(info, in_dims, x_r: Tensor, y: Tensor, A: AveragePool) -> tuple[Tensor, int]:
        return one_batch(lambda x_r, y: _Enforce.apply(x_r, y, A), info.batch_size, in_dims[:2], x_r, y)


def _block_sum(x: Tensor, s: int) -> Tensor:
    """(N, C, s h, s w) -> (N, C, h, w), in float32 at least: the sum of 256 x 256 ones is no float16."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    rows = _split(_in_order(x, x), -3, s).sum(-3, dtype=dtype)  # (..., h, W, K)
    return _image(_split(rows, -2, s).sum(-2))


def _add_repeated_(x: Tensor, r: Tensor, s: int) -> Tensor:
    """Add r (N, C, h, w), each pixel repeated s x s times, to x (N, C, s h, s w), in place."""
    _split(_in_order(x, x), -3, s).add_(_widen(_in_order(r, x), s))
    return x


def _split(v: Tensor, axis: int, s: int) -> Tensor:
    """The axis, of s n, as two: (n, s). As ``unflatten``, which batched gradients do not know."""
    return v.view(*v.shape[:axis], v.shape[axis] // s, s, *v.shape[axis:][1:])


def _widen(r: Tensor, s: int) -> Tensor:
    """(..., h, w, K) -> (..., h, 1, s w, K): each pixel s times along its row."""
    return r.repeat_interleave(s, dim=-2).unsqueeze(-3)


def _in_order(x: Tensor, like: Tensor) -> Tensor:
    """(N, C, H, W) -> a view (..., H, W, K) in the order in which ``like`` lies in memory.

    K is the channels where they lie side by side (``channels_last``), else 1: the inner loops stay long either way.
    """
    return x.movedim(1, -1) if like.stride(1) < like.stride(3) else x.unsqueeze(-1)


def _image(v: Tensor) -> Tensor:
    """The view of :func:`_in_order` -> (N, C, H, W)."""
    return v.movedim(-1, 1) if v.ndim == 4 else v.squeeze(-1)
