"""Every exercise: level and time, two hints, a folded check that can be read on demand, a stub, a folded solution."""

import re
from pathlib import Path

import jupytext
import nbformat.v4 as v4
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = sorted(FOLDER.glob("0[0-9]_*.py"))
LEVEL = re.compile(r"^### Exercise \d — .+\n\n\*(★ easy|★★ medium|★★★ hard) · about (\d+) minutes\*\n\n\S", re.M)
HINTS = re.compile(r"<details><summary>Hint (\d)</summary>\n\n(.+?)\n\n</details>", re.S)


def exercises(lesson) -> list[list]:
    """The cells of each exercise: its text first; a heading of another kind ends it."""
    found = []
    for cell in lesson.cells:
        if cell.cell_type == "markdown" and "### Exercise " in cell.source:
            assert cell.source.count("### Exercise ") == 1, "a cell for each exercise"
            found.append([cell])
        elif found and cell.cell_type == "code":
            found[-1].append(cell)
        elif found and cell.source.startswith("## "):
            break
    return found


def fault(cells: list) -> str:
    """What an exercise lacks, in one line; empty if nothing."""
    text, code = cells[0].source, cells[1:]
    tags = [set(cell.metadata.get("tags", [])) for cell in code]
    if not LEVEL.search(text):
        return "no level and time below the heading"
    hints = HINTS.findall(text)
    if [number for number, _ in hints] != ["1", "2"] or not text.endswith("</details>"):
        return "not two hints, in order, at the end of its text"
    if hints[0][1] == hints[1][1]:
        return "a hint twice"
    laws = [i for i, tag in enumerate(tags) if "law" in tag]
    stubs = [i for i, cell in enumerate(code) if "\ncheck_answer(" in cell.source and "solution" not in tags[i]]
    solutions = [i for i, tag in enumerate(tags) if "solution" in tag]
    if not len(laws) == len(stubs) == len(solutions) == 1 or not laws[0] < stubs[0] < solutions[0]:
        return "not one check, one stub and one solution, in this order"
    if "hide-input" not in tags[laws[0]] or "hide-cell" not in tags[solutions[0]]:
        return "its check or its solution is not folded"
    law, stub = code[laws[0]], code[stubs[0]].source
    names = re.findall(r"(?m)^def (law_\w+|\w+_law)\(", law.source)
    if len(names) != 1 or f", {names[0]})" not in stub or "assert" in stub or "NotImplementedError" not in stub:
        return "the stub does not only hold what the reader fills in, and the call of its check"
    if f"\n{names[0]}(" not in code[solutions[0]].source:
        return "its solution is not held to the same check"
    return ""


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_exercises_are_whole(source):
    found = exercises(jupytext.read(source))
    assert len(found) >= 3
    assert [cells[0].source.split(" — ")[0][-1] for cells in found] == [str(n + 1) for n in range(len(found))]
    assert {cells[0].source.partition("\n")[0]: wrong for cells in found if (wrong := fault(cells))} == {}


WHOLE = [
    "### Exercise 1 — a\n\n*★ easy · about 5 minutes*\n\nDo.\n\n"
    "<details><summary>Hint 1</summary>\n\nA\n\n</details>\n\n"
    "<details><summary>Hint 2</summary>\n\nB\n\n</details>",
    "def f_law(f):\n    assert f()",
    "def f():\n    raise NotImplementedError\n\n\ncheck_answer(f, f_law)",
    "def f_solution():\n    return 1\n\n\nf_law(f_solution)",
]
TAGS = [[], ["hide-input", "law"], [], ["hide-cell", "solution"]]


@pytest.mark.parametrize(
    ("number", "old", "new", "message"),
    [
        (0, "", "", ""),
        (0, "★ easy", "★★ easy", "level"),
        (0, " · about 5 minutes", "", "level"),
        (0, "Hint 2", "Hint 3", "two hints"),
        (0, "B", "A", "twice"),
        (1, "f_law", "g_law", "stub"),
        (2, "raise NotImplementedError", "assert 1", "stub"),
        (2, "check_answer(f, f_law)", "", "one check, one stub"),
        (3, "f_law(f_solution)", "f_solution()", "same check"),
    ],
)
def test_what_an_exercise_lacks_is_noticed(number, old, new, message):
    sources = [source.replace(old, new) if i == number else source for i, source in enumerate(WHOLE)]
    cells = [v4.new_markdown_cell(sources[0])]
    cells += [v4.new_code_cell(s, metadata={"tags": t}) for s, t in zip(sources[1:], TAGS[1:], strict=True)]
    assert message in fault(cells) and bool(fault(cells)) == bool(message)
    cells[1].metadata["tags"] = ["law"]
    assert message or "not folded" in fault(cells)
