"""A quiz on the page: mouse and keyboard, screen reader, light and dark, without a kernel, a network or a program."""

import shutil
import subprocess
import sysconfig

import nbformat
import nbformat.v4 as v4
import pytest

from ganprior_null.lessons.quiz import load_quiz
from ganprior_null.widgets import quiz

from .conftest import AXE_RUN, AXE_TAGS, ROOT

NAME = "01"


@pytest.fixture(scope="module")
def address(builder, tmp_path_factory) -> str:
    """A page with a quiz and nothing else, built with the settings of the course."""
    book = tmp_path_factory.mktemp("quiz")
    builder.copy_mathjax(book / "vendor" / "mathjax")
    shutil.copytree(ROOT / "book" / "vendor", book / "vendor", dirs_exist_ok=True)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(ROOT / "book" / name, book)
    (book / "_toc.yml").write_text("format: jb-book\nroot: page\n", "utf-8")
    shown = quiz(NAME)
    output = v4.new_output("execute_result", {"text/html": shown.html}, execution_count=1)
    cells = [
        v4.new_markdown_cell("# A quiz\n\nOf $A x$."),
        v4.new_code_cell("quiz", outputs=[output], execution_count=1),
    ]
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    nbformat.write(v4.new_notebook(cells=cells, metadata=language), book / "page.ipynb")
    command = [sysconfig.get_path("scripts") + "/jupyter-book", "build", book, "-W", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    builder.mend(book / "_build" / "html", "")
    return (book / "_build" / "html" / "page.html").as_uri()


@pytest.fixture
def page(browser, address):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(str(error)))
    page.goto(address)
    page.evaluate("window.MathJax.startup.promise.then(() => null)")
    yield page
    page.close()
    assert asked == []


def choose(page, number: int, right: bool) -> str:
    """Choose the right answer of a question, or its first wrong one, check it, and return what is said."""
    question = load_quiz(NAME).questions[number]
    place = [choice.right for choice in question.choices].index(right)
    box = page.locator("form.quiz fieldset").nth(number)
    box.locator("input").nth(place).check()
    assert box.locator(".quiz-said").inner_text().strip() == ""  # nothing is said before it is asked for
    box.get_by_role("button", name="Check").click()
    return " ".join(box.locator(".quiz-said").inner_text().split())


def test_a_wrong_answer_explains_itself_and_the_right_one_counts(page):
    said = choose(page, 0, right=False)
    reasons = [choice.why for choice in load_quiz(NAME).questions[0].choices if not choice.right]
    assert said.startswith("Not so: ") and said.removeprefix("Not so: ") == reasons[0]
    assert page.inner_text(".quiz-score") == "0 of 5 right, 1 tried."
    assert choose(page, 0, right=True).startswith("Right: ")
    assert page.inner_text(".quiz-score") == "1 of 5 right, 1 tried."
    assert all(choose(page, number, right=True).startswith("Right: ") for number in range(1, 5))
    assert page.inner_text(".quiz-score") == "5 of 5 right."


def test_nothing_chosen_is_said_and_another_choice_takes_the_word_back(page):
    box = page.locator("form.quiz fieldset").first
    box.get_by_role("button", name="Check").click()
    assert box.locator(".quiz-said").inner_text().strip() == "Choose an answer first."
    choose(page, 0, right=False)
    box.locator("input").nth(0).check()
    box.locator("input").nth(1).check()
    assert box.locator(".quiz-said").inner_text().strip() == ""


def test_the_keyboard_is_enough(page):
    page.locator("form.quiz input").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")  # chooses the next one, and gives no answer away
    box = page.locator("form.quiz fieldset").first
    assert box.locator("input").nth(1).is_checked() and box.locator(".quiz-said").inner_text().strip() == ""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert box.locator(".quiz-said li:visible").count() == 1
    assert page.evaluate("document.activeElement.textContent") == "Check"  # the reader's place is kept


def test_formulas_are_set_in_questions_answers_and_reasons(page):
    page.wait_for_function("document.querySelectorAll('form.quiz mjx-container').length > 20")
    text = page.evaluate("document.querySelector('form.quiz').textContent")
    assert r"\(" not in text and "$" not in text


def test_without_a_program_every_answer_unfolds(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    box = page.locator("form.quiz fieldset").first
    assert box.locator("button").count() == 0 and box.locator("li").first.is_hidden()
    box.locator("summary").click()
    assert box.locator("li").count() == 4 and box.locator("li").nth(3).is_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_before_and_after_an_answer(browser, address, axe, scheme):
    page = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 2000})  # nothing under the header
    page.goto(address)
    page.wait_for_load_state("networkidle")
    choose(page, 0, right=True)
    choose(page, 1, right=False)
    page.evaluate(axe)
    assert page.evaluate(AXE_RUN, [[["mjx-container"]], AXE_TAGS, None]) == []
    said = "e => getComputedStyle(e).color"
    assert page.eval_on_selector(".quiz-said li:not([hidden]) strong", said) != page.eval_on_selector("legend", said)
    page.add_style_tag(content=".quiz li strong { color: #888 !important; background: #999; }")  # the control
    assert any("color-contrast" in line for line in page.evaluate(AXE_RUN, [[["mjx-container"]], AXE_TAGS, None]))
    page.close()
