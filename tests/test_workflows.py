"""The public workflows name targets of make, scripts and artifacts that exist; only GitHub can run them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
yaml = pytest.importorskip("yaml")
FOLDER = ROOT / ".github" / "workflows"
if not FOLDER.is_dir():
    pytest.skip("an sdist leaves the workflows out", allow_module_level=True)
FILES = sorted(FOLDER.glob("*.yml"))


def faults(workflow: dict) -> list[str]:
    """What a workflow names that is not there."""
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text("utf-8")))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [
        part
        for step in steps
        for part in re.split(r"&&|\n", re.sub(r"\$\{\{.*?\}\}", "X", step.get("run", "")))
        if part.strip()
    ]
    wrong = []
    for words in (command.split() for command in commands):
        if words[0] == "make":
            wrong += [f"make {word}" for word in words[1:] if "=" not in word and word not in targets]
        wrong += [word for word in words if re.fullmatch(r"(book|\.ci)/\S+", word) and not (ROOT / word).is_file()]
    wrong += [
        f"needs {job['needs']}"
        for job in workflow["jobs"].values()
        if job.get("needs", "") not in ("", *workflow["jobs"])
    ]
    kept = {step["with"]["name"] for step in steps if "upload-artifact@" in step.get("uses", "")}
    asked = {step["with"]["name"] for step in steps if "download-artifact@" in step.get("uses", "")}
    return wrong + [f"artifact {name}" for name in asked - kept]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_workflow_names_is_there(path):
    assert faults(yaml.safe_load(path.read_text("utf-8"))) == []


def test_what_is_not_there_is_noticed():
    steps = [
        {"run": "make corse pdf"},
        {"run": "python book/linx.py"},
        {"uses": "actions/download-artifact@v4", "with": {"name": "x"}},
    ]
    assert faults({"jobs": {"a": {"needs": "b", "steps": steps}}}) == [
        "make corse",
        "book/linx.py",
        "needs b",
        "artifact x",
    ]


def test_a_tag_publishes_and_nothing_else_does():
    jobs = yaml.safe_load((FOLDER / "publish.yml").read_text("utf-8"))["jobs"]
    writing = {name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()}
    assert writing == {"pages", "assets"}
    assert all(jobs[name]["if"] == "github.ref_type == 'tag'" for name in writing)
