"""Do the features mean something? What the model card of the feature network reports, for any network.

Held-out photographs only: damage of growing strength, categories, people. A network of random weights is the control.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import from_uint8, to_uint8
from ..layers import FeatureNet64
from ..metrics import embeddings, feature_moments, frechet_distance, numbered, split_half_distance
from ..training.degrade import compressed
from ..training.views import blurred


def damages() -> dict[str, Callable[[Tensor], Tensor]]:
    """Four kinds of damage in three strengths, weakest first: name -> map of (N, 3, H, W) in [0, 1]."""
    table: dict[str, Callable[[Tensor], Tensor]] = {}
    table |= {f"blur {sigma}": partial(blurry, sigma=sigma) for sigma in (0.5, 1.0, 2.0)}
    table |= {f"noise {sigma}": partial(noisy, sigma=sigma) for sigma in (0.02, 0.05, 0.1)}
    table |= {f"jpeg {quality}": partial(jpeg, quality=quality) for quality in (75, 40, 15)}
    return table | {f"upscaled {factor}": partial(upscaled, factor=factor) for factor in (2, 4, 8)}


def blurry(x: Tensor, sigma: float) -> Tensor:
    """All images blurred alike."""
    return blurred(x, x.new_full((len(x),), sigma))


def noisy(x: Tensor, sigma: float) -> Tensor:
    """Gaussian noise, the same at every call."""
    return x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def jpeg(x: Tensor, quality: int) -> Tensor:
    """What a JPEG file of this quality keeps."""
    return from_uint8(torch.stack([compressed(image, quality) for image in to_uint8(x)]))


def upscaled(x: Tensor, factor: int) -> Tensor:
    """Block means, enlarged again by bicubic interpolation: the simplest super-resolution."""
    return F.interpolate(F.avg_pool2d(x, factor), x.shape[-2:], mode="bicubic")


def damage_distances(x: Tensor, network: FeatureNet64, *, seed: int = 0) -> dict[str, float]:
    """fd_features64 of one random half of x (N, 3, H, W) to the other, after every damage; "none": untouched.

    The halves share no image, as a generator and its test set share none. Damaged images are rounded to 8 bits.
    """
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    half = len(x) // 2
    first, second = x[order[:half]], x[order[half : 2 * half]]
    distances = {"none": split_half_distance(x, network, seed=seed)}
    moments = feature_moments(second, network)
    for name, damage in damages().items():
        damaged = feature_moments(from_uint8(to_uint8(damage(first))), network)
        distances[name] = frechet_distance(damaged.mean, damaged.covariance, moments.mean, moments.covariance)
    return distances


def nearest_centroid_accuracy(training: Sequence[Tensor], held_out: Sequence[Tensor], network) -> float:
    """Share of held-out images nearest to the mean embedding of their own category, averaged over categories."""
    centres = torch.stack([embeddings(x, network).mean(0) for x in training])
    hits = [torch.cdist(embeddings(x, network), centres).argmin(1) == k for k, x in enumerate(held_out)]
    return float(torch.stack([hit.double().mean() for hit in hits]).mean())


def identity_auc(x: Tensor, people: Sequence[str], network) -> float:
    """Chance that two images of one person have a greater cosine than two of different people; 0.5 knows nothing.

    All pairs of x (N, 3, H, W) count; ties count half. Raises ValueError when nobody appears twice.
    """
    return pair_auc(F.normalize(embeddings(x, network), dim=1), people)


def pair_auc(z: Tensor, people: Sequence[str]) -> float:
    """:func:`identity_auc` of features (N, D) of length 1."""
    cosines, same = pair_cosines(z, people)
    if not same.any():
        raise ValueError(f"nobody appears twice among the {len(z)} images")
    _, tier, counts = cosines.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2.0)[tier]  # mean rank of ties, from 1
    n = int(same.sum())
    return float((ranks[same].sum() - n * (n + 1) / 2) / (n * (len(same) - n)))


def pair_cosines(z: Tensor, people: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(inner products, whether it is one person) of all pairs of features (N, D)."""
    number = numbered(people)
    upper = torch.ones(len(z), len(z), dtype=torch.bool).triu(1)
    return (z @ z.T)[upper], (number[:, None] == number)[upper]
