"""Whether answers show the right person: dlib's features of the answers of a finished run, and of what costs nothing.

Rows of "identity (dlib)", the mean centred cosine to the truth (:func:`ganprior_null.metrics.identity`), "rank (dlib)",
the median rank of the right person among all people tested on, and "first (dlib)", the share of answers whose nearest
person is the right one. All of 8-bit files.
"""

from collections.abc import Sequence
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ..data import load_sides
from ..data.image_sets import all_of, mean_of
from ..images import as_file, from_uint8
from ..metrics import centred, embeddings, identity_of_features
from ..operators import AveragePool
from ..restorers import enforce_consistency
from ..storage import read_json, write_json
from ..training.runtime import pick_device
from ..weights import load_dlib_faces, load_features64
from .feature_checks import pair_auc, pair_cosines
from .figures import restore
from .judge import baselines
from .launch import Source
from .restorer import measure
from .trained import load_published, unseen_sides
from .unseen import FACES

FILE = "identity.json"
IDENTITY, RANK, FIRST = "identity (dlib)", "rank (dlib)", "first (dlib)"


def evaluate_identity(path: Path, data: Path | None = None, *, accelerator: str = "auto") -> dict:
    """Identity of one run's answers: raw, with PD, with the exact operator; written to ``identity.json`` in its folder.

    Beside them "baselines", on the same images, and "recognition", what the network knows of these people. The weights
    are the run's checkpoint, or those that were shipped of it. accelerator: as training takes it. Raises ValueError for
    a run that is not of faces, and what :func:`.runtime.pick_device`, :func:`load_published`, :func:`unseen_sides` and
    :func:`load_dlib_faces` raise, writing nothing.
    """
    device = pick_device(accelerator, "accelerator")
    network = load_dlib_faces().to(device)
    trained, weights = load_published(path)
    if not trained.this.prior.startswith(FACES):
        raise ValueError(f"{path.name} restores {trained.params['data']}: identity is of faces")
    sides = unseen_sides(trained, data)
    x, people = from_uint8(all_of(sides.held_out)).to(device), sides.held_out_names
    y, z = measure(trained.A_true, x), embeddings(x, network)
    x_r, _ = restore(trained.network.to(device), y, None)
    pd = AveragePool(trained.this.factor)
    answers = {"raw": x_r, "PD": enforce_consistency(x_r, y, pd), "exact": enforce_consistency(x_r, y, trained.A_true)}
    free = baselines(y, trained.A_true, mean_of(sides.training).to(device))

    def rows(named: dict[str, Tensor]) -> dict[str, dict]:
        return {name: row_of(z, embeddings(as_file(images), network), people) for name, images in named.items()}

    result = {
        "step": trained.step,
        "weights": weights,
        "margin": network.margin,
        "images": len(x),
        "people": len(set(people)),
        "corrected": rows(answers),
        "baselines": rows(free),
        "recognition": {
            "dlib": known(z, people),
            "features64": known(embeddings(x, load_features64().to(device)), people),
        },
    }
    write_json(path / FILE, result)
    return result


def stored_identity(path: Path) -> dict:
    """What :func:`evaluate_identity` left in a run's folder; empty tables of the same names where it was not asked."""
    file = path / FILE
    return read_json(file) if file.is_file() else {"corrected": {}, "baselines": {}, "recognition": {}}


def evaluate_recognition(source: Source) -> dict:
    """How well dlib's features, and the course's own, tell the held-out people of a pack apart: :func:`known` of each.

    Raises ValueError for drawn faces, and for images whose people are not named or appear once.
    """
    if source.folder is None:
        raise ValueError("nobody is drawn twice: recognition needs a pack of faces that names its people")
    networks = {"dlib": load_dlib_faces(), "features64": load_features64()}
    sides = load_sides(source.folder, 64, margin=source.margin)
    x, people = from_uint8(sides.held_out), sides.held_out_names
    if len(set(people)) == len(people):
        raise ValueError(f"{source.folder}: nobody appears twice among the {len(x)} held-out images")
    found = {name: known(embeddings(x, network), people) for name, network in networks.items()}
    return {"images": len(x), "people": len(set(people)), **found}


def known(z: Tensor, people: Sequence[str]) -> dict[str, float]:
    """What features (N, D) know of people: AUC of pairs, and the mean centred cosine of either kind of pair.

    "AUC, plain" is by the cosine without the mean subtracted. Empty where nobody appears twice.
    """
    cosines, same = pair_cosines(centred(z, z), people)
    if not same.any():
        return {}
    return {
        "AUC": pair_auc(centred(z, z), people),
        "AUC, plain": pair_auc(F.normalize(z, dim=1), people),
        "same person": float(cosines[same].mean()),
        "another person": float(cosines[~same].mean()),
        "pairs of one person": int(same.sum()),
    }


def row_of(z: Tensor, z_hat: Tensor, people: Sequence[str]) -> dict[str, float]:
    """One row, from the features (N, D) of the truths and of the answers."""
    cosine, rank = identity_of_features(z, z_hat, people)
    return {IDENTITY: float(cosine.mean()), RANK: float(rank.median()), FIRST: float((rank == 1).double().mean())}
