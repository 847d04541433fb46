"""What was measured for each claim: the lesson that measures a value stores it as JSON, the report reads it."""

import json
import math
import os
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from .. import places
from ..lessons.source import code_hash
from ..profiles import NAMES, did_you_mean, profile_name
from .claims import Measurement, load_claims, ours, verdict
from .runs import named_runs, run_digests

RECORDED = Path(str(resources.files(__package__))) / "recorded"


def claims_folder(results: Path) -> Path:
    """Where the values lie that belong to a folder of results; those of the checkout's own are data of the package."""
    return RECORDED if results == places.COMMITTED else results / "claims"


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
    digests = run_digests(named_runs(details), places.result_folders())
    measured = Measurement(id, value, profile_name(profile), code_hash(this.notebook), details, digests)
    path = claims_folder(places.results_folder()) / f"{id}.{measured.profile}.json"
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
    folders = [claims_folder(folder) for folder in places.result_folders()]
    paths = [folder / f"{id}.{profile}.json" for profile in NAMES for folder in folders]
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
        raise ValueError(f"{places.shown(path)} is damaged: {str(error) or type(error).__name__}") from error
    if named != path.name:
        raise ValueError(f"{places.shown(path)} is damaged: it speaks of {named}")
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{places.shown(path)} is damaged: the value is {value!r}")
    for name in ("details", "digests"):
        if not isinstance(getattr(measured, name), dict):
            raise ValueError(f"{places.shown(path)} is damaged: the {name} are {getattr(measured, name)!r:.40}")
    return measured
