"""How an estimation is run: ours, and the published program's."""

from dataclasses import dataclass, replace

from .losses import Weights
from .networks import FILTERS


@dataclass(frozen=True)
class Recipe:
    """Everything but the image and the seed. ``dataclasses.replace(REPAIRED, filters=(13,))`` makes another one."""

    steps: int = 1000  # at most; the estimate may be steady sooner
    crops: int = 1  # crops per step, for each network
    crop: int = 64  # side of the generator's crops; the discriminator's are (crop - 12) / 2
    lr: float = 2e-4
    filters: tuple[int, ...] = FILTERS
    channels: int = 64
    weights: Weights = Weights(sum_to_one=0.5, boundaries=0.5, centring=1.0, sparsity=5.0)
    power: float = 0.2  # of the sparsity penalty
    memory: float = 0.98  # of the running mean of the kernel; 0: the last kernel counts alone
    kept: int = 40  # weights that post-processing keeps
    published: bool = False  # start, schedule, bicubic target and accumulating noise of the published program


REPAIRED = Recipe()
PUBLISHED = replace(REPAIRED, steps=3000, crops=1, crop=64, lr=2e-4, memory=0.0, published=True)
