"""What was measured for each claim: the lesson that measures a value stores it as JSON, the report reads it."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from .. import places
from ..lessons.source import code_hash
from ..profiles import NAMES, did_you_mean, profile_name
from ..storage import write_json
from .claims import Measurement, controlled, load_claims, ours, verdict
from .runs import profile_of, run_digests

RECORDED = Path(str(resources.files(__package__))) / "recorded"


def claims_folder(results: Path) -> Path:
    """Where the values lie that belong to a folder of results; those of the checkout's own are data of the package."""
    return RECORDED if results == places.COMMITTED else results / "claims"


def record(
    id: str,
    value: float | None,
    *,
    profile: str | None = None,
    runs: Sequence[str] = (),
    control: float | None = None,
    departs: bool = False,
    **details,
) -> None:
    """Record the measured value of a claim and print paper | ours | verdict. The one way to do so.

    runs: names of folders below ``data/results``, such as "restorers/faces-8x-glean-pd-seed0", that the value rests on;
    the value has their profile. The report links them, and says which are gone, or are others than those of today.
    profile: that of the lesson; the value has it where the lesson measured it itself. control: the figure of the
    cheaper explanation that the claim names; its rule may change the verdict. departs: the reader changed what the
    value is measured on, so that it speaks of something else. details: further numbers or strings a
    reader should see; the report shows seeds, images, photographs (a number, or a list of them), spread, worst (in the
    claim's unit).

    None (something is missing), what a lesson at the smoke profile found and what departs are printed, not recorded.
    Raises ValueError for an unknown id or profile, a value that is no number, runs of several profiles, and runs that
    do not name theirs.
    """
    claims = load_claims()
    if id not in claims:
        raise ValueError(f"unknown claim {id!r}{did_you_mean(id, claims)}")
    if value is None:
        print(f"{id}: not measured yet, runs are missing")
        return
    value = float(value)
    if value != value:
        raise ValueError(f"{id}: the measured value is NaN")
    if (profile := profile_name(profile)) == "smoke":
        print(f"{id}: {value:.3g}, not recorded in a trial run")
        return
    if departs:
        print(f"{id}: {value:.4g} on images or sizes of your own, not recorded")
        return
    folders = places.result_folders()
    profile = profile_of(runs, folders) if runs else profile
    this, runs = claims[id], sorted(set(runs))
    control = None if control is None else float(control)
    measured = Measurement(
        id, value, profile, code_hash(this.notebook), control, details, runs, run_digests(runs, folders)
    )
    path = claims_folder(places.results_folder()) / f"{id}.{profile}.json"
    write_json(path, {name: value for name, value in asdict(measured).items() if name != "path"})
    print(f"{id}: {this.statement}\npaper: {this.paper} | ours: {ours(this, measured)} | {verdict(this, measured)}")
    if this.control:
        print(f"control: {controlled(this, measured)}")


def measurements(id: str) -> tuple[list[Measurement], list[str]]:
    """What is stored for a claim, smallest profile first, and what is wrong with files that cannot be read.

    Of several of one profile the one that the lesson's present code made counts, and of two such the newer.
    """
    code, damaged = code_hash(load_claims()[id].notebook), []
    found: dict[str, Measurement] = {}
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
    """A file that :func:`record` wrote. Raises ValueError, naming it, for anything else."""
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
    if measured.control is not None and type(measured.control) not in (int, float):
        raise ValueError(f"{places.shown(path)} is damaged: the control is {measured.control!r}")
    for name, kind in (("details", dict), ("digests", dict), ("runs", list)):
        if not isinstance(getattr(measured, name), kind):
            raise ValueError(f"{places.shown(path)} is damaged: the {name} are {getattr(measured, name)!r:.40}")
    return measured
