"""enforce_noisy: the weight of the correction is the one that serves the image, and never does harm."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import (
    AveragePool,
    BlurDownsample,
    Grayscale,
    Inpaint,
    Matrix,
    Resize,
    enforce_consistency,
    enforce_noisy,
    psnr,
)
from ganprior_null.images import load_image
from ganprior_null.kernelgan import gaussian_kernel
from ganprior_null.restorers import estimate_sigma
from ganprior_null.restorers.noise import _signs

SIZE = 128


def randn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(n=4, seed=0):
    """Pictures without texture: 4 x 4 random colours, enlarged."""
    small = torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.interpolate(small, size=SIZE, mode="bicubic", align_corners=False)


def coloured_error(n=4, seed=1):
    """What a prediction gets wrong: mostly low frequencies, as of real networks; std about 0.05."""
    return 0.2 * F.interpolate(randn(n, 3, 16, 16, seed=seed), size=SIZE, mode="bilinear") / 2


OPERATORS = {
    "pool": lambda: AveragePool(4),
    "gray": lambda: Grayscale((0.2, 0.7, 0.1)),
    "mask": lambda: Inpaint(torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(2)) > 0.7),
    "bicubic": lambda: Resize(SIZE, 4),
    "bilinear": lambda: Resize(SIZE, 4, kernel="bilinear"),
}


def one_hole():
    mask = torch.ones(SIZE, SIZE)
    mask[3, 5] = 0
    return mask


def scene(A, sigma, n=4):
    x = smooth(n)
    x_r = x + coloured_error(n)
    Ax = A(x)
    noise = sigma * randn(*Ax.shape, seed=3)
    if isinstance(A, Inpaint):
        noise = A(noise)  # nothing is measured in the holes, noise neither
    return x, x_r, Ax + noise


@pytest.mark.parametrize("name", OPERATORS)
def test_without_noise_it_is_enforce_consistency(name):
    A = OPERATORS[name]()
    _, x_r, y = scene(A, 0)
    result = enforce_noisy(x_r, y, A, 0)
    assert (result.image - enforce_consistency(x_r, y, A)).abs().max() < 1e-15
    assert (result.kappa == 1).all() and (result.sigma == 0).all()
    assert torch.equal(enforce_noisy(result.image, A(result.image), A, 0).kappa, torch.ones(4, dtype=torch.float64))


def test_for_pooling_v_is_the_mean_square_of_the_residual_less_the_noise():
    A, sigma = AveragePool(4), 0.05
    _, x_r, y = scene(A, sigma)
    result = enforce_noisy(x_r, y, A, sigma)
    m = y[0].numel()
    v = (y - A(x_r)).square().flatten(1).mean(1) - sigma**2 * (1 + 3 * (2 / m) ** 0.5)
    assert torch.allclose(result.kappa, v / (v + sigma**2), rtol=1e-12)
    assert torch.allclose(result.image, x_r + result.kappa.view(-1, 1, 1, 1) * A.pinv(y - A(x_r)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("name", OPERATORS)
def test_kappa_is_near_the_best_that_knows_the_truth(name, sigma):
    """The oracle minimises |x_r + k d - x| over k. Our margin of three standard deviations costs at most its square."""
    A = OPERATORS[name]()
    x, x_r, y = scene(A, sigma)
    d, signal = A.pinv(y - A(x_r)), A.project_range(x - x_r)
    best = ((d * signal).flatten(1).sum(1) / d.square().flatten(1).sum(1)).clamp_min(0)
    error = (best.view(-1, 1, 1, 1) * d - signal).square().flatten(1).sum(1)
    ours = (enforce_noisy(x_r, y, A, sigma).image - x_r - signal).square().flatten(1).sum(1)
    assert (ours <= 1.10 * error).all()  # measured: at most 1.09 (bilinear at 0.1), 1.01 at 0.05
    assert (ours <= signal.square().flatten(1).sum(1)).all()  # and never worse than leaving x_r alone


def test_the_weight_of_the_measurement_space_would_not_do():
    """Negative control: where singular values differ, v from mean r^2 trusts y too much, and then harms x_r."""
    A, sigma = Resize(SIZE, 4, kernel="bilinear"), 0.1
    x, x_r, y = scene(A, sigma)
    r = y - A(x_r)
    v = (r.square().flatten(1).mean(1) - sigma**2).clamp_min(0)
    naive = x_r + (v / (v + sigma**2)).view(-1, 1, 1, 1) * A.pinv(r)
    ours = enforce_noisy(x_r, y, A, sigma).image
    assert psnr(naive, x).mean() < psnr(x_r, x).mean() < psnr(ours, x).mean()


@pytest.mark.parametrize("name", OPERATORS)
def test_pure_noise_is_left_out(name):
    """x_r is right already, so that y - A x_r is noise: beyond three standard deviations in under one case of 100."""
    A, sigma = OPERATORS[name](), 0.05
    x = smooth(40)
    noise = A(sigma * randn(*A(x).shape, seed=7)) if isinstance(A, Inpaint) else sigma * randn(*A(x).shape, seed=7)
    result = enforce_noisy(x, A(x) + noise, A, sigma)
    assert (result.kappa < 1e-12).sum() >= 38 and result.kappa.max() < 0.02


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.2])
def test_sigma_is_estimated_and_said(sigma):
    A = AveragePool(2)
    x, x_r, y = scene(A, sigma)
    result = enforce_noisy(x_r, y, A)
    assert ((result.sigma / sigma - 1).abs() < 0.06).all()  # 3 x 64 x 64 samples, and x_r's own errors
    assert (psnr(result.image, x) >= psnr(x_r, x)).all()


@pytest.mark.parametrize("sigma", [0.005, 0.05, 0.5])
def test_estimate_of_white_noise(sigma):
    estimate = estimate_sigma(smooth() + sigma * randn(4, 3, SIZE, SIZE, seed=4))
    assert ((estimate / sigma - 1).abs() < 0.03).all()  # 49,152 samples, which overlap, of a 37 % efficient estimator


def test_estimate_ignores_smooth_content_and_counts_texture():
    assert (estimate_sigma(smooth(4)) < 2e-3).all()
    checks = torch.zeros(1, 3, 64, 64)
    checks[..., ::2, ::2] = 0.1
    assert estimate_sigma(checks) > 0.02


def test_a_pixel_that_comes_near_zero_by_chance_is_no_hole():
    """One of 36,300 values of A A^+ g is within 1e-6 of 0, of which none should be a hole: A leaves nothing empty."""
    A, x = BlurDownsample(gaussian_kernel((4.0, 4.0)), 2, 220, rtol=0.1), torch.zeros(1, 3, 220, 220)
    y = A(x) + 0.05 * randn(1, 3, 110, 110, seed=10).float()
    assert (A(A.pinv(_signs(y, 0))).abs() < 1e-6).any()
    assert enforce_noisy(x, y, A).sigma == pytest.approx(0.05, rel=0.06)  # as above


def test_sigma_per_image_and_images_do_not_mix():
    A = AveragePool(4)
    _, x_r, y = scene(A, 0.05)
    sigma = torch.tensor([0.0, 0.01, 0.05, 0.2])
    together = enforce_noisy(x_r, y, A, sigma)
    for i in range(4):
        alone = enforce_noisy(x_r[i : i + 1], y[i : i + 1], A, float(sigma[i].double()))
        assert torch.allclose(together.image[i], alone.image[0], rtol=0, atol=1e-9)
    assert (together.kappa.diff() < 0).all()  # the more noise, the less weight


def test_flat_measurements():
    A = Matrix(randn(20, 50, seed=5))
    x, x_r = randn(3, 50, seed=6), randn(3, 50, seed=7)
    result = enforce_noisy(x_r, A(x), A, 1e-3)
    assert result.image.shape == (3, 50) and (result.kappa > 0.9).all()
    with pytest.raises(ValueError, match="four axes"):
        enforce_noisy(x_r, A(x), A)


def test_gradients_and_inference_mode():
    A = AveragePool(2)
    x_r, y = randn(1, 1, 8, 8, seed=8).requires_grad_(), randn(1, 1, 4, 4, seed=9).requires_grad_()
    assert torch.autograd.gradcheck(lambda x_r, y: enforce_noisy(x_r, y, A, 0.3).image, (x_r, y))
    with torch.inference_mode():
        inside = enforce_noisy(x_r, y, A, 0.3).image
    assert torch.equal(inside, enforce_noisy(x_r, y, A, 0.3).image.detach())


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x_r, y: (x_r, y, AveragePool(4), -0.1), r"at least 0, got \[-0.1"),
        (lambda x_r, y: (x_r, y, AveragePool(4), float("nan")), "finite"),
        (lambda x_r, y: (x_r, y[..., :4], AveragePool(4), 0.1), "y has shape"),
        (lambda x_r, y: (x_r, y * float("nan"), AveragePool(4), 0.1), "NaN"),
        (lambda x_r, y: (x_r, x_r, Inpaint(torch.eye(SIZE)), None), "A leaves parts of y empty; give sigma"),
        (lambda x_r, y: (x_r, x_r, Inpaint(one_hole()), None), "A leaves parts of y empty; give sigma"),
        (lambda x_r, y: (x_r, y[..., :2, :2], AveragePool(64), None), "2 x 2 pixels; give sigma"),
        (lambda x_r, y: (x_r, y, AveragePool(4), torch.ones(3)), r"one number, or \(N,\) with N = 4, got shape \(3,\)"),
        (lambda x_r, y: (x_r, y, AveragePool(4), torch.ones(4, 1)), r"one number, or \(N,\) .*, got shape \(4, 1\)"),
        (lambda x_r, y: (x_r, y, AveragePool(4), torch.ones(1, 1)), r"one number, or \(N,\) .*, got shape \(1, 1\)"),
    ],
)
def test_bad_input(change, message):
    x_r = smooth()
    with pytest.raises(ValueError, match=message):
        enforce_noisy(*change(x_r, AveragePool(4)(x_r)))


def published(shared, names):
    def load(folder, suffix):
        return torch.cat([load_image(shared / f"data/panini_16x/{folder}/{name}.{suffix}") for name in names])

    return load("SR", "png"), load("SR_result", "png"), load("GT", "jpg")


@pytest.mark.parametrize("sigma", [0.005, 0.01, 0.02, 0.05, 0.1])
def test_published_results_never_get_worse(shared, sigma):
    """Claim B3, with the operator that made these inputs and with pooling, which did not (hence its allowance)."""
    lr, x_r, gt = published(shared, ["00002", "00009"])
    y = lr + sigma * torch.randn(lr.shape, generator=torch.Generator().manual_seed(11))
    raw = psnr(x_r, gt)
    for A, slack in ((Resize(1024, 16, kernel="bilinear"), 0.0), (AveragePool(16), 0.005)):
        for known in (sigma, None):
            assert (psnr(enforce_noisy(x_r, y, A, known).image, gt) >= raw - slack).all()
    if sigma >= 0.05:  # what the plain projection does
        assert (psnr(enforce_consistency(x_r, y, AveragePool(16)), gt) < raw - 2).all()
