"""Where things lie: the checkout around the package, where there is one, and results; which commit that is."""

import os
import subprocess
from pathlib import Path

import platformdirs


def find_root(package: Path, start: Path) -> Path:
    """The checkout that holds the package, or else the folder ``start`` or one above it; without one, ``start``."""
    folders = (package.parent, start, *start.parents)
    return next((folder for folder in folders if (folder / "notebooks" / "00_start_here.py").is_file()), start)


ROOT = find_root(Path(__file__).resolve().parent, Path.cwd())
COMMITTED = ROOT / "data" / "results"  # stored runs: <experiment>/<run>/summary.json and more


def from_caller(path: str | os.PathLike) -> Path:
    """A path as the person meant it who typed it: a lesson's kernel works elsewhere, in the lesson's own folder.

    ``ganprior-null run`` notes its folder in the environment variable GANPRIOR_CALLER; without it, the working folder.
    """
    return Path(os.environ.get("GANPRIOR_CALLER") or Path.cwd()) / Path(path).expanduser()


def results_folder() -> Path:
    """Where new results go: the environment variable GANPRIOR_RESULTS, else ``build/results``.

    ``make notebooks`` points it to ``data/results``, so that committed figures change only on purpose.
    """
    return from_caller(os.environ.get("GANPRIOR_RESULTS") or ROOT / "build" / "results")


def cache_folder() -> Path:
    """What can be made anew lies here: the environment variable GANPRIOR_CACHE, else the platform's cache."""
    return Path(os.environ.get("GANPRIOR_CACHE") or platformdirs.user_cache_path("ganprior-null"))


def result_folders() -> list[Path]:
    """Where stored results are looked for, new ones first."""
    return list(dict.fromkeys((results_folder(), COMMITTED)))


def shown(path: Path) -> str:
    """A path as a reader of the repository writes it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def commit(root: Path = ROOT, within: str = ".") -> str | None:
    """The checkout's commit, "-changed" behind it where a tracked file ``within`` differs; None outside a checkout."""
    if not (root / ".git").exists():  # git itself would take a repository further up for ours
        return None
    git = ["git", "--no-optional-locks", "-C", str(root)]  # no lock: somebody may be committing
    try:
        head, status = (
            subprocess.run([*git, *words], capture_output=True, text=True, check=True).stdout.strip()
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no", "--", within))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}-changed" if status else head
