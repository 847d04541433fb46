"""Where a latent search starts and on what it moves: the Gaussian behind the mapping network, codes, noise maps."""

import hashlib
import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...priors import StyleGAN2

SLOPE = 0.2  # of the leaky ReLU that ends the mapping network; its inverse has slope 5
CHUNK = 10_000  # samples of the mapping network at once


class LatentGaussian(NamedTuple):
    r"""w = LeakyReLU_{0.2}(std z + mean) with z ~ N(0, I): the mapping network as one affine map (Menon et al. 2020).

    The mapping network ends in a leaky ReLU. Undone, its output is nearly Gaussian; so the codes that the generator
    knows are, nearly, the z of norm :math:`\sqrt D`, and a search that stays on that sphere stays near them.

    >>> gaussian = restorers.LatentGaussian(mean=torch.zeros(2), std=torch.ones(2))
    >>> gaussian.to_w(torch.tensor([1.0, -1.0]))
    tensor([ 1.0000, -0.2000])
    """

    mean: Tensor  # (D,)
    std: Tensor  # (D,)

    def to_w(self, z: Tensor) -> Tensor:
        """z (..., D) -> w (..., D)."""
        return F.leaky_relu(z * self.std + self.mean, SLOPE)

    def to_z(self, w: Tensor) -> Tensor:
        """w (..., D) -> z (..., D), the exact inverse of :meth:`to_w`."""
        return (F.leaky_relu(w, 1 / SLOPE) - self.mean) / self.std


@torch.no_grad()
def fit_gaussian(prior: StyleGAN2, *, samples: int = 100_000, seed: int = 0) -> LatentGaussian:
    r"""Mean and standard deviation of LeakyReLU_5(mapping(z')), z' ~ N(0, I), over ``samples`` draws.

    The gain :math:`\sqrt 2` that follows the leaky ReLU in StyleGAN2 is a factor of both, as the leaky ReLU commutes
    with positive factors. Raises ValueError for fewer than two samples.

    >>> prior = weights.load_prior("drawn64").generator
    >>> gaussian = restorers.fit_gaussian(prior, samples=1000)
    >>> w = prior.mapping(torch.randn(2, prior.style_dim))
    >>> torch.allclose(gaussian.to_w(gaussian.to_z(w)), w, atol=1e-5)
    True
    """
    if samples < 2:
        raise ValueError(f"a Gaussian is fitted to at least 2 samples, got {samples}")
    weight = prior.input.input
    generator = torch.Generator().manual_seed(seed)
    count = 0
    total = squares = weight.new_zeros(prior.style_dim, dtype=torch.float64)
    while count < samples:
        z = torch.randn(min(CHUNK, samples - count), prior.style_dim, generator=generator)
        u = F.leaky_relu(prior.mapping(z.to(weight)), 1 / SLOPE).double()  # (chunk, D)
        count, total, squares = count + len(u), total + u.sum(0), squares + u.square().sum(0)
    mean = total / count
    variance = (squares / count - mean.square()) * count / (count - 1)
    return LatentGaussian(mean.to(weight), variance.clamp_min(0).sqrt().to(weight))


def draw_starts(
    prior: StyleGAN2, images: int, restarts: int, *, seed: int | str, tile: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """z (images * restarts, L or 1, D) and the L - 1 noise maps, all N(0, 1), on the prior's device and in its dtype.

    Sample (i, r) depends on (seed, i, r) only: more restarts leave the first ones as they were.
    """
    sides = [buffer.shape[-1] for buffer in prior.noises]
    starts, maps = [], []
    for i in range(images):
        for r in range(restarts):
            digest = hashlib.blake2b(f"{seed}/{i}/{r}/latents".encode(), digest_size=4).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
            starts.append(torch.randn(1 if tile else prior.latents, prior.style_dim, generator=generator))
            maps.append([torch.randn(1, side, side, generator=generator) for side in sides])
    weight = prior.input.input
    return torch.stack(starts).to(weight), [torch.stack(level).to(weight) for level in zip(*maps, strict=True)]


def is_untrained(prior: StyleGAN2) -> bool:
    """Whether the prior holds what its constructor left: a search in it finds no faces.

    Every noise strength and every bias of an activation starts as exactly 0, and the first optimiser step moves nearly
    all of them; a trained file with all of them at 0 would be one whose training never ran.
    """
    names = ("noise.weight", "activate.bias")
    return not any(p.any() for name, p in prior.named_parameters() if name.endswith(names))


def warn_untrained(prior: StyleGAN2) -> None:
    """Warn when the prior is untrained, on behalf of the function that a user called."""
    if is_untrained(prior):
        warnings.warn(
            "the prior has random weights: all its noise strengths and biases are 0, as before the first training "
            "step. The search runs, but what it finds is texture; load trained weights (ganprior_null.weights)",
            stacklevel=4,
        )
