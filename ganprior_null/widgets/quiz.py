"""A lesson's quiz: plain radio buttons, on the page without a kernel and in JupyterLab.

Why not jupyterquiz (2.9.6, MIT), which needs no network either: without JavaScript and in a notebook that is not
trusted it shows nothing, its answers stand in no live region and its questions in no group, so a screen reader hears
neither; an arrow key answers at once; its "correct" has a contrast of 4.15 to 1; and its ids change with every run.
"""

from pathlib import Path

from ..lessons.quiz import Question, load_quiz, to_html

_HERE = Path(__file__).parent


class _Page:
    """HTML that a notebook shows; its text is the same in every run."""

    def __init__(self, name: str, html: str):
        self.name, self.html = name, html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<the quiz of lesson {self.name}>"


def quiz(name: str) -> _Page:
    """The quiz of lesson ``name`` ("01"), to be the last line of a cell; errors as :func:`load_quiz`."""
    loaded = load_quiz(name)
    questions = [_fieldset(f"quiz-{name}", number, question) for number, question in enumerate(loaded.questions, 1)]
    style, program = ((_HERE / f"quiz.{kind}").read_text("utf-8") for kind in ("css", "js"))
    form = f'<form class="quiz mathjax_process" aria-label="Quiz: {to_html(loaded.title)}">{"".join(questions)}</form>'
    return _Page(name, f"<style>{style}</style>{form}<script>{program}</script>")


def _fieldset(group: str, number: int, question: Question) -> str:
    """One question. Its answers are folded below it where no program runs, which else shows one at a time."""
    name = f"{group}-{number}"
    choices = [
        f'<label><input type="radio" name="{name}" value="{i}"> <span>{letter}) {to_html(choice.text)}</span></label>'
        for i, (letter, choice) in enumerate(zip("abcdefgh", question.choices, strict=False))
    ]
    answers = [
        f"<li{' data-right' if choice.right else ''}><strong>{'Right' if choice.right else 'Not so'}:</strong> "
        f'<span class="quiz-chosen">{to_html(choice.text)}</span> {to_html(choice.why)}</li>'
        for choice in question.choices
    ]
    return (
        f"<fieldset><legend><strong>{number}.</strong> {to_html(question.ask)}</legend>{''.join(choices)}"
        f"<details><summary>Answers</summary><ul>{''.join(answers)}</ul></details></fieldset>"
    )
