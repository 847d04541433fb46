"""Claims: what the paper says, what we measured, and the verdict that follows from a stated rule.

``data/claims.toml`` holds the claims and their rules. The notebook that measures one calls :func:`claim`, which stores
the value as JSON; ``python -m ganprior_null report`` and notebook 09 read them all. Never a verdict without a number.
"""

import hashlib
import json
import math
import operator
import os
import re
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .profiles import NAMES, did_you_mean, profile_name
from .report_runs import find_runs, named_runs, run_digests
from .report_text import anchor_of as anchor_of
from .report_text import as_json as as_json
from .report_text import as_markdown as as_markdown
from .report_text import as_text as as_text

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
    digests: dict = field(default_factory=dict)  # of the stored runs that the details name
    path: str = field(default="", compare=False)  # where it is stored


def load_claims() -> dict[str, Claim]:
    """id -> Claim, in the order of the file."""
    table = tomllib.loads((ROOT / "data" / "claims.toml").read_text("utf-8"))
    return {key: Claim(id=key, **entry) for key, entry in table.items()}


def results_folder() -> Path:
    """Where new results go: the environment variable GANPRIOR_RESULTS, else ``build/results``.

    ``make notebooks`` points it to ``data/results``, so that committed figures change only on purpose.
    """
    return Path(os.environ.get("GANPRIOR_RESULTS") or ROOT / "build" / "results")


def result_folders() -> list[Path]:
    """Where stored results are looked for, new ones first."""
    return list(dict.fromkeys((results_folder(), COMMITTED)))


def claim(id: str, value: float, *, profile: str | None = None, **details) -> None:
    """Record the measured value of a claim and print paper | ours | verdict.

    profile: the profile it was measured at; details: further numbers or strings a reader should see in the report.
    The report shows some by their names: seeds, runs, images, photographs (a number, or a list of them), spread, worst
    (in the claim's unit); runs as names of folders below ``data/results`` become links to them, and the report says
    which of them are gone, or are others than those of today.
    Raises ValueError for an unknown id or profile, or a value that is no number.
    """
    claims = load_claims()
    if id not in claims:
        raise ValueError(f"unknown claim {id!r}{did_you_mean(id, claims)}")
    value = float(value)
    if value != value:
        raise ValueError(f"{id}: the measured value is NaN")
    this = claims[id]
    digests = run_digests(named_runs(details), result_folders())
    measured = Measurement(id, value, profile_name(profile), code_hash(this.notebook), details, digests)
    path = results_folder() / "claims" / f"{id}.{measured.profile}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    content = {name: value for name, value in asdict(measured).items() if name != "path"}
    part.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    os.replace(part, path)
    print(f"{id}: {this.statement}\npaper: {this.paper} | ours: {ours(this, measured)} | {verdict(this, measured)}")


def measurements(id: str) -> tuple[list[Measurement], list[str]]:
    """What is stored for a claim, smallest profile first, and what is wrong with files that cannot be read.

    Of several of one profile the one that the lesson's present code made counts, and of two such the newer.
    """
    code, found, damaged = code_hash(load_claims()[id].notebook), {}, []
    paths = [folder / "claims" / f"{id}.{profile}.json" for profile in NAMES for folder in result_folders()]
    for path in filter(Path.is_file, paths):
        try:
            measured = read_measurement(path)
        except ValueError as error:
            damaged.append(str(error))
            continue
        held = found.setdefault(measured.profile, measured)
        if measured.code == code and held.code != code:
            found[measured.profile] = measured
    return list(found.values()), damaged


def read_measurement(path: Path) -> Measurement:
    """A file that :func:`claim` wrote. Raises ValueError, naming it, for anything else."""
    try:
        stored = json.loads(path.read_text("utf-8"))
        measured = Measurement(**stored, path=str(path))
        value, named = measured.value, f"{measured.id}.{measured.profile}.json"
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"{shown(path)} is damaged: {str(error) or type(error).__name__}") from error
    if named != path.name:
        raise ValueError(f"{shown(path)} is damaged: it speaks of {named}")
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{shown(path)} is damaged: the value is {value!r}")
    for name in ("details", "digests"):
        if not isinstance(getattr(measured, name), dict):
            raise ValueError(f"{shown(path)} is damaged: the {name} are {getattr(measured, name)!r:.40}")
    return measured


def shown(path: Path) -> str:
    """A path as a reader of the repository writes it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


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
    """Identity of a lesson's code: 12 hex digits over its source, so that prose may change.

    Comments do not count, nor do cells tagged ``live``: they show a figure to play with and measure nothing.
    """
    source = ROOT / "notebooks" / f"{notebook}.py"
    if not notebook or not source.is_file():
        return ""
    lines, live = [], False
    for line in source.read_text("utf-8").splitlines():
        if line.startswith("# %%"):
            live = bool(re.search(r'tags=\[[^]]*"live"', line))
        if line.strip() and not line.startswith("#") and not live:
            lines.append(line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def rows() -> list[dict]:
    """One dict per claim, of text: what is claimed, what was measured, where, and what a reader should know of it."""
    return [row(this, *measurements(this.id)) for this in load_claims().values()]


def row(this: Claim, stored: list[Measurement], damaged: list[str]) -> dict:
    """The claim with the measurement at the largest profile."""
    best = stored[-1] if stored else None
    notes = [f"{text}; measure it again" for text in damaged]
    if best is not None and best.code != code_hash(this.notebook):
        notes.append("older than the code that made it")
    names, recorded = (named_runs(best.details), best.digests) if best else ([], {})
    files, faults = find_runs(names, recorded, result_folders())
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
        "stored": shown(Path(best.path)) if best else "",
        "runs": [shown(path) for path in files],
    }


def evidence(claim: Claim, measured: Measurement | None) -> str:
    """What stands behind a value, how far it spreads, and its control: "5 seeds; spread 0.12 dB; 3.1 without PD"."""
    found = measured.details if measured else {}
    parts = []
    for name in ("seeds", "runs", "images", "photographs"):
        count = len(found[name]) if isinstance(found.get(name), (list, dict)) else found.get(name)
        if isinstance(count, int):
            parts.append(f"{count} {name if count != 1 else name[:-1]}")
    for name in ("spread", "worst", "worst_image", "worst_photograph"):
        if isinstance(found.get(name), (int, float)):
            parts.append(f"{name.replace('_', ' ')} {found[name]:.3g} {claim.unit}".strip())
    return "; ".join(parts + ([f"control: {found['control']}"] if "control" in found else []))


def measures(source: str) -> list[str]:
    """The claims that a piece of code records: ``claim("C1", ...)``, a lesson's own ``record``, or a loop of them."""
    if re.search(r"(?<!def )\b(?:claim|record)\(\s*[a-z]", source):
        return re.findall(r'"([CB]\d+)"', source)
    return re.findall(r'\b(?:claim|record)\(\s*"([CB]\d+)"', source)


def section(notebook: str, id: str) -> str:
    """The heading under which a lesson records a claim: "6. How exact is exact?"; empty if it cannot be found."""
    source = ROOT / "notebooks" / f"{notebook}.py"
    if not notebook or not source.is_file():
        return ""
    for part in re.split(r"(?m)^# ## ", source.read_text("utf-8"))[1:]:
        if id in measures(part):
            return part.partition("\n")[0]
    return ""
