"""mGANprior (Gu, Shen and Zhou 2020): several codes, rendered to a layer and mixed there channel by channel."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...images import from_signed
from ...operators import LinearOperator
from ...priors import StyleGAN2
from .check import check_counts, check_measurement, check_name
from .latents import draw_starts, fit_gaussian, warn_untrained
from .loss import l2
from .pulse import PulseResult, collect
from .search import Iterate, Samples, SearchOptions, search, takes_options


@dataclass(frozen=True)
class Composed(PulseResult):
    """A search of several codes: ``latents`` are the codes w (N, K, D), ``noise`` is empty (the prior's own maps)."""

    weights: Tensor  # (N, K, C): the share of each code in each channel


@takes_options(lr=0.1)
def mganprior(
    prior: StyleGAN2,
    y: Tensor,
    A: LinearOperator,
    *,
    options: SearchOptions,
    codes: int = 8,
    resolution: int = 8,
) -> Composed:
    r"""y (N, C, h, w) in [0, 1] -> images (N, 3, H, W): G = G_2(sum_k alpha_k * G_1(w_k)), fitted to y in mean squares.

    G_1 is the generator up to the features (C', r, r), r = ``resolution``, :math:`\alpha_k \in R^{C'}`, searched like
    the codes, weighs their channels; it starts at 1 / K. RGB sums are mixed by the mean of alpha over its channels. The
    paper's generators take one code at the input; StyleGAN2's upper layers need styles of their own, here the mean of
    the w_k. More codes reproduce y better and stay nearer to no face: nothing holds the mixture among them.

    Further words: :class:`SearchOptions`. Raises what :func:`~ganprior_null.restorers.pulse` raises, and
    ValueError for fewer than one code and for a resolution that the prior does not have.

    >>> prior = weights.load_prior("drawn64").generator
    >>> y, A = torch.full((1, 3, 8, 8), 0.5), AveragePool(8)
    >>> found = restorers.mganprior(prior, y, A, codes=2, steps=1, progress=False)
    >>> found.latents.shape[:2]  # two codes for the one image
    torch.Size([1, 2])
    """
    check_counts(codes=codes)
    widths = prior.channels
    check_name(str(resolution), [str(r) for r in widths if r <= prior.size], "resolution")
    y = check_measurement(y, prior, A)
    warn_untrained(prior)
    seeds = [f"{options.seed}/{k}" for k in range(codes)]
    draws = [draw_starts(prior, len(y), options.restarts, seed=seed, tile=True)[0] for seed in seeds]
    z = torch.cat(draws, dim=1)  # (N R, K, D)
    gaussian, target = fit_gaussian(prior), y.repeat_interleave(options.restarts, dim=0)

    def forward(variables: list[Tensor], rows: Tensor) -> Iterate:
        w, alpha = gaussian.to_w(variables[0]), variables[1]
        x = from_signed(compose(prior, w, alpha, resolution))
        difference = A(x) - target[rows]
        error = difference.detach().square().flatten(1).mean(1)
        return Iterate(x, error, l2(difference, options.eps), {}, [w, alpha])

    samples = Samples([z, z.new_full((len(z), codes, widths[resolution]), 1 / codes)], [False, False])
    best, interrupted = search(forward, samples, options)
    found = collect(best, y, A, options, enforce=False, interrupted=interrupted)
    return Composed(**vars(found) | {"noise": [], "weights": found.noise[0]})


def compose(prior: StyleGAN2, w: Tensor, alpha: Tensor, resolution: int) -> Tensor:
    """w (B, K, D), alpha (B, K, C) -> image (B, 3, H, W), about [-1, 1]: K codes up to ``resolution``, one above."""
    noise, below, above = list(prior.noises), w.flatten(0, 1), w.mean(1)
    x = prior.conv1(prior.input(len(below)), below, noise[0])  # (B K, C, 4, 4)
    rgb = prior.to_rgb1(x, below)
    mixed = False
    for i, stage in enumerate(prior.stages()):
        if stage.resolution > resolution and not mixed:
            x, rgb, mixed = *mix(x, rgb, alpha), True
        style = above if mixed else below
        x = stage.conv(stage.up_conv(x, style, noise[2 * i + 1]), style, noise[2 * i + 2])
        rgb = stage.to_rgb(x, style, rgb)
    return rgb if mixed else mix(x, rgb, alpha)[1]


def mix(x: Tensor, rgb: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B K, C, r, r) and RGB sums (B K, 3, r, r) of K codes -> (B, C, r, r) and (B, 3, r, r)."""
    x, rgb = (v.unflatten(0, alpha.shape[:2]) for v in (x, rgb))
    x = (x * alpha[..., None, None]).sum(1).contiguous(memory_format=torch.channels_last)
    return x, (rgb * alpha.mean(2)[..., None, None, None]).sum(1)
