"""The theorem of null-space learning, for a backbone that knows nothing of A, over every operator of the package.

In float64, where rounding is about 1e-16 per operation; the bounds leave four to six orders for sums and for condition
numbers (at most some hundreds, 1e4 where a spectrum is cut).
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ganprior_null import AveragePool, NullSpace, consistency_db, enforce_consistency
from ganprior_null.data import faces

from ..operators.cases import OPERATORS


class Backbone(nn.Module):
    """Any smooth map from measurements to images of in_shape, with random weights."""

    def __init__(self, A, in_shape):
        super().__init__()
        self.in_shape = in_shape
        outputs = A(torch.zeros(1, *in_shape, dtype=torch.float64)).numel()
        generator = torch.Generator().manual_seed(6)
        weight = torch.randn(math.prod(in_shape), outputs, dtype=torch.float64, generator=generator)
        self.weight = nn.Parameter(weight / outputs**0.5)
        self.bias = nn.Parameter(torch.randn(len(weight), dtype=torch.float64, generator=generator))

    def forward(self, y):
        return torch.tanh(F.linear(y.flatten(1), self.weight, self.bias)).reshape(-1, *self.in_shape)


@pytest.fixture(params=OPERATORS, scope="module")
def case(request):
    """An operator, a backbone wrapped for it, and two images."""
    make, in_shape = OPERATORS[request.param]
    A = make()
    return A, NullSpace(Backbone(A, in_shape), A), randn(2, *in_shape, seed=1)


def randn(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def check_theorem(A, restorer, x):
    """A D_hat(A x) = A x. Used by the negative control too."""
    y = A(x)
    assert (A(restorer(y)) - y).norm() <= 1e-11 * y.norm()


def test_any_backbone_becomes_consistent(case):
    check_theorem(*case)


def test_a_measurement_that_A_cannot_make_gives_the_nearest_one_that_it_can(case):
    A, restorer, x = case
    y = randn(*A(x).shape, seed=2)
    made = A(restorer(y))
    assert (made - A(A.pinv(y))).norm() <= 1e-11 * y.norm()
    # nearest: what is left is orthogonal to every A x
    assert abs(((y - made) * A(x)).sum()) <= 1e-11 * y.norm() * A(x).norm().clamp_min(1)


def test_the_null_space_is_left_to_the_backbone(case):
    A, restorer, x = case
    y = A(x)
    x_r = restorer.backbone(y)
    assert (A.project_null(restorer(y)) - A.project_null(x_r)).norm() <= 1e-11 * x_r.norm()


def test_the_two_terms_of_equation_7_are_what_the_one_pinv_form_gives(case):
    A, restorer, x = case
    y = randn(*A(x).shape, seed=3)
    two_terms = A.pinv(y) + A.project_null(restorer.backbone(y))
    assert (restorer(y) - two_terms).norm() <= 1e-11 * (two_terms.norm() + A.pinv(y).norm())


def test_never_further_from_the_truth(case):
    """|x_hat - x|^2 = |x_r - x|^2 - |A^+ (A x_r - y)|^2 when y = A x: Pythagoras."""
    A, restorer, x = case
    y = A(x)
    x_r = restorer.backbone(y)
    before, after = (x_r - x).square().sum(), (restorer(y) - x).square().sum()
    removed = A.pinv(A(x_r) - y).square().sum()
    assert abs(before - removed - after) <= 1e-11 * before
    assert after <= before * (1 + 1e-14)


def test_twice_is_once(case):
    A, restorer, x = case
    y = A(x)
    x_hat = restorer(y)
    assert (enforce_consistency(x_hat, y, A) - x_hat).norm() <= 1e-11 * x_hat.norm()


def test_no_parameter_and_no_state_but_the_backbones(case):
    _, restorer, _ = case
    own, backbones = restorer.state_dict(), restorer.backbone.state_dict()
    assert list(own) == [f"backbone.{name}" for name in backbones]
    assert all(torch.equal(own[f"backbone.{name}"], value) for name, value in backbones.items())
    assert [id(p) for p in restorer.parameters()] == [id(p) for p in restorer.backbone.parameters()]
    assert not NullSpace(nn.Identity(), restorer.A).state_dict()


def test_gradients_reach_the_measurement_and_every_weight(case):
    A, restorer, x = case
    y = A(x)[:1].detach().requires_grad_()
    names, weights = zip(*restorer.named_parameters(), strict=True)

    def f(y, *weights):
        return torch.func.functional_call(restorer, dict(zip(names, weights, strict=True)), (y,))

    assert torch.autograd.gradcheck(f, (y, *weights), fast_mode=True)


def test_training_says_nothing_about_the_range(case):
    """The gradient at x_r is (I - A^+ A) times the one at x_hat: A sees nothing of it."""
    A, restorer, x = case
    x_r = restorer.backbone(A(x)).detach().requires_grad_()
    (enforce_consistency(x_r, A(x), A) * randn(*x.shape, seed=4)).sum().backward()
    assert A(x_r.grad).norm() <= 1e-11 * x.norm()


def test_neither_clamps_nor_writes_into_its_input():
    y, x_r = torch.tensor([[[[0.9]]]]), torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
    kept = x_r.clone()
    x_hat = enforce_consistency(x_r, y, AveragePool(2))
    torch.testing.assert_close(x_hat, torch.tensor([[[[0.65, 1.65], [0.65, 0.65]]]]))
    assert torch.equal(x_r, kept)


def test_a_backbone_of_the_wrong_size_is_named():
    with pytest.raises(ValueError, match=r"y has shape \(1, 3, 4, 4\).*\(1, 3, 16, 16\)"):
        NullSpace(nn.Upsample(scale_factor=4), AveragePool(2))(torch.rand(1, 3, 4, 4))


def test_a_wrong_pinv_is_noticed():
    """Negative control: an error of one per cent in the pseudo-inverse must fail the theorem's check."""

    class Wrong(AveragePool):
        def pinv(self, y):
            return 1.01 * super().pinv(y)

    x = randn(1, 3, 8, 8, seed=5)
    check_theorem(AveragePool(4), NullSpace(Backbone(AveragePool(4), (3, 8, 8)), AveragePool(4)), x)
    with pytest.raises(AssertionError):
        check_theorem(Wrong(4), NullSpace(Backbone(AveragePool(4), (3, 8, 8)), Wrong(4)), x)


def untrained(factor: int, width: int = 8) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.Upsample(scale_factor=factor),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )


class Noise(nn.Module):
    def forward(self, y):
        n, c, h, w = y.shape
        return torch.rand(n, c, 8 * h, 8 * w, dtype=y.dtype, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize(
    "backbone",
    [untrained(8), nn.Upsample(scale_factor=8, mode="bicubic"), Noise()],
    ids=["untrained network", "bicubic", "noise"],
)
def test_psnr_lr_of_pd_at_8x_and_1024_pixels(backbone):
    """150 dB in float32: one rounding of numbers between 1/2 and 1 costs 155 dB, the sums some more. 290 in float64.

    The paper has 145.7 (Table 1). A x_hat is measured in float64 by ``consistency_db``.
    """
    A = AveragePool(8)
    x = faces(2, 1024)
    with torch.no_grad():
        y = A(x)
        assert consistency_db(A, NullSpace(backbone, A)(y), y).mean() >= 150
        # a third is no short binary fraction: with float32 numbers in float64 every sum would be exact
        y = A(x.double() / 3)
        level = consistency_db(A, NullSpace(backbone.double(), A)(y), y)
    backbone.float()
    assert level.isfinite().all() and (level > 290).all()


def test_a_float32_slip_is_noticed_at_150_db():
    """Negative control: one long float32 sum in place of two short ones stays below the bound."""

    class OneSum(AveragePool):
        def forward(self, x):
            return F.avg_pool2d(x, self.factor)

    A = AveragePool(8)
    y = A(faces(1, 512))
    with torch.no_grad():
        assert consistency_db(A, NullSpace(Noise(), OneSum(8))(y), y).mean() < 150
