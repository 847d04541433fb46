"""Keep some pixels, lose the others: the operator of inpainting."""

import torch
from torch import Tensor

from ..checks import holds
from .base import LinearOperator
from .check import check_finite, check_image


class Inpaint(LinearOperator):
    r"""A = diag(mask), mask 1 = kept, 0 = lost; a diagonal 0/1 matrix is its own adjoint and pseudo-inverse.

    mask: (H, W), (1, H, W) or (C, H, W), of 0 and 1 (bool, integer or float). y keeps the image's shape, with zeros
    where nothing was measured.

    Raises ValueError for other values, other ranks, and images of another size than the mask's.

    >>> A = Inpaint(torch.tensor([[1, 0], [0, 1]]))
    >>> A(torch.ones(1, 1, 2, 2))
    tensor([[[[1., 0.],
              [0., 1.]]]])
    """

    mask: Tensor

    def __init__(self, mask: Tensor):
        super().__init__()
        mask = torch.as_tensor(mask)
        if mask.ndim not in (2, 3):
            raise ValueError(f"mask must have shape (H, W), (1, H, W) or (C, H, W), got {tuple(mask.shape)}")
        if holds(((mask == 0) | (mask == 1)).all()) is False:
            raise ValueError("mask must hold only 1 (kept) and 0 (lost); threshold it first, e.g. mask > 0.5")
        self.register_buffer("mask", mask.bool().reshape(-1, *mask.shape[-2:]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return check_finite(self._keep(x, "x"), "A x")

    def adjoint(self, y: Tensor) -> Tensor:
        return self._keep(y, "y")

    def pinv(self, y: Tensor) -> Tensor:
        return self._keep(check_finite(y, "y"), "y")

    def _keep(self, v: Tensor, what: str) -> Tensor:
        check_image(v, what)
        c, h, w = self.mask.shape
        if v.shape[-2:] != (h, w) or c not in (1, v.shape[1]):
            raise ValueError(f"the mask is {c} x {h} x {w}, it does not fit {what} of shape {tuple(v.shape)}")
        return v * self.mask.to(v)
