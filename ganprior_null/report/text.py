"""The report of claims as text: for a terminal, for a page, for another program."""

import json
import os
from pathlib import Path

from ..places import ROOT


def as_summary(table: list[dict]) -> str:
    """The report in a few lines: each verdict with the claims that have it, what needs care, where more is."""
    verdicts: dict[str, list[str]] = {}
    for row in table:
        verdicts.setdefault(row["verdict"], []).append(row["id"])
    lines = [f"{len(ids):>3}  {verdict}: {' '.join(ids)}" for verdict, ids in sorted(verdicts.items(), key=_rank)]
    noted = [row["id"] for row in table if row["note"]]
    lines += [f"with a note (older than its code, or runs that changed): {' '.join(noted)}"] if noted else []
    return "\n".join([f"{len(table)} claims", *lines, "every claim with its numbers and files: --full"])


def _rank(item: tuple[str, list[str]]) -> tuple[int, str]:
    order = ("reproduced", "partly", "not reproduced")
    verdict = item[0].partition(",")[0]
    return (order.index(verdict) if verdict in order else len(order), item[0])


def as_text(table: list[dict]) -> str:
    """The table for a terminal: a line per claim, then the statement and where the number comes from."""
    lines = []
    for row in table:
        note = f" ({row['note']})" if row["note"] else ""
        behind = f" [{row['evidence']}]" if row["evidence"] else ""
        lines.append(f"{row['id']:>3}  {row['verdict']}{note}: {row['ours']}{behind}; paper: {row['paper']}")
        lines.append(f"     {row['statement']}")
        if row["stored"]:
            lesson = ", ".join(filter(None, (row["notebook"], row["section"])))
            lines.append("     " + "; ".join([lesson, row["stored"], *row["runs"]]))
    return "\n".join(lines)


def as_markdown(table: list[dict], folder: Path = ROOT) -> str:
    """The table for a page that lies in ``folder``: links to lessons and stored results are relative to it."""
    lines = ["| | claim | paper | ours | verdict |", "|---|---|---|---|---|"]
    for row in table:
        ours = f"{row['ours']}; {row['evidence']}" if row["evidence"] else row["ours"]
        verdict = f"**{row['verdict']}**" + (f" ({row['note']})" if row["note"] else "")
        if links := where(row, folder):
            verdict += f": {links}"
        cells = (row["id"], f"{row['statement']} *({row['source']})*", row["paper"], ours, verdict)
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |")
    return "\n".join(lines)


def as_json(table: list[dict]) -> str:
    """The rows as they are."""
    return json.dumps(table, indent=1)


def where(row: dict, folder: Path) -> str:
    """Links to the cell that measures, to the stored value and to the runs behind it."""
    links = []
    if row["section"]:
        lesson = relative(f"notebooks/{row['notebook']}.ipynb", folder)
        links.append(f"[{row['notebook'][:2]} · {row['section']}]({lesson}#{anchor_of(row['id'])})")
    if row["stored"]:
        links.append(f"[stored value]({relative(row['stored'], folder)})")
    links += [f"[{Path(path).parent.name}]({relative(path, folder)})" for path in row["runs"]]
    return ", ".join(links)


def anchor_of(id: str) -> str:
    """The name that the site gives to the cell which measures a claim."""
    return f"claim-{id.lower()}"


def relative(path: str, folder: Path) -> str:
    """A path from the repository's root, or an absolute one, as a link from ``folder``."""
    return Path(os.path.relpath(ROOT / path, folder)).as_posix()
