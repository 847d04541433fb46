"""Generators against discriminators: one step of each, and the steps until their kernels come to rest."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .crops import CropSampler
from .losses import adversarial, bicubic_loss, penalty
from .networks import DeepLinearGenerator, PatchDiscriminator, correlate_each
from .recipe import PublishedSchedule, Recipe

EVERY = 50  # steps between two snapshots
STEADY, REST = 0.05, 3  # the kernel is at rest when it changes by less than this in each of so many snapshots
NOISE = 1 / 255  # standard deviation, of the published program's noise

Network = TypeVar("Network", bound=nn.Module)


class Duel:
    """A generator and a discriminator per seed, on crops of one image (3, H, W); ``step`` trains them all once.

    The members know nothing of one another: they share matrix products, in which small networks cost little more
    together than one alone. ``start``: the kernel (13, 13) that all generators begin with, by a short descent on
    their kernels alone (no image, no discriminator); the published program begins next to zero instead. The learning
    rate is constant for the first half of the steps and falls to zero in the second.
    """

    def __init__(self, image: Tensor, recipe: Recipe, seeds: list[int], start: Tensor | None = None):
        self.recipe, self.steps = recipe, 0
        self.random = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.G = _company(lambda m: DeepLinearGenerator(recipe.filters, recipe.channels, members=m), seeds).to(image)
        self.D = _company(lambda m: PatchDiscriminator(members=m), seeds).to(image)
        small = (recipe.crop - sum(side - 1 for side in recipe.filters)) // 2
        count = recipe.steps * recipe.crops
        self.crops = [CropSampler(image.clone(), recipe.crop, small, count, random) for random in self.random]
        if start is not None:
            fit(self.G, start)
        self.optimisers = [
            torch.optim.Adam(net.parameters(), lr=recipe.lr, betas=(0.5, 0.999), fused=True) for net in (self.G, self.D)
        ]
        self.schedules = [PublishedSchedule(recipe.lr) for _ in seeds if recipe.published]

    def kernels(self) -> Tensor:
        """The generators' kernels now, (m, 13, 13)."""
        return self.G.kernels().detach()

    def step(self) -> tuple[Tensor, Tensor]:
        """One step of the generators, then one of the discriminators: their adversarial losses, (m,) each."""
        which = slice(self.steps * self.recipe.crops, (self.steps + 1) * self.recipe.crops)
        if self.schedules:
            for crops, random in zip(self.crops, self.random, strict=True):
                crops.degrade(which, NOISE, random)
        x = 2 * torch.stack([crops.large(which) for crops in self.crops]) - 1  # (m, n, 3, 64, 64)
        real = 2 * torch.stack([crops.small(which) for crops in self.crops]) - 1
        judged, start = self._train_generators(x)
        losses = judged, self._train_discriminators(x, real)
        self.steps += 1
        if start is not None:
            self._follow_schedules(start)
        else:
            self._set_lr(self.recipe.lr * min(1, 2 - 2 * self.steps / self.recipe.steps))
        return losses

    def _train_generators(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        k = self.G.kernels()
        gx = correlate_each(x, k, 2)
        _trainable(self.D, False)
        loss, start = adversarial(self.D(gx), real=True), None
        if self.schedules:
            start = bicubic_loss(gx, x, channels_summed=True)
            weights = [schedule.weights for schedule in self.schedules]
            parts = [penalty(k[i], w) + w.bicubic * start[i] for i, w in enumerate(weights)]
            total = loss.sum() + sum(parts)
        else:
            total = (loss + penalty(k, self.recipe.weights, self.recipe.power)).sum()
        self._descend(0, total)
        _trainable(self.D, True)
        return loss.detach(), start

    def _train_discriminators(self, x: Tensor, real: Tensor) -> Tensor:
        fake = correlate_each(x, self.kernels(), 2)
        if self.schedules:
            noise = [torch.randn(fake.shape[1:], generator=random) for random in self.random]
            fake = fake + NOISE * torch.stack(noise)
        judged_real, judged_fake = self.D(real, fake)
        loss = (adversarial(judged_real, real=True) + adversarial(judged_fake, real=False)) / 2
        self._descend(1, loss.sum())
        return loss.detach()

    def _descend(self, which: int, total: Tensor) -> None:
        self.optimisers[which].zero_grad()
        total.backward()
        self.optimisers[which].step()

    def _follow_schedules(self, start: Tensor) -> None:
        for schedule, loss in zip(self.schedules, start.tolist(), strict=True):
            schedule.update(self.steps - 1, loss)
        self._set_lr(self.schedules[0].lr)  # depends on the steps alone: the same for all

    def _set_lr(self, lr: float) -> None:
        for optimiser in self.optimisers:
            optimiser.param_groups[0]["lr"] = lr


def fit(G: DeepLinearGenerator, kernel: Tensor, steps: int = 200) -> None:
    """Descend on the filters until every member's kernel is the one given."""
    optimiser = torch.optim.Adam(G.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        distances = (G.kernels() - kernel.to(G.weights[0])).square().sum((1, 2))
        optimiser.zero_grad()
        distances.sum().backward()
        optimiser.step()


def _company(build: Callable[[int], Network], seeds: list[int]) -> Network:
    """build(m) with the tensors of m networks built alone, each from its own seed."""
    with torch.random.fork_rng(devices=[]):  # networks draw from the global generator
        alone = []
        for seed in seeds:
            torch.manual_seed(seed)
            alone.append(build(1).state_dict())
        company = build(len(seeds))
    for name, tensor in company.state_dict().items():
        parts = [state[name] for state in alone]
        axis = next((i for i, side in enumerate(tensor.shape) if side != parts[0].shape[i]), 0)
        tensor.copy_(torch.cat(parts, axis))
    return company


def _trainable(net: nn.Module, on: bool) -> None:
    """Whether a network's own gradients are computed."""
    for p in net.parameters():
        p.requires_grad_(on)


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
