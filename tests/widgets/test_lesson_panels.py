"""Each lesson runs in the smoke profile, and none of its controls leads to an error, at neither end of its range."""

import itertools
import random
import runpy
from pathlib import Path

import pytest

import ganprior_null.widgets

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.py"))
DRAWS = 5  # of more combinations than that, so many are tried; lesson 06 searches for each


def settings(control) -> list:
    """Both ends of a slider, every choice of a menu."""
    if hasattr(control, "options"):
        return [value for _, value in control._options_full]
    return [control.min, control.max] if hasattr(control, "min") else [False, True]


def tried(controls) -> list[tuple]:
    """Every combination of settings, or DRAWS of them in which each setting of each control occurs."""
    each = [settings(control) for control in controls]
    combinations, chance = list(itertools.product(*each)), random.Random(0)
    if len(combinations) <= DRAWS:
        return combinations
    decks = [chance.sample(values, len(values)) for values in each]
    return [tuple(deck[i % len(deck)] for deck in decks) for i in range(max(DRAWS, *map(len, decks)))]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_it_runs_in_smoke_and_every_combination_draws(lesson, monkeypatch):
    made, panel = [], ganprior_null.widgets.panel
    monkeypatch.setattr(ganprior_null.widgets, "panel", lambda *a, **controls: made.append(panel(*a, **controls)))
    monkeypatch.setenv("GANPRIOR_PROFILE", "smoke")
    monkeypatch.chdir(lesson.parent)
    source = lesson.read_text("utf-8")
    runpy.run_path(str(lesson))
    assert len(made) == source.count("\npanel(")
    for box in made:
        row, _, _, caption = box.children
        for values in tried(row.children):
            for control, value in zip(row.children, values, strict=True):
                control.value = value
            assert 'role="status"' in caption.value, f"{values}: {caption.value}"
