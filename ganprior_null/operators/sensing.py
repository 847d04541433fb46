"""Block compressed sensing: a few random numbers per block of the image."""

import math

import torch
from torch import Tensor

from .base import LinearOperator
from .blocks import shuffle, unshuffle
from .check import at_least_single, check_finite, check_image, full_precision


class BlockSensing(LinearOperator):
    r"""A = q random orthonormal rows on each B x B block of each channel; :math:`A^\dagger = A^\top` (Appendix D).

    (N, C, H, W) -> (N, C q, H/B, W/B) with q = ceil(ratio B^2): the first q channels of y measure the first channel of
    x, and so on. The rows are the orthonormal factor (QR) of a Gaussian matrix drawn from ``seed``.

    Raises ValueError for a ratio outside (0, 1], a block that is no positive integer, and when it does not divide the
    image sides.

    >>> A = BlockSensing(block=8, ratio=0.25)
    >>> A(torch.rand(1, 3, 16, 16)).shape  # 16 numbers for each block of 64 pixels
    torch.Size([1, 48, 2, 2])
    """

    rows: Tensor

    def __init__(self, block: int = 32, ratio: float = 0.25, seed: int = 0):
        super().__init__()
        if isinstance(block, bool) or not isinstance(block, int) or block < 1:
            raise ValueError(f"block must be an integer of at least 1, got {block!r}")
        if not 0 < ratio <= 1:
            raise ValueError(f"ratio must lie in (0, 1], got {ratio}")
        self.block, self.ratio, self.seed = block, ratio, seed
        q = math.ceil(ratio * block**2 - 1e-9)  # 0.07 * 100 is a little more than 7 in floating point
        generator = torch.Generator().manual_seed(seed)
        gaussian = torch.randn(block**2, q, dtype=torch.float64, generator=generator)
        self.register_buffer("rows", torch.linalg.qr(gaussian).Q.T.contiguous(), persistent=False)  # (q, B^2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C q, H/B, W/B)."""
        check_image(x, "x")
        b = self.block
        if x.shape[-2] % b or x.shape[-1] % b:
            raise ValueError(f"the block side {b} must divide the image sides, got {x.shape[-2]} x {x.shape[-1]}")
        return check_finite(self._times(self.rows, unshuffle(x, b)).flatten(1, 2), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        """(N, C q, h, w) -> (N, C, B h, B w)."""
        check_image(y, "y")
        q = len(self.rows)
        if y.shape[1] % q:
            raise ValueError(f"y must have {q} channels for each channel of the image, got {y.shape[1]}")
        return shuffle(self._times(self.rows.T, y.unflatten(1, (y.shape[1] // q, q))), self.block)

    def pinv(self, y: Tensor) -> Tensor:
        """(N, C q, h, w) -> (N, C, B h, B w)."""
        return self.adjoint(check_finite(y, "y"))

    @staticmethod
    def _times(M: Tensor, v: Tensor) -> Tensor:
        """(N, C, n, h, w) -> (N, C, m, h, w) for an (m, n) matrix, the same for every channel."""
        fine = at_least_single(v.flatten(3))
        with full_precision(v):
            return (M.to(fine) @ fine).to(v.dtype).unflatten(3, v.shape[3:])

    def extra_repr(self) -> str:
        return f"block={self.block}, ratio={self.ratio}, seed={self.seed}"
