"""Running a duel until its kernels come to rest."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from .duel import Duel

EVERY = 50  # steps between two snapshots
STEADY, REST = 0.05, 3  # the kernel is at rest when it changes by less than this in each of so many snapshots


class Snapshot(NamedTuple):
    """The state after ``step`` steps, the mean of a seed's searches."""

    step: int
    kernel: Tensor  # (13, 13), as it is: not cleaned, not centred
    generator: float  # its adversarial loss
    discriminator: float
    change: float  # L1 distance from the kernel one snapshot before


class Outcome(NamedTuple):
    """Where the searches of several seeds ended."""

    kernels: Tensor  # (seeds, starts, 13, 13): running means over the last steps
    histories: list[list[Snapshot]]  # one per seed
    stopped: bool  # by Ctrl-C
    diverged: list[bool]  # per seed: whether a search ended in NaN; its kernel is the last finite one


def search(duel: Duel, seeds: int, progress: bool, watch: Callable[[Snapshot], None] | None = None) -> Outcome:
    """Step until the recipe's steps are done, every seed's kernel is steady, or the user presses Ctrl-C."""
    recipe, mean = duel.recipe, duel.kernels()
    histories: list[list[Snapshot]] = [[] for _ in range(seeds)]
    last, stopped = _by_seed(mean, seeds).mean(1), False
    try:
        with tqdm(total=recipe.steps, desc="kernel", disable=not progress, leave=False) as bar:
            while duel.steps < recipe.steps:
                losses = duel.step()
                mean = _follow(mean, duel.kernels(), recipe.memory)
                bar.update()
                if duel.steps % EVERY and duel.steps < recipe.steps:
                    continue
                now = _by_seed(mean, seeds).mean(1)  # (seeds, 13, 13)
                _record(histories, duel.steps, now, (now - last).abs().sum((1, 2)), losses)
                last = now
                if watch:
                    watch(histories[0][-1])
                # the published program has no such end
                if not recipe.published and all(steady(history) for history in histories):
                    break
    except KeyboardInterrupt:
        stopped = True
    lost = ~duel.kernels().isfinite().all((1, 2))
    return Outcome(_by_seed(mean, seeds).cpu(), histories, stopped, _by_seed(lost, seeds).any(1).tolist())


def _follow(mean: Tensor, now: Tensor, memory: float) -> Tensor:
    """The running mean, held where a search has diverged; (m, 13, 13)."""
    finite = now.isfinite().all(1, keepdim=True).all(2, keepdim=True)
    return torch.where(finite, memory * mean + (1 - memory) * now, mean)


def steady(history: list[Snapshot]) -> bool:
    """Whether the kernel has come to rest: small changes in each of the last snapshots."""
    return len(history) >= REST and all(shot.change < STEADY for shot in history[-REST:])


def _record(histories, step: int, kernels: Tensor, changes: Tensor, losses: tuple[Tensor, Tensor]) -> None:
    generator, discriminator = (_by_seed(loss, len(histories)).mean(1).tolist() for loss in losses)
    for i, history in enumerate(histories):
        shot = Snapshot(step, kernels[i].cpu().clone(), generator[i], discriminator[i], changes[i].item())
        history.append(shot)


def _by_seed(values: Tensor, seeds: int) -> Tensor:
    """(seeds starts, ...) -> (seeds, starts, ...)."""
    return values.unflatten(0, (seeds, -1))
