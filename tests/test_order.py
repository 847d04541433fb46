"""The suite's own rules of chance (tests/conftest.py): no test's numbers, or success, depend on the test before it."""

import ast
from pathlib import Path

import pytest

pytest_plugins = "pytester"

DRAWS = """
import random
import numpy as np
import pytest
import torch

def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))

@pytest.fixture(scope="module")
def common():
    return draw()

@pytest.mark.parametrize("number", range(6))
def test_draw(common, number):
    with open("drawn", "a") as file:
        print((number, *common, *draw()), file=file)
"""
LEFTOVER = """
seen = []

def test_first():
    seen.append(1)

def test_second():
    assert seen
"""
SHUFFLES = [("--shuffle", str(seed)) for seed in range(6)]


@pytest.fixture
def suite(pytester):
    """suite(text, *options): run a test file of this text under this folder's conftest.py."""
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text("utf-8"))

    def run(text: str, *options: str):
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)

    return run


def drawn(suite, pytester, *options: str) -> list[tuple]:
    """What each test drew, in the order in which they ran."""
    (file := pytester.path / "drawn").unlink(missing_ok=True)
    suite(DRAWS, *options).assert_outcomes(passed=6)
    return [ast.literal_eval(line) for line in file.read_text().splitlines()]


def test_a_test_and_a_shared_fixture_draw_the_same_in_any_order(suite, pytester, monkeypatch):
    runs = [drawn(suite, pytester, *options) for options in ((), *SHUFFLES)]
    assert len({tuple(row[0] for row in run) for run in runs}) > 3  # the orders are not all alike
    assert all(sorted(run) == runs[0] for run in runs)
    assert len({row[-1] for row in runs[0]}) == 6  # but each test has numbers of its own
    monkeypatch.setattr("torch.manual_seed", lambda number: None)
    assert sorted(drawn(suite, pytester)) != sorted(drawn(suite, pytester, *SHUFFLES[0]))  # the control


def test_a_test_that_needs_another_one_before_it_is_found(suite):
    suite(LEFTOVER).assert_outcomes(passed=2)
    failed = [suite(LEFTOVER, *options).parseoutcomes().get("failed", 0) for options in SHUFFLES]
    assert set(failed) == {0, 1}
