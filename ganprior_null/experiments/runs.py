"""Stored runs of restorers: read, choose, average over seeds, compare step by step."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ..profiles import Experiment, check_profile, did_you_mean
from .launch import category_of

APART = (
    "seed",
    "torch",
    "machine",
    "precision",
    "data_names",
)  # parameters in which repetitions of one experiment may differ


class StoredRun(NamedTuple):
    """A finished run: its parameters, and the figures of each evaluation from step 0 on, in order."""

    path: Path
    params: dict
    history: list[dict]

    @property
    def name(self) -> str:
        """The folder's name below data/results, as claims refer to it."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def profile(self) -> str:
        """The profile it was made at."""
        return self.params["profile"]

    @property
    def final(self) -> dict:
        """The figures after the last step."""
        return self.history[-1]

    def curve(self, metric: str) -> tuple[list[int], list[float]]:
        """(steps, values) of one figure."""
        return [entry["step"] for entry in self.history], [value(entry, metric) for entry in self.history]


def read_run(path: Path) -> StoredRun:
    """The run in a folder.

    Raises ValueError, in one line, for one that is damaged, of another kind, unfinished, or of no known profile.
    """
    file = path / "params.json"
    try:
        params = json.loads(file.read_text("utf-8"))
        steps, every = params["steps"], params["eval_every"]
        file = path / "metrics.jsonl"
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        history = [entry for entry in lines if "PSNR" in entry]  # the others are losses
        last = history[-1]["step"] if history else None
    except OSError as error:
        raise ValueError(f"{path.name} is no complete run: {file.name} is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is damaged, in {file.name} ({type(error).__name__}: {error})") from error
    if last is None or last + every <= steps:
        raise ValueError(f"{path.name} is not finished: evaluated up to step {last} of {steps}")
    check_profile(params.get("profile"), path / "params.json")
    category = {"category": category_of(params.get("data", ""))}
    return StoredRun(path, asdict(Experiment()) | category | params, history)


def read_runs(*folders: Path) -> tuple[list[StoredRun], list[str]]:
    """The finished runs below the folders, by name, and what is wrong with the others; a later folder's hide former
    ones of the same name and profile. A folder that does not exist holds no run.
    """
    found, wrong = {}, dict[str, str]()
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if not path.is_dir():
                continue
            try:
                run = read_run(path)
                found[path.name, run.profile] = run
                wrong.pop(path.name, None)
            except ValueError as error:
                wrong[path.name] = str(error)
    return [found[key] for key in sorted(found)], [wrong[name] for name in sorted(wrong)]


def read_json(path: Path) -> Any:
    """What a stored ``.json`` file holds; of a ``.jsonl`` file, its lines.

    Raises ValueError, in one line, for a damaged one, and FileNotFoundError.
    """
    try:
        text = path.read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    except ValueError as error:
        where = f"{path.parent.name}/{path.name}"
        raise ValueError(f"{where} is damaged ({error}): get it back, or make that run again") from error


def choose(runs: Iterable[StoredRun], **wanted) -> list[StoredRun]:
    """The runs with these parameters, whatever they are called: ``choose(runs, model="glean", factor=8)``.

    Raises ValueError for a parameter that no run has.
    """
    runs = list(runs)
    known = {name for run in runs for name in run.params}
    for name in wanted:
        if runs and name not in known:
            raise ValueError(f"no run has a parameter {name!r}{did_you_mean(name, known)}")
    return [run for run in runs if all(run.params.get(name) == wish for name, wish in wanted.items())]


def deciding_profiles(profile: str) -> tuple[str, ...]:
    """The profiles whose stored runs may decide for a reader of this one, the first that has all it takes counting."""
    return ("night", "laptop") if profile in ("smoke", "laptop") else (profile,)


def grouped(runs: Iterable[StoredRun]) -> list[list[StoredRun]]:
    """Runs that differ in their seeds (and machines) alone, together; groups in the order of their first run."""
    groups: dict[str, list[StoredRun]] = {}
    for run in runs:
        same = {name: value for name, value in run.params.items() if name not in APART}
        groups.setdefault(json.dumps(same, sort_keys=True), []).append(run)
    return list(groups.values())


class Mean(NamedTuple):
    """A figure over the seeds of one experiment."""

    mean: float
    spread: float  # largest less smallest; 0 for one seed
    seeds: list[int]

    def text(self, digits: int = 2) -> str:
        """The mean, and ± half the spread where there are several seeds."""
        return f"{self.mean:.{digits}f}" + (f" ± {self.spread / 2:.{digits}f}" if len(self.seeds) > 1 else "")


def mean(runs: list[StoredRun], metric: str) -> Mean | None:
    """The final figure over runs that differ in their seeds alone; None for no run.

    Raises ValueError for runs that differ in more, since their mean would mean nothing.
    """
    if not runs:
        return None
    differ = differing(runs)
    if differ:
        raise ValueError(f"these runs differ in more than their seeds: {', '.join(differ)}")
    values = [value(run.final, metric) for run in runs]
    return Mean(sum(values) / len(values), max(values) - min(values), [run.params["seed"] for run in runs])


def differing(runs: list[StoredRun], *, apart: tuple[str, ...] = APART) -> list[str]:
    """The parameters in which runs differ, those in ``apart`` left out."""
    names = sorted({name for run in runs for name in run.params} - {*apart})
    return [name for name in names if len({json.dumps(run.params.get(name)) for run in runs}) > 1]


def pairs_of(without: list[StoredRun], with_: list[StoredRun]) -> list[tuple[StoredRun, StoredRun]]:
    """Runs of the same seed, which saw the same images in the same order from the same initial weights."""
    by_seed = {run.params["seed"]: run for run in with_}
    return [(run, by_seed[run.params["seed"]]) for run in without if run.params["seed"] in by_seed]


def ahead(without: StoredRun, with_: StoredRun, metric: str = "PSNR") -> tuple[int, int]:
    """(evaluations in which the second run is better, evaluations that both have), higher being better."""
    one, other = (dict(zip(*run.curve(metric), strict=True)) for run in (without, with_))
    both = sorted(one.keys() & other.keys())
    return sum(other[step] > one[step] for step in both), len(both)


def steps_to(run: StoredRun, level: float, metric: str = "PSNR") -> float | None:
    """The step at which a figure first reached a level, interpolated between evaluations; None if it never did."""
    steps, values = run.curve(metric)
    if values[0] >= level:
        return float(steps[0])
    for (t0, v0), (t1, v1) in pairwise(zip(steps, values, strict=True)):
        if v1 >= level:
            return t0 + (t1 - t0) * (level - v0) / (v1 - v0)
    return None


def speedup(without: StoredRun, with_: StoredRun, metric: str = "PSNR", with_metric: str = "") -> float:
    """How many times fewer steps the second run took to what the first one ends with; 0 if it never got there.

    with_metric: the second run's figure, where its name is another. The first run's steps are those to the *first* time
    it was as good as at its end. A level that was reached before the first step counts as reached at the first
    evaluation after it, which makes the figure a lower bound.
    """
    level = value(without.final, metric)
    needed = steps_to(with_, level, with_metric or metric)
    if needed is None:
        return 0.0
    first = with_.history[1]["step"] if needed == 0 else needed
    own = steps_to(without, level, metric)
    assert own is not None  # it ends there
    return own / first


def value(entry: dict, metric: str) -> float:
    """One figure of an evaluation. Raises ValueError for one that it does not have, or that is no finite number."""
    if metric not in entry:
        raise ValueError(f"step {entry.get('step')}: no {metric!r}{did_you_mean(metric, entry)}")
    if not math.isfinite(entry[metric]):
        raise ValueError(f"step {entry.get('step')}: {metric} is {entry[metric]}")
    return entry[metric]
