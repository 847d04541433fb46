"""A rehearsal of a run: one step and one evaluation with the run's own networks, and what the whole would take."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from ..training import Run


class Stopwatch:
    """Seconds on the device that a run executes on, and the memory it took."""

    def __init__(self, fabric):
        self.device = fabric.device

    def time(self, work: Callable[[], object]) -> float:
        """The seconds that ``work`` takes, to the end of what it starts on a GPU."""
        began = time.perf_counter()
        work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - began

    def peak(self) -> float:
        """GB: of a GPU what torch held at most, else what this process did."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_reserved(self.device) / 1e9
        unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


class Estimate(NamedTuple):
    """What a rehearsal measured, and what follows for the run."""

    steps: int
    step: float  # seconds of a plain one
    seconds: float  # of all steps and evaluations
    memory: float  # GB
    evaluation: float = 0.0  # seconds of one, on all test images

    def text(self) -> str:
        """For people; the first step of a program is slower than its later ones, so times are upper bounds."""
        hours = self.seconds / 3600
        whole = f"{hours:.1f} hours" if hours > 1 else f"{60 * hours:.1f} minutes"
        whole = f"{hours / 24:.1f} days" if hours > 48 else whole
        looks = f", an evaluation {self.evaluation:.3g} s" if self.evaluation else ""
        return (
            f"rehearsed, nothing kept: a step takes {self.step:.3g} s{looks}; {self.steps:,} steps at most about "
            f"{whole}; memory {self.memory:.2f} GB"
        )


@contextmanager
def temporary_run() -> Iterator[Run]:
    """A run whose folder goes with the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield Run(Path(folder), {})
