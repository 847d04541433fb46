"""Write the quizzes for a learning platform: ``python book/quizzes.py build/quizzes``, a Moodle XML file each lesson.

Moodle, and platforms that read its format, import a file into a category of the question bank named after the lesson.
A question's ``idnumber`` is the lesson and its id, so that importing again can be compared with what is there.
"""

import argparse
import sys
from pathlib import Path
from xml.dom import minidom

from ganprior_null.lessons.quiz import Question, Quiz, load_quiz, quizzes_folder, to_html

PENALTY = "0.3333333"  # of a second try, where the platform allows one: Moodle's own default


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder to write the files into")
    folder = parser.parse_args().folder
    try:
        quizzes = [load_quiz(path.stem) for path in sorted(quizzes_folder().glob("[0-9][0-9].toml"))]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for quiz in quizzes:
        path = folder / f"{quiz.name}.xml"
        path.write_text(moodle(quiz), "utf-8")
        print(path)
    return 0


def moodle(quiz: Quiz) -> str:
    """A quiz as Moodle XML: its category, then its questions of one choice, every choice with its reason."""
    document = minidom.Document()
    root = document.appendChild(document.createElement("quiz"))
    category = _child(root, "question", type="category")
    _text(_child(category, "category"), f"$course$/top/ganprior-null/{quiz.name} {quiz.title}")
    for question in quiz.questions:
        _question(root, quiz.name, question)
    return document.toprettyxml(indent=" ", encoding="UTF-8").decode()


def _question(root, lesson: str, question: Question) -> None:
    entry = _child(root, "question", type="multichoice")
    _text(_child(entry, "name"), f"{lesson} {question.id.replace('-', ' ')}")
    _html(_child(entry, "questiontext", format="html"), question.ask)
    _html(_child(entry, "generalfeedback", format="html"), "")
    settings = {"defaultgrade": "1", "penalty": PENALTY, "hidden": "0", "idnumber": f"ganprior-{lesson}-{question.id}"}
    settings |= {"single": "true", "shuffleanswers": "true", "answernumbering": "abc"}
    for name, value in settings.items():
        _child(entry, name).appendChild(root.ownerDocument.createTextNode(value))
    for choice in question.choices:
        answer = _child(entry, "answer", fraction="100" if choice.right else "0", format="html")
        _html(answer, choice.text)
        _html(_child(answer, "feedback", format="html"), choice.why)


def _child(parent, name: str, **attributes: str):
    """A new element, the last one in ``parent``."""
    element = parent.appendChild(parent.ownerDocument.createElement(name))
    for key, value in attributes.items():
        element.setAttribute(key, value)
    return element


def _text(parent, text: str) -> None:
    _child(parent, "text").appendChild(parent.ownerDocument.createTextNode(text))


def _html(parent, text: str) -> None:
    """HTML as the format wants it, in CDATA; none of our texts holds the end of one, since > is escaped."""
    _child(parent, "text").appendChild(parent.ownerDocument.createCDATASection(to_html(text)))


if __name__ == "__main__":
    sys.exit(main())
