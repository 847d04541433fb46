"""The loss of a latent search: a sum of named terms, as PULSE writes it, one value per sample."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...priors import StyleGAN2Discriminator
from ...profiles import did_you_mean

TERMS = ("L2", "L1", "GEOCROSS", "REAL")
COMPANIONS = 3  # the discriminator compares images in groups of four


class Term(NamedTuple):
    weight: float
    name: str


def parse_loss(loss: str) -> list[Term]:
    """'100*L2+0.05*GEOCROSS' -> its terms: products of a number and a name, joined by plus signs.

    Raises ValueError, with the piece that is wrong, for anything else.
    """
    terms = []
    for piece in loss.split("+"):
        number, _, name = piece.partition("*")
        name = name.strip()
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not math.isfinite(weight) or not name:
            raise ValueError(
                f"a loss is like '100*L2+0.05*GEOCROSS', number*name joined by +, got {piece!r} in {loss!r}"
            )
        if name not in TERMS:
            raise ValueError(f"unknown term {name!r} in the loss {loss!r}{did_you_mean(name, TERMS)}")
        terms.append(Term(weight, name))
    return terms


def l2(difference: Tensor, eps: float) -> Tensor:
    """A x - y (B, ...) -> (B,): mean square, at least eps: nearer to y nothing is gained, and no gradient is left."""
    return difference.square().flatten(1).mean(1).clamp_min(eps)


def l1(difference: Tensor, eps: float) -> Tensor:
    """A x - y (B, ...) -> (B,): ten times the mean absolute value, which is at least eps."""
    return 10 * difference.abs().flatten(1).mean(1).clamp_min(eps)


def geocross(latents: Tensor) -> Tensor:
    r"""w_plus (B, L, D) -> (B,): how far the codes of the layers lie apart, 0 when one code serves all, (B, 1, D).

    .. math:: \frac{D}{8 L^2} \sum_{i,j} \theta_{ij}^2, \qquad
              \theta = 2\,\mathrm{atan2}\Bigl(\sqrt{|a - b|^2 + 10^{-9}}, \sqrt{|a + b|^2 + 10^{-9}}\Bigr),

    over all ordered pairs of layers, equal ones included (Menon et al. 2020, GEOCROSS; there L = 18 and D = 512).
    theta is the angle between vectors of one length; D theta^2 the squared arc on the sphere of radius sqrt(D).
    """
    if latents.shape[1] == 1:
        return latents.new_zeros(len(latents))
    a, b = latents[:, :, None], latents[:, None]  # (B, L, 1, D), (B, 1, L, D)
    apart = ((a - b).square().sum(-1) + 1e-9).sqrt()
    theta = 2 * torch.atan2(apart, ((a + b).square().sum(-1) + 1e-9).sqrt())  # (B, L, L)
    return latents.shape[2] / 8 * theta.square().mean((1, 2))


def realism(x: Tensor, discriminator: StyleGAN2Discriminator, companions: Tensor) -> Tensor:
    """x (B, 3, H, W) in [-1, 1] -> (B,): softplus(-D(x)), low for what the discriminator takes for a photograph.

    Its score depends on the images of a group of four; so that a sample's does not depend on its neighbours in the
    batch, each makes up a group with the same ``companions`` (3, 3, H, W).
    """
    group = torch.cat([x, companions.repeat_interleave(len(x), dim=0)])  # image i is in group i mod B
    return F.softplus(-discriminator(group)[: len(x), 0])
