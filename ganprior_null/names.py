"""Names of files as people give them: which are the same, and how they are shown in text, Markdown and papermill."""

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+!|&~$])")


def stem(path: Path) -> str:
    """The name without suffix, composed (NFC): macOS stores é as two characters, others as one."""
    return unicodedata.normalize("NFC", path.stem)


def by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Paths under their :func:`stem`, in order."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(stem(path), []).append(path)
    return found


def namesakes(paths: Iterable[Path]) -> list[str]:
    """A line for every stem that several paths share."""
    return [
        f"{' and '.join(printable(str(path)) for path in several)} are both called {printable(name)!r}; rename one"
        for name, several in by_stem(paths).items()
        if len(several) > 1
    ]


def printable(text: str) -> str:
    """Text that any UTF-8 file and terminal takes: bytes that are no UTF-8 as \\xe9, control characters escaped."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python carries a byte of a name that it cannot decode (PEP 383)
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def markdown(text: str) -> str:
    """Text as it is, in Markdown."""
    return _MARKDOWN.sub(r"\\\1", printable(text))


def markdown_target(path: str) -> str:
    """A relative path as the target of a link or picture in Markdown."""
    return quote(os.fsencode(path))


def unformatted(path: Path) -> str:
    """The path for papermill, which formats the paths that it is given."""
    return str(path).replace("{", "{{").replace("}", "}}")
