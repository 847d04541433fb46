"""How an estimation is run: ours, and the published program's, with its schedule of weights."""

from dataclasses import dataclass, replace

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


class PublishedSchedule:
    """From "imitate bicubic" to the penalties, as the published program does it.

    Once G's output has been near its bicubic target (loss below 0.4) in three consecutive steps, the bicubic weight
    is divided by 100 at every 200th step, down to 5e-6; when it falls below 5e-3, centring and sparsity get their
    weights. The learning rate is divided by 10 every 750 steps. Where the target cannot be reached, nothing of this
    ever happens, and ``handed_over`` stays False.
    """

    def __init__(self, lr: float = 2e-4):
        self.weights = Weights(sum_to_one=0.5, boundaries=0.5, centring=0.0, sparsity=0.0, bicubic=5.0)
        self.lr = lr
        self.similar = False  # to bicubic
        self._near = 0  # consecutive steps

    @property
    def handed_over(self) -> bool:
        """Whether the penalties are on."""
        return self.weights.centring > 0

    def update(self, step: int, bicubic_loss: float) -> None:
        """After step number ``step``, counted from 0 (which itself changes nothing)."""
        if step == 0:
            return
        if step % 750 == 0:
            self.lr /= 10
        self._near = self._near + 1 if bicubic_loss < 0.4 else 0
        self.similar = self.similar or self._near >= 3
        if self.similar and step % 200 == 0 and self.weights.bicubic > 5e-6:
            self.weights = replace(self.weights, bicubic=max(self.weights.bicubic / 100, 5e-6))
            if self.weights.bicubic < 5e-3:
                self.weights = replace(self.weights, centring=1.0, sparsity=5.0)
