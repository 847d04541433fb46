"""The first use of each term of the glossary is a link, once a lesson, and nothing but running text is touched."""

import re
from pathlib import Path

import jupytext
import nbformat.v4 as v4
import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.py"))
GLOSSARY = "# Glossary\n\n::::{glossary}\nGAN\n: a\n\nGAN prior\n: b\n\nHR, LR\n: c\n\nnull space\n: d\n::::\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A GAN prior, GANs, a GAN.", "A {term}`GAN prior <GAN prior>`, {term}`GANs <GAN>`, a GAN."),
        ("Null-space parts, null\nspaces", "{term}`Null-space <null space>` parts, null\nspaces"),
        ("HR and LR", "{term}`HR <HR, LR>` and LR"),
        ("# GAN\n`GAN` $GAN$ [GAN](a.md) {cite}`GAN`", "# GAN\n`GAN` $GAN$ [GAN](a.md) {cite}`GAN`"),
        ("| GAN |\n<b>GAN</b>\n$$\nGAN\n$$", "| GAN |\n<b>GAN</b>\n$$\nGAN\n$$"),
        ("ELEGANT PSNR-GAN", "ELEGANT PSNR-GAN"),
    ],
)
def test_first_uses_are_linked(builder, text, expected):
    lesson = v4.new_notebook(cells=[v4.new_markdown_cell(text), v4.new_code_cell("GAN")])
    builder.TERMS["link_terms"](lesson, builder.TERMS["entries"](GLOSSARY))
    assert [cell.source for cell in lesson.cells] == [expected, "GAN"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_lesson_links_terms_once(builder, source):
    lesson, terms = jupytext.read(source), builder.TERMS["entries"](builder.TERMS["GLOSSARY"].read_text("utf-8"))
    builder.TERMS["link_terms"](lesson, terms)
    text = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    linked = re.findall(r"\{term\}`[^<`]* <([^>`]*)>`", text)
    assert len(linked) == len({*linked}) >= 5 and {*linked} <= {*terms.values()}
