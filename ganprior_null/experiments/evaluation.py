"""A restorer's answers to many images, judged some at a time: memory does not grow with their number."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import ImageSet
from ..images import as_file, from_uint8
from ..layers import FeatureNet64
from ..operators import LinearOperator
from ..restorers import Restorer, enforce_consistency
from .figures import SHOWN, answering_to, at_once
from .judge import AFTER, Judgement, after_training, corrections, joined, raw_each, raw_figures


class Part(NamedTuple):
    """Some images x (N, 3, H, W), their y (N, 3, h, w), the network's answers x_r; x_hat, those in A's null space."""

    x: Tensor
    y: Tensor
    x_r: Tensor
    x_hat: Tensor


class Evaluated(NamedTuple):
    """The figures of a run's log, and the first images, for its sheets."""

    figures: dict[str, float]
    first: Part


def evaluate(
    network: Restorer, images: ImageSet, A_true: LinearOperator, A: LinearOperator | None, features: FeatureNet64
) -> Evaluated:
    """Judge a restorer on 8-bit images (N, 3, size, size), a part at a time, on the device that the network is on.

    A_true makes y; A: whose null space the answers are put into, or None. As many images as :func:`.figures.at_once`
    says are in memory at a time, beside their features and the first few.
    """
    judged, raw = Judgement(A_true, features), []
    first: list[Part] = []
    corrected: dict[str, Judgement] = {}
    for part in parts(network, images, A_true, A):
        x, y, x_r, x_hat = part
        others = corrections(x.shape[-1] // y.shape[-1], A_true)
        corrected = corrected or {name: Judgement(A_true, features, AFTER) for name in others}
        judged.add(x_hat, x, y)
        raw.append(raw_each(x_r, x_hat, y, A_true, A))
        for name, other in others.items():
            corrected[name].add(enforce_consistency(x_r, y, other), x, y)
        if sum(len(some.x) for some in first) < SHOWN:
            first.append(part)
    figures = judged.row() | raw_figures(joined(raw)) | after_training(corrected)
    return Evaluated(figures, Part(*(torch.cat(some).cpu() for some in zip(*first, strict=True))))


def parts(
    network: Restorer, images: ImageSet, A_true: LinearOperator, A: LinearOperator | None, *, seed: int = 0
) -> Iterator[Part]:
    """The images, their y in 8 bits and the network's answers, some at a time. A PDN draws from the seed."""
    device = next(network.parameters()).device
    with answering_to(network, seed=seed) as answer:
        for some in runs(len(images), at_once(images.size)):
            x = from_uint8(images.__getitems__(some)).to(device)
            y = measure(A_true, x)
            x_r = answer(y)
            yield Part(x, y, x_r, x_r if A is None else enforce_consistency(x_r, y, A))


def runs(count: int, length: int) -> Iterator[range]:
    """0 ... count - 1 in runs of this length, the last one shorter."""
    return (range(first, min(first + length, count)) for first in range(0, count, length))


def measure(A: LinearOperator, x: Tensor) -> Tensor:
    """y = A x as an 8-bit file would hold it."""
    return as_file(A(x))
