"""One list of packages, one list of versions: pyproject, constraints, environment.yml and what is installed agree."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
PINS = {canonicalize_name(line.split("==")[0]): line for line in LINES}


def needed(extras) -> list[Requirement]:
    lines = PROJECT["dependencies"] + [line for extra in extras for line in EXTRAS[extra]]
    return [Requirement(line) for line in lines]


def unpinned(requirements: list[Requirement]) -> set[str]:
    """Installed packages that the requirements lead to, at any depth, and whose version nothing fixes."""
    seen, free = set(), set()
    while requirements:
        requirement = requirements.pop()
        name = canonicalize_name(requirement.name)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        if name not in PINS and not str(requirement.specifier).startswith("=="):  # torch itself fixes its CUDA parts
            free.add(name)
        for line in metadata.requires(name) or []:
            below = Requirement(line)
            if any(below.marker is None or below.marker.evaluate({"extra": e}) for e in requirement.extras | {""}):
                requirements.append(below)
    return free


def test_constraints_are_exact_public_versions():
    """torch==2.13.0+cpu, as pip freeze writes it, is on no public index."""
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9a-z.]+", line)] == []
    assert len(PINS) == len(LINES)


def test_every_requirement_is_pinned_within_its_bounds():
    for requirement in needed(EXTRAS):
        pin = PINS[canonicalize_name(requirement.name)].split("==")[1]
        assert requirement.specifier.contains(pin), f"{requirement} against {pin}"


def test_nothing_that_gets_installed_is_left_unpinned():
    assert unpinned(needed(["course", "dev"])) == set()


def test_an_unpinned_package_is_noticed(monkeypatch):
    monkeypatch.delitem(PINS, "tornado")  # three levels down: jupyterlab, jupyter-server
    assert unpinned(needed(["course"])) == {"tornado"}


def test_the_pinned_torch_is_the_installed_one():
    assert Version(metadata.version("torch")).public == PINS["torch"].split("==")[1]


def test_environment_yml_installs_the_course_with_the_constraints():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    assert environment["name"] == PROJECT["name"]
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    (python,) = [entry.split("=")[1] for entry in plain if entry.startswith("python=")]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert {"pip", "make"} <= set(plain)
    assert "-c constraints.txt" in pip
    (project,) = [line for line in pip if line.startswith("-e ")]
    (extra,) = re.fullmatch(r"-e \.\[(\w+)\]", project).groups()
    assert extra in EXTRAS


def test_the_makefile_asks_for_extras_that_exist():
    asked = re.findall(r"stamp: EXTRAS = ([\w,]+)", (ROOT / "Makefile").read_text("utf-8"))
    assert asked and all(extra in EXTRAS for entry in asked for extra in entry.split(","))
