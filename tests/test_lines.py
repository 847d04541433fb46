"""The counter counts what a reader would call code."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

SOURCE = '''"""A docstring
of two lines."""

import os  # a comment beside code

# a comment
TEXT = """two
lines"""


def f(x):
    """A docstring."""

    return (
        x
    )
'''


def test_blank_lines_comments_and_docstrings_do_not_count(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from lines import code_lines

    assert code_lines(SOURCE) == {4, 7, 8, 11, 14, 15, 16}
    sys.modules.pop("lines")
