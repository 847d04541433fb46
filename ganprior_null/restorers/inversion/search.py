"""The search itself: Adam on many samples as one batch, on the sphere or off it, each sample's best iterate kept."""

import functools
import inspect
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .check import check_counts, check_name, check_positive

HALVINGS = (0.15, 0.3, 0.5)  # of the steps: at each, half of an image's restarts go on


@dataclass(frozen=True)
class SearchOptions:
    """How a prior is searched; what is not given to ``pulse``, ``mganprior`` or ``dgp`` is as here, or as they say.

    Raises ValueError, with the name, for counts below 1, numbers that are not positive and an unknown schedule.

    >>> restorers.SearchOptions(steps=50).schedule
    'linear1cycledrop'
    """

    steps: int = 100  # updates of each sample
    seed: int = 0  # a sample depends on (seed, its image's place, its restart), not on the others
    restarts: int = 1  # samples of each image, of which the best counts
    eps: float = 2e-3  # mean square of A x - y that counts as reached
    lr: float = 0.4  # the largest of Adam's
    schedule: str = "linear1cycledrop"  # of it: fixed | linear1cycle | linear1cycledrop
    stop_at_eps: bool = True  # a sample that has reached eps leaves the search
    # the weaker half of an image's restarts leaves at 15, 30 and 50 % of the steps, so eight cost at most 2.7 times one
    halving: bool = True
    progress: bool = True  # a bar
    watch: Callable[[int, Tensor], None] | None = None  # called with the step and the best images, (N R, 3, H, W)

    def __post_init__(self):
        check_counts(steps=self.steps, restarts=self.restarts)
        check_positive(eps=self.eps, lr=self.lr)
        check_name(self.schedule, SCHEDULES, "schedule")


def takes_options(*, without: tuple[str, ...] = (), **defaults) -> Callable[[Callable], Callable]:
    """Decorate a function of ``options``: callers give the fields of SearchOptions as words, its signature shows them.

    without: fields that have no meaning for this function, and are refused. defaults: of fields where it has others.
    """
    usual: dict[str, Any] = {field.name: field.default for field in fields(SearchOptions) if field.name not in without}
    usual |= defaults

    def decorate(function: Callable) -> Callable:
        own = inspect.signature(function)
        words = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=usual[name]) for name in usual]
        shown = own.replace(parameters=[p for p in own.parameters.values() if p.name != "options"] + words)

        @functools.wraps(function)
        def call(*given, **named):
            shown.bind(*given, **named)  # TypeError for a word that is neither
            chosen = {name: named.pop(name) for name in usual if name in named}
            return function(*given, options=SearchOptions(**usual | chosen), **named)

        vars(call)["__signature__"] = shown  # what inspect shows, and help()
        return call

    return decorate


class Iterate(NamedTuple):
    """One forward pass, a row per sample: the images, how far A x is from y, the loss and its terms, the variables."""

    x: Tensor  # (B, 3, H, W) in [0, 1]
    error: Tensor  # (B,): mean square of A x - y
    loss: Tensor  # (B,), with gradient
    terms: dict[str, Tensor]  # (B,) each
    codes: list[Tensor]  # what made x: w_plus, noise maps, ...; (B, ...) each


class Best(NamedTuple):
    """The best iterate of every sample so far, and the history up to now."""

    x: Tensor
    error: Tensor
    loss: Tensor
    codes: list[Tensor]
    history: list[dict[str, Tensor]]  # per step: (B,) each, NaN for samples that had left


def fixed(step: float, steps: float) -> float:
    """No schedule."""
    return 1.0


def linear1cycle(step: float, steps: float) -> float:
    """0.1 at the start, 1 halfway, 0.1 at the end."""
    return (9 * (1 - 2 * abs(step / steps - 0.5)) + 1) / 10


def linear1cycledrop(step: float, steps: float) -> float:
    """``linear1cycle`` over nine tenths of the steps, then from 0.1 to 0.001 over the last."""
    if step < 0.9 * steps:
        return linear1cycle(step, 0.9 * steps)
    return 0.1 + (step - 0.9 * steps) / (0.1 * steps) * (0.001 - 0.1)


SCHEDULES = {"fixed": fixed, "linear1cycle": linear1cycle, "linear1cycledrop": linear1cycledrop}


def radius(v: Tensor) -> Tensor:
    """(B, K, ...) -> (B, K, 1, ...): sqrt(sum of squares + 1e-9) over all axes but the first two."""
    return (v.square().sum(tuple(range(2, v.ndim)), keepdim=True) + 1e-9).sqrt()


class Samples:
    """The variables of the samples still in the search, and Adam's memory of them.

    After every step of Adam, in the ambient space, a variable on the sphere is scaled back to the radius it started
    with (Menon et al. 2020, spherical optimiser). The gradient is not projected.
    """

    def __init__(self, variables: list[Tensor], spherical: list[bool]):
        self.variables = [v.detach().clone().requires_grad_() for v in variables]
        self.radii = [radius(v.detach()) if on else None for v, on in zip(variables, spherical, strict=True)]
        self.rows = torch.arange(len(variables[0]), device=variables[0].device)  # which samples they are
        self.adam = torch.optim.Adam(self.variables)

    def step(self, loss: Tensor, lr: float) -> None:
        """One step down the gradient of each sample's own loss (B,)."""
        self.adam.param_groups[0]["lr"] = lr
        # of the variables only: the prior's weights get no gradient, and cost none
        grads = torch.autograd.grad(loss.sum(), self.variables, materialize_grads=True)
        for v, grad in zip(self.variables, grads, strict=True):
            v.grad = grad
        self.adam.step()
        with torch.no_grad():
            for v, r in zip(self.variables, self.radii, strict=True):
                if r is not None:
                    v.mul_(r / radius(v))

    def keep(self, going_on: Tensor) -> None:
        """Drop the samples where the mask (B,) is False; the others notice nothing."""
        self.rows = self.rows[going_on]
        self.radii = [r if r is None else r[going_on] for r in self.radii]
        before, self.variables = self.variables, [v.detach()[going_on].requires_grad_() for v in self.variables]
        memory = self.adam.state
        self.adam = torch.optim.Adam(self.variables)
        for old, new in zip(before, self.variables, strict=True):
            self.adam.state[new] = {k: v[going_on] if v.ndim else v for k, v in memory[old].items()}


def search(
    forward: Callable[[list[Tensor], Tensor], Iterate], samples: Samples, options: SearchOptions
) -> tuple[Best, bool]:
    """Minimise every sample's loss; the best iterates and whether Ctrl-C cut it short.

    forward: (variables, rows) -> Iterate for the samples ``rows`` of the batch. ``steps`` updates, so steps + 1 images.
    """
    best: Best | None = None
    total, steps = len(samples.rows), options.steps
    try:
        with torch.enable_grad(), _bar(steps, options.progress) as bar:
            for step in range(steps + 1):
                iterate = forward(samples.variables, samples.rows)
                best = updated(best, iterate, samples.rows, total, options.eps)
                if options.watch is not None:
                    options.watch(step, best.x)
                _show(bar, best, options)
                going_on = _going_on(best, samples.rows, step, options)
                if step == steps or not going_on.any():
                    break
                samples.step(iterate.loss, options.lr * SCHEDULES[options.schedule](step, steps))
                if not going_on.all():
                    samples.keep(going_on)
                bar.update()
    except KeyboardInterrupt:
        if best is None:
            raise
        warnings.warn(
            f"interrupted at step {len(best.history) - 1} of {steps}: the best so far is returned", stacklevel=4
        )
        return best, True
    assert best is not None  # there is step 0
    return best, False


def updated(best: Best | None, iterate: Iterate, rows: Tensor, total: int, eps: float) -> Best:
    """The better of what was and what came, sample by sample, as a new tuple: an interrupt never leaves half of one.

    Better is nearer to y, down to eps; where both are as near, the smaller loss.
    """
    full = iterate.error.new_full((total,), math.nan)
    values = {"loss": iterate.loss, "error": iterate.error, **iterate.terms}
    moment = {name: full.index_copy(0, rows, value.detach().to(full)) for name, value in values.items()}
    if best is None:
        codes = [code.detach().clone() for code in iterate.codes]
        return Best(iterate.x.detach(), iterate.error.detach(), iterate.loss.detach(), codes, [moment])
    near, was = iterate.error.clamp_min(eps), best.error[rows].clamp_min(eps)
    better = (near < was) | ((near == was) & (iterate.loss < best.loss[rows]))

    def place(old: Tensor, new: Tensor) -> Tensor:
        return old.index_copy(0, rows[better], new.detach()[better])

    return Best(
        place(best.x, iterate.x),
        place(best.error, iterate.error),
        place(best.loss, iterate.loss),
        [place(old, new) for old, new in zip(best.codes, iterate.codes, strict=True)],
        [*best.history, moment],
    )


def ranked(error: Tensor, loss: Tensor, options: SearchOptions) -> Tensor:
    """(N * R,) twice -> (N, R): every image's restarts, best first, by the rule of :func:`updated`."""
    by_loss = loss.view(-1, options.restarts).argsort(dim=1, stable=True)
    near = error.clamp_min(options.eps).view(-1, options.restarts).gather(1, by_loss)
    return by_loss.gather(1, near.argsort(dim=1, stable=True))


def _share(step: int, options: SearchOptions) -> float:
    """The share of an image's restarts that go on after this step: 1 unless it is one of the halvings."""
    moments = [math.ceil(part * options.steps) for part in HALVINGS]
    return 0.5 ** (1 + moments.index(step)) if options.halving and step in moments else 1.0


def _going_on(best: Best, rows: Tensor, step: int, options: SearchOptions) -> Tensor:
    """Mask over ``rows``: samples within eps of y are done, and of an image's restarts the best share goes on."""
    going_on = (best.error[rows] > options.eps) | (not options.stop_at_eps)
    if (share := _share(step, options)) < 1:
        running = torch.full_like(best.error, math.inf).index_copy(0, rows, best.error[rows])
        survivors = ranked(running, best.loss, options)[:, : math.ceil(share * options.restarts)]
        first = options.restarts * torch.arange(len(survivors), device=rows.device)[:, None]
        going_on &= torch.isin(rows, survivors + first)
    return going_on


def _bar(steps: int, shown: bool):
    from tqdm.auto import tqdm

    return tqdm(total=steps, disable=not shown, unit="step", desc="search")


def _show(bar, best: Best, options: SearchOptions) -> None:
    if not bar.disable:
        error = best.error.view(-1, options.restarts).amin(1)
        converged = int((error <= options.eps).sum())
        bar.set_postfix_str(f"LR error {float(error.mean()):.2g}, converged {converged} of {len(error)}")
