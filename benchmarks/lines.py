"""Lines of code of the package by room: ``make lines``. Blank lines, comments and docstrings do not count.

The method is what a reader studies, the laboratory serves the runs; DESIGN allows 3,200 and 5,500 lines.
"""

import ast
import io
import statistics
import sys
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "ganprior_null"
METHOD = ("images", "kernelgan", "layers", "losses", "metrics", "networks", "operators", "priors", "restorers")
SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
LONGEST = 8  # functions that are listed


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return lines


def functions(path: Path) -> list[tuple[int, str]]:
    """(lines of code, file:name) of every function; what is nested in it counts."""
    source = path.read_text("utf-8")
    lines, found = code_lines(source), []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            own = sum(node.lineno <= line <= node.end_lineno for line in lines)
            found.append((own, f"{path.relative_to(PACKAGE)}:{node.name}"))
    return found


def main() -> int:
    files = {path: len(code_lines(path.read_text("utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))}
    rooms: dict[str, list[int]] = {}
    for path, lines in files.items():
        rooms.setdefault(path.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(lines)
    print(f"{'room':<14}{'files':>6}{'lines':>7}")
    for name, lines in sorted(rooms.items(), key=lambda room: -sum(room[1])):
        print(f"{name:<14}{len(lines):>6}{sum(lines):>7}  {'method' if name in METHOD else ''}".rstrip())
    method = sum(sum(lines) for name, lines in rooms.items() if name in METHOD)
    total = sum(files.values())
    print(f"\nmethod {method}, laboratory {total - method}, together {total} in {len(files)} files,")
    print(f"median of a file {statistics.median(files.values()):.0f}; the longest functions:")
    for lines, name in sorted((f for path in files for f in functions(path)), reverse=True)[:LONGEST]:
        print(f"{lines:>5}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
