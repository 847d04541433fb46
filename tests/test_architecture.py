"""The floor plan speaks of every room, and of no file that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ROOMS = {path.name for path in (ROOT / "ganprior_null").iterdir() if (path / "__init__.py").is_file()}


def unknown(text: str) -> list[str]:
    """Paths in backticks that lead nowhere; NAME stands for any name."""
    paths = [path for path in re.findall(r"`([\w./]+)`", text) if "/" in path and not re.search(r"[A-Z]{3,}", path)]
    homes = (ROOT, ROOT / "ganprior_null", *(ROOT / "ganprior_null" / room for room in ROOMS))
    return [path for path in paths if not any((home / path).exists() for home in homes)]


def test_every_room_is_on_the_plan():
    described = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"\*\*.*?\*\*", TEXT))))
    assert ROOMS - described == set()
    assert {*ROOMS, "kitchen"} - described == {"kitchen"}


def test_every_path_exists():
    assert unknown(TEXT) == []
    assert unknown("in `ganprior_null/kitchen` and `data/results/`") == ["ganprior_null/kitchen"]
