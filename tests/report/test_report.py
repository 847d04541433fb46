"""A verdict follows from the stored number and the stated rule, and from nothing else."""

import json
import re
from pathlib import Path

import pytest

from ganprior_null import places, report
from ganprior_null.cli import main
from ganprior_null.profiles import NAMES
from ganprior_null.report import measured

C = [f"C{i}" for i in range(1, 21)]
IDS = [*C[:13], "C14a", "C14b", *C[14:], *(f"B{i}" for i in range(1, 9))]


@pytest.fixture(autouse=True)
def fresh_results(tmp_path, monkeypatch):
    monkeypatch.setenv("GANPRIOR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(places, "COMMITTED", tmp_path / "committed")
    monkeypatch.setattr(measured, "RECORDED", tmp_path / "recorded")
    monkeypatch.delenv("GANPRIOR_PROFILE", raising=False)
    return tmp_path / "results"


def row(id: str) -> dict:
    return next(row for row in report.rows() if row["id"] == id)


def test_every_claim_of_the_design_is_listed_with_a_readable_rule():
    claims = report.load_claims()
    assert list(claims) == IDS
    for claim in claims.values():
        assert claim.profile in NAMES
        assert bool(claim.control) == bool(claim.control_rule)
        for rule in filter(None, (claim.reproduced, claim.control_rule)):
            bound, inside = float(rule.split()[1]), 1e-9 if ">" in rule else -1e-9
            assert report.holds(rule, bound + inside) and not report.holds(rule, bound - inside)
        assert not claim.notebook or (places.ROOT / "notebooks" / f"{claim.notebook}.py").is_file()


@pytest.mark.parametrize(
    ("value", "profile", "expected"),
    [(152.1, "paper", "reproduced"), (120.0, "paper", "partly"), (42.0, "paper", "not reproduced")],
)
def test_the_rule_decides(value, profile, expected):
    report.record("C1", value, profile=profile)
    assert row("C1")["verdict"] == expected
    assert row("C1")["ours"] == f"{value:.1f} dB ({profile})"


def test_a_smaller_profile_decides_nothing():
    report.record("C1", 152.1, profile="laptop")
    assert row("C1")["verdict"] == "needs the paper profile"


def test_the_largest_profile_measured_is_reported():
    report.record("C1", 152.1, profile="paper")
    report.record("C1", 99.0, profile="laptop")
    assert row("C1")["ours"] == "152.1 dB (paper)"


CONTROLS = [
    (9.5, 2.5, "reproduced"),
    (9.5, 0.9, "reproduced, but the control explains it"),
    (9.5, None, "reproduced, its control is missing"),
    (3.0, 0.9, "partly, but the control explains it"),
    (1.0, 2.5, "not reproduced"),
]


@pytest.mark.parametrize(("value", "control", "expected"), CONTROLS)
def test_a_verdict_hears_its_control(value, control, expected):
    report.record("C4", value, profile="laptop", control=control)
    assert row("C4")["verdict"] == expected
    shown = "missing" if control is None else f"{control:.3g} x"
    assert f"control: {shown}, the same against PD" in row("C4")["evidence"]


def test_the_summary_is_short_and_names_every_claim_once():
    for value, id in ((9.5, "C4"), (41.0, "C18"), (99.0, "C1")):
        report.record(id, value, profile="laptop")
    lines = report.as_summary(report.rows()).splitlines()
    assert len(lines) <= 10 and sorted(re.findall(r"[CB]\d+[ab]?", "\n".join(lines))) == sorted(IDS)
    assert any(line.strip().startswith("1  reproduced, its control is missing: C4") for line in lines)


def test_what_is_missing_and_what_a_trial_run_found_is_said_and_not_recorded(fresh_results, capsys):
    report.record("C4", None, profile="laptop")
    report.record("C4", 9.0, profile="smoke")
    assert not fresh_results.exists() and capsys.readouterr().out.count("C4") == 2


def test_no_number_no_verdict():
    assert row("C3")["verdict"] == "not measured yet"
    assert row("C3")["ours"] == "-"


def test_a_result_older_than_its_code_says_so(fresh_results):
    report.record("C18", 41.0, profile="laptop")
    assert row("C18")["note"] == ""
    path = fresh_results / "claims" / "C18.laptop.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"code": "0" * 12}))
    assert row("C18")["note"] == "older than the code that made it"
    assert "older than the code" in report.as_markdown(report.rows())
    assert "older than the code" in report.as_text(report.rows())


LESSON = """# %% [markdown]
# ## 1. First
# %%
x = 1
# %% [markdown]
# ## 2. Second
# %% tags=["{tag}"]
y = 2
# %%
record(
    "C18", x)
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """lesson(text) -> the source of a lesson named `probe`, in a repository of its own."""
    monkeypatch.setattr(places, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    return lambda text: (tmp_path / "notebooks" / "probe.py").write_text(text, "utf-8")


def test_a_live_figure_may_change_and_code_that_measures_may_not(lesson):
    def hash_of(text):
        lesson(text)
        return report.code_hash("probe")

    live = LESSON.format(tag="live")
    same = hash_of(live)
    assert hash_of(live.replace("y = 2", "y = 3")) == same
    assert hash_of(live.replace('# %% tags=["live"]\ny = 2\n', "")) == same
    assert hash_of(live.replace("## 2. Second", "## 2. Another title")) == same
    # the controls: measuring cells before and after it, and the same cell without the tag
    assert hash_of(live.replace("x = 1", "x = 2")) != same
    assert hash_of(live.replace('"C18", x)', '"C18", x + 1)')) != same
    assert hash_of(LESSON.format(tag="alive")) != same
    assert hash_of(LESSON.format(tag="alive").replace("y = 2", "y = 3")) != hash_of(LESSON.format(tag="alive"))


def test_a_claim_is_found_under_its_heading(lesson):
    lesson(LESSON)
    assert report.section("probe", "C18") == "2. Second"
    assert report.section("probe", "C1") == "" and report.section("none", "C18") == ""


def test_claims_in_a_loop_are_found_and_mentions_are_not():
    assert report.measures('for id in ("C3", "B1"):\n    record(id, 1.0)') == ["C3", "B1"]
    assert report.measures('def record(id, value):\n    print(id, "C3")\nrecord(\n  "C5", 1)') == ["C5"]
    assert report.measures('stored["C3"]') == []


def test_every_lesson_with_a_claim_says_where_it_measures_it():
    for claim in report.load_claims().values():
        assert not claim.notebook or report.section(claim.notebook, claim.id), claim.id


def test_seeds_spread_and_runs_are_shown(fresh_results, monkeypatch):
    run = places.COMMITTED / "restorers" / "glean-0"
    run.mkdir(parents=True)
    (run / "summary.json").write_text("{}")
    (run / "params.json").write_text('{"profile": "laptop"}')
    report.record("C18", 41.0, profile="laptop", seeds=[0, 1, 2], spread=0.25, runs=["restorers/glean-0"])
    assert row("C18")["evidence"] == "3 seeds; 1 run; spread 0.25 dB"
    assert row("C18")["runs"] == [str(run / "summary.json")]
    assert row("C18")["stored"] == str(fresh_results / "claims" / "C18.laptop.json")
    page = report.as_markdown(report.rows(), fresh_results)
    assert "[stored value](claims/C18.laptop.json)" in page
    assert "[glean-0](../committed/restorers/glean-0/summary.json)" in page
    assert "3 seeds; 1 run; spread 0.25 dB" in report.as_text(report.rows())
    assert json.loads(report.as_json(report.rows()))[IDS.index("C18")]["evidence"].startswith("3 seeds")


def test_links_lead_somewhere(tmp_path, monkeypatch):
    """With the results of the repository itself: every link of the table is a file, seen from the folder it is for."""
    monkeypatch.setattr(places, "COMMITTED", places.ROOT / "data" / "results")
    monkeypatch.setattr(measured, "RECORDED", Path(measured.__file__).parent / "recorded")
    monkeypatch.setenv("GANPRIOR_RESULTS", str(tmp_path / "none"))
    for folder in (places.ROOT, places.ROOT / "notebooks"):
        links = re.findall(r"\]\(([^)#]+)", report.as_markdown(report.rows(), folder))
        assert len(links) > 20
        assert [link for link in links if not (folder / link).is_file()] == []


DAMAGE = {
    "half a file": '{"id": "C18", "val',
    "nothing": "",
    "no JSON object": "[1, 2]",
    "a field is missing": '{"id": "C18"}',
    "a field too many": '{"id": "C18", "value": 41, "profile": "laptop", "code": "", "details": {}, "extra": 1}',
    "no number": '{"id": "C18", "value": "41", "profile": "laptop", "code": "", "details": {}}',
    "not a number": '{"id": "C18", "value": NaN, "profile": "laptop", "code": "", "details": {}}',
    "another claim": '{"id": "C1", "value": 41, "profile": "laptop", "code": "", "details": {}}',
    "another profile": '{"id": "C18", "value": 41, "profile": "paper", "code": "", "details": {}}',
    "details are a list": '{"id": "C18", "value": 41, "profile": "laptop", "code": "", "details": []}',
    "digests are a list": '{"id": "C18", "value": 41, "profile": "laptop", "code": "", "details": {}, "digests": []}',
    "runs are a count": '{"id": "C18", "value": 41, "profile": "laptop", "code": "", "details": {}, "runs": 3}',
    "control is a text": '{"id": "C18", "value": 41, "profile": "laptop", "code": "", "control": "high"}',
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_result_is_one_message_and_the_report_goes_on(fresh_results, content):
    report.record("C1", 152.1, profile="paper")
    path = fresh_results / "claims" / "C18.laptop.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert row("C18")["note"].startswith(f"{path} is damaged: ") and row("C18")["note"].endswith("; measure it again")
    assert "\n" not in row("C18")["note"]
    assert row("C18")["verdict"] == "not measured yet" and row("C1")["verdict"] == "reproduced"
    assert report.as_text(report.rows()).count("is damaged") == 1
    assert report.as_markdown(report.rows()).count("is damaged") == 1


def test_a_damaged_new_result_does_not_hide_the_committed_one(fresh_results, monkeypatch):
    monkeypatch.setenv("GANPRIOR_RESULTS", str(places.COMMITTED))
    report.record("C18", 41.0, profile="laptop")
    monkeypatch.setenv("GANPRIOR_RESULTS", str(fresh_results))
    (fresh_results / "claims").mkdir(parents=True)
    (fresh_results / "claims" / "C18.laptop.json").write_text("{")
    assert row("C18")["verdict"] == "reproduced" and "is damaged" in row("C18")["note"]


def test_the_command_line_prints_every_form(capsys):
    report.record("C18", 41.0, profile="laptop")
    capsys.readouterr()
    printed = {}
    for form in ("text", "markdown", "json"):
        assert main(["report", "--full", "--format", form]) == 0
        printed[form] = capsys.readouterr().out
    assert len(json.loads(printed["json"])) == len(IDS)
    assert printed["markdown"].startswith("| | claim |") and printed["markdown"].count("\n| ") == len(IDS)
    assert "C18  reproduced: 41.0 dB (laptop)" in printed["text"]


@pytest.mark.parametrize(
    ("id", "value", "profile", "message"),
    [
        ("C99", 1.0, "laptop", "unknown claim 'C99'"),
        ("C1", float("nan"), "laptop", "C1: the measured value is NaN"),
        ("C1", 1.0, "labtop", "did you mean 'laptop'"),
    ],
)
def test_bad_input_is_refused_and_nothing_written(fresh_results, id, value, profile, message):
    with pytest.raises(ValueError, match=message):
        report.record(id, value, profile=profile)
    assert not fresh_results.exists()


def test_a_rule_of_another_form_is_refused():
    with pytest.raises(ValueError, match="a rule reads like"):
        report.holds("=> 4", 4.0)
