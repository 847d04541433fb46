"""The laws of a linear operator with an exact pseudo-inverse, for every operator of the package.

All in float64, where rounding is about 1e-16 per operation: the bounds leave four to six orders for sums and for the
condition numbers (at most some hundreds here, 1e4 where a spectrum is cut).
"""

import copy
import io
import math
import pickle

import pytest
import torch

from ganprior_null import (
    AveragePool,
    LinearOperator,
    NullSpace,
    as_matrix,
    dottest,
    enforce_consistency,
    penrose_residuals,
)

from .cases import OPERATORS


@pytest.fixture(params=OPERATORS, scope="module")
def case(request):
    make, in_shape = OPERATORS[request.param]
    return make(), in_shape


def images(in_shape, n=2, seed=0):
    return torch.randn(n, *in_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def assert_near(a, b, bound, scale=None):
    """The error is at most ``bound`` times the size of b, or of ``scale`` where b itself may vanish."""
    assert (a - b).norm() <= bound * (b if scale is None else scale).norm()


def check_pinv(A, in_shape):
    """A.pinv is the Moore-Penrose pseudo-inverse of A's own dense matrix. Used by the negative control too.

    The reference counts singular values below 1e-6 of the largest as zero: what an operator cuts is at 1e-16, what it
    keeps above 1e-4.
    """
    M = as_matrix(A, in_shape)
    out_shape = tuple(A(images(in_shape, 1)).shape[1:])
    P = torch.linalg.pinv(M, rtol=1e-6)
    assert_near(as_matrix(A.pinv, out_shape), P, 1e-9)


def test_linear(case):
    A, in_shape = case
    u, v = images(in_shape, seed=1), images(in_shape, seed=2)
    assert_near(A(2 * u - 3 * v), 2 * A(u) - 3 * A(v), 1e-12, scale=u)


def test_pinv_is_the_moore_penrose_inverse_of_the_dense_matrix(case):
    check_pinv(*case)


def test_penrose_conditions(case):
    A, in_shape = case
    assert max(penrose_residuals(A, in_shape)) < 1e-9


def test_adjoint(case):
    A, in_shape = case
    assert dottest(A, in_shape) < 1e-13


def test_adjoint_is_what_autograd_makes_of_forward(case):
    A, in_shape = case
    x = images(in_shape).requires_grad_()
    y = A(x)
    v = torch.randn(y.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    (gradient,) = torch.autograd.grad(y, x, v)
    assert_near(A.adjoint(v), gradient, 1e-12)


def test_projections_are_orthogonal_and_complete(case):
    A, in_shape = case
    x, z = images(in_shape, seed=1), images(in_shape, seed=2)
    part = A.decompose(x)
    assert_near(A.project_range(part.range), part.range, 1e-10, scale=x)
    assert_near(A.project_null(part.null), part.null, 1e-10, scale=x)
    assert_near(part.range + part.null, x, 1e-14)
    assert_near((part.range * z).sum(), (x * A.project_range(z)).sum(), 1e-10, scale=x.norm() * z.norm())
    assert abs((part.range * part.null).sum()) < 1e-10 * x.square().sum()


def test_the_null_part_is_invisible(case):
    A, in_shape = case
    x = images(in_shape)
    assert A(A.project_null(x)).norm() <= 1e-12 * x.norm()


def test_any_image_becomes_consistent(case):
    A, in_shape = case
    y = A(images(in_shape, seed=1))
    x_hat = enforce_consistency(images(in_shape, seed=2), y, A)
    assert_near(A(x_hat), y, 1e-11)


def test_gradients_of_enforce_consistency(case):
    A, in_shape = case
    x_r = images(in_shape, 1, seed=1).requires_grad_()
    y = A(images(in_shape, 1, seed=2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x_r, y: enforce_consistency(x_r, y, A), (x_r, y), fast_mode=True)


def test_batches_are_independent(case):
    A, in_shape = case
    x = images(in_shape, 3)
    assert_near(A(x)[1:2], A(x[1:2]), 1e-13)
    assert_near(A.pinv(A(x))[2:], A.pinv(A(x[2:])), 1e-12)


def test_nothing_to_train_or_save_and_a_copy_is_the_same(case):
    A, in_shape = case
    assert not A.state_dict() and not list(A.parameters())
    x = images(in_shape)
    stored = io.BytesIO()
    torch.save(A, stored)
    stored.seek(0)
    for twin in (copy.deepcopy(A), pickle.loads(pickle.dumps(A)), torch.load(stored, weights_only=False)):
        assert torch.equal(twin(x), A(x)) and torch.equal(twin.pinv(A(x)), A.pinv(A(x)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows_the_input(case, dtype):
    A, in_shape = case
    x = images(in_shape).to(dtype)
    y = A(x)
    assert y.dtype == A.adjoint(y).dtype == A.pinv(y).dtype == A.enforce(x, y).dtype == dtype
    assert_near(y.double(), A(x.double()), 1e-5)  # 6e-8 per operation in float32


def test_mixed_precision_keeps_consistency(case):
    """A network under autocast returns bfloat16; with a float32 y the result is consistent to float32 all the same."""
    A, in_shape = case
    y = A(images(in_shape, seed=1)).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x_hat = enforce_consistency(images(in_shape, seed=2).bfloat16(), y, A)
        assert A(x_hat).dtype == torch.float32
    assert_near(A(x_hat.double()), y.double(), 2e-5, scale=y.norm() + 1)  # bfloat16 alone: 4e-3


def test_casting_the_module_does_not_round_the_operator(case):
    """half() on a restorer casts its weights; the operator inside must stay exact for float32 and float64 images."""
    A, in_shape = case
    cast = NullSpace(torch.nn.Identity(), copy.deepcopy(A)).half().float().to(torch.float64).A
    x = images(in_shape)
    assert torch.equal(cast(x), A(x)) and torch.equal(cast.pinv(A(x)), A.pinv(A(x)))


@pytest.mark.gpu
def test_device_follows_the_input(case):
    """Images on the GPU, operator left on the CPU or moved along: the result is the same, on the image's device."""
    A, in_shape = case
    x = images(in_shape)
    for operator in (A, copy.deepcopy(A).cuda()):
        y = operator(x.cuda())
        assert y.is_cuda and operator.pinv(y).is_cuda and operator.adjoint(y).is_cuda
        assert_near(operator.pinv(y).cpu(), A.pinv(A(x)), 1e-10, scale=x)


def test_buffers_move_and_keep_their_dtype(case):
    """What test_device_follows_the_input needs a GPU for, as far as the meta device can stand for it."""
    A = case[0]
    moved = copy.deepcopy(A).to("meta")
    for buffer, there in zip(A.buffers(), moved.buffers(), strict=True):
        assert there.device.type == "meta" and there.dtype == buffer.dtype and there.shape == buffer.shape


@pytest.mark.parametrize("where", ["y", "x_r"])
def test_nan_and_infinity_are_refused(case, where):
    A, in_shape = case
    x_r, y = images(in_shape), A(images(in_shape))
    for bad in (float("nan"), float("inf")):
        broken_x, broken_y = x_r.clone(), y.clone()
        (broken_y if where == "y" else broken_x)[..., :] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            enforce_consistency(broken_x, broken_y, A)


def test_8_bit_images_are_refused_with_the_way_out(case):
    A, in_shape = case
    x = images(in_shape, 1)
    eight_bit = torch.zeros(x.shape, dtype=torch.uint8)
    for call in (lambda: A(eight_bit), lambda: A.enforce(eight_bit, A(x)), lambda: A.enforce(x, A(x).to(torch.uint8))):
        with pytest.raises(TypeError, match="from_uint8"):
            call()


def test_a_wrong_pinv_is_noticed():
    """Negative control: an error of one percent must fail the check that all operators pass."""

    class Wrong(AveragePool):
        def pinv(self, y):
            return 1.01 * super().pinv(y)

    check_pinv(AveragePool(2), (1, 4, 4))
    with pytest.raises(AssertionError):
        check_pinv(Wrong(2), (1, 4, 4))
    assert max(penrose_residuals(Wrong(2), (1, 4, 4))) > 1e-3


def test_a_wrong_adjoint_is_noticed():
    class Wrong(AveragePool):
        def adjoint(self, y):
            return self.pinv(y)

    assert dottest(Wrong(2), (1, 4, 4)) > 1e-3


@pytest.mark.parametrize("part", ["forward", "adjoint"])
@pytest.mark.parametrize("trial", [0, 1, 2])
def test_a_nan_is_no_passed_dot_test(part, trial):
    A, factors = AveragePool(2), iter([math.nan if i == trial else 1 for i in range(3)])
    exact = getattr(A, part)
    setattr(A, part, lambda v: exact(v) * next(factors))
    assert math.isnan(dottest(A, (1, 4, 4)))


def test_an_adjoint_of_another_shape_is_refused_not_broadcast():
    class Wrong(LinearOperator):
        def forward(self, x):
            return x.mean(1, keepdim=True)

        def adjoint(self, y):
            return y / 3

    with pytest.raises(ValueError, match=r"has shape \(1, 1, 4, 4\), but A maps x of shape \(1, 3, 4, 4\) to y"):
        dottest(Wrong(), (3, 4, 4))


@pytest.mark.parametrize("trials", [0, -1, 1.5])
def test_a_dot_test_of_no_trials_is_refused(trials):
    with pytest.raises(ValueError, match=f"trials must be an integer of at least 1, got {trials}"):
        dottest(AveragePool(2), (1, 4, 4), trials=trials)
