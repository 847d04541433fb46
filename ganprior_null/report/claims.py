"""Claims: what the paper says, what we measured, and the verdict that follows from a stated rule.

``claims.toml`` beside this file holds the claims and their rules. Never a verdict without a number.
"""

import operator
import tomllib
from dataclasses import dataclass, field
from importlib import resources

from ..profiles import NAMES

_COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Claim:
    """One entry of claims.toml; ``reproduced``, ``partly`` and ``control_rule`` are rules such as ">= 145.7".

    control: the figure of a cheaper explanation, in words; control_rule: what it must satisfy for the verdict to stand.
    """

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
    control: str = ""
    control_rule: str = ""


@dataclass(frozen=True)
class Measurement:
    """One recorded value of one claim at one profile; ``code`` identifies the code that made it."""

    id: str
    value: float
    profile: str
    code: str
    control: float | None = None
    details: dict = field(default_factory=dict)
    runs: list = field(default_factory=list)  # names of the stored runs that it rests on
    digests: dict = field(default_factory=dict)  # of those runs' results
    path: str = field(default="", compare=False)  # where it is stored


def load_claims() -> dict[str, Claim]:
    """id -> Claim, in the order of the file."""
    table = tomllib.loads(resources.files(__package__).joinpath("claims.toml").read_text("utf-8"))
    return {key: Claim(id=key, **entry) for key, entry in table.items()}


def verdict(claim: Claim, measured: Measurement | None) -> str:
    """reproduced | partly | not reproduced, or what is missing for a verdict.

    A claim that holds by its own rule is held against its control: "reproduced, but the control explains it".
    """
    if measured is None:
        return "not measured yet"
    if NAMES.index(measured.profile) < NAMES.index(claim.profile):
        return f"needs the {claim.profile} profile"
    for word, rule in (("reproduced", claim.reproduced), ("partly", claim.partly)):
        if holds(rule, measured.value):
            return word + doubt(claim, measured)
    return "not reproduced"


def doubt(claim: Claim, measured: Measurement) -> str:
    """What the control takes back from a verdict: nothing where the claim has none, or where it satisfies its rule."""
    if not claim.control:
        return ""
    if measured.control is None:
        return ", its control is missing"
    return "" if holds(claim.control_rule, measured.control) else ", but the control explains it"


def holds(rule: str, value: float) -> bool:
    """Whether a value satisfies a rule such as ">= 145.7". Raises ValueError for a rule of another form."""
    sign, _, bound = rule.partition(" ")
    if sign not in _COMPARE:
        raise ValueError(f"a rule reads like '>= 40', got {rule!r}")
    return _COMPARE[sign](value, float(bound))


def ours(claim: Claim, measured: Measurement | None) -> str:
    """The measured value with its unit and profile: "152.1 dB (laptop)"."""
    return "-" if measured is None else f"{with_unit(claim, measured.value)} ({measured.profile})"


def controlled(claim: Claim, measured: Measurement) -> str:
    """The control with its figure and rule: "0.89 x, PD put behind the other network in use (must be >= 2)"."""
    figure = "missing" if measured.control is None else with_unit(claim, measured.control)
    return f"{figure}, {claim.control} (must be {claim.control_rule})"


def with_unit(claim: Claim, value: float) -> str:
    """A figure in the claim's unit: "152.1 dB"."""
    small = abs(value) < 10  # a gain of 0.18 dB is not "0.2"
    digits = f"{value:.{1 + small}f}" if claim.unit in ("dB", "%") else f"{value:.3g}"
    return f"{digits} {claim.unit}".strip()


def evidence(claim: Claim, measured: Measurement | None) -> str:
    """What stands behind a value, how far it spreads, its control: "5 seeds; spread 0.12 dB; control: 3.1 dB, ..."."""
    if measured is None:
        return ""
    found = measured.details | ({"runs": measured.runs} if measured.runs else {})
    parts = []
    for name in ("seeds", "runs", "images", "photographs"):
        count = len(found[name]) if isinstance(found.get(name), (list, dict)) else found.get(name)
        if isinstance(count, int):
            parts.append(f"{count} {name if count != 1 else name[:-1]}")
    for name in ("spread", "worst", "worst_image", "worst_photograph"):
        if isinstance(found.get(name), (int, float)):
            parts.append(f"{name.replace('_', ' ')} {found[name]:.3g} {claim.unit}".strip())
    return "; ".join(parts + ([f"control: {controlled(claim, measured)}"] if claim.control else []))
