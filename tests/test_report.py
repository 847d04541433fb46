"""A verdict follows from the stored number and the stated rule, and from nothing else."""

import json

import pytest

from ganprior_null import report


@pytest.fixture(autouse=True)
def fresh_results(tmp_path, monkeypatch):
    monkeypatch.setenv("GANPRIOR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(report, "COMMITTED", tmp_path / "committed")
    monkeypatch.delenv("GANPRIOR_PROFILE", raising=False)
    return tmp_path / "results"


def row(id: str) -> dict:
    return next(row for row in report.rows() if row["id"] == id)


def test_every_claim_of_the_design_is_listed_with_a_readable_rule():
    claims = report.load_claims()
    assert list(claims) == [f"C{i}" for i in range(1, 20)] + [f"B{i}" for i in range(1, 7)]
    for claim in claims.values():
        assert claim.profile in report.NAMES
        bound = float(claim.reproduced.split()[1])
        assert report.holds(claim.reproduced, bound + (1e-9 if ">" in claim.reproduced else -1e-9))
        assert not claim.notebook or (report.ROOT / "notebooks" / f"{claim.notebook}.py").is_file()


@pytest.mark.parametrize(
    ("value", "profile", "expected"),
    [(152.1, "paper", "reproduced"), (120.0, "paper", "partly"), (42.0, "paper", "not reproduced")],
)
def test_the_rule_decides(value, profile, expected):
    report.claim("C1", value, profile=profile)
    assert row("C1")["verdict"] == expected
    assert row("C1")["ours"] == f"{value:.1f} dB ({profile})"


def test_a_smaller_profile_decides_nothing():
    report.claim("C1", 152.1, profile="laptop")
    assert row("C1")["verdict"] == "needs the paper profile"


def test_the_largest_profile_measured_is_reported():
    report.claim("C1", 152.1, profile="paper")
    report.claim("C1", 99.0, profile="laptop")
    assert row("C1")["ours"] == "152.1 dB (paper)"


def test_no_number_no_verdict():
    assert row("C3")["verdict"] == "not measured yet"
    assert row("C3")["ours"] == "-"


def test_a_result_older_than_its_code_says_so(fresh_results):
    report.claim("C18", 41.0, profile="laptop")
    assert row("C18")["note"] == ""
    path = fresh_results / "claims" / "C18.laptop.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"code": "0" * 12}))
    assert row("C18")["note"] == "older than the code that made it"
    assert "older than the code" in report.as_markdown(report.rows())
    assert "older than the code" in report.as_text(report.rows())


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
        report.claim(id, value, profile=profile)
    assert not fresh_results.exists()


def test_a_rule_of_another_form_is_refused():
    with pytest.raises(ValueError, match="a rule reads like"):
        report.holds("=> 4", 4.0)
