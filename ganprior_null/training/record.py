"""A run's folder: parameters, metrics line by line, checkpoints that are never half written."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..storage import read_json, remove_parts, sole_writer, whole, write
from .loggers import open_loggers

if TYPE_CHECKING:
    from lightning_fabric.loggers.logger import Logger

RESULTS = ("metrics.jsonl", "summary.json", "last.ckpt")
LATER = ("data_names",)  # parameters that runs begun before they existed go on without
_REPAIR = "delete it if this command is the one that began the run, which then goes on; else choose another folder"


class Run:
    """One training run in one folder: ``params.json``, ``metrics.jsonl``, ``last.ckpt``.

    A folder belongs to one set of parameters: opening it with others raises ValueError that names the difference, so
    that two runs never mix; so does a ``params.json`` that cannot be read, and results without one.

    loggers: names of :mod:`.loggers`, which are told what is logged too.
    """

    def __init__(self, path: str | os.PathLike, params: dict, *, loggers: Sequence[str] = ()):
        self.path = Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.checkpoint = self.path / "last.ckpt"
        self._metrics = self.path / "metrics.jsonl"
        self._own(self.path / "params.json", params)
        self._params, self._names = params, loggers
        self._loggers: list[Logger] = []

    def _own(self, path: Path, params: dict) -> None:
        text = json.dumps(params, indent=1, sort_keys=True) + "\n"
        if not path.exists():
            if others := [file.name for file in map(self.path.joinpath, RESULTS) if file.exists()]:
                raise ValueError(f"{self.path} holds {' and '.join(others)} of something else; choose another folder")
            write(path, text)
            return
        stored, wanted = read_params(path), json.loads(text)
        later = {key for key in LATER if key not in stored}
        differ = [key for key in sorted({*stored, *wanted} - later) if stored.get(key) != wanted.get(key)]
        if differ:
            what = ", ".join(f"{key}: {stored.get(key)!r} there, {wanted.get(key)!r} here" for key in differ)
            raise ValueError(f"{self.path} holds a run with other parameters ({what}); choose another folder")

    def log(self, step: int, scalars: dict[str, float]) -> None:
        """Append one JSON line; flushed, so that a crash loses nothing."""
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **scalars}) + "\n")
        if self._names and not self._loggers:  # only now: which step comes first is known when the run was resumed
            self._loggers = open_loggers(self._names, self.path, self._params, step)
        for logger in self._loggers:
            logger.log_metrics(scalars, step)
            logger.save()

    def history(self) -> list[dict]:
        """The logged lines, first to last; a line cut short by a crash is left out."""
        if not self._metrics.exists():
            return []
        entries = []
        for line in self._metrics.read_text("utf-8").splitlines():
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return entries

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from running here for the length of the block; raises OSError while one does.

        Readers of a run that was killed hold its folder until they notice, some seconds: that long the next one waits.
        """
        with sole_writer(self.path, [], overwrite=True, patience=15.0):
            remove_parts(self.path)  # a kill in the middle of a save leaves as much as a checkpoint
            yield

    def save(self, state: dict) -> None:
        """Write ``last.ckpt`` under another name, flush it to the disk, then rename: the old one stays until then.

        Raises OSError, naming the file, when there is no room for it.
        """
        with whole(self.checkpoint) as part, part.open("wb") as file:
            try:
                torch.save({key: _plain(value) for key, value in state.items()}, file)
            except RuntimeError as error:  # torch's archive writer hides the disk's own error behind one of its own
                if not isinstance(error.__context__, OSError):
                    raise
                raise error.__context__ from error

    def resume(self, state: dict) -> bool:
        """Load ``last.ckpt`` into ``state`` in place and drop the log lines after it; without one, drop all: False.

        Raises ValueError for a checkpoint that cannot be read or does not fit the state.
        """
        if not self.checkpoint.exists():
            self._metrics.unlink(missing_ok=True)  # of a run that was killed before its first checkpoint
            return False
        try:
            stored = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises half a dozen types for a broken file
            raise ValueError(f"{self.checkpoint} is not a readable checkpoint ({error})") from error
        if stored.keys() != state.keys():
            raise ValueError(f"{self.checkpoint} holds {sorted(stored)}, this run keeps {sorted(state)}")
        for key, value in state.items():
            if hasattr(value, "load_state_dict"):
                value.load_state_dict(stored[key])
            else:
                state[key] = stored[key]
        kept = [entry for entry in self.history() if entry["step"] <= state["step"]]
        write(self._metrics, "".join(json.dumps(entry) + "\n" for entry in kept))
        return True


def forget(folder: Path, *patterns: str) -> None:
    """Delete the run that a folder holds, its parameters last; patterns: what else belongs to it."""
    others = [file for pattern in patterns for file in folder.glob(pattern)]
    for file in [*map(folder.joinpath, RESULTS), *others, folder / "params.json"]:
        file.unlink(missing_ok=True)


def read_params(path: Path) -> dict:
    """The parameters that a run was begun with. Raises ValueError, which says what to do, for a damaged file."""
    try:
        stored = read_json(path)
    except ValueError as error:
        raise ValueError(f"{error}; {_REPAIR}") from error
    if not isinstance(stored, dict):
        raise ValueError(f"{path} is damaged (a {type(stored).__name__}, no table of parameters); {_REPAIR}")
    return stored


def _plain(value):
    return value.state_dict() if hasattr(value, "state_dict") else value
