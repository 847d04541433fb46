"""Our operators inside deepinv, and deepinv's inside ours. Runs where deepinv is installed and imports."""

import pytest
import torch

try:
    import deepinv
except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that was not built for this torch
    pytest.skip(f"deepinv does not import here ({error})", allow_module_level=True)

from ganprior_null import (
    AveragePool,
    BlurDownsample,
    Grayscale,
    Resize,
    dottest,
    enforce_consistency,
    penrose_residuals,
)
from ganprior_null.interop.deepinv import AsPhysics, FromPhysics
from ganprior_null.operators import corner_to_centre, shift_between

from ..operators.cases import gaussian_kernel

SIZE = (3, 32, 32)


@pytest.fixture
def x():
    return torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [lambda: AveragePool(4), lambda: Resize(32, 4), Grayscale])
def test_ours_as_a_physics(x, make):
    operator = make()
    physics = AsPhysics(operator, SIZE)
    y = physics(x)
    assert torch.equal(y, operator(x))
    assert torch.equal(physics.A_dagger(y), operator.pinv(y))
    assert float(abs(physics.adjointness_test(x))) < 1e-3  # a float32 sum over 6144 products, absolute
    near_x = physics.prox_l2(x, y, gamma=1.0)  # an algorithm of theirs, through A and A_adjoint
    assert float((physics.A(near_x) - y).norm()) < float((physics.A(torch.zeros_like(x)) - y).norm())


def test_noise_is_theirs_and_only_in_the_call(x):
    physics = AsPhysics(AveragePool(4), SIZE, noise_model=deepinv.physics.GaussianNoise(sigma=0.1))
    assert 0.05 < float((physics(x) - physics.A(x)).std()) < 0.2
    assert torch.equal(physics.A(x), AveragePool(4)(x))


def test_their_reconstructor_runs_on_our_pseudo_inverse(x):
    physics = AsPhysics(AveragePool(4), SIZE)

    class Unchanged(torch.nn.Module):
        def forward(self, u, *args, **kwargs):
            return u

    model = deepinv.models.ArtifactRemoval(Unchanged(), mode="pinv")
    assert torch.equal(model(physics(x), physics), AveragePool(4).pinv(physics(x)))


def test_a_closed_form_physics_as_ours(x):
    for physics in (deepinv.physics.Decolorize(), deepinv.physics.Inpainting(SIZE, mask=0.5)):
        A = FromPhysics(physics)
        y = A(x)
        assert A(A.project_null(x)).abs().max() < 1e-6
        assert (A(enforce_consistency(torch.rand_like(x), y, A)) - y).abs().max() < 1e-6
    # there and back again
    back = FromPhysics(AsPhysics(Resize(8, 2)))
    assert max(penrose_residuals(back, (1, 8, 8))) < 1e-9 and dottest(back, (1, 8, 8)) < 1e-13


def test_an_iterative_physics_is_refused_unless_it_is_asked_for(x):
    physics = deepinv.physics.Downsampling(SIZE, filter="gaussian", factor=4)
    with pytest.raises(ValueError, match="Downsampling.A_dagger is not known to be exact"):
        FromPhysics(physics)
    approximate = FromPhysics(physics, exact=False)
    y = approximate(x)
    theirs = approximate(enforce_consistency(torch.rand_like(x), y, approximate)) - y
    kernel = corner_to_centre(physics.filter[0, 0].flip(0, 1), 4)
    A = BlurDownsample(kernel, 4, 32)
    ours = A(enforce_consistency(torch.rand_like(x), A(x), A)) - A(x)
    assert ours.norm() < 0.1 * theirs.norm()


def test_their_downsampling_is_the_corner_convention(x):
    """The same y from the same kernel, once it is turned to our orientation and sampling phase."""
    kernel = gaussian_kernel(9, 1.5).float()
    theirs = deepinv.physics.Downsampling(SIZE, filter=kernel[None, None], factor=4, padding="circular")
    ours = BlurDownsample(corner_to_centre(kernel.flip(0, 1), 4), 4, 32)
    assert (theirs.A(x) - ours(x)).abs().max() < 1e-6
    bicubic = deepinv.physics.Downsampling(SIZE, filter="bicubic", factor=4, padding="circular")
    even = torch.nn.functional.pad(bicubic.filter[0, 0], (0, 1, 0, 1)).flip(0, 1)
    assert (bicubic.A(x) - BlurDownsample(corner_to_centre(even, 4), 4, 32)(x)).abs().max() < 1e-6
    down, right = shift_between(AveragePool(4), lambda v: theirs.A(v.float()).double(), (32, 32))
    assert down == pytest.approx(-1.5, abs=1e-3) and right == pytest.approx(-1.5, abs=1e-3)


def test_what_is_no_linear_physics():
    with pytest.raises(TypeError, match="LinearPhysics, got AveragePool"):
        FromPhysics(AveragePool(2))
