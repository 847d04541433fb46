"""Numbered figures: ``python book/figures.py`` counts the captions of the sources up, with every mention of them.

A caption is the paragraph below a figure's cell, ``**Figure 2.3.** What to see.``, so that it reads the same in
JupyterLab, on the site and in print; 2 is the lesson, 3 counts its figures. "Figure 2.3" elsewhere, in any lesson,
becomes a link. A new caption may have any number that none has yet, such as 2.99: this program gives it the right one.
"""

import re
import sys
from collections import Counter
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
CAPTION = re.compile(r"\A\s*\*\*Figure (\d+\.\d+)\.\*\* ")
IN_SOURCE = re.compile(r"(?m)^# \*\*Figure (\d+\.\d+)\.\*\* ")
MENTION = re.compile(r"\bFigure (\d+\.\d+)\b")


def main() -> int:
    sources = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))
    texts = {path: path.read_text("utf-8") for path in sources}
    try:
        changed = renumbered(texts)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for path, text in changed.items():
        if text != texts[path]:
            path.write_text(text, "utf-8")
            print(f"{path.name}: {len(IN_SOURCE.findall(text))} figures")
    return 0


def renumbered(texts: dict[Path, str]) -> dict[Path, str]:
    """The sources with captions that count up. Raises ValueError for a number that two have, or a mention of none."""
    captions = [(path, number) for path, text in texts.items() for number in IN_SOURCE.findall(text)]
    check([number for _, number in captions], mentions="\n".join(texts.values()))
    count, new = Counter(), {}
    for path, number in captions:
        count[path] += 1
        new[number] = f"{int(path.name[:2])}.{count[path]}"
    return {path: MENTION.sub(lambda mention: f"Figure {new[mention[1]]}", text) for path, text in texts.items()}


def check(numbers: list[str], mentions: str) -> None:
    """Raises ValueError for a number that two captions have, or a mention of a figure that there is not."""
    twice = [number for number, times in Counter(numbers).items() if times > 1]
    missing = sorted(set(MENTION.findall(mentions)) - set(numbers))
    if twice or missing:
        wrong = f"two captions have the number {twice[0]}" if twice else f"no caption has the number {missing[0]}"
        raise ValueError(f"Figure {(twice or missing)[0]}: {wrong}")


def captioned(lesson) -> list[str]:
    """The numbers of a notebook's captions, in order. Raises ValueError for one that stands below no output."""
    numbers = []
    for before, cell in zip([None, *lesson.cells], lesson.cells, strict=False):
        if cell.cell_type == "markdown" and (caption := CAPTION.match(cell.source)):
            if before is None or not before.get("outputs"):
                raise ValueError(f"Figure {caption[1]}: its caption must stand right below the cell that makes it")
            numbers.append(caption[1])
    return numbers


def wrap_captions(lesson) -> None:
    """What the pages are made of: the figure's cell is tagged, its caption a block with a name, each mention a link."""
    for before, cell in zip([None, *lesson.cells], lesson.cells, strict=False):
        if cell.cell_type != "markdown":
            continue
        caption = CAPTION.match(cell.source)
        first, gap, rest = cell.source.partition("\n\n") if caption else ("", "", cell.source)
        rest = "\n".join(line if line.startswith("<") else linked(line) for line in rest.split("\n"))
        if caption:
            before.metadata["tags"] = [*before.metadata.get("tags", []), "figure"]
            said = linked(first[caption.end() :])
            first = f"({name(caption[1])})=\n:::{{div}} figure-caption\n**Figure {caption[1]}.** {said}\n:::"
        cell.source = first + gap + rest


def linked(text: str) -> str:
    return MENTION.sub(lambda mention: f"[{mention[0]}](#{name(mention[1])})", text)


def name(number: str) -> str:
    return "fig-" + number.replace(".", "-")


if __name__ == "__main__":
    sys.exit(main())
