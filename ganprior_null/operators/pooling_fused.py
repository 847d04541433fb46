r"""What :class:`~.pooling.AveragePool` is computed with: sums and replications, in the order in which images lie.

The mathematics is in ``pooling.py`` and in lesson 02; a test holds both equal.
"""

import torch
from torch import Tensor

from ..batches import one_batch
from .check import check_finite, check_inplace, check_measurement, in_finer_dtype


def enforce(x_r: Tensor, y: Tensor, s: int, *, inplace: bool) -> Tensor:
    r""":math:`x_r + A^\dagger r`, r = y - A x_r, but :math:`A^\dagger r` is never made.

    r is widened along the rows only and broadcast down the columns, onto a copy of x_r or, in place, onto x_r itself
    (``make bench``: about 1.4 and 0.4 times the time of ``x_r.clone()``).
    """
    if inplace:
        check_inplace(x_r, y)
        return add_repeated_(x_r, residual(x_r, y, s), s)
    return Enforce.apply(x_r, y, s)


def residual(x_r: Tensor, y: Tensor, s: int) -> Tensor:
    """y - A x_r in fewer passes over small tensors than subtracting A x_r: each is a wait for the slowest thread."""
    x = in_finer_dtype(x_r, y)
    total = block_sum(x, s)
    check_measurement(y, total, x_r)
    return check_finite(torch.sub(y, total, alpha=1 / s**2).to(x.dtype), "y - A x_r")


class Enforce(torch.autograd.Function):
    r"""Copy, then add in place, and the same on the way back: I - A^+ A is symmetric, and (A^+)^T = s^2 A.

    Recorded operation by operation, autograd would make several images more.
    """

    @staticmethod
    def forward(x_r: Tensor, y: Tensor, s: int) -> Tensor:
        r = residual(x_r, y, s)
        return add_repeated_(x_r.to(r.dtype, copy=True), r, s)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        ctx.factor = inputs[2]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        total = block_sum(grad, ctx.factor)  # unchecked: mixed precision meets infinite gradients, and skips the step
        mean = (total / -(ctx.factor**2)).to(grad.dtype)
        return add_repeated_(grad.clone(), mean, ctx.factor), total.to(grad.dtype), None

    @staticmethod
    def jvp(ctx, dx: Tensor, dy: Tensor, _) -> Tensor:
        r = dy - (block_sum(dx, ctx.factor) / ctx.factor**2).to(dx.dtype)
        return add_repeated_(dx.to(r.dtype, copy=True), r, ctx.factor)

    @staticmethod
    def vmap(info, in_dims, x_r: Tensor, y: Tensor, s: int) -> tuple[Tensor, int]:
        return one_batch(lambda x_r, y: Enforce.apply(x_r, y, s), info.batch_size, in_dims[:2], x_r, y)


def block_sum(x: Tensor, s: int) -> Tensor:
    """(N, C, s h, s w) -> (N, C, h, w), in float32 at least: the sum of 256 x 256 ones is no float16.

    Rows first, then columns: two short float32 sums instead of one of s^2 terms, which keeps about 8 dB of PSNR(LR) at
    8x (measured in lesson 02) and reads memory in order.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    rows = _split(_in_order(x, x), -3, s).sum(-3, dtype=dtype)  # (..., h, W, K)
    return _image(_split(rows, -2, s).sum(-2))


def repeat(y: Tensor, s: int) -> Tensor:
    """(N, C, h, w) -> (N, C, s h, s w): each pixel s x s times."""
    wide = _widen(_in_order(y, y), s)
    return _image(wide.expand(*wide.shape[:-3], s, *wide.shape[-2:]).flatten(-4, -3))


def add_repeated_(x: Tensor, r: Tensor, s: int) -> Tensor:
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
