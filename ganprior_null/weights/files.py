"""Weight files of ours: safetensors, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from ..priors import StyleGAN2
from ..storage import write
from .read import load_checkpoint
from .rename import MEAN
from .report import build, check_finite_weights


class LoadedPrior(NamedTuple):
    """A generator with weights, and the mean of its w, (D,), which truncation pulls towards.

    >>> prior = weights.load_prior("drawn64")
    >>> prior.w_mean.shape == (prior.generator.style_dim,)
    True
    """

    generator: StyleGAN2
    w_mean: Tensor


def save_weights(path: str | os.PathLike, tensors: Mapping[str, Tensor], metadata: Mapping[str, object]) -> Path:
    """Write tensors and JSON metadata to a .safetensors file, whole or not at all.

    metadata: strings stay, other values are stored as JSON text. Raises ValueError for another suffix, OSError when the
    disk is full or the folder cannot be written; the file that was there before is then still there.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/mine.safetensors"
    ...     path = weights.save_weights(path, {"w": torch.zeros(2)}, {"steps": 5})
    ...     weights.read_metadata(path)
    {'steps': 5}
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name}: weights are written as .safetensors")
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    # clones, because the format refuses tensors that share memory
    data = safetensors.torch.save({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}, text)
    return write(path, data)


def load_stylegan2(path: str | os.PathLike) -> LoadedPrior:
    """A generator and its mean w from a .safetensors file of ours, in half precision or single; sizes are inferred.

    Raises as :func:`load_checkpoint`, and ValueError when the file holds no generator.

    >>> prior = weights.load_stylegan2(weights.shipped_path("drawn64"))
    >>> prior.generator.size
    64
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
