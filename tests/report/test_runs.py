"""A number whose stored runs are gone or were replaced says so, and a stale number does not hide one that holds."""

import json
import shutil
from pathlib import Path

import pytest

from ganprior_null import places, report
from ganprior_null.report import measured as recording


@pytest.fixture(autouse=True)
def fresh_results(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GANPRIOR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(places, "COMMITTED", tmp_path / "committed")
    monkeypatch.setattr(recording, "RECORDED", tmp_path / "recorded")
    return tmp_path / "results"


def row(id: str = "C18") -> dict:
    return next(row for row in report.rows() if row["id"] == id)


def store(name: str, content: str = "{}", folder: Path | None = None, profile: str | None = "laptop") -> Path:
    """A finished run with this summary, committed unless another folder is given."""
    run = (folder or places.COMMITTED) / name
    run.mkdir(parents=True, exist_ok=True)
    (run / "summary.json").write_text(content)
    (run / "params.json").write_text(json.dumps({"profile": profile}))
    return run


def measure(*runs: str, value: float = 41.0) -> None:
    report.record("C18", value, runs=runs)


def test_a_run_that_is_gone_is_said():
    gone = store("restorers/a")
    store("restorers/b")
    measure("restorers/a", "restorers/b")
    assert row()["note"] == ""
    shutil.rmtree(gone)
    assert row()["note"] == "run restorers/a is missing"
    assert row()["runs"] == [str(places.COMMITTED / "restorers" / "b" / "summary.json")]
    for write in (report.as_text, report.as_markdown, report.as_json):
        assert "run restorers/a is missing" in write(report.rows())


def test_a_run_that_was_replaced_is_said_and_one_copied_anew_is_not():
    store("restorers/a", '{"PSNR": 20.1}')
    measure("restorers/a")
    store("restorers/a", '{"PSNR": 20.1}')
    assert row()["note"] == ""
    store("restorers/a", '{"PSNR": 20.2}')
    assert row()["note"] == "run restorers/a has changed since"
    assert len(row()["runs"]) == 1  # the link stays
    measure("restorers/a")
    assert row()["note"] == ""


def test_what_a_run_was_evaluated_on_afterwards_counts_as_well():
    run = store("restorers/a")
    (run / "unseen.json").write_text("{}")
    measure("restorers/a")
    assert row()["note"] == ""
    (run / "unseen.json").write_text('{"tested": {}}')
    assert row()["note"] == "run restorers/a has changed since"


def test_a_claim_recorded_before_digests_were_kept_says_only_what_is_missing(fresh_results):
    store("restorers/a")
    gone = store("restorers/b")
    (gone / "summary.json").unlink()
    measure("restorers/a", "restorers/b")
    path = fresh_results / "claims" / "C18.laptop.json"
    stored = json.loads(path.read_text())
    assert list(stored.pop("digests")) == ["restorers/a"]
    path.write_text(json.dumps(stored))
    store("restorers/a", "another")
    assert row()["note"] == "run restorers/b is missing"


def test_many_runs_are_counted():
    names = [f"restorers/{letter}" for letter in "abcde"]
    for name in names:
        store(name)
    measure(*names)
    for name in names:
        store(name, "another")
    assert row()["note"] == "runs restorers/a, restorers/b, restorers/c and 2 more have changed since"
    shutil.rmtree(places.COMMITTED / "restorers" / "e")
    shutil.rmtree(places.COMMITTED / "restorers" / "d")
    assert row()["note"] == (
        "runs restorers/d, restorers/e are missing; runs restorers/a, restorers/b, restorers/c have changed since"
    )


def test_a_run_of_ones_own_counts_where_it_was_measured(fresh_results):
    store("restorers/a", "theirs")
    own = store("restorers/a", "ours", fresh_results)
    measure("restorers/a")
    assert row()["note"] == "" and row()["runs"] == [str(own / "summary.json")]
    shutil.rmtree(own)
    assert row()["note"] == "run restorers/a has changed since"


def test_a_claim_has_the_profile_of_its_runs_whatever_the_lesson_ran_at():
    store("restorers/a", profile="night")
    report.record("C18", 41.0, profile="laptop", runs=["restorers/a"])
    assert row()["ours"] == "41.0 dB (night)"


def test_runs_of_two_profiles_are_refused_and_named():
    store("restorers/a", profile="night")
    store("restorers/b", profile="laptop")
    with pytest.raises(ValueError, match="of 2 .laptop: restorers/b; night: restorers/a"):
        report.record("C18", 41.0, runs=["restorers/a", "restorers/b"])
    report.record("C18", 41.0, runs=["restorers/b"])  # one alone is fine


@pytest.mark.parametrize(("profile", "said"), [(None, "names no profile: add"), ("labtop", "unknown profile 'labtop'")])
def test_a_run_of_no_known_profile_is_refused_and_its_file_named(fresh_results, profile, said):
    store("restorers/a", profile=profile)
    with pytest.raises(ValueError, match=f"restorers/a/params.json.*{said}"):
        report.record("C18", 41.0, runs=["restorers/a"])
    with pytest.raises(ValueError, match="run restorers/none is missing"):
        report.record("C18", 41.0, runs=["restorers/none"])
    assert not fresh_results.exists()


def test_a_count_of_photographs_is_shown():
    report.record("C18", 41.0, profile="laptop", photographs=28)
    assert row()["note"] == "" and row()["evidence"] == "28 photographs"


def measured(folder: Path, value: float, *, stale: bool) -> None:
    """A stored value, of the lesson's present code or of an older one."""
    code = "0" * 12 if stale else report.code_hash(report.load_claims()["C18"].notebook)
    claims = recording.claims_folder(folder)
    claims.mkdir(parents=True, exist_ok=True)
    content = {"id": "C18", "value": value, "profile": "laptop", "code": code, "details": {}}
    (claims / "C18.laptop.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("committed_stale", "new_stale", "shown", "note"),
    [
        (False, True, "41.0 dB (laptop)", ""),
        (False, False, "42.0 dB (laptop)", ""),
        (True, False, "42.0 dB (laptop)", ""),
        (True, True, "42.0 dB (laptop)", "older than the code that made it"),
    ],
)
def test_the_number_of_the_present_code_counts_then_the_newer(fresh_results, committed_stale, new_stale, shown, note):
    measured(places.COMMITTED, 41.0, stale=committed_stale)
    measured(fresh_results, 42.0, stale=new_stale)
    assert (row()["ours"], row()["note"]) == (shown, note)


def test_damage_is_said_once_where_new_results_are_the_committed_ones(monkeypatch):
    monkeypatch.setenv("GANPRIOR_RESULTS", str(places.COMMITTED))
    measure()
    (recording.RECORDED / "C18.laptop.json").write_text("{")
    assert row()["note"].count("is damaged") == 1
