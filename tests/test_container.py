"""The image cannot be built in a test: that what its file copies is there, and what it runs is ours, can be seen."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "Containerfile"
SYSTEM = ("apt-get", "rm", "touch")  # commands of the base image
KNOWN = ("ARG", "FROM", "ENV", "RUN", "WORKDIR", "COPY", "ENTRYPOINT", "CMD")


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction, continued lines joined, comments gone."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    return [tuple(line.split(maxsplit=1)) for line in joined]


def faults(text: str) -> list[str]:
    """What a build, or a run, of this file would stumble over."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?m)^([\w./-]+(?: [\w./-]+)*):", makefile)) | {".venv/sweep.stamp"}
    targets = {name for group in targets for name in group.split()}
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    found = [f"unknown instruction {word}" for word, _ in instructions(text) if word not in KNOWN]
    for word, rest in instructions(text):
        if word == "COPY":
            found += [f"no {path}" for path in rest.split()[:-1] if not (ROOT / path).exists()]
        if word == "RUN":
            for command in re.split(r"&&|;|\|\|", rest):
                name, *words = command.split()
                if name == "make":
                    found += [f"no target {w}" for w in words if not w.startswith("-") and w not in targets]
                elif name not in SYSTEM and name not in scripts:
                    found.append(f"no command {name}")
        if word in ("ENTRYPOINT", "CMD"):
            found += [f"no target {w}" for w in json.loads(rest) if w != "make" and w not in targets]
    return found


def test_what_is_copied_is_there_and_what_is_run_is_ours():
    assert faults(FILE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("constraints.txt", "constrains.txt", "no constrains.txt"),
        ("make .venv/sweep.stamp", "make .venv/swep.stamp", "no target .venv/swep.stamp"),
        ("ganprior-null report", "ganprior report", "no command ganprior"),
        ('CMD ["help"]', 'CMD ["hepl"]', "no target hepl"),
        ("WORKDIR", "WORKDIRS", "unknown instruction WORKDIRS"),
    ],
)
def test_a_fault_is_noticed(right, wrong, fault):
    text = FILE.read_text("utf-8")
    assert right in text and fault in faults(text.replace(right, wrong))


def test_the_environment_of_the_image_is_the_supported_one():
    (python,) = re.findall(r"(?m)^ARG PYTHON=(.*)$", FILE.read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["requires-python"] == f">={python}"
    assert "WORKDIR /opt/ganprior-null" in FILE.read_text("utf-8")  # where GANPRIOR_CHECKOUT and PATH look


def test_what_is_built_is_not_copied_and_continuous_integration_builds_the_image():
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert {".venv", "build"} <= set(ignored)
    job = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]["container"]
    said = " ".join(step.get("run", "") for step in job["steps"])
    assert "--file Containerfile" in said and "sweep PROFILE=smoke" in said
