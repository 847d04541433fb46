"""A participant's notebooks hold the exercises and none of the answers."""

import re
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import pytest

from .programs import program

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def handout():
    return program("book/handout.py").handout


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("0[0-8]_*.ipynb")), ids=lambda path: path.stem)
def test_exercises_stay_and_answers_go(handout, path):
    full = nbformat.read(path, as_version=4)
    assert any("solution" in cell.metadata.get("tags", []) for cell in full.cells)  # there is something to remove
    bare = handout(nbformat.read(path, as_version=4))
    nbformat.validate(bare)
    text, code = ("\n".join(c.source for c in bare.cells if c.cell_type == kind) for kind in ("markdown", "code"))
    assert not re.search(r"<summary>(Answer|Quick check)", text)
    assert "_solution" not in code and not re.search(r"folded (away|cell)", text)
    exercises = "\n".join(c.source for c in full.cells if c.cell_type == "markdown").count("\n### Exercise ")
    assert text.count("\n### Exercise ") == exercises
    assert not any(c.get("outputs") for c in bare.cells)


def test_no_handout_speaks_of_solutions_below(handout):
    text = "Nothing breaks while it is unsolved. The solutions are folded away below\neach one.\n\n### Exercise 1"
    (cell,) = handout(v4.new_notebook(cells=[v4.new_markdown_cell(text)])).cells
    assert cell.source == "Nothing breaks while it is unsolved.\n\n### Exercise 1"


def test_a_question_stays_when_its_answer_goes(handout):
    text = "A\n<details><summary>Quick check 1: why?</summary>\n\nBecause.\n\n</details>\n\nB\n" + (
        "<details><summary>Answers</summary>\n\n(a) No.\n\n</details>\n"
        "<details><summary>Why only one?</summary>\n\nA proof.\n\n</details>\n"
    )
    lesson = v4.new_notebook(cells=[v4.new_markdown_cell(text)])
    (cell,) = handout(lesson).cells
    assert "**Quick check 1: why?**" in cell.source and "A proof." in cell.source
    assert "Because" not in cell.source and "(a) No" not in cell.source
