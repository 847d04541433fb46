"""The text of a built site as one PDF: ``python book/print.py build/laptop/site build/laptop/ganprior-null.pdf``.

The articles of all pages but the reference of names, in the order of the contents, become one page with links among
themselves; Chromium prints it. Code, solutions, and what is wrong with the wrong answers of a quiz stay on the site;
hints and answers, folded there, are open here, and live figures stand still in their first state, without controls.
"""

import argparse
import posixpath
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from bs4 import BeautifulSoup, NavigableString

BOOK = Path(__file__).resolve().parent
LEFT_OUT = {"api.html"}  # the reference of names is looked up, not read
# code, what a reader would click, the landing page's live figure, which is lesson 00's first; and programs: one in the
# head starts all figures
CODE = "div.cell_input, details.above-input, div.tag_solution"
ON_SITE = f"{CODE}, .quiz :is(input, summary), .front, script[src], form.quiz ~ script"
NAME = "print.html"  # written into the site while printing, so that pictures and styles are found
EMPTY = "<!DOCTYPE html><html lang='en' data-theme='light'><head></head><body></body></html>"
LICENCE = "Text and drawn pictures: Apache-2.0; photographs: see the page on licences"
TITLE = "Null-space learning with GAN priors"
COVER = """<section class="cover"><h1>{title}</h1><p>A course and a reproduction</p><p>{authors}, version {version}</p>
<p>This is the text with its figures. The lessons with their code, live figures and solutions are notebooks of the
repository and pages of the site.</p><p>{licence}</p></section>"""
FOOTER = """<div style="width: 100%; font-size: 8px; text-align: center; color: #444;">{title} &middot; {licence}
&middot; <span class="pageNumber"></span> / <span class="totalPages"></span></div>"""
LIVE_DRAWN = """() => [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')]
    .every((script) => script.parentElement.querySelector('script ~ div')?.hasChildNodes())"""
TALL = """[...document.images].filter((picture) => picture.naturalHeight > 2.5 * picture.naturalWidth)
    .forEach((picture) => picture.classList.add('tall'))"""
STYLE = """
@page { size: A4; margin: 12mm 15mm 13mm; }
html { font-size: 9.1pt; } body { background: white; padding: 0 !important; }
body, h1, h2, h3, h4 { font-family: "Times New Roman", "Liberation Serif", "DejaVu Serif Condensed", serif !important; }
body, article :is(p, li, dd) { line-height: 1.28 !important; }
body { font-size-adjust: 0.46; } mjx-container { font-size-adjust: none; } /* as small in any font */
article { max-width: none; padding: 0 !important; } article + article { border-top: 1px solid #888; margin-top: 6mm; }
h1, h2, h3 { break-after: avoid; margin: 0.65em 0 0.2em !important; } h1 { font-size: 1.7em; } h2 { font-size: 1.35em; }
h3 { font-size: 1.1em; } figure, .cell_output img, .live, table tr, .sd-card, [role="figure"] { break-inside: avoid; }
article :is(p, ul, ol, dl, pre, table, .cell, .math, figure, .admonition, .sd-row) { margin: 0 0 0.4em !important; }
article :is(.cell_output, .output, li, li > p, td > p, th > p) { margin: 0 !important; } p { orphans: 2; widows: 2; }
.bd-article .figure-caption { margin: 0 0 0.8em !important; font-size: 0.92em; padding-left: 2mm; }
[role="figure"] { break-after: avoid; }
.cell_output img { max-height: 90mm; max-width: 135mm !important; object-fit: contain; object-position: left; }
.cell_output img[src$=".svg"]:not(.pictures) { zoom: 0.6; max-height: none; max-width: 100% !important; }
/* above, plots: letters of one size */ figure img { max-height: 75mm; }
.cell_output img.tall { max-height: 200mm; } /* sheets of many rows */
pre { white-space: pre-wrap; break-inside: auto; overflow-wrap: anywhere; }
pre { font-size: 0.75em; line-height: 1.2; padding: 0.2em !important; }
article table { display: table !important; width: auto !important; font-size: 0.82em; line-height: 1.15; }
article :is(td, th) { padding: 0 6px !important; } article :is(td, th) p { line-height: 1.15 !important; }
div.math { overflow: visible; } span.math { display: inline; } /* a box makes its line taller */
mjx-container[display] { margin: 0.3em 0 !important; }
.cover { text-align: center; padding: 40mm 0 15mm; } .cover h1 { font-size: 2.6em; }
.live :is(fieldset, button, input, select), .headerlink, .copybtn, .live-in-lab, .live-notice, noscript,
.quiz :is(li:not([data-right]), .quiz-chosen, .quiz-score) { display: none !important; }
article .live-row { gap: 1mm 3mm; margin: 1mm 0; } article .live-compare { max-width: 36mm !important; }
.live .live-row figure { max-width: 48mm; } .live * { line-height: 1.2 !important; }
article .quiz { columns: 2; max-width: none; font-size: 0.95em; line-height: 1.25; }
article .quiz fieldset { break-inside: avoid; border: 0; padding: 0; margin: 0 0 0.6em; }
article .quiz :is(legend, ul, label) { display: block; margin: 0; min-height: 0; padding: 0; list-style: none; }
dl.glossary, .citation-list { columns: 2; column-gap: 8mm; font-size: 0.95em; }
.citation { margin: 0 0 0.4em; break-inside: avoid; }
dl.glossary :is(dt, dd) { margin: 0 0 0.2em; } dl.glossary dd { margin-left: 1em; }
dl.glossary dt { break-after: avoid; } .folded > b + p { display: inline; } .folded { margin: 0 0 0.3em; }
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="a folder that book/build.py wrote")
    parser.add_argument("pdf", type=Path, help="the file to write")
    options = parser.parse_args()
    try:
        print_site(options.site, options.pdf)
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.pdf}: {pages(options.pdf.read_bytes())} pages, {options.pdf.stat().st_size / 1e6:.1f} MB")
    return 0


def pages(pdf: bytes) -> int:
    """The pages of a PDF that Chromium wrote: their objects are not compressed."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def print_site(site: Path, pdf: Path) -> None:
    """Raises FileNotFoundError for no site or no Chromium."""
    if not (site / "intro.html").is_file():
        raise FileNotFoundError(f"no site at {site}: make course builds it")
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise FileNotFoundError("printing needs Chromium; on Debian and Ubuntu: sudo apt-get install chromium")
    combined = site / NAME
    combined.write_text(str(combine(site)), "utf-8")
    try:
        render(browser, combined, pdf)
    finally:
        combined.unlink()


def render(browser: str, page_file: Path, pdf: Path) -> None:
    """Print a page when its equations are drawn; the former PDF stays until the new one is complete."""
    from playwright.sync_api import sync_playwright

    part = pdf.with_suffix(".part")
    pdf.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(color_scheme="light")
        page.set_default_timeout(900_000)
        page.goto(page_file.resolve().as_uri())
        page.wait_for_function(LIVE_DRAWN)
        page.evaluate("window.MathJax.startup.promise.then(() => null)")
        page.evaluate("document.fonts.ready.then(() => null)")
        page.evaluate(TALL)
        footer = FOOTER.format(title=TITLE, licence=LICENCE)
        written = {"display_header_footer": True, "header_template": "<span></span>", "footer_template": footer}
        page.pdf(path=part, prefer_css_page_size=True, print_background=True, outline=True, tagged=True, **written)
        chromium.close()
    part.replace(pdf)


def combine(site: Path) -> BeautifulSoup:
    """All articles of the site on one page, which lies in the site's root."""
    names = contents(site)
    pages = {name: BeautifulSoup((site / name).read_text("utf-8"), "html.parser") for name in names}
    whole = BeautifulSoup(EMPTY, "html.parser")
    whole.head.append(whole.new_tag("meta", charset="utf-8"))
    whole.head.append(whole.new_tag("title"))
    whole.title.string = TITLE
    for tag in shared_head(pages):
        whole.head.append(tag)
    style = whole.new_tag("style")
    style.string = STYLE
    whole.head.append(style)
    about = yaml.safe_load((BOOK.parent / "CITATION.cff").read_text("utf-8"))
    cover = COVER.format(title=TITLE, authors=about["authors"][0]["name"], version=about["version"], licence=LICENCE)
    whole.body.append(BeautifulSoup(cover, "html.parser"))
    for name, page in pages.items():
        article = page.select_one("article.bd-article")
        for left_out in article.select(ON_SITE):
            left_out.decompose()
        for cell in article.select("div.cell"):
            if cell.get_text().strip() in ("", "Exercise not solved yet.") and not cell.find(["img", "script"]):
                cell.decompose()
        relink(article, name, names)
        article["id"] = mark(name)
        for picture in article.find_all("img", loading=True):
            del picture["loading"]  # a printer scrolls to none
        unfold(article)
        drop_downloads(article)
        whole.body.append(article)
        for state in page.find_all("script", type="application/vnd.jupyter.widget-state+json"):
            whole.body.append(state)
    return whole


def unfold(article) -> None:
    """Hints and answers that open on a click stand open, each after its name."""
    for folded in article.find_all("details"):
        folded.name, folded["class"] = "div", "folded"
        if folded.summary:
            folded.summary.name = "b"
            if not folded.b.get_text().strip().endswith(("?", ".")):
                folded.b.append(".")
            folded.b.insert_after(" ")


def drop_downloads(article) -> None:
    """Files that a link hands out are not in a PDF; with a link goes the comma before it."""
    for link in article.select("a.download"):
        before = link.previous_sibling
        if isinstance(before, NavigableString):
            before.replace_with(before.rstrip(", \n"))
        link.decompose()


def contents(site: Path) -> list[str]:
    """The pages in the order of the contents, the landing page first."""
    intro = BeautifulSoup((site / "intro.html").read_text("utf-8"), "html.parser")
    links = [link["href"] for link in intro.select("nav.bd-links a.reference.internal")]
    return ["intro.html", *(link for link in links if link.endswith(".html") and link not in LEFT_OUT)]


def shared_head(pages: dict) -> list:
    """Styles, MathJax with its settings, and the starter of live figures, each once, as seen from the root."""
    found = {}
    for name, page in pages.items():
        for tag in page.find_all(["link", "script"]):
            address = tag.get("href") or tag.get("src") or ""
            settings = tag.name == "script" and not address and "window.MathJax" in tag.text
            wanted = "stylesheet" in (tag.get("rel") or []) or "mathjax" in address or "live.js" in address
            if settings or wanted:
                key = "href" if tag.name == "link" else "src"
                if address:
                    tag[key] = from_root(address, name)
                found.setdefault(tag.get(key, tag.text).split("?")[0], tag)
    return list(found.values())


def relink(article, name: str, names: list[str]) -> None:
    """Make ids unique, links to pages links within this one, and addresses relative to the root."""
    for tag in article.find_all(id=True):
        tag["id"] = mark(name, tag["id"])
    for tag in article.find_all(attrs={"aria-labelledby": True}):
        tag["aria-labelledby"] = mark(name, tag["aria-labelledby"])
    for tag in article.find_all(href=True):
        address, place = urldefrag(tag["href"])
        target = from_root(address, name) if address else name
        if ":" not in address and target in names:
            tag["href"] = f"#{mark(target, place)}"
        elif target in LEFT_OUT:
            del tag["href"]
        elif ":" not in address:
            tag["href"] = target
    for tag in article.find_all(src=True):
        if ":" not in tag["src"]:
            tag["src"] = from_root(tag["src"], name)


def from_root(address: str, name: str) -> str:
    """A page's relative address, seen from the site's root."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), address))


def mark(name: str, place: str = "") -> str:
    """The id on the combined page of a place on a page."""
    return f"{Path(name).stem}--{place}" if place else Path(name).stem


if __name__ == "__main__":
    sys.exit(main())
