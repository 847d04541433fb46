"""A record ties an executed notebook to its source, and to nothing else."""

import json
import subprocess
from pathlib import Path

import pytest

from ganprior_null.lessons.record import RunRecord, read_record, record_path, sha256, versions, write_record
from ganprior_null.places import commit


@pytest.fixture
def made(tmp_path) -> tuple[Path, Path]:
    """(executed, source), with a record between them."""
    source, executed = tmp_path / "lesson.ipynb", tmp_path / "out" / "lesson.ipynb"
    executed.parent.mkdir()
    source.write_text("source")
    executed.write_text("executed")
    sums = sha256(source), sha256(executed)
    write_record(executed, RunRecord("lesson.ipynb", *sums, "smoke", {"size": 8}, versions(), None, 1.5))
    return executed, source


def change(path: Path, **fields) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


SPOIL = {
    "no record": (lambda record, executed, source: record.unlink(), "there is no record"),
    "half a file": (lambda record, executed, source: record.write_text(record.read_text()[:40]), "damaged"),
    "no text": (lambda record, executed, source: record.write_bytes(b"\xff"), "damaged"),
    "no JSON object": (lambda record, executed, source: record.write_text("[1]"), "damaged"),
    "a field too many": (lambda record, executed, source: change(record, extra=1), "damaged"),
    "another type": (lambda record, executed, source: change(record, seconds="1.5"), "damaged"),
    "executed again": (lambda record, executed, source: executed.write_text("again"), "another executed copy"),
    "source changed": (lambda record, executed, source: source.write_text("new"), "another version of the notebook"),
    "source gone": (lambda record, executed, source: source.unlink(), "another version of the notebook"),
}


def test_a_record_is_read_as_it_was_written(made):
    executed, source = made
    assert read_record(executed, source).parameters == {"size": 8}
    assert [path.name for path in sorted(executed.parent.iterdir())] == ["lesson.ipynb", "lesson.run.json"]


@pytest.mark.parametrize(("spoil", "message"), SPOIL.values(), ids=SPOIL)
def test_a_record_that_does_not_hold_says_why(made, spoil, message):
    executed, source = made
    spoil(record_path(executed), executed, source)
    with pytest.raises(ValueError, match=message):
        read_record(executed, source)


def test_the_commit_is_that_of_the_checkout(tmp_path):
    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert commit(tmp_path) is None
    file = tmp_path / "lesson.py"
    file.write_text("1")
    (tmp_path / "inside").mkdir()
    git("init", "-q")
    assert commit(tmp_path) is None  # nothing is committed yet
    git("add", "."), git("commit", "-qm", "one")
    head = git("rev-parse", "HEAD").strip()
    (tmp_path / "untracked").write_text("")
    assert commit(tmp_path) == head
    assert commit(tmp_path / "inside") is None  # another project's repository
    file.write_text("2")
    assert commit(tmp_path) == f"{head}-changed"
    assert commit(tmp_path, within="untracked") == head
