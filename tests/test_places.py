"""The checkout is found from inside and from a copy of its lessons; without one, a lesson that needs it says so."""

import pytest

from ganprior_null import places, report


def test_the_checkout_is_the_packages_own_or_the_one_around_the_lesson(tmp_path):
    clone, installed = tmp_path / "clone", tmp_path / "site-packages" / "ganprior_null"
    for folder in (clone / "notebooks", installed, tmp_path / "away"):
        folder.mkdir(parents=True)
    (clone / "notebooks" / "00_start_here.py").touch()
    assert places.find_root(clone / "ganprior_null", tmp_path / "away") == clone
    assert places.find_root(installed, clone / "notebooks") == clone
    assert places.find_root(installed, tmp_path / "away") == tmp_path / "away"


def test_stored_runs_that_are_not_there_are_asked_for_in_one_line(tmp_path, monkeypatch):
    assert report.COMMITTED == places.COMMITTED
    monkeypatch.setattr(places, "COMMITTED", tmp_path / "data" / "results")
    with pytest.raises(FileNotFoundError, match="open it in a clone of the repository .*data/results") as caught:
        from ganprior_null.report import COMMITTED  # noqa: F401
    assert "\n" not in str(caught.value)
    with pytest.raises(AttributeError, match="no attribute 'COMITTED'"):
        _ = report.COMITTED
