"""The box for operators whose pixels do not come in separate blocks."""

from collections.abc import Callable

import torch
from torch import Tensor


@torch.no_grad()
def dykstra_box(x: Tensor, project: Callable[[Tensor], Tensor], *, steps: int = 30) -> Tensor:
    """(N, C, H, W) -> an image in [0, 1] that comes near the nearest one which ``project`` would leave alone.

    project: the orthogonal projection onto the consistent images, ``lambda x: enforce_consistency(x, y, A)``; it may
    write over its argument (``inplace=True``), which saves the memory of an image. The algorithm of Boyle and Dykstra
    (1986) for an affine set and a box: it converges to the nearest common point, but does not end there, unless the
    first projection is in the box. After ``steps`` rounds the result is inside the box exactly and consistent
    approximately; for average pooling :func:`project_box` is both. No gradient is recorded. Raises ValueError for
    steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    z = project(x.clone())
    x = z.clamp(0, 1)
    if torch.equal(x, z):
        return x
    for _ in range(steps - 1):
        z -= x  # what the box has cut off is owed; the affine set needs no such memory
        z += project(x)
        torch.clamp(z, 0, 1, out=x)
    return x
