"""Finished restorers on what they were not trained for: other downsamplers (Table 4), PD in use alone (Table 3), drawn
eyes and teeth (Figure 1); and what degraded training did (Figure 8).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import height_width
from ..images import as_file, from_uint8, to_uint8
from ..operators import LinearOperator
from ..restorers import Restorer
from ..restorers.identify import downsamplers
from ..restorers.noise import estimate_sigma
from ..storage import write_json
from ..training.degrade import degrade
from ..weights import load_features64
from .face_colours import corrected, drawn_parts
from .figures import restore
from .judge import after_training, judge, raw_figures
from .restorer import measure
from .trained import load_trained, unseen_images

FILE, DRAWN = "unseen.json", "drawn.webp"
FACES = ("faces", "drawn")  # how the priors of faces are called: their networks are tried on drawn eyes and teeth too
TESTED = ("bicubic", "bilinear", "average", "lanczos3")  # all antialiased, "average" being the box


def evaluate_restorer(path: Path, data: Path | None = None, names: Sequence[str] = TESTED) -> dict:
    """Figures of one run under each downsampler, and its outputs' artefacts; written to ``unseen.json`` in its folder.

    Beside it, for networks around a prior of faces, ``drawn.webp``: answers to drawn faces, see :mod:`.face_colours`.

    names: of :func:`~ganprior_null.restorers.identify.downsamplers`; the one that the run was trained with is added.
    Raises ValueError for others, and what :func:`load_trained` and :func:`unseen_images` raise, writing nothing.
    """
    trained = load_trained(path)
    x = unseen_images(trained, data)
    known = downsamplers(height_width(x), (trained.network.in_size,) * 2)
    wrong = [name for name in names if name not in known]
    if wrong:
        raise ValueError(f"unknown downsampler {', '.join(map(repr, wrong))}; known: {', '.join(known)}")
    own = trained.this.downsampler
    operators = {name: known[name] for name in (own, *(name for name in names if name != own))}
    result = {
        "step": trained.step,
        "images": len(x),
        "trained_on": own,
        "tested": under_each(trained.network, x, operators, trained.A),
        "artefacts": artefacts(trained.network, x, trained.A_true, trained.A),
        "corrected": after_use(trained.network, x, trained.A_true),
    }
    if trained.this.prior.startswith(FACES):
        result["parts"] = drawn_parts(trained.network, trained.A_true, trained.A, path / DRAWN)
    write_json(path / FILE, result)
    return result


def under_each(network: Restorer, x: Tensor, operators: dict[str, LinearOperator], A: LinearOperator | None) -> dict:
    """{downsampler: its figures}: y is made by it, and x_hat lies in the null space of A, whatever made y."""
    features, found = load_features64(), {}
    for name, A_true in operators.items():
        y = measure(A_true, x)
        x_r, x_hat = restore(network, y, A)
        found[name] = judge(x_hat, x, y, A_true, features) | raw_figures(x_r, x_hat, y, A_true, A)
        found[name] |= after_training(x_r, x, y, A_true, features)
    return found


def after_use(network: Restorer, x: Tensor, A_true: LinearOperator) -> dict:
    """{correction: its figures} of the network's own answers, corrected after use, see :func:`.face_colours.corrected`.

    What PD in use does for a network that was trained without it (Table 3), and what y's mean colour alone does.
    """
    y, features = measure(A_true, x), load_features64()
    x_r, _ = restore(network, y, None)
    return {name: judge(answers, x, y, A_true, features) for name, answers in corrected(x_r, y).items()}


def artefacts(network: Restorer, x: Tensor, A_true: LinearOperator, A: LinearOperator | None) -> dict:
    """{what: {noise, sharpness}} of the answers to clean y, and, to compare, of the truth and of the truth degraded.

    Files of 8 bits, all of them; means over the images.
    """
    _, x_hat = restore(network, measure(A_true, x), A)
    degraded = from_uint8(degrade(to_uint8(x), share=1.0))
    return {
        name: {"noise": noise(images), "sharpness": sharpness(images)}
        for name, images in (("answers", as_file(x_hat)), ("truth", x), ("degraded truth", degraded))
    }


def noise(x: Tensor) -> float:
    """Mean over the images (N, 3, H, W) of the standard deviation of their pixel noise, estimated robustly."""
    return float(estimate_sigma(x).mean())


def sharpness(x: Tensor) -> float:
    """Root mean square of the steps between neighbouring means of 2 x 2 pixels, both axes.

    Pixel noise of standard deviation sigma adds sigma / 2 (in squares), to single pixels' steps it would add 1.4 sigma.
    """
    means = F.avg_pool2d(x, 2, stride=1)
    return float(torch.cat([means.diff(dim=axis).flatten() for axis in (-2, -1)]).square().mean().sqrt())
