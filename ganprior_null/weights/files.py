"""Weight files: foreign checkpoints read without running anything, ours written as safetensors, whole or not at all."""

import argparse
import json
import os
import pickle
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..priors import StyleGAN2
from .rename import MEAN
from .report import build, check_finite_weights


class LoadedPrior(NamedTuple):
    """A generator with weights, and the mean of its w, (D,), which truncation pulls towards."""

    generator: StyleGAN2
    w_mean: Tensor


def load_checkpoint(path: str | os.PathLike) -> dict:
    """What a safetensors or a torch file holds, tensors on the CPU, nested as it is; its first bytes tell which.

    Torch files are unpickled with ``weights_only=True``: tensors, plain containers and argparse.Namespace (a bag of
    attributes, which one trainer saves as ``args``) are made, nothing else, and no code runs.

    Raises FileNotFoundError, and ValueError for a truncated or foreign file, for one with pickled code, and for the tar
    archives of torch's first years.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such checkpoint file: {path}")
    with open(path, "rb") as file:
        json_follows = file.read(9)[8:] == b"{"  # after the length of the header, in eight bytes
    checkpoint = _read_safetensors(path) if json_follows else _read_torch(path)
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{path} holds a {type(checkpoint).__name__}, not a dictionary of tensors")
    return dict(checkpoint)


def save_weights(path: str | os.PathLike, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> Path:
    """Write tensors and JSON metadata to a .safetensors file, under a temporary name first, then renamed.

    metadata: strings stay, other values are stored as JSON text. Raises ValueError for another suffix, OSError when the
    disk is full or the folder cannot be written; the file that was there before is then still there.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name}: weights are written as .safetensors")
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    # clones, because the format refuses tensors that share memory
    data = safetensors.torch.save({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def load_stylegan2(path: str | os.PathLike) -> LoadedPrior:
    """A generator and its mean w from a .safetensors file of ours, in half precision or single; sizes are inferred.

    Raises as :func:`load_checkpoint`, and ValueError when the file holds no generator.
    """
    state_dict = load_checkpoint(path)
    w_mean = state_dict.pop(MEAN, None)
    network = build(state_dict)
    if not isinstance(network, StyleGAN2):
        raise ValueError(f"{path} holds a {type(network).__name__}, not a generator")
    if w_mean is not None:
        check_finite_weights({MEAN: w_mean})
    return LoadedPrior(network, mean_w(network) if w_mean is None else w_mean.float())


def mean_w(network: StyleGAN2) -> Tensor:
    """(D,): the mean of w over 4096 fixed draws, for weights that come without one."""
    return network.mean_w(4096, generator=torch.Generator().manual_seed(0))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is no readable safetensors file ({error})") from error


def _read_torch(path: Path):
    if tarfile.is_tarfile(path):
        raise ValueError(
            f"{path} is a tar archive, as torch wrote in its first years; reading it would run its code; load it with "
            "the torch that made it, and save its state dict with a later one"
        )
    try:
        with (
            torch.serialization.safe_globals([argparse.Namespace]),
            open(path, "rb") as file,
        ):  # a path's suffix misleads
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise ValueError(
                f"{path} holds pickled code ({code[1]}), which is refused and was not run; where the file was made, "
                "save its state dict alone: torch.save(network.state_dict(), path)"
            ) from error
        raise ValueError(f"{path} is truncated or no torch checkpoint") from error
    except Exception as error:  # a broken pickle can trip over anything
        raise ValueError(f"{path} is truncated or no torch checkpoint ({type(error).__name__})") from error
