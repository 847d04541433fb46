"""A finished restorer run with its weights, and the images it never saw."""

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import load_sides
from ..images import from_uint8
from ..operators import LinearOperator
from ..profiles import Restorer as Profile
from ..restorers.restorer import Restorer
from ..training.restore import answering
from ..weights import load_prior
from .launch import VARIABLE
from .restorer import Experiment, build, drawn_sides, operators
from .runs import read_run


class Trained(NamedTuple):
    """What :func:`load_trained` found: the run's parameters, its network, and the operators it was trained with."""

    this: Experiment
    params: dict
    step: int
    network: Restorer  # y -> x_r
    A_true: LinearOperator  # made y
    A: LinearOperator | None  # whose null space x_r is put into

    @property
    def profile(self) -> Profile:
        return Profile(**{field.name: self.params[field.name] for field in dataclasses.fields(Profile)})


def load_trained(path: Path) -> Trained:
    """The network of a finished run, from its ``last.ckpt``.

    Raises ValueError for a run that is damaged or unfinished, and FileNotFoundError where the checkpoint is missing:
    stored results come without.
    """
    params = read_run(path).params
    file = path / "last.ckpt"
    if not file.is_file():
        raise FileNotFoundError(f"{path.name} holds no last.ckpt: stored results come without; train it again")
    this = Experiment(**{name: params[name] for name in Experiment._fields})
    prior = load_prior(this.prior).generator
    bare = Trained(this, params, 0, None, *operators(this, prior.size))
    network = build(this, prior, bare.profile)
    stored = torch.load(file, map_location="cpu", weights_only=True)
    if stored["step"] < params["steps"]:
        raise ValueError(f"{path.name}: last.ckpt is of step {stored['step']} of {params['steps']}; the run goes on")
    network.load_state_dict(answering(stored))
    return bare._replace(step=stored["step"], network=network.eval().requires_grad_(False))


def unseen_images(trained: Trained, data: Path | None) -> Tensor:
    """(N, 3, size, size) in [0, 1]: the held-out side of what the run was trained on, as many as its figures are over.

    data: the folder in which that pack or folder lies; None: the one that GANPRIOR_DATA names. Raises ValueError where
    neither is given, NotADirectoryError where there is nothing of that name.
    """
    params, size = trained.params, trained.network.out_size
    if params["data"] == "drawn faces":
        images = drawn_sides(size, trained.profile).held_out
    else:
        where = data or os.environ.get(VARIABLE)
        if not where:
            raise ValueError(
                f"the run was trained on {params['data']}: say with --data, or {VARIABLE}, which folder holds it"
            )
        folder = Path(where) / params["data"]
        if not folder.is_dir():
            raise NotADirectoryError(f"no such folder: {folder}")
        images = load_sides(folder, size, margin=params["margin"]).held_out
    return from_uint8(images[: params["test_images"]])
