"""The table of lessons in 00_start_here names what exists, and only that, as ready."""

import re
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def test_ready_lessons_are_linked_and_the_others_are_called_planned():
    source = (NOTEBOOKS / "00_start_here.py").read_text("utf-8")
    rows = re.findall(r"^# \| (?:\[(\d\d)\]\((\w+)\.ipynb\)|(\d\d)) \| .* \| (.+) \|$", source, flags=re.MULTILINE)
    assert [linked or plain for linked, _, plain, _ in rows] == [f"{i:02d}" for i in range(11)]
    ready = {name for _, name, _, state in rows if state == "ready"}
    assert ready == {path.stem for path in NOTEBOOKS.glob("[0-9]*.py")} - {"00_start_here"}
    assert all(state == "planned" for linked, _, plain, state in rows if not linked and plain != "00")
