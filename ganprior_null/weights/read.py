"""Checkpoints of anyone's, read without running anything."""

import argparse
import os
import pickle
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor


def load_checkpoint(path: str | os.PathLike) -> dict:
    """What a safetensors or a torch file holds, tensors on the CPU, nested as it is; its first bytes tell which.

    Torch files are unpickled with ``weights_only=True``: tensors, plain containers and argparse.Namespace (a bag of
    attributes, which one trainer saves as ``args``) are made, nothing else, and no code runs.

    Raises FileNotFoundError, and ValueError for a truncated or foreign file, for one with pickled code, and for the tar
    archives of torch's first years.

    >>> tensors = weights.load_checkpoint(weights.shipped_path("features64"))
    >>> tensors["embed.weight"].shape
    torch.Size([128, 192])
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
            open(path, "rb") as file,  # a path's suffix misleads torch
        ):
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
