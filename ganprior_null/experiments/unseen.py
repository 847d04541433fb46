"""Finished restorers on what they were not trained for: other downsamplers (Table 4), PD in use alone (Table 3), drawn
eyes and teeth (Figure 1); and what degraded training did (Figure 8).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import ImageSet
from ..images import as_file, from_uint8
from ..layers import FeatureNet64
from ..operators import LinearOperator
from ..restorers import Restorer
from ..restorers.identify import downsamplers
from ..restorers.noise import estimate_sigma
from ..storage import write_json
from ..training.degrade import Degraded
from ..training.runtime import pick_device
from ..weights import load_features64
from .evaluation import evaluate, parts, runs
from .face_colours import corrected, drawn_parts
from .figures import at_once
from .judge import Judgement
from .trained import load_published, unseen_images

FILE, DRAWN = "unseen.json", "drawn.webp"
FACES = ("faces", "drawn")  # how the priors of faces are called: their networks are tried on drawn eyes and teeth too
TESTED = ("bicubic", "bilinear", "average", "lanczos3")  # all antialiased, "average" being the box


def evaluate_restorer(
    path: Path, data: Path | None = None, names: Sequence[str] = TESTED, *, accelerator: str = "auto"
) -> dict:
    """Figures of one run under each downsampler, and its outputs' artefacts; written to ``unseen.json`` in its folder.

    Beside it, for networks around a prior of faces, ``drawn.webp``: answers to drawn faces, see :mod:`.face_colours`.

    names: of :func:`~ganprior_null.restorers.identify.downsamplers`; the one that the run was trained with is added.
    accelerator: as training takes it. "weights" says whether they are the run's checkpoint, or those that were shipped
    of it. Raises ValueError for other accelerators, and what :func:`.runtime.pick_device`, :func:`load_published` and
    :func:`unseen_images` raise, writing nothing.
    """
    device = pick_device(accelerator, "accelerator")
    trained, weights = load_published(path)
    images, network = unseen_images(trained, data), trained.network.to(device)
    known = downsamplers((images.size,) * 2, (network.in_size,) * 2)
    wrong = [name for name in names if name not in known]
    if wrong:
        raise ValueError(f"unknown downsampler {', '.join(map(repr, wrong))}; known: {', '.join(known)}")
    own, features = trained.this.downsampler, load_features64().to(device)
    operators = {name: known[name] for name in (own, *(name for name in names if name != own))}
    result = {
        "step": trained.step,
        "weights": weights,
        "images": len(images),
        "trained_on": own,
        # x_hat lies in the null space of A, whatever made y
        "tested": {k: evaluate(network, images, A_k, trained.A, features).figures for k, A_k in operators.items()},
        "artefacts": artefacts(network, images, trained.A_true, trained.A),
        "corrected": after_use(network, images, trained.A_true, features),
    }
    if trained.this.prior.startswith(FACES):
        result["parts"] = drawn_parts(network, trained.A_true, trained.A, path / DRAWN)
    write_json(path / FILE, result)
    return result


def after_use(network: Restorer, images: ImageSet, A_true: LinearOperator, features: FeatureNet64) -> dict:
    """{correction: its figures} of the network's own answers, corrected after use, see :func:`.face_colours.corrected`.

    What PD in use does for a network that was trained without it (Table 3), and what y's mean colour alone does.
    """
    found: dict[str, Judgement] = {}
    for x, y, x_r, _ in parts(network, images, A_true, None):
        for name, answers in corrected(x_r, y).items():
            found.setdefault(name, Judgement(A_true, features)).add(answers, x, y)
    return {name: judgement.row() for name, judgement in found.items()}


def artefacts(network: Restorer, images: ImageSet, A_true: LinearOperator, A: LinearOperator | None) -> dict:
    """{what: {noise, sharpness}} of the answers to clean y, and, to compare, of the truth and of the truth degraded.

    Files of 8 bits, all of them; means over the images.
    """
    degraded = Degraded(images, share=1.0)
    found: dict[str, list[Tensor]] = {}
    some = runs(len(images), at_once(images.size))
    for numbers, part in zip(some, parts(network, images, A_true, A), strict=True):
        worse = from_uint8(degraded.__getitems__(numbers))
        for name, x in (("answers", as_file(part.x_hat)), ("truth", part.x), ("degraded truth", worse)):
            found.setdefault(name, []).append(torch.stack([estimate_sigma(x).flatten(), steps_squared(x)], 1))
    means = {name: torch.cat(each).mean(0) for name, each in found.items()}
    return {name: {"noise": float(mean[0]), "sharpness": float(mean[1].sqrt())} for name, mean in means.items()}


def noise(x: Tensor) -> float:
    """Mean over the images (N, 3, H, W) of the standard deviation of their pixel noise, estimated robustly."""
    return float(estimate_sigma(x).mean())


def sharpness(x: Tensor) -> float:
    """Root mean square of the steps between neighbouring means of 2 x 2 pixels, both axes.

    Pixel noise of standard deviation sigma adds sigma / 2 (in squares), to single pixels' steps it would add 1.4 sigma.
    """
    return float(steps_squared(x).mean().sqrt())


def steps_squared(x: Tensor) -> Tensor:
    """(N,): the mean square of these steps in each square image."""
    means = F.avg_pool2d(x, 2, stride=1)
    return torch.cat([means.diff(dim=axis).flatten(1) for axis in (-2, -1)], 1).square().mean(1)
