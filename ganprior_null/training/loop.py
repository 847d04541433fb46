"""The one training loop: counts, logs, saves, stops cleanly. The mathematics is in the step."""

import functools
import math
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import FrameType

from torch import Tensor

from .origin import code_state, note_origin
from .record import Run

Scalars = dict[str, Tensor]


def _alone(fit: Callable[..., bool]) -> Callable[..., bool]:
    """Keep other programs out of the run's folder for as long as ``fit`` runs."""

    @functools.wraps(fit)
    def held(fabric, step, state: dict, run: Run, **options) -> bool:
        with run.held() if fabric.is_global_zero else nullcontext():
            return fit(fabric, step, state, run, **options)

    return held


@_alone
def fit(
    fabric,
    step: Callable[[object, dict, int], Scalars],
    state: dict,
    run: Run,
    *,
    steps: int,
    global_batch: int,
    log_every: int = 50,
    save_every: int = 500,
    hooks: Sequence[tuple[int, Callable[[dict], None]]] = (),
    first: Callable[[dict], None] | None = None,
    progress: bool = True,
) -> bool:
    """Call ``step(fabric, state, t) -> {name: 0-d tensor}`` for t = state["step"] ... steps - 1; True when all done.

    ``state`` holds "step" and whatever the step needs (modules, optimisers, numbers); it is resumed from the run's
    checkpoint when there is one, and saved every ``save_every`` steps, at the end, and on SIGINT or SIGTERM, which
    end the loop after the step in progress (then the result is False).

    hooks: (every, function) calls ``function(state)`` after each ``every`` steps and after the last, on rank 0, once
    that step is logged and before it is saved, so that what a saved step has to show was shown; it may look and write
    files, and what it raises ends the run. first: is called so with the state of a run that has no checkpoint yet,
    before its first step, and that state is saved.

    Raises ValueError for a batch that the processes cannot share equally, OSError while another program trains in the
    run's folder, FloatingPointError when a scalar is NaN or infinite; the checkpoint before it stays.
    """
    refuse_unequal(global_batch, fabric.world_size)
    if not run.resume(state) and first and fabric.is_global_zero:
        first(state)
        run.save(state)
    began, code = time.perf_counter(), code_state()
    stop = _StopRequest()
    with stop, _bar(steps, state["step"], progress and fabric.is_global_zero) as bar:
        clock, since = time.perf_counter(), state["step"]
        while state["step"] < steps and not stop.requested:
            scalars = step(fabric, state, state["step"])
            state["step"] += 1
            t = state["step"]
            if t % log_every == 0 or t == steps:
                values = {name: float(fabric.all_reduce(value.detach())) for name, value in scalars.items()}
                refuse_nan(values, t)
                rate = (t - since) * global_batch / (time.perf_counter() - clock)
                clock, since = time.perf_counter(), t
                if fabric.is_global_zero:
                    run.log(t, values)
                    bar.set_postfix({**{k: f"{v:.3g}" for k, v in values.items()}, "images/s": f"{rate:.1f}"})
            bar.update()
            saves = t % save_every == 0 and t < steps
            if fabric.is_global_zero and saves:
                refuse_nan({name: float(value.detach()) for name, value in scalars.items()}, t)
            for every, hook in hooks:
                if fabric.is_global_zero and (t % every == 0 or t == steps):
                    hook(state)
            if fabric.is_global_zero and saves:
                run.save(state)
        if fabric.is_global_zero:
            run.save(state)
            note_origin(run.path, fabric.world_size, time.perf_counter() - began, code)
        fabric.barrier()
    return state["step"] >= steps


def refuse_unequal(batch: int, processes: int) -> None:
    """Raise ValueError unless each process gets the same number of images."""
    if batch % processes:
        raise ValueError(
            f"{processes} processes cannot share {batch} images a step equally: global_batch must be a multiple of "
            f"{processes}"
        )


def refuse_nan(values: dict[str, float], step: int) -> None:
    """Raise FloatingPointError naming what is no longer finite."""
    wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
    if wrong:
        raise FloatingPointError(f"step {step}: {wrong}; the last checkpoint is intact, a lower learning rate may help")


class _StopRequest:
    """While entered, SIGINT and SIGTERM ask the loop to stop after the step in progress; a second SIGINT interrupts."""

    def __init__(self):
        self.requested = False

    def __enter__(self) -> "_StopRequest":
        self._former = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


def _bar(steps: int, start: int, shown: bool):
    from tqdm.auto import tqdm

    return tqdm(total=steps, initial=start, disable=not shown, unit="step")
