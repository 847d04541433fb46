"""Profiles: one table, type-checked overrides, a clear word for every typo."""

import dataclasses

import pytest

from ganprior_null import profiles


def test_every_profile_has_every_row():
    assert tuple(profiles.LESSONS) == profiles.NAMES


def test_name_comes_from_the_argument_then_the_environment_then_laptop(monkeypatch):
    monkeypatch.setenv("GANPRIOR_PROFILE", "smoke")
    assert profiles.profile_name("paper") == "paper"
    assert profiles.profile_name() == profiles.profile_name("") == "smoke"
    monkeypatch.delenv("GANPRIOR_PROFILE")
    assert profiles.profile_name() == "laptop"


def test_overrides_replace_one_field_and_leave_the_table_alone():
    before = profiles.LESSONS["smoke"]
    changed = profiles.lesson("smoke", size=32)
    assert changed == dataclasses.replace(before, size=32) and profiles.LESSONS["smoke"] == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"siez": 3}, "unknown parameter 'siez'; did you mean 'size'"),
        ({"size": 3.0}, "size must be int"),
        ({"size": True}, "size must be int"),
        ({"size": "64"}, "got '64'"),
    ],
)
def test_bad_overrides(overrides, message):
    with pytest.raises(ValueError, match=message):
        profiles.lesson("smoke", **overrides)


def test_unknown_profile():
    with pytest.raises(ValueError, match="unknown profile 'papr'; did you mean 'paper'"):
        profiles.profile_name("papr")
