"""project_box: the exact nearest point of {block means y} and [0, 1], and its gradient."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from ganprior_null import AveragePool, project_box
from ganprior_null.images.box import from_blocks, to_blocks


def pair(factor, size=(3, 4), channels=3, spread=0.5, seed=0, n=2):
    """x_r that leaves the box on purpose (spread around 0.5), y anywhere in [0, 1], its ends included."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.rand(n, channels, *size, generator=generator, dtype=torch.float64)
    y[0, 0, 0, 0], y[0, 0, 0, 1] = 0, 1
    shape = (n, channels, size[0] * factor, size[1] * factor)
    return 0.5 + spread * torch.randn(shape, generator=generator, dtype=torch.float64), y


def eight_bit_pair(factor):
    """Every pixel, and every candidate shift, on a kink: the case where a two-sided slope never ends."""
    x, y = pair(factor, seed=3)
    return (x.clamp(0, 1) * 255).round() / 255, (y * 255).round() / 255


def extreme_pair(factor):
    """Pixels over sixteen decades, of both signs; many equal."""
    x, y = pair(factor, seed=4)
    decades = torch.randint(-8, 9, x.shape, generator=torch.Generator().manual_seed(5))
    return torch.where(decades == 0, 0.5, x * 10.0**decades), y


CASES = {
    "mild": lambda s: pair(s, spread=0.1),
    "noisy": lambda s: pair(s, spread=0.5),
    "early training": lambda s: pair(s, spread=3.0),
    "8-bit": eight_bit_pair,
    "sixteen decades": extreme_pair,
    "constant": lambda s: (torch.full_like(pair(s)[0], 7.0), pair(s)[1]),
}


def kkt_gap(x_r, x, y, factor):
    """0 at the one minimiser: x - x_r is the block's t where 0 < x < 1, at most t where x = 1, at least t where x = 0.

    The problem is strictly convex, so these conditions and feasibility are also sufficient.
    """
    shift, blocks = to_blocks(x - x_r, factor), to_blocks(x, factor)
    free = (blocks > 0) & (blocks < 1)
    infinite = torch.tensor(float("inf"), dtype=x.dtype)
    below = torch.where(free | (blocks == 1), shift, -infinite).amax(-1)  # t is at least this
    above = torch.where(free | (blocks == 0), shift, infinite).amin(-1)  # and at most this
    return (below - above).max()


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("case", CASES)
def test_consistent_in_the_box_and_optimal(case, factor):
    x_r, y = CASES[case](factor)
    x = project_box(x_r, y, factor)
    assert x.shape == x_r.shape and x.min() >= 0 and x.max() <= 1
    assert (AveragePool(factor)(x) - y).abs().max() < 2e-15
    # x - x_r is as exact as x_r: half a unit in the last place of its largest pixel, a few times
    assert kkt_gap(x_r, x, y, factor) < 2e-15 * max(1.0, float(x_r.abs().max()))


def test_the_optimality_check_can_fail():
    x_r, y = pair(4)
    x = project_box(x_r, y, 4)
    wrong = project_box(x_r + 1e-6 * torch.rand_like(x_r), y, 4)  # feasible, and not the nearest
    assert (AveragePool(4)(wrong) - y).abs().max() < 1e-14
    assert kkt_gap(x_r, wrong, y, 4) > 1e-8
    assert kkt_gap(x_r, x.clamp(0.001, 0.999), y, 4) > 1e-8


@pytest.mark.parametrize("seed", range(12))
def test_matches_a_quadratic_programming_solver(seed):
    factor = 2 + seed % 2
    generator = torch.Generator().manual_seed(seed)
    y = torch.rand(1, 1, 1, 1, generator=generator, dtype=torch.float64)
    x_r = torch.randn(1, 1, factor, factor, generator=generator, dtype=torch.float64) * (0.2, 0.6, 2.0)[seed % 3] + 0.5
    target = x_r.flatten().numpy()
    solved = minimize(
        lambda x: 0.5 * np.sum((x - target) ** 2),
        np.full(target.size, float(y)),
        jac=lambda x: x - target,
        bounds=[(0, 1)] * target.size,
        constraints={"type": "eq", "fun": lambda x: x.mean() - float(y), "jac": lambda x: np.full(x.size, 1 / x.size)},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert solved.success
    ours = project_box(x_r, y, factor).flatten().numpy()
    assert np.abs(ours - solved.x).max() < 1e-6  # the solver's accuracy
    assert np.sum((ours - target) ** 2) <= np.sum((solved.x - target) ** 2) + 1e-12


def test_is_pd_where_pd_stays_in_the_box():
    x_r, y = pair(4, spread=0.01)
    y = 0.3 + 0.4 * y
    assert torch.allclose(project_box(x_r, y, 4), AveragePool(4).enforce(x_r, y), rtol=0, atol=1e-15)


def test_a_point_of_the_set_stays():
    x_r, y = pair(4)
    x = project_box(x_r, y, 4)
    assert (project_box(x, y, 4) - x).abs().max() < 1e-15


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_follows_the_input(dtype):
    x_r, y = pair(4)
    x = project_box(x_r.to(dtype), y.to(dtype), 4)
    assert x.dtype == dtype and x.min() >= 0 and x.max() <= 1
    # each pixel is rounded once on the way out: half a unit in the last place below 1
    assert (AveragePool(4)(x.double()) - y.to(dtype)).abs().max() <= torch.finfo(dtype).eps / 2 + 1e-15


def test_channels_last_and_strided_input():
    x_r, y = pair(4)
    x = project_box(x_r, y, 4)
    assert torch.equal(project_box(x_r.contiguous(memory_format=torch.channels_last), y, 4), x)
    assert torch.equal(project_box(x_r.repeat(1, 1, 1, 2)[..., : x_r.shape[-1]], y, 4), x)


@pytest.mark.parametrize("spread", [0.05, 0.5, 2.0])
def test_gradients(spread):
    x_r, y = pair(2, size=(2, 2), channels=2, spread=spread, n=1)
    y = 0.05 + 0.9 * y  # inside: at 0 and 1 the projection has a corner
    x_r.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: project_box(x, y, 2), (x_r, y))


def test_gradient_is_nonzero_only_on_free_pixels_and_sums_to_zero():
    x_r, y = pair(4, spread=1.0)
    x_r.requires_grad_()
    x = project_box(x_r, y, 4)
    (grad,) = torch.autograd.grad((x * torch.randn_like(x)).sum(), x_r)
    at_border = (x == 0) | (x == 1)
    assert at_border.any() and not grad[at_border].any() and grad[~at_border].any()
    assert to_blocks(grad, 4).sum(-1).abs().max() < 1e-14  # a common shift of x_r changes nothing


def test_blocks_round_trip():
    x = torch.randn(2, 3, 6, 9)
    assert torch.equal(from_blocks(to_blocks(x, 3), 3), x)
    assert torch.equal(to_blocks(x, 3)[1, 2, 1, 2], x[1, 2, 3:6, 6:9].flatten())


def test_y_off_the_box_by_rounding_is_taken_for_the_border():
    x_r, y = pair(4)
    y[0, 0, 0, 1] = 1 + 5e-7
    assert torch.equal(project_box(x_r, y, 4), project_box(x_r, y.clamp(0, 1), 4))


def test_infeasible_y_is_refused_with_count_and_range():
    x_r, y = pair(4)
    y[0, 0, 1, 0], y[1, 2, 2, 3] = -0.25, 1.5
    with pytest.raises(ValueError, match=r"2 of 72 values of y lie outside \[0, 1\] \(range -0.25 to 1.5\)"):
        project_box(x_r, y, 4)


def broken(x, value):
    x = x.clone()
    x[0, 0, 0, 0] = value
    return x


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (lambda x, y: (x, y, 5), ValueError, "multiples of factor 5"),
        (lambda x, y: (x, y, 2), ValueError, r"\(2, 3, 3, 4\), but .* has \(2, 3, 6, 8\) block means"),
        (lambda x, y: (x, y[:, :1], 4), ValueError, r"y has shape \(2, 1, 3, 4\)"),
        (lambda x, y: (x[0], y, 4), ValueError, r"\(N, C, H, W\)"),
        (lambda x, y: (x, y, 0), ValueError, "at least 1, got 0"),
        (lambda x, y: (x, y, 4.0), ValueError, "at least 1, got 4.0"),
        (lambda x, y: (broken(x, float("nan")), y, 4), ValueError, "the image holds 1 NaN"),
        (lambda x, y: (x, broken(y, float("inf")), 4), ValueError, "y holds 1 NaN or infinite"),
        (lambda x, y: (x.byte(), y, 4), TypeError, "uint8; from_uint8"),
        (lambda x, y: (x, y.long(), 4), TypeError, "int64"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        project_box(*arguments(*pair(4)))


def test_parity_vector(shared):
    stored = np.load(shared / "parity/ops/box_projection.npz")
    x = project_box(torch.from_numpy(stored["x"]), torch.from_numpy(stored["Y8"]).double() / 255, 4)
    assert np.abs(x.numpy() - stored["z"]).max() < 1e-14


def test_second_derivatives():
    """The penalty on a gradient, as of R1, whose own gradient goes through the projection twice."""
    w = 0.5 + torch.rand(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x_r, y = pair(2, size=(2, 2), channels=2, n=1)
    y = 0.05 + 0.9 * y
    w.requires_grad_(), x_r.requires_grad_(), y.requires_grad_()
    squared = lambda x, w, y: project_box(x * w, y, 2).square()  # noqa: E731
    assert torch.autograd.gradgradcheck(squared, (x_r, w, y), check_fwd_over_rev=True)


def test_transforms():
    x_r, y = pair(2, n=3)
    y = 0.05 + 0.9 * y
    project = lambda x, y: project_box(x, y, 2)  # noqa: E731
    each = lambda x, y: project(x[None], y[None])[0]  # noqa: E731
    assert torch.equal(torch.func.vmap(each)(x_r, y), project(x_r, y))
    assert torch.equal(torch.func.vmap(each, (0, None))(x_r, y[0]), project(x_r, y[:1].expand_as(y)))
    x_r, y = x_r[:1, :1, :4, :4], y[:1, :1, :2, :2]
    reverse, forward = torch.func.jacrev(project, (0, 1))(x_r, y), torch.func.jacfwd(project, (0, 1))(x_r, y)
    numeric = torch.autograd.functional.jacobian(project, (x_r, y))
    for ours in (reverse, forward):
        assert all((a - b).abs().max() < 1e-14 for a, b in zip(ours, numeric, strict=True))


def test_the_finer_dtype_comes_out():
    x_r, y = pair(4)
    for a, b in ((x_r.bfloat16(), y.float()), (x_r.float(), y)):
        x = project_box(a, b, 4)
        assert x.dtype == b.dtype
        assert (AveragePool(4)(x.double()) - b).abs().max() <= torch.finfo(b.dtype).eps / 2 + 1e-15


def test_without_images_and_without_values():
    assert project_box(torch.rand(0, 3, 4, 4), torch.rand(0, 3, 2, 2), 2).shape == (0, 3, 4, 4)
    with pytest.raises(ValueError, match="meta and fake tensors have none"):
        project_box(torch.rand(1, 3, 4, 4, device="meta"), torch.rand(1, 3, 2, 2, device="meta"), 2)
