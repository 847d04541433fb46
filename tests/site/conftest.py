"""A browser for the pages, and a small site of the live figures alone, built as the course is."""

import shutil
import subprocess
import sysconfig
import tarfile
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import pytest

from ..conftest import PATIENCE
from ..programs import program

AXE = "axe-core@4.10.3"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"]
AXE_RUN = """([inside, values, rule]) => axe.run(
    {exclude: inside}, {runOnly: rule ? [rule] : {type: 'tag', values}, resultTypes: ['violations']}
).then(r => r.violations.map(v => `${v.id}: ${v.nodes[0].html.slice(0, 120)}`))"""
ROOT = Path(__file__).resolve().parents[2]
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


@pytest.fixture(scope="module")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        browser.on("context", lambda context: context.set_default_timeout(1000 * PATIENCE))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def builder():
    """book/build.py as a module."""
    return program("book/build.py")


@pytest.fixture(scope="session")
def lesson_site(builder, tmp_path_factory):
    """lesson -> a folder with NAME.html, built by Jupyter Book as a lesson of the course is, and no kernel."""

    def build(lesson, name: str = "lesson") -> Path:
        book = tmp_path_factory.mktemp(name)
        shutil.copytree(ROOT / "book" / "vendor", book / "vendor")
        for part in ("_config.yml", "references.bib"):
            shutil.copy(ROOT / "book" / part, book)
        (book / "_toc.yml").write_text(f"format: jb-book\nroot: {name}\n", "utf-8")
        builder.size_pictures(lesson)
        builder.still_widgets(lesson)
        builder.FIGURES["wrap_captions"](lesson)
        nbformat.write(lesson, book / f"{name}.ipynb")
        jupyter_book = Path(sysconfig.get_path("scripts"), "jupyter-book")
        done = subprocess.run([jupyter_book, "build", book, "-W", "-q"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        html = book / "_build" / "html"
        builder.mend(html, repository="")
        return html

    return build


@pytest.fixture(scope="session")
def live_site(builder, lesson_site):
    """figures -> a folder with live.html and the networks that they run."""

    def build(figures: list) -> Path:
        html = lesson_site(notebook(figures), "live")
        builder.page.export(
            {name for f in figures for name in getattr(f, "networks", [])}, html / "_static" / "networks"
        )
        return html

    return build


def notebook(figures: list):
    """An executed notebook that shows the figures, one a cell, as a kernel would have stored it."""
    from ipywidgets.embed import embed_data

    embedded = embed_data(views=figures, drop_defaults=False)  # the program is a default
    cells = [v4.new_markdown_cell("# Live figures")]
    for view in embedded["view_specs"]:
        output = v4.new_output("display_data", {VIEW: view, "text/plain": "<a live figure>"})
        cells.append(v4.new_code_cell("figure", outputs=[output], execution_count=len(cells)))
    language = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    return v4.new_notebook(cells=cells, metadata=language | {"widgets": {STATE: embedded["manager_state"]}})


@pytest.fixture(scope="session")
def axe(tmp_path_factory) -> str:
    """The program of axe-core, out of npm; without npm, or what npm asks, the test is skipped."""
    npm, folder = shutil.which("npm"), tmp_path_factory.mktemp("axe")
    if npm is None:
        pytest.skip("no npm on this machine: axe-core comes from there")
    done = subprocess.run([npm, "pack", "--silent", AXE], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm does not bring {AXE}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    with tarfile.open(folder / f"{AXE.replace('@', '-')}.tgz") as archive:
        return archive.extractfile("package/axe.min.js").read().decode()
