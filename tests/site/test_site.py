"""The site builds without a warning and every page works in a browser, from a folder or under a sub-path, offline."""

import functools
import gzip
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from ..programs import program
from .conftest import AXE_RUN, AXE_TAGS

ROOT = Path(__file__).resolve().parents[2]
SUBPATH = "some/sub path/of it"  # with spaces
LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
WIDE = """[...document.querySelectorAll('div.math mjx-container')].filter(e => e.scrollWidth > e.clientWidth + 1)
    .map(e => e.textContent.trim())"""


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
        yield f"http://127.0.0.1:{server.server_port}/{quote(SUBPATH)}"
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
    page.evaluate("window.MathJax?.startup?.promise?.then(() => new Promise(requestAnimationFrame))")
    page.evaluate("document.fonts.ready.then(() => null)")
    found += page.evaluate(
        """() => [
        ...[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container'))
            .map(e => 'equation not drawn: ' + e.textContent),
        ...[...document.querySelectorAll('mjx-merror')].map(e => 'equation with an error: ' + e.textContent),
        ...[...document.querySelectorAll('mjx-container')].filter(e => [...e.querySelectorAll('mjx-mtd, mjx-math > *')]
            .some(part => part.getBoundingClientRect().left <
                (e.closest('.math') ?? e.parentElement).getBoundingClientRect().left - 1))
            .map(e => 'equation cut off on the left: ' + e.textContent),
        ...[...document.images].filter(e => e.loading !== 'lazy' && !(e.complete && e.naturalWidth))
            .map(e => 'picture not drawn: ' + e.src.slice(0, 100)),
        ...[...document.images].filter(e => !e.alt.trim() || e.alt.includes('_images/'))
            .map(e => 'picture without a text: ' + (e.alt || e.src.slice(0, 100))),
        ...(document.documentElement.scrollWidth > innerWidth ? ['wider than a phone'] : []),
    ]"""
    )
    found += [f"equation wider than a phone: {formula}" for formula in page.evaluate(WIDE)]
    found = list(found)  # what closing interrupts is no fault
    page.close()
    return found


def test_every_page_works(browser, address, served):
    site = served / SUBPATH
    pages = [path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts]
    lessons = {f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {"index.html", "intro.html", "made.html", "references.html", "api.html"} | lessons <= set(pages)
    if address.startswith("http"):  # what a server changes is the address; the rest was seen in the folder
        pages = sorted({*pages} - lessons | {"notebooks/00_start_here.html", "notebooks/10_report.html"})
    wrong = {page: found for page in pages if (found := faults(browser, f"{address}/{page}", address))}
    assert not wrong


def first_view(browser, page_file: Path) -> int:
    """The bytes of all files that a page asks for before the reader does anything, compressed as servers send them."""
    asked, page = set(), browser.new_page()
    page.on("request", lambda request: asked.add(Path(unquote(urlsplit(request.url).path))))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("networkidle")
    page.close()
    return sum(len(gzip.compress(path.read_bytes())) for path in asked if path.is_file())


def test_the_first_view_of_a_page_is_light(browser, served):
    site = served / SUBPATH
    lessons = sorted((site / "notebooks").glob("*.html"), key=lambda page: page.stat().st_size)
    found = [first_view(browser, page) for page in (site / "api.html", site / "intro.html", lessons[-1])]
    assert max(found) < 1_500_000
    assert found[-1] > 500_000  # MathJax, its fonts, pictures: they are counted


def test_names_are_found_by_the_search(served):
    index = (served / SUBPATH / "searchindex.js").read_text("utf-8")
    assert "load_prior" in index and "enforce_consistency" in index and "enforce_consistensy" not in index


def test_equations_are_there_to_be_drawn(served):
    page = (served / SUBPATH / "notebooks" / "01_range_null.html").read_text("utf-8")
    assert page.count('class="math notranslate') > 5


def test_a_citation_names_one_paper(served):
    named = {}
    for path in (served / SUBPATH / "notebooks").glob("*.html"):
        for link in BeautifulSoup(path.read_text("utf-8"), "html.parser").select('a[href*="references.html#"]'):
            named.setdefault(link.get_text(), set()).add(link["href"].split("#")[1])
    assert len(named) > 20 and {name: papers for name, papers in named.items() if len(papers) > 1} == {}


def test_a_broken_page_is_noticed(browser, tmp_path):
    wide = '<p style="width: 800px">wide</p>'
    (tmp_path / "page.html").write_text(
        '<script src="https://cdn.invalid/x.js"></script><script src="none.js"></script><script>nothing()</script>'
        f'<span class="math">x</span><img src="none.png">{wide}'
        f'<div class="math"><mjx-container style="display: block; overflow: auto">{wide}</mjx-container></div>',
        "utf-8",
    )
    found = "; ".join(faults(browser, (tmp_path / "page.html").as_uri(), tmp_path.as_uri()))
    faults_made = ("asks https://cdn.invalid", "none.js", "script: nothing", "equation not", "picture not")
    for fault in (*faults_made, "picture without a text", "; wider than a phone", "equation wider than a phone"):
        assert fault in found


def test_dark_mode_follows_the_reader(browser, address):
    shade = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(f"{address}/intro.html")
        shade[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.close()
    assert shade == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 18, 18)"}


CONTRAST = """() => {
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const [r, g, b, a = 1] = colour(getComputedStyle(node).backgroundColor);
            if (a === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const ratio = (node) => {
        const [a, b] = [light(colour(getComputedStyle(node).color)), light(behind(node))];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const text = 'p, li, td, th, dt, dd, a, summary, h1, h2, h3, figcaption, label, .live-readout';
    return [...document.querySelectorAll('.bd-article :is(' + text + ')')]
        .filter((node) => !node.matches('.headerlink')) // shown to a pointing mouse only
        .filter((node) => node.textContent.trim() && node.getClientRects().length && ratio(node) < 4.5)
        .map((node) => ratio(node).toFixed(1) + ' ' + node.tagName + ' ' + node.textContent.trim().slice(0, 40));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["notebooks/10_report", "notebooks/01_range_null", "glossary", "instructors", "made"])
def test_text_stands_out(browser, served, scheme, name):
    """A contrast of 4.5 to 1 at least, WCAG's level AA, for all text but code."""
    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{(served / SUBPATH).as_uri()}/{name}.html")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(CONTRAST) == []
    page.add_style_tag(content=".bd-article p { color: #808080 !important; background: #909090 !important; }")
    assert page.evaluate(CONTRAST) != []  # the control
    page.close()


def test_the_keyboard_is_enough(browser, served):
    """The first stop leads past the menus; folded answers open; a table too wide for a phone scrolls."""
    page = browser.new_page()
    page.goto(f"{(served / SUBPATH).as_uri()}/notebooks/01_range_null.html")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Tab")
    assert "main-content" in page.evaluate("document.activeElement.outerHTML")
    answer = page.locator("details", has=page.locator("summary", has_text="Answer")).first
    assert answer.get_attribute("open") is None
    answer.locator("summary").focus()
    page.keyboard.press("Enter")
    assert answer.get_attribute("open") is not None
    page.close()


# ten thousand words of code and signs a lesson, of one set of colours: seen on one page, one word each on the others
PLAIN = """
document.querySelectorAll('.highlight pre').forEach((code) => { code.textContent = code.textContent; });
document.querySelectorAll('mjx-container').forEach((formula) => formula.replaceWith('formula'));
"""
ALIKE = "document.querySelectorAll('tbody > tr:nth-child(n + 4)').forEach((row) => row.remove())"  # but for their words
DARK = """document.documentElement.dataset.theme === 'dark'
    && document.getAnimations().every((change) => change.playState === 'finished')"""


@pytest.mark.parametrize("where", ["notebooks", "book"])
def test_axe_finds_no_fault(browser, served, axe, where):
    """WCAG 2.2 AA, best practice and what axe calls experimental, on every page; a page with a fault as the control.

    In the dark another set of colours, and nothing else, is seen.
    """

    def violations(page, rule=None) -> list[str]:
        return page.evaluate(AXE_RUN, [[], AXE_TAGS, rule])

    site, found = served / SUBPATH, {}
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts and path.name != "index.html"]
    pages = [path for path in pages if (path.parent.name == "notebooks") == (where == "notebooks")]
    assert len(pages) > 10
    for path in pages:
        page = browser.new_page(color_scheme="light")
        page.goto(path.as_uri())
        page.wait_for_load_state("networkidle")
        page.evaluate(axe)
        if path.stem != "00_start_here":
            page.evaluate(PLAIN)
        found[path.name, "light"] = violations(page)
        page.evaluate(ALIKE)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function(DARK)
        found[path.name, "dark"] = violations(page, "color-contrast")
        page.close()
    assert {key: wrong for key, wrong in found.items() if wrong} == {}
    page = browser.new_page()
    page.set_content("<p style='background: #777; color: #888'>faint <img src=x></p>")
    page.evaluate(axe)
    assert {"color-contrast", "image-alt"} <= {line.split(":")[0] for line in violations(page)}
    assert [line.split(":")[0] for line in violations(page, "color-contrast")] == ["color-contrast"]
    page.close()


SLIDES = """async () => {
    const seen = (node) => node.getClientRects().length > 0;
    const place = () => document.querySelector('.slides-bar span').textContent;
    const [bare, high, small, cells, frame] = [[], [], [], new Set(), () => new Promise(requestAnimationFrame)];
    const size = () => Number(document.querySelector('article.bd-article').style.zoom || 1);
    const room = () => document.documentElement.scrollHeight - innerHeight;
    for (let last = ''; place() !== last; document.dispatchEvent(new KeyboardEvent('keydown', { key: 'PageDown' }))) {
        last = place();
        const here = [...document.querySelectorAll('.on-slide')];
        const pictures = here.filter(seen).flatMap((node) => [...node.querySelectorAll('img')]);
        await Promise.all(pictures.map((picture) => picture.decode().catch(() => null)));
        for (let i = 0; i < 3; i += 1) await frame();
        if (here.every((node) => node.matches('h1, h2, h3') || !seen(node))) bare.push(last);
        if (room() > 0) high.push(`${last}: by ${room()}`);
        if (size() < 0.6) small.push(`${last}: ${size()}`);
        here.filter((node) => node.matches('div.cell')).forEach((node) => cells.add(node));
    }
    return { bare, high, small, cells: cells.size, count: Number(place().match(/ \\/ (\\d+)/)[1]) };
}"""


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_fits_a_laptop_and_its_slides_a_projector(browser, served, lesson):
    """No equation is cut off (a phone is what ``faults`` opens every page on). No slide is bare, too high or of small
    type, no cell is on none; every question has its page.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{(served / SUBPATH).as_uri()}/notebooks/{lesson}.html")
    page.wait_for_load_state("networkidle")
    page.evaluate("window.MathJax.startup.promise.then(() => new Promise(requestAnimationFrame))")
    assert page.evaluate(WIDE) == []
    page.set_viewport_size({"width": 390, "height": 720})
    assert not lesson.startswith("05") or page.evaluate(WIDE)  # the control: not drawn for a phone
    page.set_viewport_size({"width": 1280, "height": 720})
    page.click(".slides-start")
    slides = page.evaluate(SLIDES)
    assert slides["count"] >= (5 if lesson.startswith("10") else 15)
    assert slides["bare"] == [] and slides["high"] == [] and slides["small"] == []
    assert slides["cells"] == page.locator("article div.cell").count()
    page.close()


def test_every_link_leads_somewhere(served, tmp_path):
    links = program("book/links.py")
    wrong, checked = links.broken_links(served / SUBPATH)
    assert wrong == [] and checked > 500
    (tmp_path / "index.html").write_text(
        '<a id="here" href="#here"></a><a href="#there"></a><a href="none.html"></a><a href="../out.html"></a>'
        '<a href="http://plain.example"></a><a href="https://example.org/page"></a>',
        "utf-8",
    )
    wrong, checked = links.broken_links(tmp_path)
    assert checked == 6 and [line.split(": ")[1].split(",")[0] for line in wrong] == [
        "#there",
        "none.html",
        "../out.html",
        "http://plain.example",
    ]


def test_the_report_leads_to_the_measuring_cell_and_the_stored_value(browser, served):
    page = browser.new_page()
    page.goto(f"{(served / SUBPATH).as_uri()}/notebooks/10_report.html")
    row = page.locator("table tr", has=page.locator("td", has_text="C1").first).first
    stored = row.get_by_role("link", name="stored value").get_attribute("href")
    assert json.loads((served / SUBPATH / "notebooks" / stored).read_text("utf-8"))["id"] == "C1"
    row.get_by_role("link").first.click()
    page.wait_for_url("**/02_pooling_decomposition.html#claim-c1")
    measuring = page.locator("#claim-c1").evaluate("e => (e.textContent.trim() ? e : e.nextElementSibling).textContent")
    assert 'record(\n    "C1"' in measuring
    page.close()


def test_the_page_to_print_holds_all_pages_with_links_among_themselves(served):
    site, printing = served / SUBPATH, program("book/print.py")
    whole = printing.combine(site)
    ids = [tag["id"] for tag in whole.find_all(id=True)]
    assert len(set(ids)) == len(ids)
    pages = printing.contents(site)
    assert len(whole.find_all("article")) == len(pages) > 10
    assert {f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")} <= set(pages)
    inside = [tag["href"][1:] for tag in whole.find_all(href=True) if tag["href"].startswith("#")]
    assert len(inside) > 100 and set(inside) <= set(ids) | {""}
    loaded = [tag["src"] for tag in whole.find_all(src=True) if ":" not in tag["src"]]
    assert loaded and [src for src in loaded if not (site / src.split("?")[0]).is_file()] == []
    assert len(whole.select('script[src*="live.js"]')) == 1  # a second would draw every live figure twice
    assert whole.select("details, a.download, .front") == [] and len(whole.select(".folded > b")) > 50
    assert whole.title.string and whole.body.find(True)["class"] == ["cover"]
    assert whole.select("div.cell_input") == [] and "api.html" not in pages  # code and names stay on the site
    assert [tag for tag in whole.find_all(href=True) if tag["href"].startswith("api.html")] == []
    lesson = BeautifulSoup((site / "notebooks" / "01_range_null.html").read_text("utf-8"), "html.parser")
    assert lesson.select("div.cell_input") and lesson.select('a[href*="api.html"]')  # the control
    assert BeautifulSoup((site / "intro.html").read_text("utf-8"), "html.parser").select(".front")


def test_every_page_names_its_licence_its_contact_and_the_statement(served):
    site = served / SUBPATH

    def named(page: Path) -> set[str]:
        links = BeautifulSoup(page.read_text("utf-8"), "html.parser").select("footer a[href]")
        places = {(page.parent / link["href"].split("#")[0]).resolve(): link.get_text() for link in links}
        return {
            path.relative_to(site.resolve()).as_posix() for path in places if path.is_file() and site in path.parents
        }

    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts and path.name != "index.html"]
    wanted = {"licence.html", "accessibility.html"}
    assert len(pages) > 20 and [page for page in pages if not wanted <= named(page)] == []
    assert not wanted <= named(site / "index.html")  # the control: it only forwards
    assert 'id="contact"' in (site / "licence.html").read_text("utf-8")


def test_the_contact_is_the_issues_where_the_repository_is_known(builder):
    assert "https://example.org/you/course/issues" in builder.contact("https://example.org/you/course")
    assert "://" not in builder.contact("")


MOST_PAGES = 120  # of the PDF: what a group prints


def test_the_whole_pdf_is_no_longer_than_a_group_prints(served, tmp_path):
    printing, pdf = program("book/print.py"), tmp_path / "course.pdf"
    with ThreadPoolExecutor() as other:  # Playwright wants a thread without a browser of its own
        other.submit(printing.print_site, served / SUBPATH, pdf).result()
    written = pdf.read_bytes()
    assert 40 < printing.pages(written) < MOST_PAGES
    assert f"/Title ({printing.TITLE})".encode() in written
    assert {"pageNumber", "totalPages"} <= set(re.findall(r'class="(\w+)"', printing.FOOTER))


def test_a_page_becomes_a_pdf(chromium, tmp_path):
    page = tmp_path / "page.html"
    head = "<script>MathJax = {startup: {promise: Promise.resolve()}}</script>"
    live = "<div><script type='application/vnd.jupyter.widget-view+json'>{}</script></div>"  # what live.js does, late:
    late = "setTimeout(() => document.querySelector('div > script').after(document.createElement('style'), made), 500)"
    made = f"<script>const made = document.createElement('div'); made.textContent = 'live'; {late}</script>"
    text = f"<h1>Title</h1><h1 style='break-before: page'>Second page</h1>{live}{made}"
    page.write_text(head + text, "utf-8")
    printing = program("book/print.py")
    with ThreadPoolExecutor() as other:  # Playwright wants a thread without a browser of its own
        other.submit(printing.render, chromium, page, tmp_path / "made" / "out.pdf").result()
    written = (tmp_path / "made" / "out.pdf").read_bytes()
    assert written.startswith(b"%PDF") and printing.pages(written) == 2
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["out.pdf"]


def test_launch_buttons_need_an_address(builder):
    config = yaml.safe_load((ROOT / "book" / "_config.yml").read_text("utf-8"))
    changed = builder.launchable(config, "https://github.com/you/ganprior-null")
    assert changed["repository"]["url"].endswith("you/ganprior-null")
    assert changed["launch_buttons"]["binderhub_url"] and changed["launch_buttons"]["colab_url"]
    assert all(changed["html"][f"use_{what}_button"] for what in ("repository", "edit_page", "issues"))
    for wrong in ("github.com/you/project", "https://github.com/you", "https://github.com/you/project?x=1"):
        with pytest.raises(ValueError, match="reads like https://github.com/name/project"):
            builder.launchable(config, wrong)


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
    path = tmp_path / "notebooks" / "10_report.ipynb"
    lesson = nbformat.read(path, as_version=4)
    spoil(lesson)
    nbformat.write(lesson, path)
    done = build(tmp_path / "notebooks", tmp_path / "site")
    assert done.returncode == 1 and message in done.stderr
    assert not (tmp_path / "site").exists()
