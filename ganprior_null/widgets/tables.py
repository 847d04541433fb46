"""Tables of the lessons, in one look."""

import re
from collections.abc import Iterable, Sequence

from IPython.display import Markdown, display

_NUMBER = re.compile(r"[*]?[-+±–]?(\d|$)")  # what a cell of numbers begins with, when it is not empty or a dash


def table(head: Sequence[str], rows: Iterable[Sequence], note: str = "") -> None:
    """Show rows of cells below their heads; columns of numbers end at the right. note: a line below, in small words.

    What has no rows says so. Raises ValueError for a row of another length than the head.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    if not rows:
        display(Markdown("*Nothing of this kind is stored yet.*"))
        return
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row of {len(row)} cells under {len(head)} heads: {row}")
    rules = [
        "--:" if k and all(map(_NUMBER.match, column)) else "---" for k, column in enumerate(zip(*rows, strict=True))
    ]
    lines = ["| " + " | ".join(line) + " |" for line in (head, rules, *rows)]
    display(Markdown("\n".join(lines) + (f"\n\n*{note}*" if note else "")))
