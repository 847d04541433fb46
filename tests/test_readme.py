"""What the README and the pages of the book tell a reader to do works."""

import re
import shlex
from pathlib import Path

import pytest

from ganprior_null.cli import _parser
from ganprior_null.lessons.run import check_parameters, read_value
from ganprior_null.profiles import profile_name

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", *(f"book/{path.name}" for path in sorted((ROOT / "book").glob("*.md"))))
TEXT = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
COMMANDS = sorted({line for text in TEXT.values() for line in re.findall(r"(?m)-m ganprior_null ([a-z].*)$", text)})


def test_the_example_runs():
    (program,) = re.findall(r"```python\n(.*?)```", TEXT["README.md"], re.S)
    names = {}
    exec(program, names)
    assert names["consistency_db"](names["A"], names["x_hat"], names["y"]) > 140  # what float32 leaves, see lesson 02


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_accepted(line):
    options = _parser().parse_args(shlex.split(line, comments=True))
    if line.startswith("run "):
        profile_name(options.profile)
        for notebook in options.notebooks:
            check_parameters(ROOT / notebook, {name: read_value(value) for name, value in options.p})


def test_the_commands_are_found_and_a_wrong_one_is_noticed():
    assert len(COMMANDS) > 8
    assert {line.split()[0] for line in COMMANDS} >= {"run", "train", "enforce", "convert", "report"}
    with pytest.raises(SystemExit):
        _parser().parse_args(["train", "priors", "--out", "x"])


@pytest.mark.parametrize("page", PAGES)
def test_named_targets_and_files_exist(page):
    targets = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text("utf-8"), re.M)[1].split()
    named = re.findall(r"(?:^|`)make ([a-z-]+)", TEXT[page], re.M)
    assert set(named) <= set(targets) and (named or page.startswith("book"))
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT[page]) if "://" not in link]
    if not page.startswith("book"):  # the book's own links are checked when the site is built
        assert [link for link in links if not (ROOT / link).exists()] == []
