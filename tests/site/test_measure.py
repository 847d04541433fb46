"""book/measure.py sees open code, captions, the first live figure and what is too wide; figures are numbered."""

import base64
import io
from pathlib import Path

import nbformat.v4 as v4
import pytest
from PIL import Image

from ..programs import program

ROOT = Path(__file__).resolve().parents[2]
CAPTION = "**Figure 0.1.** A gray square."


@pytest.fixture(scope="module")
def measuring():
    return program("book/measure.py")


def picture(width: int):
    """The output of a cell that shows a picture, with its width on a page."""
    file = io.BytesIO()
    Image.new("RGB", (2 * width, 100), "gray").save(file, "JPEG")
    shown = {"image/jpeg": base64.b64encode(file.getvalue()).decode(), "text/plain": "<a picture>"}
    return v4.new_output("display_data", shown, metadata={"image/jpeg": {"width": width}})


def lesson(*, caption: str = CAPTION, tags: tuple = ("hide-input",), code: str = "show(x)\n" * 60):
    """A lesson of one figure, its caption, and a word about it."""
    metadata = {"tags": [*tags], "mystnb": {"image": {"alt": "a gray square"}}}
    cells = [
        v4.new_markdown_cell("# A lesson\n\nFigure 0.1 is gray."),
        v4.new_code_cell(code, outputs=[picture(300)], execution_count=1, metadata=metadata),
        v4.new_markdown_cell(f"{caption}\n\nSo much for Figure 0.1."),
    ]
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    return v4.new_notebook(cells=cells, metadata=language)


def test_a_lesson_is_measured(browser, lesson_site, measuring):
    site = lesson_site(lesson())
    good = measuring.measure(browser, site / "lesson.html")
    assert good["code"] == 0 and good["bare"] == [] and good["wide"] == [] and good["live"] is None
    assert good["bytes"] > (site / "lesson.html").stat().st_size and good["height"] > 300
    page = browser.new_page(viewport=measuring.SIZE)
    page.goto((site / "lesson.html").as_uri())
    figure = page.get_by_role("figure", name=CAPTION.replace("*", ""))
    assert figure.locator("img").bounding_box()["width"] == pytest.approx(300, abs=1)
    assert page.locator("a", has_text="Figure 0.1").count() == 2
    page.locator("a", has_text="Figure 0.1").first.click()
    assert page.url.endswith("#fig-0-1")
    page.close()


def test_what_a_lesson_should_not_have_is_measured(browser, lesson_site, measuring):
    bad = lesson(caption="A gray square.", tags=(), code="x = 1\n" * 60 + "x = " + "1 + " * 60 + "1")
    bad.cells[0].source = bad.cells[2].source = "# A lesson"
    found = measuring.measure(browser, lesson_site(bad) / "lesson.html")
    assert found["code"] > 0.5 * found["height"]
    assert found["bare"] == ["a gray square"] and len(found["wide"]) == 1
    row = measuring.line("00_lesson", found)
    assert row[0] == "00_lesson" and float(row[2]) > 50 and row[3:6] == ("none", "1", "1")


def test_figures_count_up(builder):
    figures, sources = builder.FIGURES, {Path("00_a.py"): "# **Figure 0.1.** One.\n# **Figure 0.9.** New.\n"}
    sources[Path("01_b.py")] = "# See Figure 0.9.\n# **Figure 1.4.** Other.\n"
    new = [*figures["renumbered"](sources).values()]
    assert new == ["# **Figure 0.1.** One.\n# **Figure 0.2.** New.\n", "# See Figure 0.2.\n# **Figure 1.1.** Other.\n"]
    with pytest.raises(ValueError, match="two captions have the number 0.1"):
        figures["check"](["0.1", "0.1"], "")
    with pytest.raises(ValueError, match="no caption has the number 3.7"):
        figures["check"](["0.1"], "Figure 0.1 and Figure 3.7, not Figure 2 of the paper.")


def test_the_lessons_count_their_figures(builder):
    texts = {path: path.read_text("utf-8") for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))}
    assert builder.FIGURES["renumbered"](texts) == texts
    assert sum(text.count("\n# **Figure ") for text in texts.values()) > 40


def test_a_caption_belongs_to_a_figure(builder):
    alone = lesson()
    alone.cells[1].outputs = []
    assert builder.FIGURES["captioned"](lesson()) == ["0.1"]
    with pytest.raises(ValueError, match="right below the cell"):
        builder.FIGURES["captioned"](alone)
