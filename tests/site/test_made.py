"""The page on how the site was made shows the run behind each lesson, or says that nothing ties it to one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ganprior_null.lessons.record import RunRecord, read_record, record_path, sha256, write_record

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("08_pdn.ipynb", "10_report.ipynb")


@pytest.fixture
def lessons(tmp_path) -> list[Path]:
    """Two lessons of the course with records of their runs."""
    (tmp_path / "notebooks").mkdir()
    for name in NAMES:
        source, executed = ROOT / "notebooks" / name, tmp_path / "notebooks" / name
        shutil.copy(source, executed)
        sums, uses = (sha256(source), sha256(executed)), {"python": "3.11.2", "torch": "2.13.0"}
        write_record(executed, RunRecord(name, *sums, "laptop", {"seed": 3}, uses, "ab" * 20 + "-changed", 41.4))
    return [tmp_path / "notebooks" / name for name in NAMES]


def cells(page: str, lesson: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| [{lesson}](notebooks/{lesson}) |")]
    return [cell.strip() for cell in line.strip("|").split(" | ")][1:]


def page(builder, lessons) -> str:
    book = lessons[0].parents[1] / "book"
    builder.assemble(lessons[0].parent, book)
    return (book / "made.md").read_text("utf-8")


def test_the_run_behind_each_lesson_is_shown(builder, lessons):
    text = page(builder, lessons)
    assert text.startswith("# How this site was made\n") and "\n## The runs\n\n| lesson |" in text
    for path in lessons:
        profile, seconds, digest, commit = cells(text, path.stem)
        assert profile == "laptop, `seed=3`" and seconds == "41"
        assert digest == f"`{sha256(ROOT / 'notebooks' / path.name)[:12]}`"
        assert commit == "`abababababab`, changed"
    assert text.endswith("\n- With python 3.11.2, torch 2.13.0.\n")


def test_versions_that_differ_are_told_apart(builder, lessons):
    record = read_record(lessons[1], ROOT / "notebooks" / NAMES[1])
    write_record(lessons[1], replace(record, versions={"python": "3.12.0"}))
    text = page(builder, lessons)
    assert "- 08_pdn: python 3.11.2, torch 2.13.0." in text and "- 10_report: python 3.12.0." in text


def test_a_lesson_that_nothing_ties_to_its_run_says_so(builder, lessons):
    record_path(lessons[0]).unlink()
    lessons[1].write_text(lessons[1].read_text("utf-8") + "\n", "utf-8")
    text = page(builder, lessons)
    assert cells(text, "08_pdn")[0] == "*not known: there is no record of its run*"
    assert cells(text, "10_report")[0] == "*not known: the record of its run speaks of another executed copy*"


def test_a_source_that_changed_after_the_run_is_said(builder, lessons, tmp_path):
    sources = tmp_path / "sources"
    shutil.copytree(tmp_path / "notebooks", sources)
    assert "not known" not in builder.runs_table(lessons, sources)  # the control
    (sources / NAMES[0]).write_text("{}")
    text = builder.runs_table(lessons, sources)
    assert cells(text, "08_pdn")[0] == "*not known: it was made from another version of the notebook*"
    assert cells(text, "10_report")[0].startswith("laptop")
