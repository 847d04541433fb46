"""What a run's parameters do not say: the state of the code, the versions, the processes, and how long it took."""

import platform
from pathlib import Path

import torch

from ..places import commit
from ..storage import read_json, write_json


def code_state() -> str | None:
    """The commit of the package's code, to be asked for at a run's start: a checkout may move on while it runs."""
    return commit(within="ganprior_null")


def note_origin(folder: Path, processes: int, seconds: float, code: str | None) -> None:
    """Write ``origin.json``: of the latest start, but for the seconds, which add up over all starts of the run.

    code: :func:`code_state` at that start.
    """
    file = folder / "origin.json"
    before = _read(file).get("seconds", 0.0)
    found = {
        "commit": code,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processes": processes,
        "threads": torch.get_num_threads(),
        "seconds": round(before + seconds, 1),
    }
    write_json(file, found)


def commit_of(folder: Path) -> str:
    """The commit a run was last started at, "not recorded" for one without ``origin.json`` or outside a checkout."""
    return _read(folder / "origin.json").get("commit") or "not recorded"


def _read(file: Path) -> dict:
    """What a former start noted; nothing if it is missing or damaged, since the run is more than its note."""
    try:
        found = read_json(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
