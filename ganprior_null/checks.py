"""What may be asked of a tensor's values before they are used, and of an error after it; imports torch only."""

import torch
from torch import Tensor


def holds(condition: Tensor) -> bool | None:
    """The truth of a 0-d condition; None where it has none to look at.

    That is so while torch.compile and torch.export trace, under torch.func.vmap, and for meta and fake tensors. Checks
    ask ``holds(...) is False`` and are then silent where values are unknown.
    """
    if torch.compiler.is_compiling():
        return None
    try:
        return bool(condition)
    except RuntimeError:  # what all of these raise, under names that differ from release to release
        return None


def height_width(x: Tensor) -> tuple[int, int]:
    """(H, W) of (..., H, W): x.shape[-2:] for those who check types."""
    return x.shape[-2], x.shape[-1]


def check_finite(y: Tensor, what: str) -> Tensor:
    """Return y; ValueError when it is known to hold NaN or infinity.

    Operators call it on the small side only: A x is NaN wherever A sees a NaN of x, so one look at the measurement
    costs little and misses nothing.
    """
    # a finite sum proves finite terms, in one pass; isfinite takes five, and is asked only when the sum overflows
    if holds(torch.isfinite(y.sum())) is False and holds(torch.isfinite(y).all()) is False:
        bad = int((~torch.isfinite(y)).sum())
        raise ValueError(f"{what} holds {bad} NaN or infinite values of {y.numel()}; they must be finite")
    return y


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory is used up: a GPU's, the allocator's, NumPy's, or that of oneDNN's kernels."""
    said = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(
        words in said for words in ("DefaultCPUAllocator", "out of memory", "could not create a primitive")
    )
