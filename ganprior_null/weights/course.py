"""The weights that come with the course: ``data/weights/NAME.safetensors``, each with a model card ``NAME.md``."""

import json
import os
from pathlib import Path

import safetensors
from torch import Tensor

from ..priors import StyleGAN2Discriminator
from ..profiles import did_you_mean
from ..restorers.bank import BankNetwork
from ..restorers.restorer import Restorer
from .files import LoadedPrior, load_checkpoint, load_stylegan2, save_weights
from .infer import infer
from .report import build

FOLDER = Path(__file__).resolve().parents[2] / "data" / "weights"
CRITIC = ".discriminator"  # a prior's discriminator lies beside it
REST = ".rest"  # what exceeds the limit of one file
LIMIT = 8_000_000  # bytes of a file
OVERHEAD = 200_000  # of them for names and metadata


def shipped() -> list[str]:
    """The names that :func:`shipped_path` knows, in alphabetical order; files that belong to another are not listed."""
    names = (path.name.removesuffix(".safetensors") for path in FOLDER.glob("*.safetensors"))
    return sorted(name for name in names if not name.endswith((CRITIC, REST)))


def shipped_restorers(factor: int) -> list[str]:
    """Those of :func:`shipped` that restore images made this many times smaller."""
    metadata = {name: read_metadata(shipped_path(name)) for name in shipped()}
    return [n for n, m in metadata.items() if m.get("experiment") == "restorer" and m.get("factor") == factor]


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


def load_restorer(name: str) -> Restorer:
    """A shipped restorer, y -> x_r, in float32 and evaluation mode; :func:`read_metadata` says how it was trained.

    Raises ValueError for an unknown name, and for weights of another kind or of which a part is missing.
    """
    path = shipped_path(name)
    tensors, rest = load_checkpoint(path), path.with_name(f"{name}{REST}.safetensors")
    if read_metadata(path).get("parts", 1) > 1:
        tensors |= load_checkpoint(rest)
    kind, _ = infer(tensors)
    if not issubclass(kind, BankNetwork):
        raise ValueError(f"{name} is a {kind.__name__}, which restores nothing")
    return Restorer(build(tensors)).eval().requires_grad_(False)


def save_restorer(folder: Path, name: str, network: Restorer, metadata: dict) -> list[Path]:
    """NAME.safetensors in half precision, and NAME.rest.safetensors if that would exceed the limit of a file.

    Raises ValueError when two files are not enough.
    """
    half = {key: v.half() if v.is_floating_point() else v for key, v in network.network.state_dict().items()}
    first, rest, room = {}, {}, LIMIT - OVERHEAD
    for key, value in sorted(half.items(), key=lambda pair: -pair[1].nbytes):
        fits = value.nbytes <= room
        (first if fits else rest)[key] = value
        room -= value.nbytes if fits else 0
    if nbytes(rest) > LIMIT - OVERHEAD:
        raise ValueError(f"{nbytes(half) / 1e6:.1f} MB do not fit into two files of {LIMIT / 1e6:.0f} MB")
    paths = [save_weights(folder / f"{name}.safetensors", first, metadata | {"parts": 1 + bool(rest)})]
    if rest:
        licence = {"license": metadata["license"], "part_of": name}
        paths.append(save_weights(folder / f"{name}{REST}.safetensors", rest, licence))
    return paths


def nbytes(tensors: dict[str, Tensor]) -> int:
    """The size of tensors in bytes."""
    return sum(value.nbytes for value in tensors.values())


def read_metadata(path: str | os.PathLike) -> dict:
    """What :func:`~ganprior_null.weights.save_weights` stored beside the tensors; values that are JSON are parsed."""
    with safetensors.safe_open(path, framework="pt") as file:
        return {key: _parsed(text) for key, text in (file.metadata() or {}).items()}


def _parsed(text: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
