"""Measure the lessons of a built site: ``python book/measure.py build/laptop/site``.

A line a lesson, seen at 1400 x 900 pixels: the share of the article's height that is open code; where the first live
or moving figure begins; figures without a caption; cells, code or printed, that are wider than their column; and the
bytes of all files that the page asks for before the reader does anything. Folded code counts as nothing, a solution's
pictures are part of the solution.
"""

import argparse
import gzip
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

SIZE = {"width": 1400, "height": 900}
HEADS = ("lesson", "height", "open code %", "first live, px", "no caption", "too wide", "first view, MB")
TARGETS = ("target", "", "20", f"{2 * SIZE['height']}*", "0", "0", "1.5")
LOOK = """() => {
    const article = document.querySelector('article.bd-article');
    const all = (wanted) => [...article.querySelectorAll(wanted)];
    const seen = (node) => node.checkVisibility(); // not inside what is folded
    const tall = (nodes) => nodes.filter(seen).reduce((sum, node) => sum + node.getBoundingClientRect().height, 0);
    const view = 'script[type="application/vnd.jupyter.widget-view+json"]';
    const live = all(`${view}, video, img[src$=".gif"]`).map((node) => node.closest('.cell_output') ?? node);
    const kinds = `img, svg:not(button *), canvas, video, ${view}`;
    const made = all('.cell_output').filter((node) => node.querySelector(kinds));
    const drawn = [...made, ...all('figure, p > img')].filter((node) => !node.closest('.tag_solution'));
    const named = (node) => document.getElementById(node.getAttribute('aria-labelledby'));
    const called = (node) => node.querySelector('img')?.alt || node.textContent.slice(0, 80);
    const longest = (node) => node.textContent.split('\\n').reduce((a, b) => (a.length > b.length ? a : b));
    return {
        height: article.getBoundingClientRect().height,
        code: tall(all('div.cell_input')),
        live: live[0] ? live[0].getBoundingClientRect().top + scrollY : null,
        bare: drawn.filter((node) => !node.querySelector('figcaption') && !named(node)).map(called),
        wide: all('div.cell pre').filter((node) => seen(node) && node.scrollWidth > node.clientWidth + 1)
            .map(longest),
    };
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="a folder that book/build.py wrote")
    parser.add_argument("lessons", nargs="*", default=[""], help="only these, for example 01 02; default: all")
    parser.add_argument(
        "--which", action="store_true", help="say which figures have no caption and which cells are too wide"
    )
    options = parser.parse_args()
    pages = sorted(page for number in options.lessons for page in options.site.glob(f"notebooks/{number}*.html"))
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not pages or chromium is None:
        print(
            "error: " + (f"no lessons at {options.site}" if not pages else "measuring needs Chromium"), file=sys.stderr
        )
        return 1
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        browser.on("context", lambda context: context.set_default_timeout(300_000))
        found = {page.stem: measure(browser, page) for page in pages}
        browser.close()
    lines = [HEADS, *(line(name, values) for name, values in found.items()), TARGETS]
    print("\n".join(f"{row[0]:26}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in lines))
    print("* two screens; in 00, 01, 02, 03, 05, 06, 08")
    for name, values in found.items() if options.which else ():
        for kind in ("bare", "wide"):
            print("\n".join(f"{name} {kind}: {text.strip()}" for text in values[kind]))
    return 0


def measure(browser, page_file: Path) -> dict:
    """{height, code, live: pixels, bare, wide: [what], bytes} of one page, drawn whole; live is None for none."""
    asked, page = set(), browser.new_page(viewport=SIZE)
    page.on("request", lambda request: asked.add(Path(unquote(urlsplit(request.url).path))))
    page.goto(page_file.resolve().as_uri())
    page.wait_for_load_state("networkidle")
    weight = sum(len(gzip.compress(path.read_bytes())) for path in asked if path.is_file())  # as web servers send it
    page.evaluate("window.MathJax?.startup?.promise.then(() => null)")
    page.evaluate("[...document.images].forEach((picture) => (picture.loading = 'eager'))")
    page.evaluate(
        "Promise.all([...document.images].map((picture) => picture.decode().catch(() => null))).then(() => null)"
    )
    found = page.evaluate(LOOK)
    page.close()
    return found | {"bytes": weight}


def line(name: str, values: dict) -> tuple[str, ...]:
    """A row of the table."""
    live = "none" if values["live"] is None else f"{values['live']:.0f}"
    share = f"{100 * values['code'] / values['height']:.1f}"
    counts = (str(len(values["bare"])), str(len(values["wide"])))
    return (name, f"{values['height']:.0f}", share, live, *counts, f"{values['bytes'] / 1e6:.2f}")


if __name__ == "__main__":
    sys.exit(main())
