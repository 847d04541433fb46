"""Any dense matrix, its pseudo-inverse from the singular value decomposition."""

import torch
from torch import Tensor

from ..checks import holds
from .base import LinearOperator
from .check import at_least_single, check_finite, check_floating, full_precision


class Matrix(LinearOperator):
    r"""y = A x on flat vectors: (N, n) -> (N, m), for a dense (m, n) matrix A.

    With :math:`A = U \Sigma V^\top`, :math:`A^\dagger = V \Sigma^{-1} U^\top` over the singular values above
    ``rtol`` times the largest; those below count as zero. The default ``rtol`` is max(m, n) times the machine epsilon
    of float64, the rule of ``torch.linalg.pinv`` and NumPy. A larger ``rtol`` truncates on purpose (notebook 01).

    Raises ValueError when A is not a finite matrix or rtol is outside [0, 1).

    >>> A = Matrix(torch.tensor([[1.0, 1.0]]))
    >>> A.pinv(torch.tensor([[2.0]]))  # of all x with x_1 + x_2 = 2 the shortest
    tensor([[1., 1.]])
    """

    matrix: Tensor
    inverse: Tensor

    def __init__(self, A: Tensor, *, rtol: float | None = None):
        super().__init__()
        A = torch.as_tensor(A)
        if A.ndim != 2 or 0 in A.shape:
            raise ValueError(f"A must be a matrix (m, n), got shape {tuple(A.shape)}")
        if rtol is not None and not 0 <= rtol < 1:
            raise ValueError(f"rtol must lie in [0, 1), got {rtol}")
        A = check_finite(A.double(), "A")
        if rtol is None:
            rtol = max(A.shape) * torch.finfo(A.dtype).eps
        U, sigma, Vh = torch.linalg.svd(A, full_matrices=False)
        keep = sigma > rtol * sigma[0]
        if holds(keep.any()) is None:
            raise ValueError("A must have values, to be inverted; meta and fake tensors have none")
        self.rank = int(keep.sum())
        self.register_buffer("matrix", A, persistent=False)
        self.register_buffer("inverse", (Vh[keep].T / sigma[keep]) @ U[:, keep].T, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return check_finite(self._times(self.matrix, x, "x"), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        return self._times(self.matrix.T, y, "y")

    def pinv(self, y: Tensor) -> Tensor:
        return self._times(self.inverse, check_finite(y, "y"), "y")

    @staticmethod
    def _times(M: Tensor, v: Tensor, what: str) -> Tensor:
        check_floating(v, what)
        if v.ndim != 2 or v.shape[1] != M.shape[1]:
            raise ValueError(f"{what} must have shape (N, {M.shape[1]}), got {tuple(v.shape)}")
        fine = at_least_single(v)
        with full_precision(v):
            return (fine @ M.T.to(fine)).to(v.dtype)
