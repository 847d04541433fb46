"""The stored runs that a claim rests on: where their summaries lie, and whether they are what was measured."""

import hashlib
from pathlib import Path

NAMED = 3  # runs that a note calls by name before it counts the rest
RESULTS = ("summary.json", "unseen.json", "diversity.json")  # what a run's numbers are read from; the first is a must


def named_runs(details: dict) -> list[str]:
    """The runs that a measurement's details name, as folders below a folder of results; a mere count names none."""
    runs = details.get("runs")
    return [name for name in runs if isinstance(name, str)] if isinstance(runs, list) else []


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
