"""The answers with numbers in the instructor's kit are the computed ones, and every section it names is there."""

import math
import re
from pathlib import Path

import pytest

from ganprior_null.priors import StyleGAN2

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "book" / "instructors.md").read_text("utf-8")
AFTER = PAGE.partition("### After:")[2].partition("### What each level")[0]
VALUES = {
    1: lambda: str(StyleGAN2(256, 8, 1, dict.fromkeys((4, 8, 16, 32, 64, 128, 256), 4)).latents),
    2: lambda: f"{(8 * 4.4 - 10) / 7:.1f}",
    3: lambda: f"{-10 * math.log10(10**-2.0 - 10**-2.6):.2f} dB",
    6: lambda: f"{10 * math.log10(2 / (1 + 1 / 2)):.2f} dB, and {10 * math.log10(2):.2f} dB",
}


@pytest.mark.parametrize("number", VALUES)
def test_the_answer_is_the_computed_one(number):
    answers = re.split(r"(?:^|\s)\d\. ", AFTER.partition("<summary>Answers</summary>")[2].replace("$", ""))
    assert VALUES[number]() in answers[number]
    assert VALUES[number]() not in "".join(answers[:number] + answers[number + 1 :])  # the control


def named() -> list[tuple[str, str]]:
    """(lesson, section) as the plans name them: "lesson 05, sections 1-2" is 05, 1 and 05, 2."""
    found = []
    for lesson, first, last in re.findall(r"lesson (0\d), sections? (\d+)(?:-(\d+))?", PAGE):
        found += [(lesson, str(number)) for number in range(int(first), int(last or first) + 1)]
    return found


def missing(sections: list[tuple[str, str]]) -> list[tuple[str, str]]:
    text = {path.stem[:2]: path.read_text("utf-8") for path in (ROOT / "notebooks").glob("0*.py")}
    return [(lesson, number) for lesson, number in sections if f"\n# ## {number}. " not in text[lesson]]


def test_every_section_of_the_plans_exists():
    assert len(named()) > 20 and missing(named()) == []
    assert missing([("05", "99")]) == [("05", "99")]


@pytest.mark.parametrize("title", re.findall(r"(?m)^#{2,3} (Sessions? \d: .*)", PAGE))
def test_the_minutes_of_a_session_follow_each_other(title):
    plan = PAGE.partition(title)[2].partition("\n## ")[0].partition("\n### S")[0].partition("\n### After")[0]
    spans = [(int(a), int(b)) for a, b in re.findall(r"(?m)^\| (\d+)-(\d+) \|", plan)]
    assert spans[0][0] == 0 and spans[-1][1] == 90
    assert all(end == start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
