"""The site builds without a warning and every page works in a browser, from a folder or under a sub-path, offline."""

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
SUBPATH = "some/sub/path"


def build(notebooks: Path, site: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "book" / "build.py", notebooks, site]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    """A folder to serve, with the site of the committed notebooks at SUBPATH."""
    folder = tmp_path_factory.mktemp("served")
    done = build(ROOT / "notebooks", folder / SUBPATH)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module", params=["file", "http"])
def address(request, served):
    """Where the site is: in a folder, or on a server of this machine under a sub-path."""
    if request.param == "file":
        yield (served / SUBPATH).as_uri()
        return
    handler = functools.partial(Silent, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{SUBPATH}"
        server.shutdown()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def faults(browser, url: str, inside: str) -> list[str]:
    """What is wrong with a page: requests to elsewhere or in vain, console errors, equations or pictures not drawn."""
    page = browser.new_page(viewport={"width": 390, "height": 844})  # a phone
    found = []
    own = (inside, "data:", "blob:")  # what a page made itself; live figures are loaded from blobs
    page.on("request", lambda request: request.url.startswith(own) or found.append(f"asks {request.url}"))
    page.on("requestfailed", lambda request: found.append(f"in vain {request.url}"))
    page.on("response", lambda response: response.status >= 400 and found.append(f"{response.status} {response.url}"))
    page.on("console", lambda message: message.type == "error" and found.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: found.append(f"script: {error}"))
    page.goto(url)
    page.wait_for_load_state("networkidle")  # index.html sends on to the first page
    page.evaluate("window.MathJax?.startup?.promise")
    page.evaluate("document.fonts.ready.then(() => null)")
    found += page.evaluate(
        """() => [
        ...[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container'))
            .map(e => 'equation not drawn: ' + e.textContent),
        ...[...document.querySelectorAll('mjx-merror')].map(e => 'equation with an error: ' + e.textContent),
        ...[...document.querySelectorAll('mjx-container')].filter(e => [...e.querySelectorAll('mjx-mtd, mjx-math > *')]
            .some(part => part.getBoundingClientRect().left < e.closest('.math').getBoundingClientRect().left - 1))
            .map(e => 'equation cut off on the left: ' + e.textContent),
        ...[...document.images].filter(e => e.loading !== 'lazy' && !(e.complete && e.naturalWidth))
            .map(e => 'picture not drawn: ' + e.src.slice(0, 100)),
        ...(document.documentElement.scrollWidth > innerWidth ? ['wider than a phone'] : []),
    ]"""
    )
    found = list(found)  # what closing interrupts is no fault
    page.close()
    return found


@pytest.mark.timeout(600)
def test_every_page_works(browser, address, served):
    site = served / SUBPATH
    pages = [path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts]
    lessons = {f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {"index.html", "intro.html", "references.html"} | lessons <= set(pages)
    wrong = {page: found for page in pages if (found := faults(browser, f"{address}/{page}", address))}
    assert not wrong


def test_equations_are_there_to_be_drawn(served):
    page = (served / SUBPATH / "notebooks" / "01_range_null.html").read_text("utf-8")
    assert page.count('class="math notranslate') > 5


def test_a_broken_page_is_noticed(browser, tmp_path):
    (tmp_path / "page.html").write_text(
        '<script src="https://cdn.invalid/x.js"></script><script src="none.js"></script><script>nothing()</script>'
        '<span class="math">x</span><img src="none.png"><div style="width:800px">wide</div>',
        "utf-8",
    )
    found = " ".join(faults(browser, (tmp_path / "page.html").as_uri(), tmp_path.as_uri()))
    for fault in ("asks https://cdn.invalid", "none.js", "script: nothing", "equation not", "picture not", "wider"):
        assert fault in found


def test_dark_mode_follows_the_reader(browser, address):
    shade = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(f"{address}/intro.html")
        shade[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.close()
    assert shade == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lesson: lesson.cells.append(nbformat.v4.new_markdown_cell("{cite}`nobody1900`")), "nobody1900"),
        (lambda lesson: lesson.cells.append(nbformat.v4.new_code_cell("1 + 1")), "was not executed"),
    ],
    ids=["unknown citation", "cell not executed"],
)
def test_a_fault_in_a_notebook_stops_the_build(tmp_path, spoil, message):
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    path = tmp_path / "notebooks" / "09_report.ipynb"
    lesson = nbformat.read(path, as_version=4)
    spoil(lesson)
    nbformat.write(lesson, path)
    done = build(tmp_path / "notebooks", tmp_path / "site")
    assert done.returncode == 1 and message in done.stderr
    assert not (tmp_path / "site").exists()
