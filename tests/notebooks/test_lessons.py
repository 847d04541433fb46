"""The course runs, its committed notebooks are what their sources say, and their numbers are what a fresh run gives."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import papermill
import pytest
import torch
from jupytext.compare import NotebookDifference, compare_notebooks

from ganprior_null.lessons.run import run

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
LESSONS = [path for path in SOURCES if path.stem != "10_report"]
LIMIT = 1_000_000  # bytes of a committed notebook: they stay in the history for ever

every_source = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)


def differ(notebook: Path, source: Path) -> str:
    """How the source in a notebook differs from its .py, in one line; empty if it does not."""
    try:
        compare_notebooks(jupytext.read(notebook), jupytext.read(source), fmt="py:percent", compare_outputs=False)
    except NotebookDifference as difference:
        return str(difference).splitlines()[0]
    return ""


def command(*arguments, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, env=os.environ
    )


def rerun(notebook: Path) -> subprocess.CompletedProcess:
    """Run a notebook again; cells tagged nbval-check-output must print what they printed before."""
    limits = ("--nbval-lax", "--nbval-cell-timeout=1500", "--nbval-current-env")
    limits += ("--nbval-sanitize-with", str(Path(__file__).with_name("sanitize.cfg")))
    return command("pytest", *limits, "-q", "-x", "-p", "no:cacheprovider", notebook.name, cwd=notebook.parent)


def checked(lesson) -> list:
    return [cell for cell in lesson.cells if "nbval-check-output" in cell.metadata.get("tags", [])]


def test_every_notebook_has_a_source():
    assert sorted(FOLDER.glob("*.ipynb")) == [source.with_suffix(".ipynb") for source in SOURCES]
    assert LESSONS


@every_source
def test_pair_is_in_step(source):
    difference = differ(source.with_suffix(".ipynb"), source)
    assert not difference, f"{difference}\nrun: make notebooks NB={source.stem[:2]}"


def test_a_drifted_pair_is_noticed(tmp_path):
    drifted = tmp_path / SOURCES[0].name
    drifted.write_text(SOURCES[0].read_text("utf-8") + "\n# %%\n1 + 1\n", "utf-8")
    assert differ(SOURCES[0].with_suffix(".ipynb"), drifted)


STRAY = re.compile(r"(?m)^(?!\s*([-*#|>]|\d+\.)).*\S.*\n1\. ")  # Markdown sees a list where a paragraph wraps


@every_source
def test_no_sentence_becomes_a_list(source):
    assert STRAY.search("the four steps of section\n1. The check") and not STRAY.search("Steps:\n\n1. average\n1. add")
    for cell in jupytext.read(source).cells:
        assert cell.cell_type != "markdown" or not STRAY.search(cell.source), cell.source


def test_a_block_made_beforehand_is_no_answer():
    """Exercise 1 of lesson 00 asks for a function: what suits its first block alone is refused, the solution is not."""
    cells = [cell.source for cell in jupytext.read(SOURCES[0]).cells]
    scope = {"torch": torch, "check_answer": lambda *_: None}
    for name in ("block_law", "repair_block_solution"):
        exec(next(source for source in cells if f"def {name}(" in source), scope)
    block = torch.tensor([[0.9, 0.1], [0.3, 0.5]], dtype=torch.float64)
    with pytest.raises(AssertionError, match="the mean should be"):
        scope["block_law"](lambda *_: block + 0.15)


@pytest.mark.parametrize("source", [SOURCES[1], SOURCES[-1]], ids=lambda path: path.stem)
def test_runs_in_smoke(source, tmp_path):
    """By papermill, two lessons; tests/widgets/test_lesson_panels.py runs the code of all in the smoke profile."""
    notebook = source.with_suffix(".ipynb")
    assert run([notebook], tmp_path, profile="smoke") == [tmp_path / notebook.name]


@every_source
def test_committed_numbers_are_those_of_a_fresh_run(source):
    done = rerun(source.with_suffix(".ipynb"))
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.parametrize("source", [LESSONS[1], LESSONS[-1]], ids=lambda path: path.stem)
def test_a_changed_number_is_noticed(source, tmp_path):
    """The control of the test above: the notebook up to its first checked number, and that number off by one digit."""
    lesson = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    printed = ((cell, output) for cell in checked(lesson) for output in cell.outputs if output.get("text"))
    first, output = next((cell, output) for cell, output in printed if re.search(r"\d", output.text))
    lesson.cells = lesson.cells[: lesson.cells.index(first) + 1]
    output.text = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), output.text, count=1)
    nbformat.write(lesson, tmp_path / "changed.ipynb")
    done = rerun(tmp_path / "changed.ipynb")
    assert done.returncode == 1 and "mismatch 'stdout'" in done.stdout, done.stdout[-3000:]


@every_lesson
def test_text_relies_on_checked_numbers(source):
    printed = ["".join(output.get("text", "") for output in cell.outputs) for cell in checked(read(source))]
    assert printed and all(printed) and any(re.search(r"\d", text) for text in printed)


@every_source
def test_parameters_are_known_to_papermill(source):
    """A help comment with an equals sign, for one, hides its parameter from papermill: it could not be set."""
    (cell,) = [cell for cell in read(source).cells if "parameters" in cell.metadata.get("tags", [])]
    written = ast.parse(cell.source).body
    known = papermill.inspect_notebook(str(source.with_suffix(".ipynb")))
    assert [line.target.id for line in written] == list(known)
    for line in written:
        ast.literal_eval(line.value)
        assert known[line.target.id]["help"], f"{line.target.id} has no help comment"


@every_source
def test_no_widget_that_stalls(source):
    """An executed notebook with ``interact`` or ``Output`` stalls about one run in thirty (measured)."""
    for cell in read(source).cells:
        if cell.cell_type == "code":
            assert not re.search(r"\binteract(ive|_manual)?\(|\bOutput\(", cell.source), cell.source


def formulas_in_summaries(text: str) -> list[str]:
    """Summaries of folded answers that hold a formula: inside HTML the page shows its source."""
    return re.findall(r"<summary>[^<]*\$[^$]+\$.*?</summary>", text)


@every_source
def test_no_formula_where_none_is_set(source):
    assert not formulas_in_summaries(source.read_text("utf-8"))


def test_a_formula_in_a_summary_is_noticed():
    assert formulas_in_summaries("<details><summary>Why is $z$ long?</summary>")
    assert not formulas_in_summaries("<details><summary>Why?</summary> since $z$ is long")


def half_folded(lesson) -> list[str]:
    """Cells that are folded on the site and open in JupyterLab, or the other way round."""
    folded = [
        (cell, {"hide-input", "hide-cell"} & {*cell.metadata.get("tags", [])}, cell.metadata.get("jupyter", {}))
        for cell in lesson.cells
        if cell.cell_type == "code"
    ]
    return [cell.source for cell, tags, lab in folded if bool(tags) != bool(lab.get("source_hidden"))]


@every_source
def test_what_is_folded_on_the_site_is_folded_in_jupyterlab(source):
    lesson = jupytext.read(source)
    assert half_folded(lesson) == []
    lesson.cells.append(nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["hide-input"]}))
    assert half_folded(lesson) == ["1 + 1"]


def too_much(lesson) -> list[str]:
    """Code before the exercises that is open and longer than a reader takes in, or wider than the column."""
    found = []
    for cell in lesson.cells:
        if cell.cell_type == "markdown" and "## Exercises" in cell.source:
            break
        lines = cell.source.split("\n")
        folded = {"hide-input", "hide-cell"} & {*cell.metadata.get("tags", [])}
        if cell.cell_type == "code" and not folded and (len(lines) > 24 or max(map(len, lines)) > 88):
            found.append(f"{len(lines)} lines, {max(map(len, lines))} columns: {lines[0]}")
    return found


@pytest.mark.parametrize("source", SOURCES[:5], ids=lambda path: path.stem)
def test_open_code_is_short(source):
    lesson = jupytext.read(source)
    assert too_much(lesson) == []
    lesson.cells.insert(1, nbformat.v4.new_code_cell("x = 1\n" * 24 + "y"))
    assert too_much(lesson) == ["25 lines, 5 columns: x = 1"]


@every_source
def test_size(source):
    assert source.with_suffix(".ipynb").stat().st_size <= LIMIT


def read(source: Path):
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)
