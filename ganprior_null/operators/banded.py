"""Products with a matrix that is zero away from its diagonal: block by block of its rows, zeros skipped."""

import torch
from torch import Tensor

from ..checks import holds

WHOLE = 512  # a longer side of at most so many entries is not worth blocks
BLOCK = 128  # entries of the longer side that a block of rows takes: narrow enough to skip most zeros
CONDITION = 1e3  # of W W^T, at most, for normal equations: they lose its digits, 1e-13 is left
NOISE = torch.finfo(torch.float64).eps

Spans = list[tuple[slice, slice]]


def spans(M: Tensor) -> Spans:
    """(rows, columns) of the blocks of M (m, n) that hold all that is not zero; one block for a matrix of no values."""
    m, n = M.shape
    used = M != 0
    if max(m, n) <= WHOLE or holds(used.any()) is None:
        return [(slice(0, m), slice(0, n))]
    step = max(1, round(BLOCK * m / max(m, n)))
    found = []
    for start in range(0, m, step):
        columns = used[start : start + step].any(0).nonzero().flatten().tolist() or [0, -1]  # none: 0 columns
        found.append((slice(start, min(start + step, m)), slice(columns[0], columns[-1] + 1)))
    return found


def down(M: Tensor, v: Tensor, blocks: Spans) -> Tensor:
    """M v: (..., n, W) -> (..., m, W)."""
    parts = [M[rows, columns].to(v) @ v[..., columns, :] for rows, columns in _whole_for_autograd(blocks, v)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -2)


def across(M: Tensor, v: Tensor, blocks: Spans) -> Tensor:
    """v M^T: (..., H, n) -> (..., H, m)."""
    parts = [v[..., columns] @ M[rows, columns].T.to(v) for rows, columns in _whole_for_autograd(blocks, v)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def banded_pinv(W: Tensor) -> Tensor:
    r"""W (h, H), float64 -> its pseudo-inverse (H, h), :math:`W^\top (W W^\top)^{-1}`: the inverse is a small matrix.

    Its entries fade from the diagonal; what is below the rounding of the largest is noise, and made zero. Where
    :math:`W W^\top` is singular or ill-conditioned, the singular value decomposition of ``torch.linalg.pinv``.
    """
    gram = down(W, W.T, spans(W))  # (h, h)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky_ex(gram).L)
    condition = torch.linalg.matrix_norm(gram, 1) * torch.linalg.matrix_norm(inverse, 1)
    if not holds(condition < CONDITION):
        return torch.linalg.pinv(W)
    P = down(W.T, inverse, spans(W.T))
    return torch.where(P.abs() > NOISE * P.abs().max(), P, 0.0)


def _whole_for_autograd(blocks: Spans, v: Tensor) -> Spans:
    """One block where a gradient is recorded: the way back through each slice of v is a v full of zeros."""
    if v.requires_grad and torch.is_grad_enabled():
        return [(slice(0, blocks[-1][0].stop), slice(None))]
    return blocks
