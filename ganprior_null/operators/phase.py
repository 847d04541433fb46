r"""Where LR pixels sit on the HR grid: one convention, the way to the other, and a self-test.

Ours is the **centre** convention: LR pixel i covers HR pixels s i ... s i + s - 1 and sits in their middle, at
s i + (s - 1) / 2. Average pooling, PIL, MATLAB and torch (``align_corners=False``) do so. In the **corner** convention
of "blur, then x[::s, ::s]" (USRNet) it sits on HR pixel s i, up and left by (s - 1) / 2 pixels: an operator of one
convention applied to data of the other makes images consistent with a shifted truth.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .check import check_factor, check_kernel, check_size


def corner_to_centre(kernel: Tensor, factor: int) -> Tensor:
    """A kernel for "blur, then x[::s, ::s]" -> the one for ``BlurDownsample`` that makes the same LR image.

    (kh, kw) -> (kh', kw'), padded with zeros to put its weights where that convention means them. The centre of a
    kernel of even side is taken to be the pixel after the middle (as ``scipy.ndimage`` does). A kernel meant for
    convolution is to be flipped first; of even side, padded by a zero at the end before that.
    """
    kernel, s = check_kernel(kernel), check_factor(factor)
    # the window of LR pixel 0 must start at HR pixel -(k // 2); BlurDownsample starts it at (s - k') // 2
    pads = [(0, s - side + 2 * (side // 2)) for side in kernel.shape]
    return _pad(kernel, pads)


def centre_to_corner(kernel: Tensor, factor: int) -> Tensor:
    """A kernel for ``BlurDownsample`` -> the one for "blur, then x[::s, ::s]" that makes the same LR image.

    (kh, kw) -> (kh', kw') of odd sides, padded with zeros.
    """
    kernel, s = check_kernel(kernel), check_factor(factor)
    pads = []
    for side in kernel.shape:
        start = (s - side) // 2  # HR pixel under the kernel's first weight, for LR pixel 0
        radius = max(-start, start + side - 1)
        pads.append((start + radius, radius - start - side + 1))
    return _pad(kernel, pads)


def sampling_phase(A: Callable[[Tensor], Tensor], size: int | tuple[int, int]) -> tuple[float, float]:
    """How far (down, right), in HR pixels, A's LR pixels sit from the centre convention: (0, 0) if they follow it.

    Exact and sub-pixel, for any downsampler of HR images of ``size`` (an operator or a plain function on (N, C, H, W)):
    the image whose value is its own row number is turned by a linear A into the centre of mass of the weights. Read at
    the middle LR pixel, away from borders. An asymmetric kernel moves its own centre of mass and is reported too.

    Raises ValueError when A leaves nothing of a constant image, where a centre of mass means nothing.
    """
    height, width = check_size(size)
    rows = torch.arange(height, dtype=torch.float64)[:, None].expand(height, width)
    columns = torch.arange(width, dtype=torch.float64).expand(height, width)
    probes = torch.stack([torch.ones_like(rows), rows - height / 2, columns - width / 2])[:, None]  # (3, 1, H, W)
    y = A(probes)
    i, j = y.shape[-2] // 2, y.shape[-1] // 2
    mass, down, right = (float(v) for v in y[:, 0, i, j])
    if abs(mass) < 1e-9:
        raise ValueError("this operator leaves nothing of a constant image: it has no sampling phase")
    centre_row = (i + 0.5) * height / y.shape[-2] - 0.5 - height / 2
    centre_column = (j + 0.5) * width / y.shape[-1] - 0.5 - width / 2
    return down / mass - centre_row, right / mass - centre_column


def shift_between(A: Callable[[Tensor], Tensor], B: Callable[[Tensor], Tensor], size: int | tuple[int, int]):
    """How far (down, right), in HR pixels, B's LR pixels sit from A's: the alignment check of two downsamplers.

    Anything but (0, 0) means that they cannot be used on one another's data: roll or re-centre first.
    """
    here, there = sampling_phase(A, size), sampling_phase(B, size)
    return there[0] - here[0], there[1] - here[1]


def _pad(kernel: Tensor, pads: list[tuple[int, int]]) -> Tensor:
    (top, bottom), (left, right) = pads
    return F.pad(kernel, (left, right, top, bottom))
