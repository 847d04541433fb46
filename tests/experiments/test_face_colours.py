"""Colours of eyes and teeth: where they show is known, an error is what was put there, and PD bounds what it can."""

import dataclasses

import pytest
import torch

from ganprior_null.data.faces import render
from ganprior_null.data.factors import face_factors
from ganprior_null.experiments.face_colours import colour_errors, corrected, part_weights
from ganprior_null.metrics import consistency_db
from ganprior_null.operators import AveragePool


@pytest.fixture(scope="module")
def drawn():
    factors = face_factors(12, seed=3)
    return factors, render(factors, 64), part_weights(factors, 64)


def test_parts_lie_where_they_are_painted(drawn):
    factors, x, weights = drawn
    assert 0 < weights["iris"].mean() < 0.05 and weights["iris"].max() <= 1  # a few pixels of 4096
    assert not weights["teeth"][factors.mouth_open == 0].any() and weights["teeth"].any()
    repainted = dataclasses.replace(factors, eye_colour=factors.eye_colour.flip(1))
    changed = (render(repainted, 64) - x).abs().sum(1)
    assert not changed[weights["iris"].sum(1) == 0].gt(1e-6).any()  # nothing else changes


def test_an_error_is_what_was_put_there(drawn):
    factors, x, weights = drawn
    assert colour_errors(x, x, weights) == {"iris": 0, "teeth": 0}
    lighter = render(dataclasses.replace(factors, eye_colour=factors.eye_colour * 0.5), 64)
    found = colour_errors(lighter, x, weights)
    assert found["iris"] > 1 and found["teeth"] < 1e-3  # the other part is as it was
    inside = x.clamp(0.1, 0.8)
    for level in (0.1, 0.05):
        assert colour_errors(inside + level, inside, weights)["iris"] == pytest.approx(255 * level, rel=1e-4)


def test_corrections_give_y_back_as_far_as_they_say(drawn):
    _, x, _ = drawn
    y = AveragePool(8)(x)
    answers = corrected(0.5 * x, y)
    assert torch.equal(answers["raw"], 0.5 * x)
    assert consistency_db(AveragePool(8), answers["PD"], y).min() > 120
    means = [answers["mean colour"].mean((2, 3)), x.mean((2, 3))]
    torch.testing.assert_close(*means)
    assert consistency_db(AveragePool(8), answers["mean colour"], y).max() < 60  # the cheaper one gives no more
