"""Check the links of a built site without a network: ``python book/links.py build/laptop/site``.

Every address inside the site must be a file of it, and every place on a page an id there. Addresses elsewhere are not
asked; those that cannot be right (no host, spaces, an unencrypted protocol) are errors too.
"""

import argparse
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="a folder that book/build.py wrote")
    site = parser.parse_args().site
    if not (site / "index.html").is_file():
        print(f"error: no site at {site}", file=sys.stderr)
        return 2
    wrong, checked = broken_links(site)
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{checked} links, {len(wrong)} broken")
    return 1 if wrong else 0


def broken_links(site: Path) -> tuple[list[str], int]:
    """("page: address, what is wrong" for each broken link, how many were checked)."""
    wrong, checked = [], 0
    for page in sorted(site.rglob("*.html")):
        if "_static" in page.relative_to(site).parts:
            continue
        for address in addresses(page):
            checked += 1
            if fault := check(address, page, site):
                wrong.append(f"{page.relative_to(site)}: {address}, {fault}")
    return wrong, checked


def addresses(page: Path) -> list[str]:
    """What a page links to, shows or loads, without what it holds itself (data:)."""
    soup = parsed(page)
    found = [tag[key] for key in ("href", "src") for tag in soup.find_all(attrs={key: True})]
    return [address for address in found if not address.startswith(("data:", "mailto:", "javascript:"))]


def check(address: str, page: Path, site: Path) -> str:
    """What is wrong with a link; empty if nothing is."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        right = parts.scheme == "https" and "." in parts.netloc and " " not in address
        return "" if right else "no https address"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target.is_dir():
        target = target / "index.html"
    if not target.is_relative_to(site.resolve()) or not target.is_file():
        return "no such file in the site"
    place = unquote(parts.fragment)
    if place and target.suffix == ".html" and place not in ids(target):
        return "no such place on the page"
    return ""


@cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text("utf-8"), "html.parser")


@cache
def ids(page: Path) -> set[str]:
    return {tag["id"] for tag in parsed(page).find_all(id=True)} | {""}


if __name__ == "__main__":
    sys.exit(main())
