"""Quizzes: what their files must hold, that their numbers are right, and that their export comes back whole."""

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from ganprior_null import AveragePool, Matrix, enforce_consistency
from ganprior_null.lessons.quiz import load_quiz, parse_quiz, quizzes_folder, to_html
from ganprior_null.priors import StyleGAN2
from ganprior_null.widgets import quiz as shown

from ..programs import program

ROOT = Path(__file__).resolve().parents[2]
NAMES = [path.stem for path in sorted(quizzes_folder().glob("*.toml"))]
every_quiz = pytest.mark.parametrize("name", NAMES)
GOOD = """title = "T"
[[question]]
id = "one"
ask = "What is $A$?"
right = ["a", "since"]
wrong = [["b", "not"], ["c", "no"]]
"""


def test_every_lesson_has_its_quiz_and_shows_it():
    lessons = sorted((ROOT / "notebooks").glob("0[0-9]_*.py"))
    assert [path.stem[:2] for path in lessons] == NAMES
    for path in lessons:
        assert path.read_text("utf-8").count(f'\nquiz("{path.stem[:2]}")\n') == 1


@every_quiz
def test_about_five_questions_whose_right_answers_do_not_stand_out(name):
    quiz = load_quiz(name)
    assert 5 <= len(quiz.questions) <= 8
    places = [[choice.right for choice in question.choices].index(True) for question in quiz.questions]
    assert len(set(places)) > 1
    longest = [max(question.choices, key=lambda choice: len(choice.text)).right for question in quiz.questions]
    assert not all(longest)


def test_the_ids_are_those_of_one_question_each():
    ids = [question.id for name in NAMES for question in load_quiz(name).questions]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title", "name", "title and"),
        ('ask = "What', 'asks = "What', "a question holds id, ask, right and wrong"),
        ('id = "one"', 'id = "Number One"', "joined by hyphens"),
        ('["b", "not"], ', "", "two wrong ones or more"),
        ('["b", "not"]', '["b", ""]', "choice, why"),
        ('["b", "not"]', '["b"]', "choice, why"),
        ('["b", "not"]', '["a", "not"]', "two choices are the same"),
        ("$A$", "$A", "does not end"),
        ("wrong =", "wrong = 1\nwrong =", "overwrite"),
    ],
)
def test_a_wrong_file_is_refused(old, new, message):
    assert len(parse_quiz("01", GOOD).questions) == 1
    with pytest.raises(ValueError, match=message):
        parse_quiz("01", GOOD.replace(old, new, 1))


def test_two_questions_of_one_id_are_refused():
    with pytest.raises(ValueError, match="two questions have the id 'one'"):
        parse_quiz("01", GOOD + GOOD.partition("\n")[2])


def test_a_lesson_without_a_quiz_is_named():
    with pytest.raises(FileNotFoundError, match="no quiz of lesson '99'"):
        shown("99")


def test_formulas_code_and_stress_become_html():
    text = "*Why* is `x < 1` $a < b * c * d$ & 5 > 4?"
    html = r"<em>Why</em> is <code>x &lt; 1</code> \(a &lt; b * c * d\) &amp; 5 &gt; 4?"
    assert to_html(text) == html


def test_the_page_of_a_quiz_is_the_same_in_every_run():
    assert shown("01").html == shown("01").html and repr(shown("01")) == "<the quiz of lesson 01>"


# --- numbers: what each right answer says, computed -----------------------------------------------------------------


def mse_of_pd() -> float:
    """What PD takes from the mean squared error of a picture whose block means are wrong by 0.1, at 4x."""
    A, x = AveragePool(4), torch.rand(1, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x_r = x + 0.1 + A.project_null(x.flip(-1))
    x_hat = enforce_consistency(x_r, A(x), A)
    return float((x_r - x).square().mean() - (x_hat - x).square().mean())


def null_dimensions() -> int:
    """Of AveragePool(4) on one colour channel of 16 x 16, scaled to three channels of 64 x 64."""
    A = AveragePool(4)
    basis = torch.eye(256, dtype=torch.float64).view(256, 1, 16, 16)
    rank = int(torch.linalg.matrix_rank(A(basis).flatten(1)))
    return 3 * 16 * (256 - rank)


def block_by_hand() -> str:
    guess = torch.tensor([[[[0.2, 0.4], [0.6, 0.8]]]], dtype=torch.float64)
    fixed = enforce_consistency(guess, torch.full((1, 1, 1, 1), 0.6, dtype=torch.float64), AveragePool(2))
    return ", ".join(f"{value:.1f}" for value in fixed.flatten().tolist())


def small_singular_value() -> float:
    A = Matrix(torch.diag(torch.tensor([1.0, 1e-3], dtype=torch.float64)))
    return float(A.pinv(torch.tensor([[0.0, 0.01]], dtype=torch.float64)).abs().max())


def largest_remainders() -> str:
    v = [10.40, 10.45, 10.30, 10.85]
    blocks = [block for block in itertools.product((10, 11), repeat=4) if sum(block) == 42]
    best = min(blocks, key=lambda block: sum((q - w) ** 2 for q, w in zip(block, v, strict=True)))
    return ", ".join(map(str, best))


def collapsed_side() -> int:
    """How many pixels one output of the chain depends on: what it takes away from a longer row, and one."""
    row = torch.ones(1, 1, 40)
    for side in (7, 5, 3, 1, 1, 1):
        row = torch.nn.functional.conv1d(row, torch.ones(1, 1, side))
    return 40 - row.shape[-1] + 1


def margin(decibels: float) -> float:
    return -10 * math.log10(1 - 10 ** (-decibels / 10))


COMPUTED = {
    "one-block-by-hand": block_by_hand,
    "dimensions-of-a-colour-image": lambda: str(null_dimensions()),
    "a-small-singular-value": lambda: f"{small_singular_value():.0f}",
    "gain-per-pixel": lambda: f"{mse_of_pd():.2f}",
    "largest-remainders": largest_remainders,
    "share-of-the-correction": lambda: f"{(0.05 - 0.01) / 0.05:.1f}",
    "side-of-the-collapsed-kernel": lambda: str(collapsed_side()),
    "number-of-codes": lambda: str(StyleGAN2(64, 8, 1, dict.fromkeys((4, 8, 16, 32, 64), 4)).latents),
    "score-of-the-best-discriminator": lambda: f"{best_score(0.9, 0.1):.2f}",
    "mean-of-three": lambda: f"{10 * math.log10((1 + 3) / (1 + 3 / 3)):.1f} dB",
    "how-many-times-faster": lambda: f"{1000 / (100 + 100 * (24 - 23) / (25 - 23)):.1f} times",
    "sampler-against-regressor": lambda: f"twice the error: {10 * math.log10(2):.2f} dB",
    "mean-of-four-answers": lambda: f"{10 * math.log10(2 / (1 + 1 / 4)):.2f} dB",
    "gain-before-the-fact": lambda: f"{margin(34 - 28):.2f} dB",
    "large-margin": lambda: f"{margin(20):.2f} dB",
}


def best_score(p: float, q: float) -> float:
    """The minimum of p softplus(-s) + q softplus(s), looked for on a fine grid."""
    s = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
    loss = p * torch.nn.functional.softplus(-s) + q * torch.nn.functional.softplus(s)
    return float(s[loss.argmin()])


@pytest.mark.parametrize("id", COMPUTED)
def test_the_number_of_the_right_answer_is_the_computed_one(id):
    """And no wrong answer has it: the control."""
    (question,) = [question for name in NAMES for question in load_quiz(name).questions if question.id == id]
    value = COMPUTED[id]()
    found = [
        choice.right for choice in question.choices if re.search(rf"(?<![\d.]){re.escape(value)}(?!\d)", choice.text)
    ]
    assert found == [True], f"computed {value}"


def test_numbers_are_all_computed():
    """A right answer with a number of more than one digit is in the table above."""
    numeric = {
        question.id
        for name in NAMES
        for question in load_quiz(name).questions
        for choice in question.choices
        if choice.right and re.search(r"\d\.?\d", re.sub(r"\$[^$]*\$", "", choice.text))
    }
    assert numeric <= COMPUTED.keys()


# --- the export -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moodle():
    return program("book/quizzes.py").moodle


def read_back(text: str) -> dict[str, tuple]:
    """{id: (question, {choice: (fraction, why)})} as a platform reads it; AssertionError for what none would take."""
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "quiz" and root[0].get("type") == "category"
    assert root[0].findtext("category/text").startswith("$course$/top/")
    found = {}
    for entry in root[1:]:
        assert entry.get("type") == "multichoice" and entry.findtext("name/text")
        assert entry.findtext("single") == "true" and float(entry.findtext("defaultgrade")) == 1
        assert entry.findtext("shuffleanswers") == "true" and entry.findtext("answernumbering") == "abc"
        assert 0 <= float(entry.findtext("penalty")) <= 1
        answers = {
            a.findtext("text"): (float(a.get("fraction")), a.findtext("feedback/text")) for a in entry.findall("answer")
        }
        assert sum(fraction for fraction, _ in answers.values()) == 100, "the fractions of one choice sum to 100"
        assert all(part.get("format") == "html" for part in (entry.find("questiontext"), *entry.findall("answer")))
        found[entry.findtext("idnumber")] = (entry.findtext("questiontext/text"), answers)
    return found


@every_quiz
def test_what_is_exported_comes_back(moodle, name):
    quiz, text = load_quiz(name), moodle(load_quiz(name))
    wanted = {
        f"ganprior-{name}-{question.id}": (
            to_html(question.ask),
            {to_html(choice.text): (100.0 * choice.right, to_html(choice.why)) for choice in question.choices},
        )
        for question in quiz.questions
    }
    assert read_back(text) == wanted
    assert text.count("<![CDATA[") == text.count("]]>") >= sum(1 + 2 * len(q.choices) for q in quiz.questions)


def test_a_damaged_export_is_noticed(moodle):
    text = moodle(load_quiz("01"))
    with pytest.raises(ElementTree.ParseError):
        read_back(text.replace("]]>", "", 1))
    for old, new in (('fraction="100"', 'fraction="50"'), ("<single>true", "<single>false"), ("$course$", "")):
        with pytest.raises(AssertionError):
            read_back(text.replace(old, new, 1))
