"""Between [0, 1] floats, the [-1, 1] of published networks, and 8 bits."""

import math

import torch
from torch import Tensor


def from_uint8(x: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [0, 1]. Raises TypeError for any other dtype.

    >>> images.from_uint8(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    if x.dtype != torch.uint8:
        raise TypeError(f"expected uint8, got {x.dtype}")
    return x.float() / 255


def to_uint8(x: Tensor) -> Tensor:
    """[0, 1] -> uint8 of the same shape: clamp, then round to nearest.

    Either step breaks A x = y (Appendix B). Raises ValueError for NaN or infinity, TypeError for integer input.

    >>> images.to_uint8(torch.tensor([-0.2, 0.4, 1.0]))
    tensor([  0, 102, 255], dtype=torch.uint8)
    """
    if not x.is_floating_point():
        raise TypeError(f"expected a floating-point image in [0, 1], got {x.dtype}")
    if not torch.isfinite(x).all():
        raise ValueError("the image holds NaN or infinite values; it cannot become 8-bit")
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)


def as_file(x: Tensor) -> Tensor:
    """x in [0, 1] as an 8-bit file gives it back: clamped and rounded, float32. Raises as :func:`to_uint8`."""
    return from_uint8(to_uint8(x))


def to_signed(x: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1].

    >>> images.to_signed(torch.tensor([0.0, 0.5, 1.0]))
    tensor([-1.,  0.,  1.])
    """
    return 2 * x - 1


def from_signed(x: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], unclamped.

    >>> images.from_signed(torch.tensor([-1.0, 0.0, 1.2]))
    tensor([0.0000, 0.5000, 1.1000])
    """
    return (x + 1) / 2


def grid(images: Tensor, columns: int | None = None, *, pad: int = 2, background: float = 1.0) -> Tensor:
    """(N, C, H, W) -> one contact sheet (C, H', W'), row by row; columns default to the square root of N."""
    n, c, h, w = images.shape
    if not n:
        raise ValueError("a contact sheet needs at least one image, got none")
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = images.new_full((c, rows * (h + pad) + pad, columns * (w + pad) + pad), background)
    for i, image in enumerate(images):
        top, left = pad + (i // columns) * (h + pad), pad + (i % columns) * (w + pad)
        sheet[:, top : top + h, left : left + w] = image
    return sheet
