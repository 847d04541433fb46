"""The report as a table: each claim with its measurement at the largest profile, and what stands behind it."""

from pathlib import Path

from .. import places
from ..lessons.source import code_hash, section
from .claims import Claim, Measurement, evidence, load_claims, ours, verdict
from .measured import measurements
from .runs import find_runs


def rows() -> list[dict]:
    """One dict per claim, of text: what is claimed, what was measured, where, and what a reader should know of it."""
    return [row(this, *measurements(this.id)) for this in load_claims().values()]


def row(this: Claim, stored: list[Measurement], damaged: list[str]) -> dict:
    """The claim with the measurement at the largest profile."""
    best = stored[-1] if stored else None
    notes = [f"{text}; measure it again" for text in damaged]
    if best is not None and code_hash(this.notebook) not in ("", best.code):
        notes.append("older than the code that made it")
    # without a checkout there are neither lessons nor stored runs, and nothing to say of them
    names, recorded = (best.runs, best.digests) if best and places.COMMITTED.is_dir() else ([], {})
    files, faults = find_runs(names, recorded, places.result_folders())
    return {
        "id": this.id,
        "statement": this.statement,
        "source": this.source,
        "paper": this.paper,
        "ours": ours(this, best),
        "evidence": evidence(this, best),
        "verdict": verdict(this, best),
        "note": "; ".join(notes + faults),
        "notebook": this.notebook,
        "section": section(this.notebook, this.id),
        "stored": places.shown(Path(best.path)) if best else "",
        "runs": [places.shown(path) for path in files],
    }
