"""The quiz of a lesson, from ``notebooks/quizzes/NN.toml``: the one source of its page and of its export.

A file holds ``title`` and tables ``[[question]]`` with ``id`` (words joined by hyphens, for ever the same: platforms
keep statistics by it), ``ask``, ``right`` and ``wrong``: one pair, and two or more, of what is to be chosen and why it
is right or wrong. Texts may hold ``$formulas$``, `` `code` `` and ``*stress*``.
"""

import html
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from .. import places


@dataclass(frozen=True)
class Choice:
    """One answer that may be chosen, and why it is right or wrong."""

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question with one right choice among its choices, which stand in the order in which they are shown."""

    id: str
    ask: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Quiz:
    """The questions of one lesson; ``name`` is its number, "01"."""

    name: str
    title: str
    questions: tuple[Question, ...]


def quizzes_folder() -> Path:
    """Where the files lie in the checkout."""
    return places.ROOT / "notebooks" / "quizzes"


def load_quiz(name: str) -> Quiz:
    """The quiz of the lesson with the number ``name``.

    Raises FileNotFoundError for none, ValueError for a file that does not say what the module's text asks for.
    """
    path = quizzes_folder() / f"{name}.toml"
    if not path.is_file():
        raise FileNotFoundError(f"no quiz of lesson {name!r}: {path}")
    return parse_quiz(name, path.read_text("utf-8"))


def parse_quiz(name: str, text: str) -> Quiz:
    """A quiz from the text of its file; raises ValueError, with the question's id, for what is wrong with it."""
    table = tomllib.loads(text)
    if table.keys() != {"title", "question"}:
        raise ValueError(f"quiz {name}: a file holds title and [[question]], got {sorted(table)}")
    questions = tuple(_question(name, entry) for entry in table["question"])
    ids = [question.id for question in questions]
    if len(set(ids)) < len(ids):
        raise ValueError(f"quiz {name}: two questions have the id {max(ids, key=ids.count)!r}")
    return Quiz(name, table["title"], questions)


def _question(name: str, entry: dict) -> Question:
    where = f"quiz {name}, {entry.get('id', 'a question without id')}"
    if entry.keys() != {"id", "ask", "right", "wrong"}:
        raise ValueError(f"{where}: a question holds id, ask, right and wrong, got {sorted(entry)}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry["id"]):
        raise ValueError(f"{where}: an id is words joined by hyphens")
    pairs = [entry["right"], *entry["wrong"]]
    if len(pairs) < 3 or any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError(f"{where}: one right pair and two wrong ones or more, [choice, why] each")
    if len({text for text, _ in pairs}) < len(pairs):
        raise ValueError(f"{where}: two choices are the same")
    for text in (entry["ask"], *(text for pair in pairs for text in pair)):
        if text.count("$") % 2 or text.count("`") % 2:
            raise ValueError(f"{where}: a formula or a piece of code does not end in {text!r}")
    choices = [Choice(text, why, right=i == 0) for i, (text, why) in enumerate(pairs)]
    random.Random(entry["id"]).shuffle(choices)  # the file may name the right one first
    return Question(entry["id"], entry["ask"], tuple(choices))


def to_html(text: str) -> str:
    r"""A text of a quiz as HTML; formulas in ``\( \)``, which the site, JupyterLab and Moodle all set."""

    def part(found: re.Match) -> str:
        formula, code, stressed = found.groups()
        if formula is not None:
            return rf"\({formula}\)"
        return f"<code>{code}</code>" if code is not None else f"<em>{stressed}</em>"

    return re.sub(r"\$([^$]+)\$|`([^`]+)`|\*([^*$`]+)\*", part, html.escape(text, quote=False))
