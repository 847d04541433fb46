"""A finished restorer run with its weights, and the images it never saw."""

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

import torch

from ..data import ImageSet, Sides, open_sides
from ..data.sides import fingerprint
from ..operators import LinearOperator
from ..profiles import Experiment
from ..profiles import Restorer as Profile
from ..restorers.restorer import Restorer
from ..training.restore import answering
from ..weights import load_prior, load_restorer, read_metadata, shipped_path, shipped_restorers
from .launch import VARIABLE
from .restorer import build, drawn_sides, operators
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
        return profile_of(self.params)


def experiment_of(params: dict) -> Experiment:
    """The experiment among a run's parameters, or a weights file's."""
    return Experiment(**{field.name: params[field.name] for field in dataclasses.fields(Experiment)})


def profile_of(params: dict) -> Profile:
    """The profile among a run's parameters; options that are off lack."""
    names = {field.name for field in dataclasses.fields(Profile)} & params.keys()
    return Profile(**{name: params[name] for name in names})


def load_trained(path: Path) -> Trained:
    """The network of a finished run, from its ``last.ckpt``.

    Raises ValueError for a run that is damaged or unfinished, or whose prior's name means one of other sizes by now,
    and FileNotFoundError where the checkpoint is missing: stored results come without.
    """
    params = read_run(path).params
    file = path / "last.ckpt"
    if not file.is_file():
        raise FileNotFoundError(f"{path.name} holds no last.ckpt: stored results come without; train it again")
    this = experiment_of(params)
    prior = load_prior(this.prior).generator
    network = build(this, prior, profile_of(params))
    stored = torch.load(file, map_location="cpu", weights_only=True)
    if stored["step"] < params["steps"]:
        raise ValueError(f"{path.name}: last.ckpt is of step {stored['step']} of {params['steps']}; the run goes on")
    try:
        network.load_state_dict(answering(stored))
    except RuntimeError as error:  # which lists every tensor
        there = f"the {this.model} around the prior {this.prior!r} as it is now"
        raise ValueError(f"{path.name}: last.ckpt is not of {there}; put the prior back that had this name") from error
    A_true, A = operators(this, prior.size)
    return Trained(this, params, stored["step"], network.eval().requires_grad_(False), A_true, A)


def load_published(path: Path) -> tuple[Trained, str]:
    """(what :func:`load_trained` finds, where the weights come from): the run's checkpoint, or a shipped restorer.

    The latter, in half precision, when it was published from a run of the same parameters. Raises what
    :func:`load_trained` raises where there is neither.
    """
    params = read_run(path).params
    about = {name: read_metadata(shipped_path(name)) for name in shipped_restorers(params["factor"])}
    noted = {key: value for key, value in params.items() if key != "category"}  # which follows from "data"
    same = [name for name, told in about.items() if all(told.get(key) == value for key, value in noted.items())]
    if (path / "last.ckpt").is_file() or not same:
        return load_trained(path), "last.ckpt"
    this = experiment_of(params)
    network = load_restorer(same[0])
    return Trained(this, params, params["steps"], network, *operators(this, network.out_size)), same[0]


def unseen_images(trained: Trained, data: Path | None) -> ImageSet:
    """The held-out side of what the run was trained on, as many as its figures are over.

    data and errors as :func:`unseen_sides`.
    """
    return unseen_sides(trained, data).held_out


def unseen_sides(trained: Trained, data: Path | None) -> Sides[ImageSet]:
    """What the run was trained on, and of the held-out side as many images as its figures are over.

    data: that pack or folder, as for ``train``, or the folder in which it lies; None: the folder of packs that
    GANPRIOR_DATA names. Files that are no images are left out, with a warning, as the run may have done. Raises
    ValueError where neither is given and for a folder whose names are not the run's, NotADirectoryError where there is
    nothing of that name.
    """
    params, size = trained.params, trained.network.out_size
    if params["data"] == "drawn faces":
        sides = drawn_sides(size, trained.profile)
    else:
        folder = folder_of(params["data"], data)
        sides = open_sides(folder, size, margin=params["margin"], skip_broken=True)
        names = fingerprint(sides.training_names, sides.held_out_names)
        if params.get("data_names", names) != names:
            raise ValueError(f"{folder} does not hold the images that the run was trained on, or not those alone")
    count = min(params["test_images"], len(sides.held_out))
    return sides._replace(held_out=sides.held_out.take(range(count)), held_out_names=sides.held_out_names[:count])


def folder_of(name: str, data: Path | None) -> Path:
    """Where the images of a run lie, see :func:`unseen_images`."""
    where = data or os.environ.get(VARIABLE)
    if not where:
        raise ValueError(f"the run was trained on {name}: say with --data, or {VARIABLE}, which folder holds it")
    places = [Path(where), Path(where) / name] if Path(where).name == name else [Path(where) / name]
    if not (found := [place for place in places[::-1] if place.exists()]):
        raise NotADirectoryError(f"no such folder: {places[-1]}, nor is {where} called {name}")
    return found[0]
