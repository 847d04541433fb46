"""Claims: what the paper says, what we measured, and the verdict that follows from a stated rule.

``data/claims.toml`` holds the claims and their rules. The notebook that measures one calls :func:`claim`, which stores
the value as JSON; ``python -m ganprior_null report`` and notebook 09 read them all. Never a verdict without a number.
"""

import hashlib
import json
import operator
import os
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .profiles import NAMES, did_you_mean, profile_name

ROOT = Path(__file__).resolve().parents[1]
COMMITTED = ROOT / "data" / "results"
_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Claim:
    """One entry of claims.toml; ``reproduced`` and ``partly`` are rules such as ">= 145.7"."""

    id: str
    statement: str
    source: str
    paper: str
    metric: str
    unit: str
    reproduced: str
    partly: str
    profile: str
    notebook: str = ""


@dataclass(frozen=True)
class Measurement:
    """One recorded value of one claim at one profile; ``code`` identifies the code that made it."""

    id: str
    value: float
    profile: str
    code: str
    details: dict = field(default_factory=dict)


def load_claims() -> dict[str, Claim]:
    """id -> Claim, in the order of the file."""
    table = tomllib.loads((ROOT / "data" / "claims.toml").read_text("utf-8"))
    return {key: Claim(id=key, **entry) for key, entry in table.items()}


def results_folder() -> Path:
    """Where new results go: the environment variable GANPRIOR_RESULTS, else ``build/results``.

    ``make notebooks`` points it to ``data/results``, so that committed figures change only on purpose.
    """
    return Path(os.environ.get("GANPRIOR_RESULTS") or ROOT / "build" / "results")


def claim(id: str, value: float, *, profile: str | None = None, **details) -> None:
    """Record the measured value of a claim and print paper | ours | verdict.

    profile: the profile it was measured at; details: further numbers or strings a reader should see in the report.
    Raises ValueError for an unknown id or profile, or a value that is no number.
    """
    claims = load_claims()
    if id not in claims:
        raise ValueError(f"unknown claim {id!r}{did_you_mean(id, claims)}")
    value = float(value)
    if value != value:
        raise ValueError(f"{id}: the measured value is NaN")
    this = claims[id]
    measured = Measurement(id, value, profile_name(profile), code_hash(this.notebook), details)
    path = results_folder() / "claims" / f"{id}.{measured.profile}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(measured), indent=1) + "\n", "utf-8")
    os.replace(part, path)
    print(f"{id}: {this.statement}\npaper: {this.paper} | ours: {ours(this, measured)} | {verdict(this, measured)}")


def measurements(id: str) -> list[Measurement]:
    """What is stored for a claim, smallest profile first; new results hide committed ones of the same profile."""
    found = {}
    for folder in (COMMITTED, results_folder()):
        for profile in NAMES:
            path = folder / "claims" / f"{id}.{profile}.json"
            if path.is_file():
                found[profile] = Measurement(**json.loads(path.read_text("utf-8")))
    return [found[profile] for profile in NAMES if profile in found]


def verdict(claim: Claim, measured: Measurement | None) -> str:
    """reproduced | partly | not reproduced, or what is missing for a verdict."""
    if measured is None:
        return "not measured yet"
    if NAMES.index(measured.profile) < NAMES.index(claim.profile):
        return f"needs the {claim.profile} profile"
    for word, rule in (("reproduced", claim.reproduced), ("partly", claim.partly)):
        if holds(rule, measured.value):
            return word
    return "not reproduced"


def holds(rule: str, value: float) -> bool:
    """Whether a value satisfies a rule such as ">= 145.7". Raises ValueError for a rule of another form."""
    sign, _, bound = rule.partition(" ")
    if sign not in _COMPARE:
        raise ValueError(f"a rule reads like '>= 40', got {rule!r}")
    return _COMPARE[sign](value, float(bound))


def ours(claim: Claim, measured: Measurement | None) -> str:
    """The measured value with its unit and profile: "152.1 dB (laptop)"."""
    if measured is None:
        return "-"
    small = abs(measured.value) < 10  # a gain of 0.18 dB is not "0.2"
    digits = f"{measured.value:.{1 + small}f}" if claim.unit in ("dB", "%") else f"{measured.value:.3g}"
    return f"{digits} {claim.unit}".strip() + f" ({measured.profile})"


def code_hash(notebook: str) -> str:
    """Identity of a lesson's code: 12 hex digits over its source without comments, so that prose may change."""
    source = ROOT / "notebooks" / f"{notebook}.py"
    if not notebook or not source.is_file():
        return ""
    lines = [line for line in source.read_text("utf-8").splitlines() if line.strip() and not line.startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def rows() -> list[dict]:
    """One dict per claim: id, statement, source, paper, ours, verdict, note, notebook."""
    table = []
    for this in load_claims().values():
        stored = measurements(this.id)
        best = stored[-1] if stored else None
        stale = best is not None and best.code != code_hash(this.notebook)
        table.append(
            {
                "id": this.id,
                "statement": this.statement,
                "source": this.source,
                "paper": this.paper,
                "ours": ours(this, best),
                "verdict": verdict(this, best),
                "note": "older than the code that made it" if stale else "",
                "notebook": this.notebook,
            }
        )
    return table


def as_markdown(table: list[dict]) -> str:
    """The table for a page."""
    head = "| | claim | source | paper | ours | verdict |\n|---|---|---|---|---|---|\n"
    body = []
    for row in table:
        note = f" ({row['note']})" if row["note"] else ""
        cells = (row["id"], row["statement"], row["source"], row["paper"], row["ours"], row["verdict"] + note)
        body.append("| " + " | ".join(cells) + " |")
    return head + "\n".join(body)


def as_text(table: list[dict]) -> str:
    """The table for a terminal: one line per claim, the statement below it."""
    lines = []
    for row in table:
        note = f" ({row['note']})" if row["note"] else ""
        lines.append(f"{row['id']:>3}  {row['verdict']}{note}: {row['ours']}; paper: {row['paper']}")
        lines.append(f"     {row['statement']}")
    return "\n".join(lines)
