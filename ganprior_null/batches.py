"""torch.func.vmap for our own autograd functions; imports torch only."""

from collections.abc import Callable, Sequence

from torch import Tensor


def one_batch(function: Callable, size: int, axes: Sequence[int | None], *values: Tensor) -> tuple:
    """The vmap rule of a function of (N, ...) tensors that takes every row alike: ``size`` batches become one.

    axes: where each value has its axis of batches; None, it is the same for all. Returns what ``vmap`` of an autograd
    function should: the result, or several, with that axis first; and 0, or as many.
    """
    batched = [
        v.expand(size, *v.shape) if axis is None else v.movedim(axis, 0) for v, axis in zip(values, axes, strict=True)
    ]
    rows = batched[0].shape[:2]  # (size, N)
    result = function(*(v.flatten(0, 1) for v in batched))
    if isinstance(result, Tensor):
        return result.unflatten(0, rows), 0
    return tuple(r.unflatten(0, rows) for r in result), (0,) * len(result)
