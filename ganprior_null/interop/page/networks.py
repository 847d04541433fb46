"""The shipped networks as functions of a few tensors, for one image: what a page runs.

A page knows a network by its name: that of a shipped prior, ``faces64``; of a search in it, ``faces64-search-8x``; or
of a shipped restorer, ``pdn-faces-8x``.
"""

import re
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...images import from_signed, to_signed
from ...priors import StyleGAN2, truncate
from ...restorers import Restorer
from ...restorers.bank import PriorNetwork
from ...restorers.inversion.latents import LatentGaussian, fit_gaussian
from ...restorers.inversion.loss import geocross
from ...weights import load_prior, load_restorer, read_metadata, shipped, shipped_path

GEOCROSS = 0.05 / 100  # PULSE's weight of the codes' angles, relative to that of the pixels


class PageNetwork(NamedTuple):
    """A module with inputs that fit it; ``outputs`` names what it returns."""

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    prior: str | None = None  # the shipped prior whose weights are among its own, unchanged


def page_network(name: str, *, seed: int = 0) -> PageNetwork:
    """The network of this name, with random inputs to try it. Raises ValueError for weights that do not come along."""
    draw = torch.Generator().manual_seed(seed)
    if searched := re.fullmatch(r"(.+)-search-(\d+)x", name):
        generator, _ = load_prior(searched[1])
        side = generator.size // int(searched[2])
        z = torch.randn(1, generator.latents, generator.style_dim, generator=draw)
        inputs = {"z": z, "y": torch.rand(1, 3, side, side, generator=draw)}
        step = SearchStep(generator, fit_gaussian(generator))
        return PageNetwork(step, inputs, ["x", "error", "gradient"], searched[1])
    metadata = read_metadata(shipped_path(name))
    if metadata.get("model") == "StyleGAN2":
        generator, w_mean = load_prior(name)
        z = torch.randn(2, generator.style_dim, generator=draw)
        inputs = {
            "z": z,
            "second": (torch.arange(generator.latents) >= generator.latents // 2).float(),
            "psi": torch.tensor([0.7]),
            "noise": torch.tensor([0.5]),
        }
        return PageNetwork(Prior(generator, w_mean), inputs, ["x"])
    restorer = load_restorer(name)
    bare = restorer.network
    if not isinstance(bare, PriorNetwork):
        raise ValueError(f"{name} has no prior, and a page runs networks around one")
    inputs = {"y": torch.rand(1, 3, bare.in_size, bare.in_size, generator=draw)}
    if bare.title == "PDN":
        inputs["z"] = torch.randn(1, bare.bank.style_dim, generator=draw)
    prior = metadata.get("prior") if holds(bare.bank, metadata.get("prior")) else None
    return PageNetwork(Unchecked(restorer), inputs, ["x_r"], prior)


def holds(bank: StyleGAN2, prior: str | None) -> bool:
    """Whether a restorer's bank is the shipped prior of this name as it came, not trained along."""
    if prior is None or prior not in shipped():
        return False
    ours, theirs = bank.state_dict(), load_prior(prior).generator.state_dict()
    return all(torch.equal(ours[key], theirs[key]) for key in theirs)


class Prior(nn.Module):
    """z (2, D), second (L,), psi (1,), noise (1,) -> x (1, 3, S, S) in about [0, 1].

    second: for each layer the share, from 0 to 1, of the second code; noise: a factor of the stored noise maps.
    """

    w_mean: Tensor

    def __init__(self, generator: StyleGAN2, w_mean: Tensor):
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.register_buffer("w_mean", w_mean)

    def forward(self, z: Tensor, second: Tensor, psi: Tensor, noise: Tensor) -> Tensor:
        w = self.generator.mapping(z)  # (2, D)
        w_plus = (w[0] + second[:, None] * (w[1] - w[0]))[None]  # (1, L, D)
        maps = [noise * level for level in self.generator.noises]
        return from_signed(self.generator(truncate(w_plus, self.w_mean, psi), maps))


class Unchecked(nn.Module):
    """y (1, 3, r, r), and z (1, D) for PDN -> x_r (1, 3, S, S): a restorer less its checks, which no trace holds."""

    def __init__(self, restorer: Restorer):
        super().__init__()
        self.network = restorer.network

    def forward(self, y: Tensor, *code: Tensor) -> Tensor:
        return from_signed(self.network(to_signed(y), *code))


class SearchStep(nn.Module):
    """z (1, L, D), y (1, 3, r, r) -> x (1, 3, S, S), the mean square of A x - y (1,), PULSE's gradient in z (1, L, D).

    The gradient is that of 100 |A x - y|^2 + 0.05 GEOCROSS, divided by 100, A being block means. The noise maps are the
    stored ones, but for the finest, which is zero as in PULSE.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, generator: StyleGAN2, gaussian: LatentGaussian):
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.register_buffer("mean", gaussian.mean)
        self.register_buffer("std", gaussian.std)

    def forward(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z = z.detach().requires_grad_()
        *maps, finest = self.generator.noises
        with torch.enable_grad():
            w = LatentGaussian(self.mean, self.std).to_w(z)
            x = from_signed(self.generator(w, [*maps, torch.zeros_like(finest)]))
            side, factor = y.shape[-1], x.shape[-1] // y.shape[-1]
            means = x.view(-1, 3, side, factor, side, factor).mean((3, 5))
            error = (means - y).square().mean((1, 2, 3))
            (gradient,) = torch.autograd.grad((error + GEOCROSS * geocross(w)).sum(), z)
        return x.detach(), error.detach(), gradient.detach()
