"""What a run's parameters do not say: the state of the code, the versions, the processes, and how long it took."""

import json
import platform
import subprocess
from pathlib import Path

import torch

from .record import replace

ROOT = Path(__file__).resolve().parents[2]


def note_origin(folder: Path, processes: int, seconds: float) -> None:
    """Write ``origin.json``: of the latest start, but for the seconds, which add up over all starts of the run."""
    file = folder / "origin.json"
    before = json.loads(file.read_text("utf-8"))["seconds"] if file.is_file() else 0.0
    found = {
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processes": processes,
        "threads": torch.get_num_threads(),
        "seconds": round(before + seconds, 1),
    }
    replace(file, (json.dumps(found, indent=1) + "\n").encode())


def commit_of(folder: Path) -> str:
    """The commit a run was last started at, "not recorded" for one without ``origin.json`` or outside a checkout."""
    file = folder / "origin.json"
    return (json.loads(file.read_text("utf-8"))["commit"] if file.is_file() else None) or "not recorded"


def commit() -> str | None:
    """The checkout's commit, "-changed" behind it where the package differs from it; None outside a checkout."""
    if not (ROOT / ".git").exists():
        return None
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        same = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "ganprior_null"]).returncode == 0
    except (OSError, subprocess.CalledProcessError):
        return None
    return head if same else f"{head}-changed"
