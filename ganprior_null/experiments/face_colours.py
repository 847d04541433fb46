"""How far the colour of eyes and teeth is from the truth, on drawn faces, of which every factor is known (Figure 1)."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor

from ..data.faces import render
from ..data.factors import FaceFactors, face_factors
from ..images import as_file, save_image
from ..operators import AveragePool, LinearOperator
from ..restorers import Restorer, enforce_consistency
from .figures import restore, sheet

PARTS = {"iris": "eye_colour", "teeth": "teeth_colour"}  # the factor that paints each
SEED, COUNT = 20, 200  # of the drawn faces: no other seed of the project's
SHOWN = 8  # of them on the sheet
LEAST = 1.0  # pixels of a part that a face must show


def drawn_parts(network: Restorer, A_true: LinearOperator, A: LinearOperator | None, file: Path) -> dict:
    """{correction: {part: mean |error| of its colour, levels of 255}} of a restorer's answers to drawn faces.

    Corrections as :func:`corrected`; "enforced" is the answer in the null space of A, the one that the network was
    trained with. file: a sheet of the first faces is written to it, a row for each correction and the truth below.
    """
    factors = face_factors(COUNT, SEED)
    x, weights = render(factors, network.out_size), part_weights(factors, network.out_size)
    y = as_file(A_true(x))
    x_r, x_hat = (images.cpu() for images in restore(network, y.to(next(network.parameters()).device), A))
    answers = corrected(x_r, y) | ({} if A is None else {"enforced": x_hat})
    save_image(sheet(*answers.values(), x, count=SHOWN), file)
    return {name: colour_errors(images, x, weights) for name, images in answers.items()}


def corrected(x_r: Tensor, y: Tensor) -> dict[str, Tensor]:
    """A network's answer as it is; with PD after it; and, the cheaper explanation, with y's mean colour and no more."""
    size, mean = x_r.shape[-1], y.mean((-2, -1), keepdim=True)
    return {
        "raw": x_r,
        "PD": enforce_consistency(x_r, y, AveragePool(size // y.shape[-1])),
        "mean colour": enforce_consistency(x_r, mean, AveragePool(size)),
    }


def part_weights(factors: FaceFactors, size: int) -> dict[str, Tensor]:
    """{part: (N, 3, size, size) in [0, 1]}: how much of its paint each pixel shows, zero for faces that hide it.

    A rendered face is linear in every colour that it is painted with, so white less black paint is the share.
    """
    weights = {}
    for part, field in PARTS.items():
        painted = (torch.full_like(getattr(factors, field), value) for value in (1.0, 0.0))
        white, black = (render(dataclasses.replace(factors, **{field: colour}), size) for colour in painted)
        share = white - black
        weights[part] = share * (share.sum((1, 2, 3), keepdim=True) >= 3 * LEAST)
    return weights


def colour_errors(images: Tensor, truths: Tensor, weights: dict[str, Tensor]) -> dict[str, float]:
    """{part: the mean over faces that show it, and channels, of |its colour - the truth's|, levels of 255}.

    A part's colour is the mean of its pixels, weighted by their shares: what a face has, not where.
    """
    errors = {}
    for part, share in weights.items():
        shown, total = share.sum((1, 2, 3)) > 0, share.sum((2, 3)).clamp_min(1e-12)
        apart = ((images.clamp(0, 1) - truths) * share).sum((2, 3)) / total  # (N, 3)
        errors[part] = float(255 * apart[shown].abs().mean())
    return errors
