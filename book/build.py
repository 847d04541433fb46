"""Build the site from executed notebooks: ``python book/build.py build/laptop/notebooks build/laptop/site``.

Nothing is executed here and nothing is fetched: MathJax comes out of a Python package, widgets that need a kernel
become still pictures. Any warning of the build is an error; the former site stays until the new one is complete.
"""

import argparse
import html
import importlib.util
import json
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import yaml

from ganprior_null import report
from ganprior_null.interop import page
from ganprior_null.lessons.record import read_record

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
VIEW = "application/vnd.jupyter.widget-view+json"
SVG = "image/svg+xml"
STATE = "application/vnd.jupyter.widget-state+json"
API = runpy.run_path(str(BOOK / "api.py"))
FIGURES = runpy.run_path(str(BOOK / "figures.py"))
TERMS = runpy.run_path(str(BOOK / "terms.py"))
NAME = re.compile(r"\]\(\.\./book/api\.md#([\w.]+)\)")  # a lesson's link to a name
FOLDED = {"solution": "the solution", "law": "the check (it may give the answer away)"}  # a cell's tag: its name
LIVE = '<p class="live-in-lab">The controls of this panel are live in JupyterLab: <code>make lab</code>.</p>'


# Jupyter Book's own forwarding page names no icon, so a browser asks the server's root for one, outside the site.
# An empty one, not the site's: its request would be cut off by the forwarding, and logged as failed.
FORWARD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>ganprior-null</title>
<link rel="icon" href="data:,">
<meta http-equiv="refresh" content="0; url=intro.html">
</head>
<body><a href="intro.html">Null-space learning with GAN priors</a></body>
</html>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", type=Path, help="folder of executed notebooks")
    parser.add_argument("site", type=Path, help="folder to write; what is there is replaced")
    parser.add_argument(
        "--repository",
        default="",
        metavar="URL",
        help="public address of the repository: adds Binder and Colab buttons, and links to source, edits and issues",
    )
    options = parser.parse_args()
    try:
        build(options.notebooks, options.site, options.repository)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(notebooks: Path, site: Path, repository: str = "") -> None:
    """Assemble the book beside ``site``, build it, and put it in the place of ``site``.

    Raises FileNotFoundError for no notebooks, ValueError for one that was not executed or an address that is none,
    RuntimeError for a warning.
    """
    book = site.with_name(site.name + ".book")
    assemble(notebooks, book, repository)
    if repository:
        config = book / "_config.yml"
        config.write_text(yaml.safe_dump(launchable(yaml.safe_load(config.read_text("utf-8")), repository)), "utf-8")
    command = [Path(sysconfig.get_path("scripts"), "jupyter-book"), "build", book, "-W", "-n", "--keep-going", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    pages = book / "_build" / "html"
    if done.returncode or not (pages / "index.html").is_file():
        raise RuntimeError(f"the site does not build:\n{done.stderr.strip()}\n{done.stdout.strip()[-2000:]}")
    (pages / "index.html").write_text(FORWARD, "utf-8")
    mend(pages, repository)
    trim_icons(pages)
    page.export(networks(notebooks), pages / "_static" / "networks")
    shutil.rmtree(site, ignore_errors=True)
    pages.replace(site)
    shutil.rmtree(book)


def assemble(notebooks: Path, book: Path, repository: str = "") -> None:
    """Copy the pages, the notebooks and MathJax into the new folder ``book``."""
    shutil.rmtree(book, ignore_errors=True)
    shutil.copytree(BOOK, book, ignore=shutil.ignore_patterns("*.py", "__pycache__", "_build"))
    (book / "notebooks").mkdir()
    lessons, terms = lessons_of(notebooks), TERMS["entries"](TERMS["GLOSSARY"].read_text("utf-8"))
    check_figures(lessons)
    for path in lessons:
        lesson = nbformat.read(path, as_version=4)
        check_executed(path.name, lesson)
        size_pictures(lesson)
        still_widgets(lesson)
        adapt_text(lesson)
        TERMS["link_terms"](lesson, terms)
        FIGURES["wrap_captions"](lesson)
        mark_claims(lesson, path.stem)
        copy_results(lesson, book)
        save_cover(lesson, book)
        save_front(lesson, book)
        nbformat.write(lesson, book / "notebooks" / path.name)
    with (book / "made.md").open("a", encoding="utf-8") as page:
        page.write(runs_table(lessons, ROOT / "notebooks"))
    with (book / "api.md").open("a", encoding="utf-8") as page:
        page.write(API["page"](repository))
    with (book / "licence.md").open("a", encoding="utf-8") as page:
        page.write(contact(repository))
    copy_mathjax(book / "vendor" / "mathjax")


def contact(repository: str) -> str:
    """Where a reader turns to: the issues of the repository, if its address is known."""
    what = "a mistake, a question, something that stands in your way, a class you taught with this"
    if repository:
        return f"[Open an issue]({repository}/issues): {what}. The button at the top of a page brings its name along.\n"
    return f"Open an issue in the repository that this copy of the course comes from: {what}.\n"


def lessons_of(notebooks: Path) -> list[Path]:
    """The notebooks of the course in a folder, in their order. Raises FileNotFoundError for none."""
    lessons = sorted(path for path in notebooks.glob("[0-9][0-9]_*.ipynb") if path.suffixes == [".ipynb"])
    if not lessons:
        raise FileNotFoundError(f"no notebooks in {notebooks}")
    return lessons


def networks(notebooks: Path) -> set[str]:
    """The shipped networks that the live figures of the notebooks run."""
    lessons = [nbformat.read(path, as_version=4) for path in lessons_of(notebooks)]
    return {name for lesson in lessons for state in live_states(lesson).values() for name in state.get("networks", [])}


def launchable(config: dict, repository: str) -> dict:
    """The book's configuration with buttons for Binder, Colab, the repository, edits and issues.

    Raises ValueError for what is no address.
    """
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", repository):
        raise ValueError(f"the repository's address reads like https://github.com/name/project, got {repository!r}")
    config["repository"] = {"url": repository, "path_to_book": ".", "branch": "main"}
    clouds = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}
    config["launch_buttons"] = {"notebook_interface": "jupyterlab", **clouds}
    config["html"] |= dict.fromkeys(("use_repository_button", "use_edit_page_button", "use_issues_button"), True)
    return config


def check_executed(name: str, lesson) -> None:
    """Raises ValueError for a notebook with a cell that did not run, or that failed."""
    for number, cell in enumerate(cell for cell in lesson.cells if cell.cell_type == "code"):
        if cell.source.strip() and cell.execution_count is None:
            raise ValueError(f"{name}: code cell {number} was not executed")
        if any(output.output_type == "error" for output in cell.outputs):
            raise ValueError(f"{name}: code cell {number} ended with an error")


def check_figures(lessons: list[Path]) -> None:
    """Raises ValueError for two figures of one number, a mention of none, or a caption below nothing."""
    read = [nbformat.read(path, as_version=4) for path in lessons]
    text = "\n".join(cell.source for lesson in read for cell in lesson.cells if cell.cell_type == "markdown")
    FIGURES["check"]([number for lesson in read for number in FIGURES["captioned"](lesson)], text)


def size_pictures(lesson) -> None:
    """What the book asks a cell for: the width on a page of a picture that has more pixels, and a name for an SVG of
    pictures, whose colours must stay as they are where the page is dark.
    """
    for cell in lesson.cells:
        for output in cell.get("outputs", []):
            if width := output.get("metadata", {}).get("image/jpeg", {}).get("width"):
                image = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
                image["width"] = f"{width}px"
            if "data:image/webp" in output.get("data", {}).get(SVG, ""):
                cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["classes"] = "pictures"


def adapt_text(lesson) -> None:
    """Links to pages of the book, which a lesson finds in book/, and to names; the names of folded cells."""
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            text = NAME.sub(lambda link: f"](#{API['anchor'](link[1])})", cell.source)
            cell.source = text.replace("](../book/", "](../")
        for tag in FOLDED.keys() & set(cell.metadata.get("tags", [])):
            names = {"code_prompt_show": f"Show {FOLDED[tag]}", "code_prompt_hide": f"Hide {FOLDED[tag]}"}
            cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | names


def mark_claims(lesson, name: str) -> None:
    """Put a target before each cell that measures a claim, and let links of the report lead there."""
    cells, missing = [], {id for id, claim in report.load_claims().items() if claim.notebook == name}
    for cell in lesson.cells:
        found = sorted(missing & set(report.measures(cell.source))) if cell.cell_type == "code" else []
        missing -= set(found)
        if found:
            cells.append(nbformat.v4.new_markdown_cell("\n".join(f"({report.anchor_of(id)})=" for id in found)))
        cells.append(cell)
        for shown in tables(cell):
            shown["text/markdown"] = re.sub(r"\]\([\w./]+\.ipynb#(claim-\w+)\)", r"](#\1)", shown["text/markdown"])
    lesson.cells = cells


def copy_results(lesson, book: Path) -> None:
    """Stored results that a lesson links to come along, so that the links lead somewhere on the site too."""
    text = "\n".join(shown["text/markdown"] for cell in lesson.cells for shown in tables(cell))
    for link in re.findall(r"\]\((\.\./[^)#]+\.json)\)", text):
        source, target = ROOT / "notebooks" / link, book / "notebooks" / link
        if source.is_file() and target.resolve().is_relative_to(book.resolve()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def tables(cell) -> list[dict]:
    """What a cell shows as Markdown, to be changed in place."""
    return [output.data for output in cell.get("outputs", []) if "text/markdown" in output.get("data", {})]


def save_cover(lesson, book: Path) -> None:
    """The figure of a cell tagged ``cover`` is the picture of the landing page: made by a lesson, like all others."""
    for cell in lesson.cells:
        if "cover" in cell.metadata.get("tags", []):
            (figure,) = [output.data[SVG] for output in cell.outputs if SVG in output.get("data", {})]
            (book / "cover.svg").write_text(figure, "utf-8")


def save_front(lesson, book: Path) -> None:
    """The live figure of a cell tagged ``front`` opens the landing page too, which includes ``front.html``."""
    for cell in lesson.cells:
        if "front" in cell.metadata.get("tags", []):
            (view,) = [output.data[VIEW] for output in cell.outputs if VIEW in output.get("data", {})]
            model = lesson.metadata["widgets"][STATE]["state"][view["model_id"]]
            state = {"version_major": 2, "version_minor": 0, "state": {view["model_id"]: model}}
            parts = [live_still(model)["text/html"], script(STATE, state), script(VIEW, view)]
            start = '<script defer src="_static/live.js"></script>'
            text = f'<div class="cell_output front">{"".join(parts)}</div>{start}\n'
            (book / "front.html").write_text(text, "utf-8")


def script(kind: str, value: dict) -> str:
    """JSON inside a page."""
    text = json.dumps(value).replace("</", r"<\/")
    return f'<script type="{kind}">{text}</script>'


def runs_table(lessons: list[Path], sources: Path) -> str:
    """A line per lesson: the run that made it from ``sources``, or why that is not known; then the versions."""
    lines, used = ["", "| lesson | profile | seconds | SHA-256 | commit |", "|---|---|--:|---|---|"], {}
    for path in lessons:
        try:
            run = read_record(path, sources / path.name)
        except ValueError as error:
            cells = [f"*not known: {error}*", "", "", ""]
        else:
            given = [f"`{name}={value!r}`" for name, value in run.parameters.items()]
            used.setdefault(", ".join(" ".join(pair) for pair in run.versions.items()), []).append(path.stem)
            cells = [", ".join([run.profile, *given]), f"{run.seconds:.0f}", f"`{run.source[:12]}`"]
            head, _, changed = (run.commit or "none").partition("-")
            cells.append(f"`{head[:12]}`{', changed' if changed else ''}")
        line = [f"[{path.stem}](notebooks/{path.stem})", *cells]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |")
    lines += ["", *(f"- {', '.join(names) + ':' if len(used) > 1 else 'With'} {uses}." for uses, names in used.items())]
    return "\n".join(lines) + "\n"


def copy_mathjax(target: Path) -> None:
    """The parts of MathJax 3 that the pages need, 1.2 MB of 24: the program in parts, and its fonts."""
    source = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
    programs = ["startup", "core", "input/tex", "output/chtml", "output/chtml/fonts/tex", "a11y/assistive-mml"]
    for name in programs:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / f"{name}.js", target / f"{name}.js")
    fonts = Path("output/chtml/fonts/woff-v2")
    shutil.copytree(source / fonts, target / fonts)


def lean(signature: str) -> str:
    """A signature without the spans around words and signs, a third of its bytes; one lies in the other."""
    for _ in range(2):
        signature = re.sub(r'<span class="(?:pre|w|p|o)">([^<]*)</span>', r"\1", signature)
    return signature


FIGURE = (  # the output of a cell that makes a figure, and the caption below it
    r'(?s)(<div class="cell [^"]*tag_figure.*?<div class="cell_output[^"]*")'
    r'(.*?<div class="figure-caption[^"]*" id="([\w-]+)")'
)
# what a screen reader misses in the theme's pages: names without the words one sees, a sidebar that is no region, empty
# corners of tables, entries of a bibliography that are no items of their list, parameters in a list without terms; and
# pictures far below the first view wait until the reader is near
MENDED = [
    (r'(<button class="[^"]*search-button-field[^>]*?) aria-label="Search"', r"\1"),
    (r'(<i class="theme-switch [^>]*?) title="[^"]*"', r"\1"),
    (r'<div id="pst-primary-sidebar"', r'<div id="pst-primary-sidebar" role="region" aria-label="Course"'),
    (r'(<summary) aria-label="Toggle hidden content"', r"\1"),
    (r"(<th[^>]*>)(?:<p></p>)?(</th>)", r'\1<span class="visually-hidden">item</span>\2'),
    (
        r"(<th[^>]*><p>)(<span class=.math[^>]*>[^<]*</span></p></th>)",
        r'\1<span class="visually-hidden">symbol </span>\2',
    ),
    (r'role="doc-biblioentry"', 'role="listitem"'),
    (r'(?s)<dt class="sig.*?</dt>', lambda signature: lean(signature[0])),
    (r'<dd>(<em class="sig-param">.*?)</dd>', r'<span class="sig-line">\1</span>'),
    (r'<dl>\s*(<span class="sig-line">)', r"\1"),
    (r'</dl>(\s*<span class="sig-paren">)', r"\1"),
    (FIGURE, r'\1 role="figure" aria-labelledby="\3"\2'),
    (r'<img (?![^>]*(?:loading=|class="live-still"))', r'<img loading="lazy" '),
]


def mend(pages: Path, repository: str) -> None:
    """Mend the theme's pages, and let the links to the source of those that lie in book/ lead there."""
    source = (rf"({re.escape(repository)}/(?:edit|blob)/main)/(?=[^/\"]+\.md\")", r"\1/book/")
    for path in pages.rglob("*.html"):
        text = path.read_text("utf-8")
        for pattern, better in [*MENDED, *([source] if repository else [])]:
            text = re.sub(pattern, better, text)
        text = text.replace('href="SITE/', 'href="' + "../" * len(path.relative_to(pages).parent.parts))
        path.write_text(text, "utf-8")


ICON = re.compile(r'"?([\w-]+)"?:\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]*",(?:"[^"]*"|\[[^\]]*\])\],?')


def trim_icons(pages: Path) -> None:
    """Keep of the theme's two thousand icons, 1.5 MB in every first view, those that a page or a program names."""
    program = pages / "_static" / "scripts" / "fontawesome.js"
    texts = [path for kind in ("html", "js") for path in pages.rglob(f"*.{kind}") if path != program]
    text = "\n".join(path.read_text("utf-8", errors="ignore") for path in texts)
    named = set(re.findall(r"\bfa-([a-z0-9-]+)", text))

    def kept(icon: re.Match) -> str:
        aliases = re.findall(r'"([\w-]+)"', icon[2])
        return icon[0] if named.intersection([icon[1], *aliases]) else ""

    program.write_text(ICON.sub(kept, program.read_text("utf-8")), "utf-8")


def still_widgets(lesson) -> None:
    """Replace each widget that needs a kernel by its picture and caption as saved, and drop finished progress bars.

    An anywidget brings its own program and lives on a page without a kernel: it stays, with its state, and behind the
    picture that it has for readers whose browser does not run it.
    """
    models, live = lesson.metadata.get("widgets", {}).get(STATE, {}).get("state", {}), live_states(lesson)
    for cell in lesson.cells:
        for output in list(cell.get("outputs", [])):
            view = output.get("data", {}).get(VIEW)
            if view is None:
                continue
            if view["model_id"] in live:
                picture = live_still(models[view["model_id"]])
                cell.outputs.insert(cell.outputs.index(output), nbformat.v4.new_output("display_data", picture))
            elif re.search(r"\d+%\|", output.data.get("text/plain", "")):  # also after a description
                cell.outputs.remove(output)
            else:
                promise = LIVE if controlled(view["model_id"], models) else ""
                output.data = {"text/html": f'<div class="still">{still(view["model_id"], models)}{promise}</div>'}
    if live:
        lesson.metadata["widgets"][STATE]["state"] = {identity: models[identity] for identity in live}
    else:
        lesson.metadata.pop("widgets", None)


def controlled(identity: str, models: dict) -> bool:
    """Whether a saved widget holds anything that a reader could move: such a thing can be disabled."""
    state = models.get(identity.removeprefix("IPY_MODEL_"), {"state": {}})["state"]
    return "disabled" in state or any(controlled(child, models) for child in state.get("children", []))


def live_states(lesson) -> dict[str, dict]:
    """{identity: saved state} of the figures that bring their own program."""
    models = lesson.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return {identity: model["state"] for identity, model in models.items() if "_esm" in model["state"]}


def live_still(model: dict) -> dict:
    """What is seen of a live figure where it does not run: its picture, and why there is no more."""
    need = '<noscript><p class="live-in-lab">This figure is live where JavaScript runs.</p></noscript>'
    data = next((part["data"] for part in model.get("buffers", []) if part["path"] == ["still"]), "").strip()
    alt = html.escape(model["state"].get("still_alt", ""))
    picture = f'<img class="live-still" alt="{alt}" src="data:image/webp;base64,{data}">' if data else ""
    return {"text/html": picture + need}


def still(identity: str, models: dict) -> str:
    """HTML of a saved widget: pictures and text, children in order; controls are left out."""
    model = models.get(identity.removeprefix("IPY_MODEL_"), {"state": {}})
    state, kind = model["state"], model.get("model_name", "")
    if kind == "ImageModel":
        data = next((part["data"] for part in model.get("buffers", []) if part["path"] == ["value"]), "")
        return f'<img alt="the panel with its first settings" src="data:image/png;base64,{data.strip()}">'
    if kind == "HTMLModel":
        return state.get("value", "")
    return "".join(still(child, models) for child in state.get("children", []))


if __name__ == "__main__":
    sys.exit(main())
