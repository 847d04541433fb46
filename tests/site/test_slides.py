"""A lesson as slides: cut after what the audience looks at, words and code at a key, nothing of the page lost."""

from pathlib import Path

import pytest

VENDOR = Path(__file__).resolve().parents[2] / "book" / "vendor"
CELL = '<div class="cell"><div class="cell_input">code {0}</div>{1}</div>'
FIGURE = '<div class="cell_output"><img alt="figure {0}" width="9" height="9"></div>'


def cell(name: str, seen: bool = True) -> str:
    return CELL.format(name, FIGURE.format(name) if seen else "")


BODY = f"""
<h1>Lesson</h1><p>What it is about.</p>{cell("set-up", seen=False)}
<section><h2>One</h2><p>First words.</p><div class="math">x</div>{cell("A")}<p><em>The figure:</em> a caption.</p>
  <p>Words in between.</p>{cell("B")}<details><summary>Answer</summary>yes</details><p>Words at the end.</p></section>
<section><h2>Only words</h2><p>To be said.</p><p>And more.</p></section>
<section><h2>Exercise 1</h2><p>The task.</p>{cell("stub")}
  <div class="cell tag_solution"><div class="cell_input">solution</div><div class="cell_output">done</div></div>
</section>
<section><h2>Table</h2><div class="admonition">Why?</div><table><tr><td>1</td></tr></table><p>Said after it.</p>
  <canvas tabindex="0" style="width:9px;height:9px"></canvas></section>
"""
SLIDES = [
    {"h": "Lesson", "seen": "What it is about."},
    {"h": "One", "seen": "x The figure: a caption.", "said": "First words.", "images": ["figure A"]},
    {"h": "One", "seen": "Answer", "said": "Words in between. Words at the end.", "images": ["figure B"]},
    {"h": "Only words", "seen": "To be said.", "said": "And more."},
    {"h": "Exercise 1", "seen": "The task.", "images": ["figure stub"]},
    {"h": "Table", "seen": "Why? 1", "said": "Said after it."},
]


@pytest.fixture
def page(browser, tmp_path, request):
    """A lesson of BODY, or of the test's parameter."""
    body = getattr(request, "param", BODY)
    head = '<meta charset="utf-8"><link rel="stylesheet" href="course.css"><script src="slides.js" defer></script>'
    for name in ("course.css", "slides.js"):
        (tmp_path / name).write_bytes((VENDOR / name).read_bytes())
    article = (
        f'<div class="article-header-buttons"></div><article class="bd-article"><section>{body}</section></article>'
    )
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html>{head}{article}", "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto((tmp_path / "page.html").as_uri())
    yield page
    page.close()


def visible(page) -> str:
    """The text that can be seen, the toolbar's left out."""
    return " ".join(page.evaluate("document.querySelector('article').innerText").split())


def place(page) -> str:
    return page.inner_text(".slides-bar span")


def test_each_slide_shows_its_part_and_keeps_the_rest_for_the_speaker(page):
    assert page.locator(".slides-bar").count() == 0
    page.click(".slides-start")
    for number, slide in enumerate(SLIDES, start=1):
        assert place(page) == f"{number} / {len(SLIDES)}"
        assert visible(page) == f"{slide['h']} {slide['seen']}".strip(), number
        shown = page.locator("article img:visible")
        assert [shown.nth(i).get_attribute("alt") for i in range(shown.count())] == slide.get("images", [])
        page.keyboard.press("n")
        notes = page.locator("article .said:visible")
        assert " ".join(notes.all_inner_texts()).strip() == slide.get("said", "")
        page.keyboard.press("n")
        page.keyboard.press("ArrowRight")
    assert place(page) == f"{len(SLIDES)} / {len(SLIDES)}"  # the last one stays


def test_code_waits_for_its_key(page):
    page.click(".slides-start")
    page.keyboard.press("c")
    assert "code set-up" in visible(page)
    page.keyboard.press("PageDown")
    assert "code A" in visible(page) and "code B" not in visible(page)
    page.keyboard.press("c")
    assert "code A" not in visible(page)


def test_the_address_keeps_the_place_and_escape_gives_the_page_back(page):
    whole = visible(page)
    page.goto(f"{page.url}#slide-4")
    page.reload()
    assert place(page) == "4 / 6" and visible(page) == "Only words To be said."
    page.keyboard.press("Home")
    assert place(page) == "1 / 6"
    page.keyboard.press("End")
    assert place(page) == "6 / 6"
    page.goto(f"{page.url.split('#')[0]}#slide-99")
    assert place(page) == "6 / 6"
    page.keyboard.press("Escape")
    assert page.locator(".slides-bar").count() == 0 and visible(page) == whole


ROWS, ITEMS = 60, 40
QUESTION = "<fieldset><legend>Question {0}</legend><label><input type='radio'> a</label></fieldset>"
TALL = f"""
<h1>Tall</h1><p>Intro.</p>
<section><h2>Table</h2><table><thead><tr><th>head</th></tr></thead><tbody>{
    "".join(f"<tr><td>row {i}</td></tr>" for i in range(ROWS))
}</tbody></table><p>Said of it.</p></section>
<section><h2>List</h2><ul>{"".join(f"<li>item {i}</li>" for i in range(ITEMS))}</ul></section>
<section><h2>Quiz</h2>{
    CELL.format(
        "", f'<div class="cell_output"><form class="quiz">{"".join(map(QUESTION.format, range(3)))}</form></div>'
    )
}</section>
<section><h2>A little too high</h2><p><em>One thing</em></p><div class="math" style="height:800px">x</div></section>
<section><h2>Set-up</h2>{CELL.format("", "")}<p>Words.</p></section>
"""


@pytest.mark.parametrize("page", [TALL], indirect=True)
def test_every_page_of_every_slide_fits_the_screen_and_nothing_is_lost(page):
    page.click(".slides-start")
    seen, places = [], []
    while not places or place(page) != places[-1]:
        places.append(place(page))
        seen.append(visible(page))
        assert page.evaluate("document.documentElement.scrollHeight") <= 720, places[-1]
        page.keyboard.press("ArrowRight")
    tables = [text for text in seen if text.startswith("Table")]
    assert len(tables) > 1 and all("head" in text for text in tables)  # each page has the head of the table
    assert " ".join(seen).count("row ") == ROWS and " ".join(seen).count("item ") == ITEMS
    questions = [text for text in seen if text.startswith("Quiz")]
    assert [text.count("Question") for text in questions] == [1, 1, 1]
    assert places[1].startswith("2 / 6 (1 of ") and places[-1] == "6 / 6"
    for was in reversed(places[:-1]):  # and the same way back
        page.keyboard.press("ArrowLeft")
        assert place(page) == was
    page.goto(f"{page.url.split('#')[0]}#slide-4.2")
    assert place(page) == "4 / 6 (2 of 3)" and "Question 1" in visible(page)
    page.keyboard.press("Escape")
    assert visible(page).count("row ") == ROWS and page.evaluate("document.querySelector('article').style.zoom") == ""


@pytest.mark.parametrize("page", [TALL], indirect=True)
def test_without_fitting_a_slide_would_be_too_high(page):
    """The control of the test above: notes on the slide let it scroll, in its full size."""
    page.goto(f"{page.url}#slide-5")
    page.wait_for_function("document.documentElement.scrollHeight <= 720")
    page.keyboard.press("n")
    assert page.evaluate("document.documentElement.scrollHeight") > 720


def test_the_speaker_has_a_window_that_follows(page):
    page.click(".slides-start")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    desk = opened.value
    assert desk.inner_text("h1") == "Lesson" and "Next: One" in desk.inner_text("main")
    page.keyboard.press("ArrowRight")
    desk.wait_for_function("document.body.innerText.includes('First words.')")
    assert "caption" not in desk.inner_text("main")  # that is on the slide
    desk.keyboard.press("ArrowRight")  # its keys turn the slides too
    assert place(page) == "3 / 6"
    desk.close()
    page.keyboard.press("ArrowRight")
    assert place(page) == "4 / 6"


def test_a_figure_keeps_its_own_arrow_keys(page):
    page.goto(f"{page.url}#slide-6")
    page.locator("canvas").evaluate("e => e.classList.replace('said', 'on-slide')")
    page.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    assert place(page) == "6 / 6"
    page.keyboard.press("PageUp")
    assert place(page) == "5 / 6"


def test_a_page_without_cells_has_no_slides(browser, tmp_path):
    (tmp_path / "slides.js").write_bytes((VENDOR / "slides.js").read_bytes())
    text = '<div class="article-header-buttons"></div><article class="bd-article"><h1>A</h1></article>'
    (tmp_path / "page.html").write_text(f'{text}<script src="slides.js"></script>', "utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator(".slides-start").count() == 0
    page.close()
