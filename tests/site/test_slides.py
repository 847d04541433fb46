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
def page(browser, tmp_path):
    head = '<meta charset="utf-8"><link rel="stylesheet" href="course.css"><script src="slides.js" defer></script>'
    for name in ("course.css", "slides.js"):
        (tmp_path / name).write_bytes((VENDOR / name).read_bytes())
    article = (
        f'<div class="article-header-buttons"></div><article class="bd-article"><section>{BODY}</section></article>'
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
