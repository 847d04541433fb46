"""Operators where values are unknown, or where there is no image: torch.func, export, meta and fake tensors, N = 0."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import grad, jacrev, jvp, vmap

from ganprior_null import CEM, AveragePool, NullSpace, Resize, consistency_db, enforce_consistency, enforce_noisy
from ganprior_null.operators import cem_kernel

from .cases import OPERATORS

NAMES = (  # one of each kind, one with blocks
    "Matrix 9x7, rank 3",
    "AveragePool 2",
    "Grayscale, luma",
    "Inpaint, per channel",
    "Resize bilinear 2.6",
    "BlurDownsample 4x7 by 3",
    "BlockSensing 1/10",
    "SpatialColour bicubic",
)


@pytest.fixture(params=[*NAMES, "Resize, several blocks"])
def case(request):
    make, in_shape = OPERATORS.get(request.param, (lambda: Resize((40, 520), 4), (1, 40, 520)))
    return make(), in_shape


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shapes(A, x, y):
    maps = A(x), A.adjoint(y), A.pinv(y), A.project_null(x), A.enforce(x, y), A.enforce(x.clone(), y, inplace=True)
    return [tuple(v.shape) for v in maps]


def test_meta_and_fake_tensors_have_shapes(case):
    A, in_shape = case
    x = rand(2, *in_shape)
    y = A(x)
    want = shapes(A, x, y)
    assert shapes(A, x.to("meta"), y.to("meta")) == want
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        assert shapes(A, fake.from_tensor(x), fake.from_tensor(y)) == want


def test_an_empty_batch_keeps_its_shapes(case):
    A, in_shape = case
    x = rand(2, *in_shape)
    y = A(x)
    assert shapes(A, x[:0], y[:0]) == [(0, *shape[1:]) for shape in shapes(A, x, y)]
    assert consistency_db(A, x[:0], y[:0]).shape == (0,)
    leaf = x[:0].clone().requires_grad_()
    assert torch.autograd.grad(A.enforce(leaf, y[:0]).sum(), leaf)[0].shape == leaf.shape


def test_vmap_is_a_loop(case):
    A, in_shape = case
    x = rand(3, 2, *in_shape)
    y = torch.stack([A(v) for v in rand(3, 2, *in_shape, seed=1)])
    for axes in ((0, 0), (0, None), (None, 0)):
        some = [v if axis == 0 else v[0] for v, axis in zip((x, y), axes, strict=True)]
        ours = vmap(lambda x, y: enforce_consistency(x, y, A), axes)(*some)
        pairs = zip(*(v if axis == 0 else [v] * 3 for v, axis in zip(some, axes, strict=True)), strict=True)
        loop = torch.stack([enforce_consistency(a, b, A) for a, b in pairs])
        assert (ours - loop).abs().max() < 1e-12 * loop.abs().max()


def test_derivatives_by_transforms_are_those_of_autograd(case):
    A, in_shape = case
    x, v = rand(2, *in_shape), rand(2, *in_shape, seed=1)
    y, w = A(rand(2, *in_shape, seed=2)), A(rand(2, *in_shape, seed=3))
    _, tangent = jvp(lambda x, y: enforce_consistency(x, y, A), (x, y), (v, w))
    assert (tangent - enforce_consistency(v, w, A)).abs().max() < 1e-11  # the map is linear in both
    leaf = x.clone().requires_grad_()
    (theirs,) = torch.autograd.grad(enforce_consistency(leaf, y, A).square().sum(), leaf)
    ours = grad(lambda x: enforce_consistency(x, y, A).square().sum())(x)
    assert (ours - theirs).abs().max() < 1e-11


@pytest.mark.parametrize("make, side", [(lambda: AveragePool(2), 4), (lambda: Resize(4, 2), 4)])
def test_jacobians(make, side):
    A, x, y = make(), rand(1, 1, side, side), rand(1, 1, side // 2, side // 2, seed=1)
    ours = jacrev(lambda x: enforce_consistency(x, y, A))(x).reshape(side**2, side**2)
    for j, unit in enumerate(torch.eye(side**2, dtype=torch.float64)):
        assert (ours[:, j] - A.project_null(unit.view_as(x)).flatten()).abs().max() < 1e-14


class Enlarge(torch.nn.Module):
    """A backbone that torch.export can read."""

    def __init__(self, in_shape):
        super().__init__()
        self.in_shape = in_shape

    def forward(self, y):
        return y.mean() * y.new_ones(y.shape[0], *self.in_shape)


def test_export(case):
    A, in_shape = case
    y = A(rand(2, *in_shape))
    network = NullSpace(Enlarge(in_shape), A)
    exported = torch.export.export(network, (y,), strict=False).module()
    assert torch.allclose(exported(y), network(y), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_the_result_and_nothing_before(case, dtype):
    A, in_shape = case
    x = rand(2, *in_shape).to(dtype)
    y = A(x)
    for ours, exact in ((y, A(x.double())), (A.pinv(y), A.pinv(y.double())), (A.adjoint(y), A.adjoint(y.double()))):
        assert ours.dtype == dtype
        # half a unit in the last place, and float32's own rounding where the parts of a sum cancel
        assert ((ours.double() - exact).abs() <= torch.finfo(dtype).eps * exact.abs() / 2 + 1e-5).all()


@pytest.mark.parametrize("make", [AveragePool, lambda s: Resize(s, s, "box"), lambda s: Resize(s, s)])
@pytest.mark.parametrize("side", [256, 512])
def test_a_white_image_reduced_to_one_pixel_is_white_in_float16(make, side):
    """256 x 256 ones are 65,536; the largest float16 is 65,504."""
    white = torch.ones(1, 1, side, side, dtype=torch.float16)
    A = make(side)
    assert A(white).item() == 1 and A(A.enforce(0 * white, A(white))).item() == 1


def test_half_precision_does_not_change_the_weight_of_noise():
    """A sum of squares over an image of 3 x 256 x 256 is beyond float16."""
    x_r, y = torch.rand(1, 3, 256, 256).half(), torch.rand(1, 3, 128, 128).half()
    ours, single = (enforce_noisy(x_r.to(t), y.to(t), AveragePool(2), 0.1) for t in (torch.float16, torch.float32))
    assert ours.image.dtype == torch.float16
    torch.testing.assert_close(ours.kappa, single.kappa, rtol=1e-2, atol=0)  # r is rounded to 11 bits


def test_noise_aware_enforcement_under_grad():
    A, x, y = Resize(12, 2), rand(1, 1, 12, 12), rand(1, 1, 6, 6, seed=1)
    leaf = x.clone().requires_grad_()
    (theirs,) = torch.autograd.grad(enforce_noisy(leaf, y, A, 0.1).image.square().sum(), leaf)
    ours = grad(lambda x: enforce_noisy(x, y, A, 0.1).image.square().sum())(x)
    assert (ours - theirs).abs().max() < 1e-12


def test_inplace_refuses_to_round_the_result(case):
    A, in_shape = case
    x_r = rand(2, *in_shape)
    y = A(x_r)
    for coarse, fine in ((torch.bfloat16, torch.float32), (torch.float32, torch.float64)):
        kept = x_r.to(coarse)
        with pytest.raises(ValueError, match=rf"would round the result to x_r's {coarse}, y is {fine}"):
            enforce_consistency(kept, y.to(fine), A, inplace=True)
        assert torch.equal(kept, x_r.to(coarse))
    assert enforce_consistency(x_r, y.float(), A, inplace=True) is x_r  # a finer x_r can hold it


def test_cem_takes_what_the_operators_take():
    baseline = CEM(cem_kernel(2), 2, 32)
    x_r, y = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 16, 16)
    assert baseline(x_r.to("meta"), y.to("meta")).shape == baseline(x_r, y).shape
    assert baseline(x_r[:0], y[:0]).shape == (0, 3, 32, 32)
    assert torch.equal(baseline(x_r.bfloat16(), y), baseline(x_r.bfloat16().float(), y))
