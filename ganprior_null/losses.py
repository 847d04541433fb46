"""Losses as functions of tensors; each returns a 0-d tensor unless it says otherwise."""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Logistic loss of D: mean softplus(-D(x)) + mean softplus(D(G(z))) (Goodfellow et al. 2014, Eq. 1, negated)."""
    return F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """Non-saturating loss of G: mean softplus(-D(G(z))) (Goodfellow et al. 2014, Sec. 3)."""
    return F.softplus(-fake_scores).mean()


def r1_penalty(real_scores: Tensor, x: Tensor) -> Tensor:
    """Mean over images of the squared gradient norm of D at real x (Mescheder et al. 2018, Eq. 9 without gamma/2)."""
    (grad,) = torch.autograd.grad(real_scores.sum(), x, create_graph=True)
    return grad.square().flatten(1).sum(1).mean()


def path_lengths(x: Tensor, w_plus: Tensor, noise: Tensor) -> Tensor:
    r"""(N,): :math:`\|J_w^\top y\|` for random images y = noise / sqrt(H W), root mean square over the L layers.

    x (N, 3, H, W) must have been made from w_plus (N, L, D); noise: N(0, 1), shaped as x (Karras et al. 2020, Eq. 4).
    """
    y = noise / math.sqrt(x.shape[-2] * x.shape[-1])
    (grad,) = torch.autograd.grad((x * y).sum(), w_plus, create_graph=True)  # (N, L, D)
    return grad.square().sum(2).mean(1).sqrt()


def path_length_penalty(lengths: Tensor, mean: Tensor | float, *, decay: float = 0.01) -> tuple[Tensor, Tensor]:
    """Mean of (lengths - a)^2, and the running mean a = mean + decay (mean of lengths - mean), detached.

    The gradient also flows through a, as in the published training code.
    """
    a = mean + decay * (lengths.mean() - mean)
    return (lengths - a).square().mean(), a.detach()


def contrastive_loss(z: Tensor, groups: Tensor, *, temperature: float = 0.2) -> Tensor:
    r"""z (N, D), groups (N,) -> mean over i of :math:`-\log\frac{e^{c_{ij}/T}}{\sum_{k\ne i} e^{c_{ik}/T}}`, averaged
    over the other members j of i's group, with c the cosine similarity (Khosla et al. 2020, Eq. 2).

    With groups of two views of one image it is the NT-Xent loss of SimCLR (Chen et al. 2020, Eq. 1). Raises ValueError
    when a row is alone in its group.
    """
    z = F.normalize(z, dim=1)
    alone = torch.eye(len(z), dtype=torch.bool, device=z.device)
    logits = (z @ z.T / temperature).masked_fill(alone, -torch.inf)
    positive = (groups[:, None] == groups) & ~alone
    counts = positive.sum(1)
    if not counts.all():
        raise ValueError(f"{int((counts == 0).sum())} of {len(z)} rows are alone in their group; each needs another")
    log_p = logits.log_softmax(1).masked_fill(~positive, 0)
    return -(log_p.sum(1) / counts).mean()


class Staged(Protocol):
    """A network that shows its intermediate features, such as ``VGG16`` and ``FeatureNet64``."""

    def stages(self, x: Tensor) -> list[Tensor]: ...


def perceptual_loss(x: Tensor, reference: Tensor, network: Staged) -> Tensor:
    """Mean squared difference of what ``network.stages`` makes of x and the reference, (N, 3, H, W) in [0, 1].

    The mean over the stages of plain means of squares, as GLEAN's term has it for its one stage of VGG16 (Chan et al.
    2021); no channel is normalised, so differences in flat regions stay small. No gradient reaches the reference. The
    network's parameters receive one unless they are frozen; the loaders of ``weights`` freeze them.
    """
    with torch.no_grad():
        wanted = network.stages(reference)
    return torch.stack([F.mse_loss(a, b) for a, b in zip(network.stages(x), wanted, strict=True)]).mean()


def w_norm(w_plus: Tensor, w_mean: Tensor) -> Tensor:
    """Mean over images of the length of w_plus - w_mean, (N, L, D) - (L or 1, D), all layers together (pSp, Eq. 4)."""
    return (w_plus - w_mean).flatten(1).norm(dim=1).mean()


def pyramid_l1(images: Sequence[Tensor], reference: Tensor) -> Tensor:
    """(levels,): mean |image - reference| for images (N, 3, r, r), the reference (N, 3, R, R) reduced by 2 x 2 means.

    What GFP-GAN demands of its U-Net's own images; it adds the levels up (Wang et al. 2021, Sec. 3.2).
    """
    return torch.stack([F.l1_loss(x, F.avg_pool2d(reference, reference.shape[-1] // x.shape[-1])) for x in images])


def gram_l1(features: Tensor, reference: Tensor) -> Tensor:
    r"""Mean absolute difference of the Gram matrices :math:`F F^\top / (C H W)` of features (N, C, H, W).

    The style loss of GFP-GAN's facial components (Wang et al. 2021, Eq. 5). No gradient reaches the reference.
    """

    def gram(f: Tensor) -> Tensor:
        rows = f.flatten(2)  # (N, C, H W)
        return rows @ rows.mT / f[0].numel()

    return F.l1_loss(gram(features), gram(reference.detach()))


def identity_loss(x: Tensor, reference: Tensor, network: nn.Module) -> Tensor:
    """1 - the inner product of two faces' features, mean over images, as pSp and GPEN train with (pSp, Eq. 3).

    x, reference: RGB (N, 3, H, W) in [0, 1], aligned as in FFHQ. network: (N, 3, 112, 112) in [-1, 1] -> features of
    length 1, such as :class:`~ganprior_null.layers.irse.IRSE50`. No gradient reaches the reference.
    """
    with torch.no_grad():
        wanted = network(crop_face(reference))
    return 1 - (network(crop_face(x)) * wanted).sum(1).mean()


def embedding_loss(x: Tensor, reference: Tensor, network: nn.Module) -> Tensor:
    """1 - the cosine of what ``network`` makes of x and of the reference, (N, 3, H, W) in [0, 1], mean over images.

    :func:`identity_loss` for networks that take whole images, such as :class:`~ganprior_null.layers.FeatureNet64`. No
    gradient reaches the reference.
    """
    with torch.no_grad():
        wanted = network(reference)
    return 1 - F.cosine_similarity(network(x), wanted, dim=1).mean()


def matching_loss(features: Sequence[Tensor], reference: Sequence[Tensor]) -> Tensor:
    """The sum over stages of mean |difference| of a discriminator's features of x and of the truth.

    GPEN's feature matching (Yang et al. 2021, Sec. 3.3), with means of absolute values in place of norms. No gradient
    reaches the reference.
    """
    return torch.stack([F.l1_loss(a, b.detach()) for a, b in zip(features, reference, strict=True)]).sum()


def relativistic(scores: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Scores of two sets of images -> each less the mean of the other's: how much more real than those.

    The losses of ESRGAN's relativistic average discriminator (Wang et al. 2018, Eq. 1 and 2) are then
    ``discriminator_loss(*relativistic(real, fake))`` for D, and with real and fake exchanged for G.
    """
    return scores - others.mean(), others - scores.mean()


def crop_face(x: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] -> (N, 3, 112, 112) in [-1, 1]: the part of an aligned face that ArcFace looks at.

    Rows 35 to 222 and columns 32 to 219 of the picture at 256 pixels, reduced by means; other sides are brought to 256
    first, by means or by repeated pixels, as pSp does with every picture.
    """
    x = x if x.shape[-2:] == (256, 256) else F.adaptive_avg_pool2d(x, 256)
    return 2 * F.adaptive_avg_pool2d(x[..., 35:223, 32:220], 112) - 1
