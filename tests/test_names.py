"""Names of files: which are the same, and that any of them can be shown."""

import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest

from ganprior_null.names import by_stem, markdown, markdown_target, namesakes, printable, unformatted


def test_stems_are_compared_composed_and_namesakes_listed():
    paths = [Path("a/cafe\u0301.png"), Path("b/caf\u00e9.jpg"), Path("b/x.y.png")]
    assert list(by_stem(paths)) == ["caf\u00e9", "x.y"]
    (line,) = namesakes(paths)
    assert "cafe\u0301.png and b/caf\u00e9.jpg are both called 'caf\u00e9'" in line
    assert namesakes(paths[1:]) == []


@pytest.mark.parametrize(
    "name, shown",
    [
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("right\u202eleft", r"right\u202eleft"),
        ("a b \u00e9 \u732b", "a b \u00e9 \u732b"),
    ],
)
def test_any_name_can_be_printed(name, shown):
    assert printable(name) == shown and printable(name).encode()


@pytest.mark.parametrize(
    "name",
    ["photo (1)", "a b", "hash#1", "q?x", "per%20cent", "_a_*b*", "<b>", "[x](y)", "a|b", "`c`", os.fsdecode(b"\xe9")],
)
def test_any_name_can_stand_in_markdown(name):
    html = (
        pytest.importorskip("markdown_it")
        .MarkdownIt("commonmark")
        .render(f"## {markdown(name)}\n\n![]({markdown_target(f'pictures/{name}.png')})")
    )
    heading, source = (
        unescape(found) for found in re.search(r"<h2>(.*)</h2>\n<p><img src=\"([^\"]*)\"", html).groups()
    )
    assert heading == printable(name)
    assert os.fsdecode(unquote_to_bytes(urlsplit(source).path)) == f"pictures/{name}.png"


def test_braces_survive_papermill():
    for path in ("a{b}", "{{}", "plain", "{0.x}"):
        assert unformatted(Path(path)).format() == path
