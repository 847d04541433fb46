"""The weights that come with the course: ``data/weights/NAME.safetensors``, each with a model card ``NAME.md``."""

import json
import os
from pathlib import Path

import safetensors

from ..priors import StyleGAN2Discriminator
from ..profiles import did_you_mean
from .files import LoadedPrior, load_checkpoint, load_stylegan2
from .report import build

FOLDER = Path(__file__).resolve().parents[2] / "data" / "weights"
CRITIC = ".discriminator"  # a prior's discriminator lies beside it


def shipped() -> list[str]:
    """The names that :func:`shipped_path` knows, in alphabetical order; a prior's discriminator is not listed."""
    names = (path.name.removesuffix(".safetensors") for path in FOLDER.glob("*.safetensors"))
    return sorted(name for name in names if not name.endswith(CRITIC))


def shipped_path(name: str) -> Path:
    """The file of these weights. Raises ValueError, with the known names, when there is none."""
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise ValueError(f"no weights named {name!r} come with the course{did_you_mean(name, shipped())}")
    return path


def load_prior(name: str) -> LoadedPrior:
    """(generator, w_mean) of a shipped prior, ``load_prior("faces64")``, in float32 and evaluation mode.

    Raises ValueError for an unknown name and for weights that are no StyleGAN2.
    """
    return load_stylegan2(shipped_path(name))


def load_discriminator(name: str) -> StyleGAN2Discriminator:
    """The discriminator that a shipped prior was trained against. Raises ValueError for an unknown name."""
    return build(load_checkpoint(shipped_path(name + CRITIC)))


def read_metadata(path: str | os.PathLike) -> dict:
    """What :func:`~ganprior_null.weights.save_weights` stored beside the tensors; values that are JSON are parsed."""
    with safetensors.safe_open(path, framework="pt") as file:
        return {key: _parsed(text) for key, text in (file.metadata() or {}).items()}


def _parsed(text: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
