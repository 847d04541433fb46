"""The blur kernel of one image, by patch recurrence across scales (Bell-Kligler, Shocher and Irani 2019)."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..operators import BlurDownsample
from ..operators.check import check_finite, check_floating
from .duel import EVERY, STEADY, Duel, Outcome, Snapshot, search, steady
from .kernels import centred, from_sharp, kernel_x4, mean_kernel, post_process
from .losses import bicubic_kernel
from .recipe import PUBLISHED, REPAIRED, Recipe
from .start import matched_gaussian

BORDER = 10  # pixels not looked at along the image's sides: frames, compression, wrapped blur
SUM = 0.02  # how far from 1 a kernel's sum may be before it is made to sum to 1
APART = 0.3  # how far (L1) the searches of one estimate may end from their mean, on average
CUT = 0.1  # share of the largest singular value below which an estimated kernel is taken to pass nothing
MOVING = 0.2  # how much (L1) the kernel may still change between the last two snapshots


@dataclass(frozen=True)
class KernelEstimate:
    """What :func:`estimate_kernel` found.

    >>> found = estimate_kernel(torch.rand(3, 96, 96), 4, steps=1, progress=False, compatible=True)
    >>> found.operator(64)(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 3, 16, 16])
    """

    kernel: Tensor  # (13, 13), sum 1, for BlurDownsample(kernel, 2, size)
    kernel_x4: Tensor  # (25, 25), sum 1, for BlurDownsample(kernel_x4, 4, size)
    scale: int
    history: list[Snapshot]
    converged: bool
    reason: str  # why it ended, and what speaks against trusting it
    stopped: bool  # by Ctrl-C
    apart: float  # mean L1 distance of the recipe's searches from their mean; 0 for one search

    def operator(self, size: int | tuple[int, int], *, rtol: float = CUT) -> BlurDownsample:
        """A for HR images of this size, at the scale asked for.

        rtol: what an estimated kernel passes less of than this share of the most, it is taken to pass nothing of. The
        inverse would multiply the kernel's own error there; with a known kernel BlurDownsample cuts at 1e-4.
        """
        return BlurDownsample(self.kernel if self.scale == 2 else self.kernel_x4, self.scale, size, rtol=rtol)


def estimate_kernel(
    image: Tensor,
    scale: int = 2,
    *,
    steps: int | None = None,
    seed: int = 0,
    progress: bool = True,
    compatible: bool = False,
    recipe: Recipe = REPAIRED,
    watch: Callable[[Snapshot], None] | None = None,
) -> KernelEstimate:
    """(3, H, W) in [0, 1] -> the kernel that made it from something ``scale`` times larger, 2 or 4.

    The kernel is the one under which the image, made still smaller, has the 7 x 7 patches it has now. It is a
    correlation kernel as ``BlurDownsample`` takes it, its centre of mass in the middle of the s x s cell. At 4x
    the same step of 2x is sought, and taken twice (:func:`~ganprior_null.kernelgan.kernel_x4`); what a sharp scene
    lost before it (:func:`~ganprior_null.kernelgan.from_sharp`) counts once.

    steps: at most, default the recipe's. progress: show a bar. compatible: do as the published program does, faults
    included (``PUBLISHED``). watch: called with every snapshot. Ctrl-C ends the search: the estimate is made of
    what there is, and says so. One gray channel (1, H, W) is taken three times; of RGBA, alpha is dropped, with a
    warning. TypeError for a dtype that is not floating point, ValueError for other shapes and scales, for images
    too small for the crops, constant, not finite or not in [0, 1].

    >>> image = torch.rand(3, 96, 96)
    >>> found = estimate_kernel(image, 2, steps=1, progress=False)  # 300 in earnest
    >>> found.kernel.shape, round(float(found.kernel.sum()), 3)
    (torch.Size([13, 13]), 1.0)
    """
    if compatible and recipe != REPAIRED:
        raise ValueError("compatible=True is a recipe of its own (PUBLISHED): give one or the other")
    recipe = PUBLISHED if compatible else recipe
    recipe = recipe if steps is None else replace(recipe, steps=check_steps(steps))
    (estimate,) = estimate_kernels(image, scale, [seed], recipe=recipe, progress=progress, watch=watch)
    return estimate


def estimate_kernels(
    image: Tensor,
    scale: int,
    seeds: list[int],
    *,
    recipe: Recipe = REPAIRED,
    progress: bool = True,
    watch: Callable[[Snapshot], None] | None = None,
) -> list[KernelEstimate]:
    """One estimate per seed, trained side by side: the same as one by one, in a good part less time.

    They end together, when the last of them is steady. ``watch`` sees the first. Errors: as estimate_kernel.
    """
    check_scale(scale)
    image = check_image(image, recipe.crop)
    members = [seed * recipe.starts + i for seed in seeds for i in range(recipe.starts)]
    duel = Duel(image, recipe, members, _start(image, recipe))
    outcome = search(duel, len(seeds), progress, watch)
    return [_estimate(duel, outcome, i, scale) for i in range(len(seeds))]


def unsearched_kernel(image: Tensor, scale: int = 2, *, recipe: Recipe = REPAIRED) -> Tensor:
    """The control of :func:`estimate_kernel`: what the recipe makes of its start with no search in between.

    (3, H, W) in [0, 1] -> (13, 13) at 2x, (25, 25) at 4x, sum 1. Raises ValueError for a recipe whose start is random,
    and what estimate_kernel raises.
    """
    check_scale(scale)
    if (start := _start(check_image(image, recipe.crop), recipe)) is None:
        raise ValueError(f"start {recipe.start!r} is no kernel yet: without a search there is nothing to judge")
    return _finished(start[None], recipe)[scale == 4]


def _start(image: Tensor, recipe: Recipe) -> Tensor | None:
    starts: dict[str, Callable[[], Tensor | None]] = {
        "matched": lambda: matched_gaussian(image),
        "bicubic": bicubic_kernel,
        "small": lambda: None,
    }
    if recipe.start not in starts:
        raise ValueError(f"start must be one of {', '.join(starts)}, got {recipe.start!r}")
    return starts[recipe.start]()


def _estimate(duel: Duel, outcome: Outcome, which: int, scale: int) -> KernelEstimate:
    """What the searches of one seed found, and whether to trust it."""
    recipe, kernels = duel.recipe, outcome.kernels[which]  # (starts, 13, 13)
    cleaned = torch.stack([post_process(k, recipe.kept) for k in kernels])
    kernel, fourfold = _finished(kernels, recipe)
    apart = (cleaned - cleaned.mean(0)).abs().sum((1, 2)).mean().item()
    converged, reason = _verdict(duel, outcome, which, apart)
    return KernelEstimate(kernel, fourfold, scale, outcome.histories[which], converged, reason, outcome.stopped, apart)


def _finished(kernels: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """(m, 13, 13) -> (kernel at 2x, at 4x): averaged, cleaned, widened."""
    step = post_process(mean_kernel(kernels), recipe.kept)  # from y to y at half size
    if not recipe.rounds:
        return step, kernel_x4(step)
    return centred(from_sharp(step, recipe.rounds)), centred(from_sharp(step, recipe.rounds, onto=kernel_x4(step)))


def _verdict(duel: Duel, outcome: Outcome, which: int, apart: float) -> tuple[bool, str]:
    """Whether the kernel can be trusted to be what the search was heading for, and the reason in words."""
    history, total = outcome.histories[which], outcome.kernels[which].sum((1, 2)).mean().item()
    if outcome.stopped:
        return False, f"stopped by hand after {duel.steps} steps; this is the kernel so far"
    if outcome.diverged[which]:
        return False, "a search diverged: its last finite kernel was taken"
    if duel.schedules and not duel.schedules[which].handed_over:
        return False, "the bicubic target was never reached, so the penalties never came on"
    if abs(total - 1) > SUM:
        return False, f"the kernel sums to {total:.3f} before it is made to sum to 1"
    if apart > APART:
        return False, f"searches from different seeds end {apart:.2f} from their mean: the image does not decide"
    moved = history[-1].change if duel.steps >= EVERY else float("inf")
    if moved > MOVING:
        return False, f"the kernel still moves: by {moved:.2f} in the last {EVERY} steps"
    how = f"less than {STEADY} per {EVERY} steps for a while" if steady(history) else f"{moved:.3f} in the last {EVERY}"
    others = "one search, with none to agree with"
    if duel.recipe.starts > 1:
        others = f"its {duel.recipe.starts} searches end {apart:.2f} from their mean"
    return True, f"at rest after {duel.steps} steps: it moves by {how}; {others}"


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
    h, w = (side - 2 * BORDER - side % 2 for side in image.shape[-2:])
    inner = image[:3, BORDER : BORDER + h, BORDER : BORDER + w].float()
    if inner.min() == inner.max():
        where = " but for its border" if low < high else ""
        raise ValueError(f"the image is constant ({inner.max():.4g}){where}: it tells nothing of its blur")
    if image.shape[0] == 4:
        warnings.warn("RGBA image: the alpha channel is dropped", stacklevel=4)
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
