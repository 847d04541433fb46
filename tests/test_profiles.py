"""Profiles: one table, type-checked overrides, a clear word for every typo."""

import dataclasses

import pytest

from ganprior_null import profiles


def test_every_profile_has_every_row():
    for table in (profiles.LESSONS, profiles.PRIORS, profiles.RESTORERS, profiles.KERNELS):
        assert set(table) == set(profiles.NAMES)


def test_the_paper_s_text_and_its_configurations_are_profiles_that_differ_in_one_number():
    text, configurations = (dataclasses.asdict(profiles.restorer(name)) for name in ("paper-text", "paper"))
    assert {name for name in text if text[name] != configurations[name]} == {"lr", "profile"}
    assert (text["lr"], configurations["lr"]) == (1e-3, 1e-4)


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


def test_a_whole_number_is_a_float_where_one_is_asked_for():
    weight = profiles.restorer("smoke", range_weight=100).range_weight
    assert weight == 100 and type(weight) is float
    with pytest.raises(ValueError, match="range_weight must be float .default 0.1., got True"):
        profiles.restorer("night", range_weight=True)


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


@pytest.mark.parametrize(
    ("make", "field", "value", "message"),
    [
        (profiles.restorer, "steps", 0, "steps must be at least 1, got 0"),
        (profiles.restorer, "eval_every", 0, "eval_every must be at least 1, got 0"),
        (profiles.restorer, "test_images", -1, "test_images must be at least 1, got -1"),
        (profiles.restorer, "global_batch", 0, "global_batch must be at least 1, got 0"),
        (profiles.restorer, "gan_weight", -0.1, "gan_weight must be a finite number of at least 0, got -0.1"),
        (profiles.restorer, "lr", 0.0, "lr must be a finite number above 0, got 0.0"),
        (profiles.prior, "lr", -1.0, "lr must be a finite number above 0, got -1.0"),
        (profiles.prior, "lr", float("nan"), "lr must be a finite number above 0, got nan"),
        (profiles.prior, "lr", float("inf"), "lr must be a finite number above 0, got inf"),
        (profiles.prior, "path_every", 0, "path_every must be at least 1, got 0"),
        (profiles.prior, "images", 3, "images must be at least global_batch (4), one step's, got 3"),
    ],
)
def test_values_out_of_range_are_named(make, field, value, message):
    with pytest.raises(ValueError) as raised:
        make("smoke", **{field: value})
    assert str(raised.value) == message


def test_what_switches_something_off_and_every_row_are_in_range():
    assert profiles.prior("smoke", images=4, r1_gamma=0.0, ada_target=0.0).steps == 1
    assert profiles.restorer("smoke", gan_weight=0.0, lr_end=0.0).gan_weight == 0
    profiles.check_range("seed", -1), profiles.check_range("warm_up", 0)
    for table in (profiles.LESSONS, profiles.PRIORS, profiles.RESTORERS, profiles.KERNELS):
        for row in table.values():
            fields = {key: value for key, value in dataclasses.asdict(row).items() if key not in ("profile", "by_hand")}
            assert profiles.override(row, **fields) == row


def test_unknown_profile():
    with pytest.raises(ValueError, match="unknown profile 'papr'; did you mean 'paper'"):
        profiles.profile_name("papr")
