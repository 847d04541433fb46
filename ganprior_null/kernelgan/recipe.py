"""How an estimation is run: ours, and the published program's."""

from dataclasses import dataclass

from .losses import Weights
from .networks import FILTERS


@dataclass(frozen=True)
class Recipe:
    """Everything but the image and the seed. ``dataclasses.replace(REPAIRED, filters=(13,))`` makes another one."""

    steps: int = 300  # at most; the estimate may be steady sooner
    starts: int = 8  # independent searches, averaged; 4 left the spread over seeds at 0.57 of the published, 8 at 0.40
    crops: int = 8  # per step and network
    crop: int = 40  # side of the generator's crops; the discriminator's are (crop - 12) / 2
    lr: float = 4e-4
    filters: tuple[int, ...] = FILTERS
    channels: int = 64
    start: str = "matched"  # the Gaussian of start.py | "bicubic" | "small": random filters, a kernel next to zero
    weights: Weights = Weights(sum_to_one=2.0, boundaries=0.5, centring=1.0, sparsity=5.0)
    power: float = 0.2  # of the sparsity penalty
    memory: float = 0.98  # of the running mean of the kernel; 0: the last kernel counts alone
    kept: int = 40  # weights that post-processing keeps
    rounds: int = 2  # of kernels.from_sharp
    published: bool = False  # schedule, bicubic target and accumulating noise of the published program


REPAIRED = Recipe()
PUBLISHED = Recipe(
    steps=3000, starts=1, crops=1, crop=64, lr=2e-4, start="small", memory=0.0, rounds=0, published=True
)  # the weights are its schedule's
