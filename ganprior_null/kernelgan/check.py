"""What an image must be for a kernel to be sought in it."""

import warnings

from torch import Tensor

from ..operators.check import check_finite, check_floating

BORDER = 10  # pixels not looked at along the image's sides: frames, compression, wrapped blur


def check_image(image: Tensor, crop: int) -> Tensor:
    """(1 | 3 | 4, H, W) -> (3, H', W') float32: a copy without its border, of even sides.

    One gray channel is taken three times, alpha is dropped with a warning. TypeError unless floating point, ValueError
    for another shape, less than a crop inside the border, NaN, or values outside [0, 1].
    """
    check_floating(image)
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        raise ValueError(f"the image must be (C, H, W) with C = 3 (or 1, gray), got shape {tuple(image.shape)}")
    least = crop + 2 * BORDER + 2
    if min(image.shape[-2:]) < least:
        raise ValueError(f"the image must be at least {least} pixels high and wide, got {tuple(image.shape[-2:])}")
    check_finite(image, "the image")
    low, high = image.min().item(), image.max().item()
    if low < -0.01 or high > 1.01:  # a little under- and overshoot is what linear downsampling leaves
        raise ValueError(f"the image must lie in [0, 1], got values from {low:.4g} to {high:.4g}")
    if low == high:
        raise ValueError(f"the image is constant ({low:.4g}): it tells nothing of its blur")
    if image.shape[0] == 4:
        warnings.warn("RGBA image: the alpha channel is dropped", stacklevel=4)
    h, w = (side - 2 * BORDER - side % 2 for side in image.shape[-2:])
    inner = image[:3, BORDER : BORDER + h, BORDER : BORDER + w].float()
    return inner.expand(3, -1, -1).clone()


def check_scale(scale: int) -> int:
    """Return scale; ValueError unless it is 2 or 4."""
    if isinstance(scale, bool) or scale not in (2, 4):
        raise ValueError(f"scale must be 2 or 4, got {scale!r}")
    return scale


def check_steps(steps: int) -> int:
    """Return steps; ValueError unless it is an integer of at least 1."""
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps!r}")
    return steps
