"""Blocks of s x s pixels as channels and back; torch's own functions lose the shape of an empty batch."""

from torch import Tensor


def unshuffle(x: Tensor, s: int) -> Tensor:
    """(N, C, s h, s w) -> (N, C, s^2, h, w): each block's pixels, row by row."""
    n, c, height, width = x.shape
    h, w = height // s, width // s
    return x.reshape(n, c, h, s, w, s).permute(0, 1, 3, 5, 2, 4).reshape(n, c, s * s, h, w)


def shuffle(v: Tensor, s: int) -> Tensor:
    """(N, C, s^2, h, w) -> (N, C, s h, s w): the inverse of :func:`unshuffle`."""
    n, c, _, h, w = v.shape
    return v.reshape(n, c, s, s, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c, s * h, s * w)
