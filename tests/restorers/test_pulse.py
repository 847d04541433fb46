"""PULSE: a search that stays on the sphere, treats every sample as if it were alone, and always answers."""

import warnings

import pytest
import torch

from ganprior_null import (
    AveragePool,
    BlockSensing,
    BlurDownsample,
    Grayscale,
    Inpaint,
    Resize,
    StyleGAN2,
    consistency_db,
    enforce_consistency,
)
from ganprior_null.images import from_signed
from ganprior_null.restorers import pulse

from .priors import WIDTHS, small_discriminator, small_prior

A = AveragePool(4)
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def prior():
    return small_prior()


@pytest.fixture(scope="module")
def x(prior):
    """Three images that the prior can make, moved into [0, 1]."""
    w = prior.mapping(torch.randn(3, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    with torch.no_grad():
        return from_signed(prior(w)).clamp(0, 1)


def search(prior, y, operator=A, **options):
    return pulse(prior, y, operator, **({"steps": 12, "seed": 3, "eps": 1e-9} | QUIET | options))


def test_it_gets_nearer_to_y_than_it_started(prior, x):
    found = search(prior, A(x), steps=60)
    assert (found.lr_error < 0.2 * found.history["error"][0, :, 0]).all()


def test_the_result_is_always_returned_and_says_whether_it_converged(prior, x):
    far = search(prior, A(x), steps=1, eps=1e-12)
    assert not far.converged.any() and far.images.shape == (3, 3, 16, 16)
    near = search(prior, A(x), eps=10.0)
    assert near.converged.all() and len(near.history["error"]) == 1  # the start is near enough: no step is taken


def test_lr_error_is_that_of_the_image(prior, x):
    y = A(x)
    found = search(prior, y, restarts=3)
    error = (A(found.images) - y).square().mean((1, 2, 3))
    torch.testing.assert_close(found.lr_error, error, rtol=1e-12, atol=0)
    each = (A(found.restart_images.flatten(0, 1)) - y.repeat_interleave(3, 0)).square().mean((1, 2, 3))
    torch.testing.assert_close(found.restart_errors.flatten(), each, rtol=1e-12, atol=0)


def test_the_best_restart_is_chosen(prior, x):
    found = search(prior, A(x), restarts=5, halving=False)
    assert torch.equal(found.lr_error, found.restart_errors.amin(1))
    assert torch.equal(found.images, found.restart_images[torch.arange(3), found.restart])
    assert found.restart_errors.amax(1).gt(found.lr_error).all()  # else any choice would do


def test_latents_and_noise_give_the_image_back(prior, x):
    found = search(prior, A(x), restarts=2)
    with torch.no_grad():
        again = from_signed(prior(found.latents, found.noise))
    torch.testing.assert_close(again, found.images, rtol=0, atol=1e-12)


@pytest.mark.parametrize("tile", [False, True])
def test_on_the_sphere_the_norm_stays(prior, x, tile):
    norm = search(prior, A(x), tile=tile).history["norm"]
    torch.testing.assert_close(norm, norm[:1].expand_as(norm), rtol=1e-6, atol=0)  # the radius holds its 1e-9


@pytest.mark.parametrize("space", ["free", "w+"])
def test_off_the_sphere_it_drifts(prior, x, space):
    norm = search(prior, A(x), space=space, steps=40).history["norm"]
    assert (norm[-1] - norm[0]).abs().min() > 0.02


def test_a_sample_does_not_notice_its_neighbours(prior, x):
    """Sums of a batch may be rounded in another order, and 12 steps amplify that; 1e-6 leaves five digits for it."""
    y = A(x)
    alone, many = search(prior, y[:1]), search(prior, y, restarts=3, halving=False)
    torch.testing.assert_close(many.restart_images[:1, 0], alone.images, rtol=0, atol=1e-6)
    other = search(prior, y[:1], seed=4)
    assert (other.images - alone.images).abs().max() > 1e-2
    assert (many.restart_images[0, 1] - alone.images[0]).abs().max() > 1e-2


def test_a_sample_that_arrived_leaves_and_the_others_go_on(prior, x):
    y = A(x)
    plain = search(prior, y, steps=30)
    eps = float(plain.lr_error.median()) * 1.5  # at least one image gets there before the end
    found = search(prior, y, steps=30, eps=eps)
    running = found.history["error"].isfinite().squeeze(-1)
    left = running.sum(0)  # steps that each image took part in
    assert left.min() < 31
    assert ((found.history["error"].squeeze(-1) <= eps).sum(0) <= 1).all()  # within eps once, then gone
    for i in range(3):
        torch.testing.assert_close(
            found.history["error"][: left[i], i], plain.history["error"][: left[i], i], rtol=1e-5, atol=0
        )


def test_halving_costs_at_most_three_searches(prior, x):
    found = search(prior, A(x), steps=40, restarts=8)
    running = found.history["error"].isfinite().sum(2)  # (steps + 1, N)
    assert running[0].tolist() == [8, 8, 8] and running[-1].tolist() == [1, 1, 1]
    assert (running[:-1].sum(0) <= 3 * 40).all()
    full = search(prior, A(x), steps=40, restarts=8, halving=False)
    assert full.history["error"].isfinite().all()
    survivor = found.history["error"][-1].isfinite().long().argmax(1)
    torch.testing.assert_close(  # who stays does what it would have done among all
        found.restart_errors[0, survivor[0]], full.restart_errors[0, survivor[0]], rtol=1e-4, atol=0
    )


@pytest.mark.parametrize(
    "operator",
    [
        Grayscale(),
        Inpaint((torch.rand(16, 16, generator=torch.Generator().manual_seed(0)) > 0.5).double()),
        Resize(16, 4),
        BlurDownsample(torch.ones(3, 3), 2, 16),
        BlockSensing(8, 0.25),
    ],
    ids=lambda A: type(A).__name__,
)
def test_any_operator(prior, x, operator):
    y = operator(x)
    found = search(prior, y, operator, steps=20, enforce="after")
    assert (found.lr_error < found.history["error"][0, :, 0]).all()
    assert consistency_db(operator, found.images, y).min() > 140


def test_pd_after_the_search(prior, x):
    y = A(x)
    raw, repaired = search(prior, y), search(prior, y, enforce="after")
    assert consistency_db(A, raw.images, y).max() < 60
    torch.testing.assert_close(repaired.images, enforce_consistency(raw.images, y, A), rtol=0, atol=1e-12)
    assert torch.equal(repaired.lr_error, raw.lr_error)


def test_pd_inside_leaves_the_measurement_no_say(prior, x):
    """A x = y whatever the code: only the other terms move it."""
    y = A(x)
    still = search(prior, y, enforce="inside", loss="100*L2")
    start = search(prior, y, steps=1, eps=10.0)
    torch.testing.assert_close(still.images, enforce_consistency(start.images, y, A), rtol=0, atol=1e-6)
    moved = search(prior, y, enforce="inside", loss="1*REAL", discriminator=small_discriminator(), steps=30)
    assert (moved.history["REAL"][:, :, 0].amin(0) < moved.history["REAL"][0, :, 0] - 1e-3).all()
    assert consistency_db(A, moved.images, y).min() > 140


@pytest.mark.parametrize("mode", ["zero", "fixed", "trainable"])
def test_noise(prior, x, mode):
    first = search(prior, A(x), noise=mode, noise_layers=2, eps=10.0).noise
    last = search(prior, A(x), noise=mode, noise_layers=2).noise
    moved = [not torch.equal(a, b) for a, b in zip(first, last, strict=True)]
    assert moved == [mode == "trainable"] * 2 + [False] * 3
    assert [bool(level.any()) for level in last] == [mode != "zero"] * 4 + [False]
    for a, b in zip(first, last, strict=True):  # searched maps stay on their spheres
        torch.testing.assert_close(a.norm(dim=(2, 3)), b.norm(dim=(2, 3)), rtol=1e-6, atol=1e-12)


def test_interrupted_it_returns_the_best_so_far(prior, x):
    def interrupt(step, images):
        if step == 4:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted at step 4 of 12"):
        found = search(prior, A(x), watch=interrupt)
    assert found.interrupted and len(found.history["error"]) == 5
    whole = search(prior, A(x))
    torch.testing.assert_close(found.lr_error, whole.history["error"][:5, :, 0].amin(0), rtol=1e-6, atol=0)
    assert not whole.interrupted


def test_a_prior_that_was_never_trained_is_named(x):
    fresh = StyleGAN2(16, 16, 2, WIDTHS).double()
    with pytest.warns(UserWarning, match="random weights"):
        search(fresh, A(x), steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(small_prior(), A(x), steps=1)


def test_the_prior_is_left_as_it_was(prior, x):
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    with torch.no_grad():
        search(prior, A(x))
    assert all(torch.equal(before[name], value) for name, value in prior.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in prior.parameters())


BAD = {
    "wrong size": (lambda y: y.repeat(1, 1, 2, 2), {}, r"\(3, 3, 8, 8\).*\(N, 3, 4, 4\).*fits the factor 2"),
    "no factor": (lambda y: y[..., :3, :3], {}, r"side of 16, 8, 4, 2, 1"),
    "one image": (lambda y: y[0], {}, r"has shape \(3, 4, 4\)"),
    "no image": (lambda y: y[:0], {}, r"has shape \(0, 3, 4, 4\)"),
    "8 bits": (lambda y: 255 * y, {}, "must lie in"),
    "signed": (lambda y: 2 * y - 1, {}, r"below 0"),
    "too bright": (lambda y: y + 0.5, {}, "above 1"),
    "NaN": (lambda y: y / 0 * 0, {}, "NaN"),
    "loss": (lambda y: y, {"loss": "100*L2+GEOCROS"}, "number.name joined"),
    "term": (lambda y: y, {"loss": "100*L2+1*GEOCROS"}, "did you mean 'GEOCROSS'"),
    "no discriminator": (lambda y: y, {"loss": "1*REAL"}, "needs discriminator"),
    "nothing to search": (lambda y: y, {"loss": "1*GEOCROSS", "tile": True}, "does not depend"),
    "schedule": (lambda y: y, {"schedule": "linear1cycled"}, "did you mean 'linear1cycle"),
    "noise": (lambda y: y, {"noise": "free"}, "unknown noise 'free'"),
    "layers": (lambda y: y, {"noise_layers": -1}, "got -1"),
    "space": (lambda y: y, {"space": "w"}, "unknown space"),
    "enforce": (lambda y: y, {"enforce": "afer"}, "did you mean 'after'"),
    "steps": (lambda y: y, {"steps": 0}, "got 0"),
    "restarts": (lambda y: y, {"restarts": 1.5}, "got 1.5"),
    "eps": (lambda y: y, {"eps": 0.0}, "got 0.0"),
    "lr": (lambda y: y, {"lr": float("nan")}, "got nan"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(prior, x, case):
    change, options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        search(prior, change(A(x)), **options)


def test_integer_images_and_foreign_operators(prior, x):
    with pytest.raises(TypeError, match="floating point"):
        search(prior, (255 * A(x)).byte())
    with pytest.raises(ValueError, match="16 x 16 pixels: .*32 x 32"):
        search(prior, A(x), Resize(32, 8))


def test_what_bicubic_overshoots_is_in_range(prior):
    """White under the positive lobe of one LR pixel, black under the negative one: A x exceeds 1, and is no fault."""
    operator = Resize(16, 4)
    x = torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    x[..., 2:10, 2:10] = 1
    y = operator(x)
    assert y.max() > 1.02
    search(prior, y, operator, steps=1)
    with pytest.raises(ValueError, match="above 1.1"):
        search(prior, y + 0.3, operator, steps=1)
