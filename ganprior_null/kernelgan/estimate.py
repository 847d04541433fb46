"""The blur kernel of one image, by patch recurrence across scales (Bell-Kligler, Shocher and Irani 2019)."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from ..operators import BlurDownsample
from ..operators.check import check_finite, check_floating
from .duel import Duel
from .kernels import kernel_x4, post_process
from .recipe import PUBLISHED, REPAIRED, Recipe

BORDER = 10  # pixels not looked at along the image's sides: frames, compression, wrapped blur
EVERY = 50  # steps between two snapshots
STEADY, REST = 0.02, 3  # the kernel is at rest when it changes by less than this in so many snapshots
SUM = 0.02  # how far from 1 the sum of a kernel may end before it is made to sum to 1


class Snapshot(NamedTuple):
    """The state after ``step`` steps."""

    step: int
    kernel: Tensor  # (13, 13), as it is: not cleaned, not centred
    generator: float  # its adversarial loss
    discriminator: float
    change: float  # L1 distance from the kernel one snapshot before


@dataclass(frozen=True)
class KernelEstimate:
    """What :func:`estimate_kernel` found."""

    kernel: Tensor  # (13, 13), sum 1, for BlurDownsample(kernel, 2, size)
    kernel_x4: Tensor  # (25, 25), sum 1, for BlurDownsample(kernel_x4, 4, size)
    scale: int
    history: list[Snapshot]
    converged: bool
    reason: str  # why it stopped, and what speaks against trusting it

    def operator(self, size: int | tuple[int, int]) -> BlurDownsample:
        """A for HR images of this size, at the scale asked for."""
        return BlurDownsample(self.kernel if self.scale == 2 else self.kernel_x4, self.scale, size)


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
    the same 2x kernel is sought, and applied twice (:func:`~ganprior_null.kernelgan.kernel_x4`).

    steps: at most, default the recipe's. progress: show a bar. compatible: do as the published program does, faults
    included (``PUBLISHED``). watch: called with every snapshot. Ctrl-C ends the search: the estimate is made of
    what there is, and says so. One gray channel (1, H, W) is taken three times; of RGBA, alpha is dropped, with a
    warning. TypeError for a dtype that is not floating point, ValueError for other shapes and scales, for images
    too small for the crops, constant, not finite or not in [0, 1].
    """
    if scale not in (2, 4):
        raise ValueError(f"scale must be 2 or 4, got {scale!r}")
    recipe = PUBLISHED if compatible else recipe
    recipe = recipe if steps is None else replace(recipe, steps=_check_steps(steps))
    image = _inner(check_photograph(image, recipe))
    with torch.random.fork_rng(devices=[]):  # the networks draw from the global generator
        torch.manual_seed(seed)
        duel = Duel(image, recipe, torch.Generator().manual_seed(seed))
        kernel, history, stopped = _search(duel, recipe, progress, watch)
    found = post_process(kernel, recipe.kept).cpu()
    converged, reason = _verdict(duel, kernel, history, stopped)
    return KernelEstimate(found, kernel_x4(found), scale, history, converged, reason)


def check_photograph(image: Tensor, recipe: Recipe) -> Tensor:
    """(1 | 3 | 4, H, W) -> (3, H, W) float32, refused unless a kernel can be sought in it; see estimate_kernel."""
    check_floating(image)
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4):
        raise ValueError(f"the image must be (C, H, W) with C = 3 (or 1, gray), got shape {tuple(image.shape)}")
    least = recipe.crop + 2 * BORDER + 2
    if min(image.shape[-2:]) < least:
        raise ValueError(f"the image must be at least {least} pixels high and wide, got {tuple(image.shape[-2:])}")
    check_finite(image, "the image")
    low, high = image.min().item(), image.max().item()
    if low < -0.01 or high > 1.01:  # a little over- and undershoot is what linear downsampling leaves
        raise ValueError(f"the image must lie in [0, 1], got values from {low:.4g} to {high:.4g}")
    if image.shape[0] == 4:
        warnings.warn("RGBA image: the alpha channel is dropped", stacklevel=3)
    return (image.expand(3, -1, -1) if image.shape[0] == 1 else image[:3]).float()


def _check_steps(steps: int) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps!r}")
    return steps


def _inner(image: Tensor) -> Tensor:
    """A copy without the border, of even sides."""
    h, w = (side - 2 * BORDER - side % 2 for side in image.shape[-2:])
    return image[:, BORDER : BORDER + h, BORDER : BORDER + w].clone()


def _search(duel: Duel, recipe: Recipe, progress: bool, watch) -> tuple[Tensor, list[Snapshot], str]:
    """The (running mean of the) kernel, snapshots, and why it ended."""
    mean, history, why = duel.kernel(), [], "steps"
    last = mean.clone()
    try:
        with tqdm(total=recipe.steps, desc="kernel", disable=not progress, leave=False) as bar:
            while duel.steps < recipe.steps:
                losses = duel.step()
                mean = recipe.memory * mean + (1 - recipe.memory) * duel.kernel()
                bar.update()
                if duel.steps % EVERY and duel.steps < recipe.steps:
                    continue
                history.append(Snapshot(duel.steps, mean.cpu(), *losses, change=(mean - last).abs().sum().item()))
                last = mean
                if watch:
                    watch(history[-1])
                if not recipe.published and _steady(history):
                    return mean, history, "steady"
    except KeyboardInterrupt:
        why = "stopped"
    return mean, history, why


def _steady(history: list[Snapshot]) -> bool:
    """Whether the kernel has come to rest: small changes in each of the last snapshots."""
    return len(history) >= REST and all(shot.change < STEADY for shot in history[-REST:])


def _verdict(duel: Duel, kernel: Tensor, history: list[Snapshot], why: str) -> tuple[bool, str]:
    """Whether the kernel can be trusted to be what the search was heading for, and the reason in words."""
    if why == "stopped":
        return False, f"stopped by hand after {duel.steps} steps; this is the kernel so far"
    if duel.schedule and not duel.schedule.handed_over:
        return False, "the bicubic target was never reached, so the penalties never came on"
    total = kernel.sum().item()
    if abs(total - 1) > SUM:
        return False, f"the kernel sums to {total:.3f} before it is made to sum to 1"
    if not _steady(history):
        return False, f"the kernel still moves: by {history[-1].change:.3f} in the last {EVERY} steps"
    return True, f"steady: moves by less than {STEADY} per {EVERY} steps, after {duel.steps} steps"
