"""The nearest image that is consistent with y *and* a picture: block means y, every pixel in [0, 1]."""

import torch
from torch import Tensor

from ..batches import one_batch
from ..checks import check_finite, holds

_ROUNDING = 1e-6  # y this far outside [0, 1] is the rounding of a float32 mean, taken for 0 or 1


def project_box(x_r: Tensor, y: Tensor, factor: int) -> Tensor:
    r"""(N, C, s h, s w), (N, C, h, w) -> the nearest x with block means y and 0 <= x <= 1, of x_r's shape.

    .. math:: \hat x = \arg\min_x \lVert x - x_r\rVert^2 \quad\text{s.t.}\quad A x = y,\; 0 \le x \le 1

    with A the mean over s x s blocks (``AveragePool(factor)``). Blocks do not touch, and the conditions of Karush, Kuhn
    and Tucker give each the solution clip(x_r + t, 0, 1) with one number t, the root of a monotone, piecewise linear
    function. Where PD stays inside the box (nearly everywhere on a good image) the result is PD; elsewhere it replaces
    "PD, then clamp", which breaks A x = y (Appendix B). Not in the paper.

    Computed in float64 and then exact to 1e-15, however large x_r; the result has the finer of the two dtypes, and in
    float32 carries the rounding of its pixels.
    Differentiable almost everywhere: pixels at the border of the box get no gradient. ``factor=1`` returns y.

    Raises ValueError when shapes do not fit, a value is NaN or infinite, y leaves [0, 1] by more than 1e-6 (no picture
    has such block means), or there are no values to follow: meta and fake tensors; TypeError for integer images.

    >>> x_r = torch.tensor([[[[-1.0, 0.5], [0.5, 1.0]]]])
    >>> project_box(x_r, torch.full((1, 1, 1, 1), 0.5), 2)
    tensor([[[[0.0000, 0.5000],
              [0.5000, 1.0000]]]])
    """
    check_pair(x_r, y, factor)
    mean = y.double()
    outside = (mean < -_ROUNDING) | (mean > 1 + _ROUNDING)
    if holds(outside.any()):
        raise ValueError(
            f"{int(outside.sum())} of {y.numel()} values of y lie outside [0, 1] (range {float(y.min()):.4g} to "
            f"{float(y.max()):.4g}); no image in [0, 1] has such block means"
        )
    blocks = to_blocks(x_r.double(), factor)
    z, _ = _BlockBox.apply(blocks.flatten(0, 3), mean.clamp(0, 1).flatten())
    return from_blocks(z.view_as(blocks), factor).to(torch.promote_types(x_r.dtype, y.dtype))


def to_blocks(x: Tensor, factor: int) -> Tensor:
    """(N, C, s h, s w) -> (N, C, h, w, s^2): the pixels of each block side by side."""
    n, c, h, w = x.shape
    s = factor
    return x.reshape(n, c, h // s, s, w // s, s).transpose(3, 4).reshape(n, c, h // s, w // s, s * s)


def from_blocks(blocks: Tensor, factor: int) -> Tensor:
    """(N, C, h, w, s^2) -> (N, C, s h, s w): the inverse of :func:`to_blocks`."""
    n, c, h, w, _ = blocks.shape
    s = factor
    return blocks.reshape(n, c, h, w, s, s).transpose(3, 4).reshape(n, c, h * s, w * s)


def check_pair(x: Tensor, y: Tensor, factor: int) -> None:
    """ValueError unless x is a finite (N, C, H, W) image and y, finite, has its shape divided by factor."""
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise ValueError(f"factor must be an integer of at least 1, got {factor!r}")
    if not x.is_floating_point():
        raise TypeError(f"expected a floating-point image in [0, 1], got {x.dtype}; from_uint8 converts 8-bit images")
    if not y.is_floating_point():
        raise TypeError(f"expected a floating-point y in [0, 1], got {y.dtype}; from_uint8 converts 8-bit images")
    if x.ndim != 4 or x.shape[-2] % factor or x.shape[-1] % factor:
        raise ValueError(f"an image must be (N, C, H, W), its sides multiples of factor {factor}, got {tuple(x.shape)}")
    expected = (*x.shape[:2], x.shape[2] // factor, x.shape[3] // factor)
    if y.shape != expected:
        raise ValueError(f"y has shape {tuple(y.shape)}, but an image of {tuple(x.shape)} has {expected} block means")
    for name, values in (("the image", x), ("y", y)):
        check_finite(values, name)


class _BlockBox(torch.autograd.Function):
    """Rows (M, n) and their means (M,) -> clip(rows + t, 0, 1) with these means, and which pixels are free; float64."""

    @staticmethod
    def forward(rows: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        t = mean - rows.mean(1)
        z = rows + t[:, None]
        active = (z.amin(1) < 0) | (z.amax(1) > 1) | (t.abs() > 1)  # elsewhere PD is in the box, and exact
        if holds(active.any()) is None:
            raise ValueError("the projection follows the values of the image: meta and fake tensors have none")
        moved, t = rows[active], t[active]
        while len(t):
            t = _offset(moved, mean[active], t)
            moved = moved + t[:, None]
            if not (t.abs() > 1).any():
                break
            t = torch.zeros_like(t)  # x + t rounded at the scale of t: once more, from near the box
        z[active] = moved
        free = (z >= 0) & (z <= 1)
        return z.clamp_(0, 1), free

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        _, free = output
        ctx.mark_non_differentiable(free)
        ctx.save_for_backward(free)
        ctx.save_for_forward(free)

    @staticmethod
    def jvp(ctx, dx: Tensor, dmean: Tensor) -> tuple[Tensor, None]:
        r"""Free pixels move together: dz = dx - mean_free(dx) + (n / #free) dmean; the others stay."""
        (free,) = ctx.saved_tensors
        count = free.sum(1).clamp_min(1)
        shift = (dmean * dx.shape[1] - (dx * free).sum(1)) / count
        return (dx + shift[:, None]) * free, None

    @staticmethod
    def backward(ctx, grad: Tensor, _) -> tuple[Tensor, Tensor]:
        """The adjoint of that, differentiable as often as one likes."""
        (free,) = ctx.saved_tensors
        average = (grad * free).sum(1) / free.sum(1).clamp_min(1)
        return (grad - average[:, None]) * free, average * grad.shape[1]

    @staticmethod
    def vmap(info, in_dims, rows: Tensor, mean: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        return one_batch(_BlockBox.apply, info.batch_size, in_dims, rows, mean)


def _offset(x: Tensor, mean: Tensor, start: Tensor) -> Tensor:
    r"""(M, n), (M,), (M,) -> t (M,), mean(clip(x + t, 0, 1)) = mean, by safeguarded semismooth Newton steps from start.

    The slope must be that of the side where the root is: 8-bit images sit exactly on the kinks. A step that leaves the
    bracket (a flat piece gives an infinite one) becomes a bisection, and rows that are solved are left alone. Every
    piece is linear, so the steps end: after four on a good image, after seven to nine under heavy noise.
    """
    low, high = -x.amax(1), 1 - x.amin(1)  # here every pixel is clipped: all to 0, all to 1
    offset = torch.where(mean <= 0, low, torch.where(mean >= 1, high, start))
    todo = torch.arange(len(x), device=x.device)
    while True:
        t = offset[todo]
        z = x + t[:, None]
        gap = mean - z.clamp(0, 1).mean(1)
        low, high = torch.where(gap > 0, t, low), torch.where(gap > 0, high, t)
        middle = (low + high) / 2
        unsolved = (gap.abs() > 4 * torch.finfo(x.dtype).eps) & (low < middle) & (middle < high)
        if not unsolved.any():
            return offset
        todo, x, mean, z, gap, t = (v[unsolved] for v in (todo, x, mean, z, gap, t))
        low, high, middle = (v[unsolved] for v in (low, high, middle))
        free = torch.where(gap > 0, ((z >= 0) & (z < 1)).sum(1), ((z > 0) & (z <= 1)).sum(1))
        step = t + gap * x.shape[1] / free
        offset[todo] = torch.where((step > low) & (step < high), step, middle)
