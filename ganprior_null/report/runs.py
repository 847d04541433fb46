"""The stored runs that a claim rests on: where their summaries lie, and whether they are what was measured."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ..profiles import check_profile

NAMED = 3  # runs that a note calls by name before it counts the rest
RESULTS = ("summary.json", "unseen.json", "diversity.json")  # what a run's numbers are read from; the first is a must


def profile_of(names: Sequence[str], folders: list[Path]) -> str:
    """The profile that the named runs were made at, from their ``params.json``; the first folder that has a run counts.

    Raises ValueError for a run that is missing, names no profile or an unknown one, and for runs of several profiles.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_profile(name, folders), []).append(name)
    if len(found) > 1:
        each = "; ".join(f"{profile}: {', '.join(sorted(names))}" for profile, names in sorted(found.items()))
        raise ValueError(f"a claim rests on runs of one profile, these are of {len(found)} ({each})")
    return next(iter(found))


def _profile(name: str, folders: list[Path]) -> str:
    file = next((path for folder in folders if (path := folder / name / "params.json").is_file()), None)
    if file is None:
        raise ValueError(f"run {name} is missing: no params.json below {' or '.join(map(str, folders))}")
    try:
        profile = json.loads(file.read_text("utf-8")).get("profile")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file} is damaged ({error})") from error
    return check_profile(profile, file)


def run_digests(names: list[str], folders: list[Path]) -> dict[str, str]:
    """run -> digest of its results, for those that are stored; the first folder that has a run counts."""
    found = {name: _summaries(name, folders) for name in names}
    return {name: next(iter(summaries.values())) for name, summaries in found.items() if summaries}


def find_runs(names: list[str], recorded: dict[str, str], folders: list[Path]) -> tuple[list[Path], list[str]]:
    """The summaries of the named runs, and what a reader should know: runs that are gone, or others than recorded.

    A run without a recorded digest is taken as it is: claims stored before digests were kept have none.
    """
    files, missing, changed = [], [], []
    for name in names:
        found = _summaries(name, folders)
        same = [path for path, digest in found.items() if digest == recorded.get(name)]
        files += (same or [*found])[:1]
        if not found:
            missing.append(name)
        elif name in recorded and not same:
            changed.append(name)
    notes = [_note(missing, "is missing", "are missing"), _note(changed, "has changed since", "have changed since")]
    return files, [note for note in notes if note]


def _summaries(name: str, folders: list[Path]) -> dict[Path, str]:
    """The run's ``summary.json`` in each folder that has one -> 12 hex digits over the bytes of all its RESULTS."""
    found = {}
    for folder in folders:
        first, *others = (folder / name / result for result in RESULTS)
        try:
            digest = hashlib.sha256(first.read_bytes())
            for path in filter(Path.is_file, others):
                digest.update(path.read_bytes())
        except (OSError, ValueError):  # ValueError: a damaged result may name what no file can be called
            continue
        found[first] = digest.hexdigest()[:12]
    return found


def _note(names: list[str], one: str, many: str) -> str:
    if len(names) <= 1:
        return "".join(f"run {name} {one}" for name in names)
    rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"runs {', '.join(names[:NAMED])}{rest} {many}"
