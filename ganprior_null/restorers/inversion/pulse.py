r"""PULSE (Menon et al. 2020): search the prior for an image that downscales to y.

    minimise 100 |A G(w) - y|^2 + 0.05 GEOCROSS(w),   w = LeakyReLU(std z + mean),   z on the sphere

It never sees a ground truth and promises nothing about A x_hat = y; :func:`enforce_consistency` on its result does.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ...images import from_signed, to_signed
from ...operators import LinearOperator
from ...priors import StyleGAN2, StyleGAN2Discriminator
from ..null_space import enforce_consistency
from .check import check_measurement, check_name
from .latents import LatentGaussian, draw_starts, fit_gaussian, warn_untrained
from .loss import COMPANIONS, Term, geocross, l1, l2, parse_loss, realism
from .search import Best, Iterate, Samples, SearchOptions, ranked, search, takes_options

SPACES = ("sphere", "free", "w+")
NOISES = ("zero", "fixed", "trainable")
ENFORCE = ("none", "after", "inside")


@dataclass(frozen=True)
class PulseResult:
    """What a search found for N images with R restarts each; always returned, converged or not.

    >>> prior = weights.load_prior("drawn64").generator
    >>> y, A = torch.full((1, 3, 8, 8), 0.5), AveragePool(8)
    >>> found = pulse(prior, y, A, steps=2, restarts=2, progress=False)
    >>> found.restart_images.shape
    torch.Size([1, 2, 3, 64, 64])
    """

    images: Tensor  # (N, 3, H, W) in about [0, 1], not clamped: the best restart of each
    lr_error: Tensor  # (N,): mean square of A x - y that the search reached, before enforce="after"
    converged: Tensor  # (N,) bool: lr_error <= eps
    latents: Tensor  # (N, L, D): w_plus of each image; G(latents, noise) is its image before PD
    noise: list[Tensor]  # L - 1 maps (N, 1, r, r)
    restart: Tensor  # (N,): which restart was chosen
    restart_images: Tensor  # (N, R, 3, H, W)
    restart_errors: Tensor  # (N, R)
    history: dict[str, Tensor]  # (steps + 1, N, R) each: loss, error, norm and the terms; NaN once a restart has left
    interrupted: bool  # by Ctrl-C


@takes_options()
def pulse(
    prior: StyleGAN2,
    y: Tensor,
    A: LinearOperator,
    *,
    options: SearchOptions,
    loss: str = "100*L2+0.05*GEOCROSS",
    space: str = "sphere",
    tile: bool = False,
    noise: str = "trainable",
    noise_layers: int = 5,
    enforce: str = "none",
    discriminator: StyleGAN2Discriminator | None = None,
    gaussian: LatentGaussian | None = None,
) -> PulseResult:
    """y (N, C, h, w) in [0, 1] -> images (N, 3, H, W) of the prior with A x near y; N x restarts samples as one batch.

    loss: terms of :func:`~ganprior_null.restorers.inversion.loss.parse_loss`: L2, L1, GEOCROSS, REAL (needs the
    discriminator). steps, seed, restarts, eps, lr and so on: :class:`SearchOptions`.

    space: "sphere", PULSE; "free", z of any norm: it drifts off the faces; "w+", every layer's w itself, no sphere.
    tile: one code for all layers. noise: zero | fixed | trainable: the ``noise_layers`` coarsest maps are searched, on
    their spheres, the others stay as drawn, and the finest is zero.

    enforce: "after", the result is A^+ y + (I - A^+ A) G(w). "inside", this image enters the loss: A x = y for every
    w, so L2 and L1 have no gradient, and only GEOCROSS and REAL choose the null space; without them the search
    returns a random face with y's colours. See :func:`enforce_consistency`.

    gaussian: of :func:`fit_gaussian`, fitted here when not given.

    Ctrl-C ends the search, not the program: the best so far is returned, with a warning. So is a warning for a prior
    that was never trained. Raises ValueError for y that does not fit prior and A, or that A makes of no image in
    [0, 1], and for unknown names and numbers out of range; TypeError for an integer y.

    >>> prior = weights.load_prior("drawn64").generator
    >>> y, A = torch.full((1, 3, 8, 8), 0.5), AveragePool(8)
    >>> found = pulse(prior, y, A, steps=2, enforce="after", progress=False)
    >>> torch.allclose(A(found.images), y, atol=1e-5)
    True
    """
    for value, known, what in ((space, SPACES, "space"), (noise, NOISES, "noise"), (enforce, ENFORCE, "enforce")):
        check_name(value, known, what)
    terms = parse_loss(loss)
    if any(term.name == "REAL" for term in terms) and discriminator is None:
        raise ValueError(f"the loss {loss!r} asks for REAL, which needs discriminator=")
    y = check_measurement(y, prior, A)
    warn_untrained(prior)
    z, maps = draw_starts(prior, len(y), options.restarts, seed=options.seed, tile=tile)
    searched, frozen = _split_noise(maps, noise, noise_layers)
    gaussian = fit_gaussian(prior) if gaussian is None else gaussian
    target, inside = y.repeat_interleave(options.restarts, dim=0), enforce == "inside"
    forward = Forward(prior, target, A, terms, options.eps, gaussian, space, frozen, inside)
    if discriminator is not None:
        forward.judge_with(discriminator, options.seed)
    start = gaussian.to_w(z) if space == "w+" else z
    samples = Samples([start, *searched], [space == "sphere"] + [True] * len(searched))
    if inside:  # every image is within eps from the start
        options = replace(options, stop_at_eps=False)
    best, interrupted = search(forward, samples, options)
    return collect(best, y, A, options, enforce=enforce == "after", interrupted=interrupted)


@dataclass
class Forward:
    """(variables, rows) -> Iterate: codes to image to loss; what the search calls."""

    prior: StyleGAN2
    y: Tensor  # (B, C, h, w), a row per sample
    A: LinearOperator
    terms: list[Term]
    eps: float
    gaussian: LatentGaussian
    space: str
    frozen: list[Tensor]  # the finer noise maps (B, 1, r, r), which are not searched
    inside: bool  # the loss sees the image after PD
    judge: Callable[[Tensor], Tensor] | None = None  # what REAL asks

    def judge_with(self, discriminator: StyleGAN2Discriminator, seed: int) -> None:
        """Let REAL ask this discriminator; three samples of the prior make up its groups."""
        z, maps = draw_starts(self.prior, COMPANIONS, 1, seed=seed, tile=True)
        with torch.no_grad():
            companions = self.prior(self.prior.mapping(z[:, 0]), maps)
        self.judge = partial(realism, discriminator=discriminator, companions=companions)

    def __call__(self, variables: list[Tensor], rows: Tensor) -> Iterate:
        latent, *searched = variables
        w = latent if self.space == "w+" else self.gaussian.to_w(latent)
        noise = [*searched, *(level[rows] for level in self.frozen)]
        w_plus = w.expand(-1, self.prior.latents, -1)
        x = from_signed(self.prior(w_plus, noise))
        if self.inside:
            x = enforce_consistency(x, self.y[rows], self.A)
        difference = self.A(x) - self.y[rows]
        values = {term.name: self._value(term.name, x, difference, w) for term in self.terms}
        loss = sum((term.weight * values[term.name] for term in self.terms), x.new_zeros(len(x)))
        if not loss.requires_grad:
            raise ValueError("the loss does not depend on the latents: with one code for all layers GEOCROSS is 0")
        values["norm"] = self.gaussian.to_z(w.detach()).square().mean((1, 2)).sqrt()  # 1 on the sphere
        return Iterate(x, difference.detach().square().flatten(1).mean(1), loss, values, [w_plus, *noise])

    def _value(self, name: str, x: Tensor, difference: Tensor, w: Tensor) -> Tensor:
        if name == "GEOCROSS":
            return geocross(w)
        if name == "REAL":
            assert self.judge is not None  # pulse refuses REAL without a discriminator
            return self.judge(to_signed(x))
        return (l2 if name == "L2" else l1)(difference, self.eps)


def _split_noise(maps: list[Tensor], noise: str, layers: int) -> tuple[list[Tensor], list[Tensor]]:
    """The maps that are searched, coarsest first, and those that are not; the finest is always zero, as in PULSE."""
    if layers < 0:
        raise ValueError(f"noise_layers must be at least 0, got {layers}")
    *drawn, finest = maps
    if noise == "zero":
        return [], [torch.zeros_like(level) for level in maps]
    searched = drawn[:layers] if noise == "trainable" else []
    return searched, [*drawn[len(searched) :], torch.zeros_like(finest)]


def collect(
    best: Best, y: Tensor, A: LinearOperator, options: SearchOptions, *, enforce: bool, interrupted: bool
) -> PulseResult:
    """The best restart of every image, and all of them."""
    restarts, order = options.restarts, ranked(best.error, best.loss, options)  # order: (N, R)
    chosen = order[:, 0] + restarts * torch.arange(len(y), device=order.device)
    x = best.x
    if enforce:
        x = enforce_consistency(x, y.repeat_interleave(restarts, dim=0), A)
    names = best.history[0]
    history = {name: torch.stack([moment[name] for moment in best.history]) for name in names}
    return PulseResult(
        images=x[chosen],
        lr_error=best.error[chosen],
        converged=best.error[chosen] <= options.eps,
        latents=best.codes[0][chosen],
        noise=[level[chosen] for level in best.codes[1:]],
        restart=order[:, 0],
        restart_images=x.unflatten(0, (len(y), restarts)),
        restart_errors=best.error.view(len(y), restarts),
        history={name: values.unflatten(1, (len(y), restarts)) for name, values in history.items()},
        interrupted=interrupted,
    )
