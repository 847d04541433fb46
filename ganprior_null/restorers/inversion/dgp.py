"""DGP (Pan et al. 2021): the code and then, layer after layer, the generator itself are fitted to y."""

import copy
import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...images import from_signed, to_signed
from ...operators import LinearOperator
from ...priors import StyleGAN2, StyleGAN2Discriminator
from .check import check_counts, check_measurement, check_positive
from .latents import draw_starts, warn_untrained
from .pulse import PulseResult
from .search import SearchOptions, takes_options

Features = list[Tensor]


@takes_options(without=("restarts", "schedule", "stop_at_eps", "halving", "watch"), lr=0.02)
def dgp(
    prior: StyleGAN2,
    discriminator: StyleGAN2Discriminator,
    y: Tensor,
    A: LinearOperator,
    *,
    options: SearchOptions,
    candidates: int = 64,
    lr_weights: float = 1e-3,
) -> PulseResult:
    r"""y (N, C, h, w) in [0, 1] -> images (N, 3, H, W): each from a copy of the prior that was fine-tuned to its y.

    loss: mean :math:`|\phi_l(A^\dagger A x) - \phi_l(A^\dagger y)|` over the discriminator's feature maps l, plus the
    mean square of A x - y; what A sees of x is compared at the discriminator's own size, whatever A is. The nearest of
    ``candidates`` random faces is the start. The steps are shared out evenly: first only the code and the 4 x 4 layers
    move, then stage after stage joins them. The image nearest to y of all steps is the result.

    With every weight free, y can be reproduced however unlikely it is: consistency bought from the prior. The prior
    itself is left as it was; the fine-tuned copies are not kept, so latents alone do not give the images back. Images
    take their turn, as each has weights of its own. Of the result's fields for restarts there is one each.

    lr: of the code, lr_weights: of the layers; steps and so on: :class:`SearchOptions`. Ctrl-C: images whose
    turn did not come are their best candidates. Raises what ``pulse`` raises.

    >>> prior = weights.load_prior("drawn64").generator
    >>> D = weights.load_discriminator("drawn64")
    >>> y, A = torch.full((1, 3, 8, 8), 0.5), AveragePool(8)
    >>> restorers.dgp(prior, D, y, A, steps=1, candidates=2, progress=False).images.shape
    torch.Size([1, 3, 64, 64])
    """
    check_counts(candidates=candidates)
    check_positive(lr_weights=lr_weights)
    if discriminator.size != prior.size:
        raise ValueError(f"the discriminator looks at {discriminator.size} pixels a side, the prior makes {prior.size}")
    steps = options.steps
    y = check_measurement(y, prior, A)
    warn_untrained(prior)
    starts = [_nearest(prior, discriminator, v[None], A, candidates, options.seed) for v in y]
    w, images, errors = (torch.cat(parts) for parts in zip(*starts, strict=True))
    history = y.new_full((steps + 1, len(y), 1), math.nan)
    history[0, :, 0] = errors
    interrupted = False
    try:
        with torch.enable_grad(), _bar(steps * len(y), options.progress) as bar:
            for i in range(len(y)):
                tuning = FineTuning(prior, discriminator, y[i : i + 1], A, w[i : i + 1], options.lr, lr_weights)
                for step in range(steps):
                    x, error = tuning.step(step, steps)
                    history[step + 1, i] = error
                    if error < errors[i]:
                        images[i], errors[i], w[i] = x[0], error, tuning.w.detach()[0]
                    bar.update()
    except KeyboardInterrupt:
        warnings.warn(f"interrupted at image {i + 1} of {len(y)}: the best so far is returned", stacklevel=3)
        interrupted = True
    first = torch.zeros(len(y), dtype=torch.long, device=y.device)
    return PulseResult(
        images=images,
        lr_error=errors,
        converged=errors <= options.eps,
        latents=w,
        noise=[noise.expand(len(y), -1, -1, -1) for noise in prior.noises],
        restart=first,
        restart_images=images[:, None],
        restart_errors=errors[:, None],
        history={"error": history},
        interrupted=interrupted,
    )


class FineTuning:
    """One image's copy of the prior, and its code; the finer stages wait for their turn."""

    def __init__(
        self,
        prior: StyleGAN2,
        discriminator: StyleGAN2Discriminator,
        y: Tensor,
        A: LinearOperator,
        w: Tensor,
        lr: float,
        lr_weights: float,
    ):
        self.G = copy.deepcopy(prior).requires_grad_(False)
        self.discriminator, self.y, self.A = discriminator, y, A
        self.w = w.clone().requires_grad_()
        with torch.no_grad():
            self.target = features(discriminator, A.pinv(y))
        self.waiting = blocks(self.G)
        self.phases = len(self.waiting)
        self.adam = torch.optim.Adam([{"params": [self.w], "lr": lr}])
        self.lr_weights = lr_weights

    def step(self, step: int, steps: int) -> tuple[Tensor, Tensor]:
        """One step; the image (1, 3, H, W) after it and the mean square of A x - y."""
        while self.waiting and self.phases - len(self.waiting) <= step * self.phases // steps:
            parameters = [p.requires_grad_() for module in self.waiting.pop(0) for p in module.parameters()]
            self.adam.add_param_group({"params": parameters, "lr": self.lr_weights})
        loss = distance(self.discriminator, from_signed(self.G(self.w)), self.y, self.A, self.target).sum()
        parameters = [p for group in self.adam.param_groups for p in group["params"]]
        for p, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            p.grad = grad
        self.adam.step()
        with torch.no_grad():
            x = from_signed(self.G(self.w))
            return x, (self.A(x) - self.y).square().mean()


def blocks(G: StyleGAN2) -> list[list[nn.Module]]:
    """What makes the image of 4 pixels a side, of 8, ... of ``size``: the stages in the order they join."""
    stages = [[stage.up_conv, stage.conv, stage.to_rgb] for stage in G.stages()]
    return [[G.input, G.conv1, G.to_rgb1], *stages]


def features(discriminator: StyleGAN2Discriminator, x: Tensor) -> Features:
    """x (N, 3, H, W) in [0, 1] -> the maps (N, C_l, H_l, W_l) after each block of the discriminator, H_l = H ... 4."""
    maps, v = [], to_signed(x)
    for block in discriminator.convs:
        v = block(v)
        maps.append(v)
    return maps


def distance(
    discriminator: StyleGAN2Discriminator, x: Tensor, y: Tensor, A: LinearOperator, target: Features
) -> Tensor:
    """(N,): the loss of :func:`dgp` for images x; target: the features of A^+ y."""
    seen = A(x)
    found = features(discriminator, A.pinv(seen))
    apart = [(a - b).abs().flatten(1).mean(1) for a, b in zip(found, target, strict=True)]
    return torch.stack(apart).mean(0) + (seen - y).square().flatten(1).mean(1)


@torch.no_grad()
def _nearest(
    prior: StyleGAN2, discriminator: StyleGAN2Discriminator, y: Tensor, A: LinearOperator, candidates: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Of random samples the one with the smallest loss: w_plus (1, L, D), its image and its mean square error."""
    z, _ = draw_starts(prior, 1, candidates, seed=seed, tile=True)
    w_plus = prior.spread(prior.mapping(z[:, 0]))
    x = from_signed(prior(w_plus))
    best = distance(discriminator, x, y, A, features(discriminator, A.pinv(y))).argmin()
    x = x[best][None]
    return w_plus[best][None].clone(), x, F.mse_loss(A(x), y)[None]


def _bar(steps: int, shown: bool):
    from tqdm.auto import tqdm

    return tqdm(total=steps, disable=not shown, unit="step", desc="fine-tuning")
