"""What a lesson's source says of the claims it measures: the identity of its code, and where a claim is recorded."""

import hashlib
import re

from .. import places


def code_hash(notebook: str) -> str:
    """Identity of a lesson's code: 12 hex digits over its source, so that prose may change.

    Comments do not count, nor do cells tagged ``live``: they show a figure to play with and measure nothing.
    """
    source = places.ROOT / "notebooks" / f"{notebook}.py"
    if not notebook or not source.is_file():
        return ""
    lines, live = [], False
    for line in source.read_text("utf-8").splitlines():
        if line.startswith("# %%"):
            live = bool(re.search(r'tags=\[[^]]*"live"', line))
        if line.strip() and not line.startswith("#") and not live:
            lines.append(line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def measures(source: str) -> list[str]:
    """The claims that a piece of code records: ``record("C1", ...)``, or a loop over their names."""
    if re.search(r"(?<!def )\brecord\(\s*[a-z]", source):
        return re.findall(r'"([CB]\d+[ab]?)"', source)
    return re.findall(r'\brecord\(\s*"([CB]\d+[ab]?)"', source)


def section(notebook: str, id: str) -> str:
    """The heading under which a lesson records a claim: "6. How exact is exact?"; empty if it cannot be found."""
    source = places.ROOT / "notebooks" / f"{notebook}.py"
    if not notebook or not source.is_file():
        return ""
    for part in re.split(r"(?m)^# ## ", source.read_text("utf-8"))[1:]:
        if id in measures(part):
            return part.partition("\n")[0]
    return ""
