"""AveragePool's own form of enforce: the general one's result, in any layout, in place, exact and differentiable."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, LinearOperator, consistency_db, enforce_consistency

LAYOUTS = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
}
VIEWS = {
    "whole": lambda x: x,
    "some channels": lambda x: x[:, 1:],
    "crop": lambda x: x[..., 6:18, 6:24],
    "every other image": lambda x: x[::2],
    "transposed": lambda x: x.transpose(2, 3),
    "one channel": lambda x: x[:, :1],
    "one column of blocks": lambda x: x[..., :6],
}


def randn(*shape, seed, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_equals_the_general_form_in_any_layout(layout, view, factor):
    A = AveragePool(factor)
    whole = LAYOUTS[layout](randn(3, 3, 18, 24, seed=0))
    x_r = VIEWS[view](whole)
    y = randn(*A(x_r).shape, seed=1)
    expected = LinearOperator.enforce(A, x_r.contiguous(), y)
    untouched = whole.clone()
    result = A.enforce(x_r, y)
    assert torch.allclose(result, expected, rtol=0, atol=1e-14)
    assert torch.equal(whole, untouched)
    assert A.enforce(x_r, y, inplace=True) is x_r
    assert torch.equal(x_r, result)
    VIEWS[view](untouched).copy_(result)
    assert torch.equal(whole, untouched)  # and nothing beside the view was written


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_equals_pd_as_lesson_02_prints_it(layout, factor):
    """The four lines of section 3, to rounding; the last is a control, a mean of another block."""
    A, x_r = AveragePool(factor), LAYOUTS[layout](randn(2, 3, 18, 24, seed=0))
    y = randn(2, 3, 18 // factor, 24 // factor, seed=1)

    def replicate(v):
        return v.repeat_interleave(factor, 2).repeat_interleave(factor, 3)

    mean = F.avg_pool2d(x_r, factor)
    x_hat = x_r - replicate(mean) + replicate(y)
    assert torch.allclose(A(x_r), mean, rtol=0, atol=1e-14)
    assert torch.equal(A.pinv(y), replicate(y))
    for inplace in (False, True):
        assert torch.allclose(A.enforce(x_r.clone(), y, inplace=inplace), x_hat, rtol=0, atol=1e-14)
    moved = F.avg_pool2d(x_r.roll(1, 2), factor)
    assert not torch.allclose(A(x_r), moved, rtol=0, atol=1e-3)


def test_every_map_keeps_the_memory_format():
    A = AveragePool(2)
    for layout in (torch.contiguous_format, torch.channels_last):
        x = randn(2, 3, 8, 8, seed=0).contiguous(memory_format=layout)
        y = A(x)
        for result in (y, A.pinv(y), A.adjoint(y), A.project_null(x), A.enforce(x, y), A.enforce(x, y.contiguous())):
            assert result.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("case, decibels", [("uniform", 150), ("normal", 150), ("picture", 150), ("ramp", 145)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_consistency_at_8x_in_float32(case, decibels, layout):
    """Measured in float64. One sum of 64 terms, the control, gives 7 to 9 dB less; the paper reports 145.7.

    The ramp is the worst case: eight equal rows make eight equal rounding errors.
    """
    generator = torch.Generator().manual_seed(0)
    y = torch.rand(1, 3, 128, 128, generator=generator)
    x_r = {
        "uniform": lambda: torch.rand(1, 3, 1024, 1024, generator=generator),
        "normal": lambda: torch.randn(1, 3, 1024, 1024, generator=generator),
        "picture": lambda: F.interpolate(torch.rand(1, 3, 9, 9, generator=generator), 1024, mode="bicubic"),
        "ramp": lambda: torch.linspace(0, 1, 1024).expand(1, 3, 1024, 1024),
    }[case]()
    A = AveragePool(8)
    x_hat = enforce_consistency(LAYOUTS[layout](x_r), y, A)
    assert x_hat.dtype == torch.float32
    assert consistency_db(A, x_hat, y) >= decibels
    one_sum = x_r + A.pinv(y - F.avg_pool2d(x_r, 8))
    assert consistency_db(A, one_sum, y) < consistency_db(A, x_hat, y)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_first_and_second_order(layout):
    A = AveragePool(2)
    x_r = LAYOUTS[layout](randn(1, 2, 4, 6, seed=2)).requires_grad_()
    y = randn(1, 2, 2, 3, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x_r, y: enforce_consistency(x_r, y, A), (x_r, y))
    assert torch.autograd.gradgradcheck(lambda x_r, y: enforce_consistency(x_r, y, A), (x_r, y))


def test_gradients_when_only_one_side_needs_them():
    A, x_r, y, g = AveragePool(2), randn(2, 3, 8, 8, seed=4), randn(2, 3, 4, 4, seed=5), randn(2, 3, 8, 8, seed=6)
    x_r.requires_grad_()
    (grad,) = torch.autograd.grad((A.enforce(x_r, y) * g).sum(), x_r)
    assert torch.allclose(grad, A.project_null(g), rtol=0, atol=1e-15)
    x_r, y = x_r.detach(), y.requires_grad_()
    for result in (A.enforce(x_r, y), A.enforce(x_r.clone(), y, inplace=True)):
        (grad,) = torch.autograd.grad((result * g).sum(), y)
        assert torch.allclose(grad, 4 * A(g), rtol=0, atol=1e-14)


def test_infinite_gradients_pass():
    """Mixed precision meets them on purpose, and skips the step; an error here would end the training instead."""
    x_r = randn(1, 1, 4, 4, seed=7).requires_grad_()
    (AveragePool(2).enforce(x_r, torch.zeros(1, 1, 2, 2, dtype=torch.float64)) * float("inf")).sum().backward()
    assert not torch.isfinite(x_r.grad).any()


@pytest.mark.parametrize("A", [AveragePool(2), AveragePool(1)])
def test_inplace_refuses_what_autograd_needs_and_leaves_x_r_alone(A):
    x_r, y = randn(1, 1, 4, 4, seed=8), A(randn(1, 1, 4, 4, seed=9))
    kept, leaf = x_r.clone(), x_r.requires_grad_()
    with pytest.raises(ValueError, match="inplace=True would overwrite an x_r that requires grad"):
        enforce_consistency(leaf, y, A, inplace=True)
    with pytest.raises(ValueError, match="inplace=True"):
        LinearOperator.enforce(A, leaf, y, inplace=True)
    x_r = x_r.detach()
    for bad in (y[..., :1], y * float("nan")):
        with pytest.raises(ValueError, match="y has shape|NaN"):
            enforce_consistency(x_r, bad, A, inplace=True)
    assert torch.equal(x_r, kept)
    with torch.no_grad():
        assert enforce_consistency(leaf, y, A, inplace=True) is leaf


def test_the_maps_of_a_subclass_are_not_overruled():
    class OtherPinv(AveragePool):
        def pinv(self, y):
            return 2 * super().pinv(y)

    class OtherForward(AveragePool):
        def forward(self, x):
            return 2 * super().forward(x)

    A, x_r, y = AveragePool(2), randn(1, 1, 4, 4, seed=10), randn(1, 1, 2, 2, seed=11)
    assert torch.allclose(A(OtherPinv(2).enforce(x_r, y)), 2 * y - A(x_r))
    assert torch.allclose(A(OtherForward(2).enforce(x_r, y)), y - A(x_r))


def test_finite_values_whose_sum_overflows_are_finite():
    """The finiteness check adds everything up first; in half precision the sum is infinite here, no value is."""
    x = torch.full((1, 3, 64, 64), 300.0, dtype=torch.float16)
    assert torch.equal(AveragePool(2)(x), torch.full((1, 3, 32, 32), 300.0, dtype=torch.float16))
    x[0, 0, 0, 0] = float("inf")
    with pytest.raises(ValueError, match="A x holds 1 NaN or infinite values of 3072"):
        AveragePool(2)(x)


def test_mixed_dtypes_give_the_finer_one():
    A, x_r, y = AveragePool(2), randn(1, 1, 4, 4, seed=12), randn(1, 1, 2, 2, seed=13)
    for a, b in ((x_r.float(), y), (x_r, y.float()), (x_r.bfloat16(), y.float())):
        assert A.enforce(a, b).dtype == torch.promote_types(a.dtype, b.dtype)
        assert consistency_db(A, A.enforce(a, b), b).item() > 130


def test_compiles_without_graph_breaks():
    A, x_r, y = AveragePool(2), randn(1, 1, 4, 4, seed=14), randn(1, 1, 2, 2, seed=15)
    compiled = torch.compile(lambda x_r, y: enforce_consistency(x_r, y, A), backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(x_r, y), A.enforce(x_r, y), rtol=0, atol=1e-15)
    x_r.requires_grad_()
    (grad,) = torch.autograd.grad(compiled(x_r, y).square().sum(), x_r)
    assert torch.allclose(grad, A.project_null(2 * A.enforce(x_r, y)), rtol=0, atol=1e-14)
