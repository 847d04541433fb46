"""The pieces under PULSE, and its relatives: the Gaussian of the mapping network, loss terms, mGANprior, DGP."""

import inspect

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, StyleGAN2, StyleGAN2Discriminator, dottest, penrose_residuals
from ganprior_null.images import from_signed
from ganprior_null.operators.pulse_bicubic import PulseBicubic
from ganprior_null.restorers.inversion.dgp import FineTuning, dgp
from ganprior_null.restorers.inversion.latents import LatentGaussian, draw_starts, fit_gaussian
from ganprior_null.restorers.inversion.loss import geocross, l1, l2, parse_loss, realism
from ganprior_null.restorers.inversion.mganprior import compose, mganprior
from ganprior_null.restorers.inversion.pulse import pulse
from ganprior_null.restorers.inversion.search import SearchOptions

from .priors import WIDTHS, small_discriminator, small_prior

A = AveragePool(4)


@pytest.fixture(scope="module")
def prior():
    return small_prior()


@pytest.fixture(scope="module")
def y(prior):
    w = prior.mapping(torch.randn(2, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64))
    with torch.no_grad():
        return A(from_signed(prior(w)).clamp(0, 1))


def test_the_gaussian_is_that_of_the_mapping_network(prior):
    """z of 20,000 other samples of w has mean 0 and deviation 1, to five standard errors; w itself has neither."""
    gaussian = fit_gaussian(prior, samples=200_000)
    z = torch.randn(20_000, 16, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    with torch.no_grad():
        w = prior.mapping(z)
    back = gaussian.to_z(w)
    error = 20_000**-0.5
    assert back.mean(0).abs().max() < 5 * error and (back.std(0) - 1).abs().max() < 5 * error
    assert w.mean(0).abs().max() > 50 * error * float(w.std())  # the leaky ReLU shifts it
    torch.testing.assert_close(gaussian.to_w(back), w, rtol=1e-12, atol=1e-12)


def test_the_fit_depends_on_its_seed_and_little_on_chunks(prior):
    first, again = fit_gaussian(prior, samples=500, seed=1), fit_gaussian(prior, samples=500, seed=1)
    assert torch.equal(first.mean, again.mean) and torch.equal(first.std, again.std)
    assert not torch.equal(first.mean, fit_gaussian(prior, samples=500, seed=2).mean)
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        fit_gaussian(prior, samples=1)


def test_more_restarts_leave_the_first_as_they_were(prior):
    z, noise = draw_starts(prior, 2, 2, seed=0)
    more, more_noise = draw_starts(prior, 2, 3, seed=0)
    assert torch.equal(z, more[[0, 1, 3, 4]]) and torch.equal(noise[3], more_noise[3][[0, 1, 3, 4]])
    assert len({float(value) for value in more[:, 0, 0]}) == 6


def test_geocross_is_the_squared_angle():
    """Two codes at the angle t, each pair counted twice among four: D t^2 / 16. None where all agree."""
    for t in (0.1, 1.0, 3.0):
        a = torch.tensor([[1.0, 0, 0], [torch.cos(torch.tensor(t)), torch.sin(torch.tensor(t)), 0]]).double()
        torch.testing.assert_close(geocross(a[None]), torch.tensor([3 * t**2 / 16]).double(), rtol=1e-5, atol=0)
    assert geocross(torch.ones(2, 1, 8)).tolist() == [0, 0]
    assert geocross(torch.ones(2, 5, 8)).max() < 1e-6
    assert geocross(torch.randn(2, 5, 8)).min() > 0.1


def test_terms_stop_at_eps():
    difference = torch.tensor([[0.01, -0.03], [0.4, -0.2]]).view(2, 2, 1, 1).requires_grad_()
    assert l2(difference, 2e-3).tolist() == pytest.approx([2e-3, 0.1])
    assert l1(difference, 2e-3).tolist() == pytest.approx([0.2, 3.0])
    (grad,) = torch.autograd.grad(l2(difference, 2e-3).sum(), difference)
    assert not grad[0].any() and grad[1].all()


def test_the_loss_string():
    assert [tuple(term) for term in parse_loss("100*L2 + 0.05*GEOCROSS")] == [(100.0, "L2"), (0.05, "GEOCROSS")]
    assert [tuple(term) for term in parse_loss("1e2*L1")] == [(100.0, "L1")]
    for text in ("", "L2", "100*", "x*L2", "100*L2+", "nan*L2", "1*2*L2", "L2*100"):
        with pytest.raises(ValueError, match="number.name|unknown term"):
            parse_loss(text)


def test_realism_does_not_see_the_neighbours():
    D = small_discriminator()
    x, companions = torch.randn(8, 3, 16, 16, dtype=torch.float64).split([5, 3])
    together = realism(x, D, companions)
    for i in range(5):
        torch.testing.assert_close(realism(x[i : i + 1], D, companions), together[i : i + 1], rtol=1e-10, atol=0)
    alone = F.softplus(-D(x[:1])[:, 0])
    assert (alone - F.softplus(-D(x[:4])[:1, 0])).abs() > 1e-6  # the score itself does


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_reflected_bicubic_and_its_inverse(factor):
    operator = PulseBicubic((4 * factor, 6 * factor), factor)
    assert dottest(operator, (3, 4 * factor, 6 * factor)) < 1e-12
    assert max(penrose_residuals(operator, (1, 4 * factor, 6 * factor))) < 1e-12
    ones = torch.ones(1, 1, 4 * factor, 6 * factor, dtype=torch.float64)
    torch.testing.assert_close(operator(ones), torch.ones(1, 1, 4, 6).double(), rtol=1e-12, atol=0)
    with pytest.raises(ValueError, match=f"factor {factor} must divide"):
        PulseBicubic(factor, factor)


# --- mGANprior


@pytest.mark.parametrize("resolution", [4, 8, 16])
def test_equal_codes_compose_to_the_generator_itself(prior, resolution):
    w = prior.mapping(torch.randn(2, 16, dtype=torch.float64))
    alpha = torch.full((2, 3, WIDTHS[resolution]), 1 / 3, dtype=torch.float64)
    expected = prior(w)
    torch.testing.assert_close(compose(prior, w[:, None].expand(-1, 3, -1), alpha, resolution), expected)
    alpha[:, 0] += 0.5
    assert (compose(prior, w[:, None].expand(-1, 3, -1), alpha, resolution) - expected).abs().max() > 0.01


def test_more_codes_come_nearer(prior, y):
    options = {"steps": 40, "eps": 1e-9, "progress": False}
    one, many = (mganprior(prior, y, A, codes=codes, **options) for codes in (1, 6))
    assert many.weights.shape == (2, 6, WIDTHS[8]) and many.latents.shape == (2, 6, 16)
    assert many.lr_error.mean() < one.lr_error.mean() < one.history["error"][0].mean()
    with torch.no_grad():
        again = from_signed(compose(prior, many.latents, many.weights, 8))
    torch.testing.assert_close(again, many.images, rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", [{"codes": 0}, {"resolution": 32}, {"resolution": 5}, {"schedule": "cosine"}])
def test_mganprior_refuses(prior, y, options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        mganprior(prior, y, A, progress=False, **options)


@pytest.mark.parametrize("options", [{"candidates": 0}, {"lr_weights": -1.0}, {"steps": True}])
def test_dgp_refuses(prior, y, options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=f"{name}.*{value}"):
        dgp(prior, small_discriminator(), y, A, progress=False, **options)


def test_dgp_refuses_a_discriminator_of_another_size(prior, y):
    with pytest.raises(ValueError, match=rf"discriminator looks at {2 * prior.size} pixels a side.* {prior.size}"):
        dgp(prior, StyleGAN2Discriminator(2 * prior.size), y, A, progress=False)


# --- DGP


def test_dgp_gets_nearer_and_leaves_the_prior_alone(prior, y):
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    found = dgp(prior, small_discriminator(), y, A, steps=30, candidates=8, progress=False)
    assert all(torch.equal(before[name], value) for name, value in prior.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in prior.parameters())
    assert (found.lr_error < 0.7 * found.history["error"][0, :, 0]).all()
    error = (A(found.images) - y).square().mean((1, 2, 3))
    torch.testing.assert_close(found.lr_error, error, rtol=1e-10, atol=0)


def test_dgp_lets_the_stages_join_one_after_the_other(prior, y):
    """Three stages and seven steps: the finest stage's weights move from step 5 = ceil(2/3 7) on."""
    w = prior.spread(prior.mapping(torch.randn(1, 16, dtype=torch.float64))).detach()
    tuning = FineTuning(prior, small_discriminator(), y[:1], A, w, 0.02, 1e-3)
    weights = [tuning.G.conv1, tuning.G.convs[0], tuning.G.convs[2]]
    moved = []
    for step in range(7):
        tuning.step(step, 7)
        originals = [prior.conv1, prior.convs[0], prior.convs[2]]
        moved.append([not torch.equal(a.conv.weight, b.conv.weight) for a, b in zip(weights, originals, strict=True)])
    assert [sum(row) for row in moved] == [1, 1, 1, 2, 2, 3, 3]


def test_dgp_interrupted_returns_the_best_so_far(prior, y, monkeypatch):
    taken = FineTuning.step

    def step(self, number, steps):
        if number == 3:
            raise KeyboardInterrupt
        return taken(self, number, steps)

    monkeypatch.setattr(FineTuning, "step", step)
    with pytest.warns(UserWarning, match="interrupted at image 1 of 2"):
        found = dgp(prior, small_discriminator(), y, A, steps=10, candidates=4, progress=False)
    assert found.interrupted and found.images.isfinite().all()
    torch.testing.assert_close(found.lr_error, (A(found.images) - y).square().mean((1, 2, 3)), rtol=1e-10, atol=0)


def test_an_untrained_prior_is_named_by_all(y):
    fresh = StyleGAN2(16, 16, 2, WIDTHS).double()
    for run in (lambda: mganprior(fresh, y, A, steps=1), lambda: dgp(fresh, small_discriminator(), y, A, steps=1)):
        with pytest.warns(UserWarning, match="random weights"):
            run()


def test_to_w_is_the_leaky_relu_of_an_affine_map():
    gaussian = LatentGaussian(torch.tensor([1.0, -1.0]), torch.tensor([2.0, 2.0]))
    assert gaussian.to_w(torch.tensor([[1.0, 0.0]])).tolist() == [[3.0, pytest.approx(-0.2)]]


def test_a_word_that_a_search_does_not_know_is_refused(prior, y):
    """Nothing is dropped in silence: dgp has no restarts, and nobody has steppes."""
    D = small_discriminator()
    for run in (lambda **more: pulse(prior, y, A, **more), lambda **more: mganprior(prior, y, A, **more)):
        with pytest.raises(TypeError, match="unexpected keyword argument 'steppes'"):
            run(steppes=3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'restarts'"):
        dgp(prior, D, y, A, restarts=2)
    assert inspect.signature(mganprior).parameters["lr"].default == 0.1 != SearchOptions().lr
