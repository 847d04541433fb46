"""Execute the committed notebooks from their sources, in place: ``python book/execute.py [01 ...]``.

``notebooks/NN_name.py`` is what is edited and reviewed; this writes ``notebooks/NN_name.ipynb`` beside it with the
outputs of the laptop profile, and the claims it measures into
``ganprior_null/report/recorded``. A notebook that fails stays as it was.
"""

import argparse
import hashlib
import os
import sys
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
LIMIT = 1_000_000  # bytes of a committed notebook
CELL_TIMEOUT = 3600  # seconds, for a cell that hangs: on a busy machine one may take many minutes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", nargs="*", default=[""], help="only these, for example 01 02; default: all")
    options = parser.parse_args()
    sources = sorted(path for number in options.numbers for path in NOTEBOOKS.glob(f"{number}*.py"))
    if not sources:
        print(f"error: no notebook begins with {' or '.join(options.numbers)}", file=sys.stderr)
        return 2
    os.environ |= {"GANPRIOR_PROFILE": "laptop", "GANPRIOR_RESULTS": str(ROOT / "data" / "results")}
    for source in sources:
        try:
            target = execute(source)
        except (CellExecutionError, ValueError) as error:
            print(f"error: {source.name}: {error}", file=sys.stderr)  # with the failing cell and its traceback
            return 1
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1000:.0f} kB")
    return 0


def execute(source: Path) -> Path:
    """Run one source in a fresh kernel and write its notebook. Raises CellExecutionError, ValueError if too large."""
    lesson = jupytext.read(source)
    name_cells(lesson)
    code = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in lesson.cells)
    with tqdm(total=code, desc=source.stem, unit="cell") as bar:
        NotebookClient(
            lesson,
            kernel_name="python3",
            timeout=CELL_TIMEOUT,
            resources={"metadata": {"path": str(source.parent)}},
            record_timing=False,  # timestamps would change with every run
            coalesce_streams=True,  # else a slow machine breaks one table into several outputs
            extra_arguments=["--IPKernelApp.log_level=40"],  # else it warns that the kernel listens on this machine
            on_cell_complete=lambda **_: bar.update(),
        ).execute()
    text = nbformat.writes(lesson)
    if len(text.encode()) > LIMIT:
        raise ValueError(f"executed it has {len(text.encode())} bytes, at most {LIMIT} are committed")
    target = source.with_suffix(".ipynb")
    target.write_text(text + "\n", "utf-8")
    return target


def name_cells(lesson) -> None:
    """Give each cell an id that follows from its text, so that executing again changes no ids."""
    seen = Counter()
    for cell in lesson.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        cell["id"] = f"{digest}-{seen[digest]}"
        seen[digest] += 1


if __name__ == "__main__":
    sys.exit(main())
