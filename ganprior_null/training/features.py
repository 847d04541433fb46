"""One training step of the feature network: what an image shows, whatever its crop, colours and damage.

Four tasks share the network: views of one image, or photographs of one person, lie near one another and apart from
all others; a drawn face's factors, an image's damage and its category can be read off the embedding by one matrix.
The last three keep in the embedding what the first alone would let go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers import EqualLinear
from ..layers.features import EMBEDDING
from ..losses import contrastive_loss
from .gan import forward
from .stream import batch_indices, step_generator
from .views import cosine_rate, random_views


class Images(NamedTuple):
    """Training images. x: uint8 (N, 3, H, W); people: (N,) who, any integers; category: (N,) 0, 1, ..."""

    x: Tensor
    people: Tensor
    category: Tensor


class Drawn(NamedTuple):
    """Drawn faces, two looks of each person. x: uint8 (N, 2, 3, H, W); factors: (N, 2, F), standardised."""

    x: Tensor
    factors: Tensor


@dataclass(frozen=True)
class FeatureRecipe:
    """How the feature network is trained."""

    steps: int
    pairs: int  # of views of photographs, a step
    drawn_pairs: int  # of drawn faces, a step
    lr: float = 5e-3  # Adam; rises over the first steps, then falls to 0 on a cosine
    warm_up: int = 50
    temperature: float = 0.2
    factors: float = 1.0  # weights of the three readings beside the contrastive loss
    damage: float = 4.0
    category: float = 0.3
    seed: int = 0


class FeatureHeads(nn.Module):
    """What reads the embedding during training, and is then dropped."""

    def __init__(self, factors: int, categories: int):
        super().__init__()
        self.project = nn.Sequential(EqualLinear(EMBEDDING, EMBEDDING, activation=True), EqualLinear(EMBEDDING, 64))
        self.factors = EqualLinear(EMBEDDING, factors)
        self.damage = EqualLinear(EMBEDDING, 2)
        self.category = EqualLinear(EMBEDDING, categories)


def feature_state(network: nn.Module, heads: FeatureHeads, recipe: FeatureRecipe) -> dict:
    """What a run keeps."""
    parameters = [*network.parameters(), *heads.parameters()]
    return {"step": 0, "network": network, "heads": heads, "optimizer": torch.optim.Adam(parameters, lr=recipe.lr)}


def feature_step(images: Images, drawn: Drawn, recipe: FeatureRecipe) -> Callable:
    """The step for :func:`~ganprior_null.training.fit`; one process, for every image is compared with all others."""
    partner = partners(images.people)

    def step(fabric, state: dict, t: int) -> dict[str, Tensor]:
        network, heads = state["network"], state["heads"]
        generator = step_generator(recipe.seed, t, "views")
        first = batch_indices(len(images.x), recipe.pairs, t, seed=recipe.seed)
        pair = torch.cat([first, partner(first, generator)])  # (2P,)
        faces = batch_indices(len(drawn.x), recipe.drawn_pairs, t, seed=recipe.seed)
        views = random_views(images.x[pair].float() / 255, generator)
        x = torch.cat([views.x, drawn.x[faces].flatten(0, 1).float() / 255])  # (2P + 2Q, 3, H, W)
        # photographs of one person form one group; drawn people get numbers that no photograph has
        groups = torch.cat([images.people[pair], -1 - faces.repeat_interleave(2)])

        x = x.to(fabric.device, memory_format=torch.channels_last)
        embedding = forward(fabric, network, x)
        real, made = embedding.split([2 * recipe.pairs, 2 * recipe.drawn_pairs])
        truth = (groups, drawn.factors[faces].flatten(0, 1), views.damage, images.category[pair])
        groups, factors, damage, category = (each.to(fabric.device) for each in truth)
        scalars = {
            "contrast": contrastive_loss(heads.project(embedding), groups, temperature=recipe.temperature),
            "factors": F.mse_loss(heads.factors(made), factors),
            "damage": F.mse_loss(heads.damage(real), damage),
            "category": F.cross_entropy(heads.category(real), category),
        }
        loss = scalars["contrast"] + sum(getattr(recipe, k) * scalars[k] for k in ("factors", "damage", "category"))
        for group in state["optimizer"].param_groups:
            group["lr"] = recipe.lr * cosine_rate(t, recipe.steps, warm_up=recipe.warm_up)
        state["optimizer"].zero_grad(set_to_none=True)
        fabric.backward(loss)
        state["optimizer"].step()
        return {"loss": loss, **scalars}

    return step


def partners(people: Tensor) -> Callable[[Tensor, torch.Generator], Tensor]:
    """(indices, generator) -> for each image a random image of the same person, itself included: (n,) indices."""
    order = people.argsort(stable=True)
    _, label, counts = people.unique(return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts

    def draw(indices: Tensor, generator: torch.Generator) -> Tensor:
        person = label[indices]
        member = (torch.rand(len(indices), generator=generator) * counts[person]).long()
        return order[starts[person] + member]

    return draw
