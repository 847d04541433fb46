"""Generator against discriminator: one step of each."""

import torch
from torch import Tensor, nn

from .crops import CropSampler
from .losses import adversarial, bicubic_kernel, bicubic_loss, penalty
from .networks import DeepLinearGenerator, PatchDiscriminator, correlate
from .recipe import Recipe
from .schedule import PublishedSchedule

NOISE = 1 / 255  # standard deviation, of the published program's noise


class Duel:
    """Both networks, their optimisers and crops of one image (3, H, W); ``step`` trains both once.

    The generator starts as antialiased bicubic downsampling, by a short descent on its kernel alone (no image, no
    discriminator). The published program starts next to zero instead, and has the adversarial training find bicubic.
    """

    def __init__(self, image: Tensor, recipe: Recipe, generator: torch.Generator):
        self.recipe, self.random = recipe, generator
        self.G = DeepLinearGenerator(recipe.filters, recipe.channels).to(image)
        self.D = PatchDiscriminator().to(image)
        small = (recipe.crop - sum(side - 1 for side in recipe.filters)) // 2
        self.crops = CropSampler(image, recipe.crop, small, recipe.steps * recipe.crops, generator)
        if not recipe.published:
            fit(self.G, bicubic_kernel())
        self.optimisers = [
            torch.optim.Adam(net.parameters(), lr=recipe.lr, betas=(0.5, 0.999), fused=True) for net in (self.G, self.D)
        ]
        self.schedule = PublishedSchedule(recipe.lr) if recipe.published else None
        self.steps = 0

    def step(self) -> tuple[float, float]:
        """One step of the generator, then one of the discriminator: their adversarial losses."""
        which = slice(self.steps * self.recipe.crops, (self.steps + 1) * self.recipe.crops)
        if self.recipe.published:
            self.crops.degrade(which, NOISE, self.random)
        x, real = 2 * self.crops.large(which) - 1, 2 * self.crops.small(which) - 1
        losses = self._train_generator(x), self._train_discriminator(x, real)
        self.steps += 1
        return losses

    def kernel(self) -> Tensor:
        """The generator's kernel now, (13, 13)."""
        return self.G.kernel().detach()

    def _train_generator(self, x: Tensor) -> float:
        k = self.G.kernel()
        gx = correlate(x, k, 2)
        _trainable(self.D, False)
        loss = adversarial(self.D(gx), real=True)
        total = loss + penalty(k, self._weights(), self.recipe.power)
        if self.schedule:
            start = bicubic_loss(gx, x, channels_summed=True)
            total = total + self.schedule.weights.bicubic * start
        self.optimisers[0].zero_grad()
        total.backward()
        self.optimisers[0].step()
        _trainable(self.D, True)
        if self.schedule:
            self.schedule.update(self.steps, start.item())
            for optimiser in self.optimisers:
                optimiser.param_groups[0]["lr"] = self.schedule.lr
        return loss.item()

    def _train_discriminator(self, x: Tensor, real: Tensor) -> float:
        with torch.no_grad():
            fake = self.G(x)
        if self.schedule:
            fake = fake + NOISE * torch.randn(fake.shape, generator=self.random)
        judged = self.D(real, fake)
        loss = (adversarial(judged[0], real=True) + adversarial(judged[1], real=False)) / 2
        self.optimisers[1].zero_grad()
        loss.backward()
        self.optimisers[1].step()
        return loss.item()

    def _weights(self):
        return self.schedule.weights if self.schedule else self.recipe.weights


def fit(G: DeepLinearGenerator, kernel: Tensor, steps: int = 500, tolerance: float = 1e-4) -> None:
    """Descend on G's filters until its kernel is the one given, up to a squared distance of ``tolerance``."""
    optimiser = torch.optim.Adam(G.parameters(), lr=1e-3, fused=True)
    for _ in range(steps):
        k = G.kernel()
        distance = (k - kernel.to(k)).square().sum()
        if distance < tolerance:
            return
        optimiser.zero_grad()
        distance.backward()
        optimiser.step()


def _trainable(net: nn.Module, on: bool) -> None:
    """Whether a network's own gradients are computed."""
    for p in net.parameters():
        p.requires_grad_(on)
