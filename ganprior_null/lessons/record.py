"""What is known of the run behind an executed notebook: ``NAME.run.json`` beside ``NAME.ipynb``.

``python -m ganprior_null run`` writes it when every cell has run; the site's builder shows it if it still holds.
"""

import hashlib
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import get_type_hints

from .. import __version__
from ..storage import read_json, write_json


@dataclass(frozen=True)
class RunRecord:
    """One run of one notebook; ``parameters`` are those given, ``commit`` is None outside a checkout."""

    notebook: str
    source: str  # SHA-256 of the notebook that was run
    executed: str  # and of the one that came out
    profile: str
    parameters: dict
    versions: dict
    commit: str | None
    seconds: float


def sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_path(executed: Path) -> Path:
    """Where the record of an executed notebook lies."""
    return executed.with_suffix(".run.json")


def write_record(executed: Path, record: RunRecord) -> None:
    """Write the record beside the executed notebook, whole or not at all."""
    write_json(record_path(executed), asdict(record))


def read_record(executed: Path, source: Path) -> RunRecord:
    """The record of an executed notebook. Raises ValueError, saying why, for none that ties it to ``source``."""
    try:
        record = RunRecord(**read_json(record_path(executed)))
    except FileNotFoundError as error:
        raise ValueError("there is no record of its run") from error
    except (OSError, ValueError, TypeError) as error:
        raise ValueError("the record of its run is damaged") from error
    if not all(isinstance(getattr(record, name), kind) for name, kind in get_type_hints(RunRecord).items()):
        raise ValueError("the record of its run is damaged")
    if record.executed != sha256(executed):
        raise ValueError("the record of its run speaks of another executed copy")
    if not source.is_file() or record.source != sha256(source):
        raise ValueError("it was made from another version of the notebook")
    return record


def versions() -> dict[str, str]:
    """The versions on which a lesson's numbers depend, of the interpreter that runs it."""
    libraries = {name: version(name) for name in ("torch", "numpy")}
    return {"python": platform.python_version(), "ganprior-null": __version__} | libraries
