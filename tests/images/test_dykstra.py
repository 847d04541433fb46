"""Dykstra's algorithm against the exact box projection, and on an operator that has no exact one."""

import pytest
import torch

from ganprior_null import AveragePool, Resize, consistency_db, enforce_consistency
from ganprior_null.images import dykstra_box, project_box


@pytest.fixture
def picture():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64)
    return x, x + 0.3 * torch.randn(x.shape, generator=generator, dtype=torch.float64)


def test_it_converges_to_the_exact_projection(picture):
    x, x_r = picture
    A = AveragePool(4)
    exact = project_box(x_r, A(x), 4)
    gaps = [
        float((dykstra_box(x_r, lambda v: enforce_consistency(v, A(x), A), steps=steps) - exact).norm())
        for steps in (3, 30, 300)
    ]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3 * exact.norm()


def test_bicubic_in_the_box_is_more_consistent_than_clamped(picture):
    x, x_r = picture
    A = Resize(32, 4)
    y = A(x)
    results = [dykstra_box(x_r, lambda v: enforce_consistency(v, y, A), steps=steps) for steps in (1, 30)]
    assert all(float(r.min()) >= 0 and float(r.max()) <= 1 for r in results)
    assert consistency_db(A, results[1], y) > consistency_db(A, results[0], y) + 15  # one step is project, then clamp


def test_an_image_already_in_both_sets_stays(picture):
    x, _ = picture
    A = AveragePool(4)
    torch.testing.assert_close(dykstra_box(x, lambda v: enforce_consistency(v, A(x), A)), x)


def test_no_steps():
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        dykstra_box(torch.zeros(1, 1, 2, 2), lambda v: v, steps=0)


def test_its_steps_are_the_published_ones_and_the_image_given_is_left_alone(picture):
    """Boyle and Dykstra: project onto one set, add what the other has cut off, cut again."""
    x, x_r = picture
    A, kept = Resize(32, 4), x_r.clone()
    y = A(x)
    owed, point = torch.zeros_like(x_r), x_r
    for _ in range(7):
        z = enforce_consistency(point, y, A) + owed
        point = z.clamp(0, 1)
        owed = z - point
    for inplace in (False, True):
        ours = dykstra_box(x_r, lambda v, inplace=inplace: enforce_consistency(v, y, A, inplace=inplace), steps=7)
        assert (ours - point).abs().max() < 1e-13
        assert torch.equal(x_r, kept)
