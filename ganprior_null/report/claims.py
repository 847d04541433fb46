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
    table = tomllib.loads(resources.files(__package__).joinpath("claims.toml").read_text("utf-8"))
    return {key: Claim(id=key, **entry) for key, entry in table.items()}


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
