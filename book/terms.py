"""The first use of each term of the glossary in a lesson becomes a link to its entry, when the site is built."""

import re
from collections.abc import Callable
from pathlib import Path

GLOSSARY = Path(__file__).with_name("glossary.md")
# what is no running text: code, formulas, roles and links, and lines that are headings, tables, HTML or fences
KEPT = re.compile(
    r"(?ms)```.*?```|\$\$.*?\$\$|\$[^$]*\$|\{\w+\}`[^`]*`|`[^`]*`|!?\[[^\]]*\]\([^)]*\)|^[ ]*[#<|:][^\n]*"
)


def entries(glossary: str) -> dict[str, str]:
    """{how it is written: the entry} of the glossary's text; "HR, LR" is one entry for two."""
    body = glossary.partition("{glossary}")[2]
    heads = [line for line in body.splitlines() if re.match(r"\w", line)]
    return {written: head for head in heads for written in head.split(", ")}


def link_terms(lesson, found: dict[str, str]) -> None:
    """Link in a notebook, in place, the first use of each of ``entries``."""
    linked: set[str] = set()
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            cell.source = outside(cell.source, lambda text: link_first(text, found, linked))


def outside(text: str, change: Callable[[str], str]) -> str:
    """``change`` applied to the running text alone."""
    parts, end = [], 0
    for kept in KEPT.finditer(text):
        parts += [change(text[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, change(text[end:])])


def link_first(text: str, found: dict[str, str], linked: set[str]) -> str:
    """Running text with links for those terms that are not in ``linked`` yet; they are added to it."""

    def link(use: re.Match) -> str:
        written = next(term for term in found if re.fullmatch(pattern(term), use[0]))
        if found[written] in linked:
            return use[0]
        linked.add(found[written])
        return f"{{term}}`{' '.join(use[0].split())} <{found[written]}>`"

    longest = sorted(found, key=len, reverse=True)  # "GAN prior" before "GAN"
    return re.sub(rf"(?<![\w-])(?:{'|'.join(map(pattern, longest))})(?![\w-])", link, text)


def pattern(term: str) -> str:
    """A term in running text: a capital or plural where it is a word, a hyphen or a new line between words."""
    words = [re.escape(word) for word in term.split()]
    if term[0].islower():
        words[0] = f"[{term[0]}{term[0].upper()}]{words[0][1:]}"
    return r"[ \n-]".join(words) + (r"(?:e?s)?" if term[-1].isalpha() else "")
