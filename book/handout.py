"""Write the lessons for a class: ``python book/handout.py build/handout``, without solutions, answers and outputs.

Cells tagged ``solution`` go, and what is folded under "Answer" in the text; the exercises and their checks stay.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
ANSWER = re.compile(r"<details><summary>(Answers?|Quick check.*?)</summary>.*?</details>\n?", re.S)

FOLDED = re.compile(r"[^.:]*\bfolded (?:away|cell)\b[^.:]*\.")  # the sentence that tells where the solutions are


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder to write the notebooks into")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
        nbformat.write(handout(nbformat.read(path, as_version=4)), folder / path.name)
        print(folder / path.name)
    return 0


def handout(lesson):
    """The lesson as a participant gets it."""
    lesson.cells = [cell for cell in lesson.cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in lesson.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = FOLDED.sub("", ANSWER.sub(question, cell.source))
    lesson.metadata.pop("widgets", None)
    return lesson


def question(folded: re.Match) -> str:
    """What stays of a folded answer: nothing, or the question where that is the summary."""
    return "" if folded[1].startswith("Answer") else f"**{folded[1]}**\n"


if __name__ == "__main__":
    sys.exit(main())
