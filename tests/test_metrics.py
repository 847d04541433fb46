"""Metrics against their definitions, per image, in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from ganprior_null import AveragePool, Matrix, consistency_db, ms_ssim, psnr, ssim
from ganprior_null.metrics import comb


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 3, 64, 48, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    return x, x + torch.tensor([0.01, 0.05, 0.2]).view(-1, 1, 1, 1) * noise


def test_psnr_is_its_formula_per_image(pair):
    x, noisy = pair
    expected = -10 * (x.double() - noisy.double()).square().mean((1, 2, 3)).log10()
    torch.testing.assert_close(psnr(noisy, x), expected)
    assert psnr(noisy, x).shape == (3,) and psnr(noisy, x).dtype == torch.float64
    assert psnr(x, x).isinf().all()


@pytest.mark.parametrize("metric", [ssim, ms_ssim])
def test_similarity_is_one_for_equal_images_and_falls_with_noise(pair, metric):
    x, noisy = pair
    torch.testing.assert_close(metric(x, x), torch.ones(3, dtype=torch.float64))
    values = metric(noisy, x)
    assert values.shape == (3,) and values[0] > values[1] > values[2]


def test_images_of_a_batch_do_not_mix(pair):
    x, noisy = pair
    for metric in (psnr, ssim, ms_ssim):
        alone = torch.cat([metric(noisy[i : i + 1], x[i : i + 1]) for i in range(3)])
        torch.testing.assert_close(metric(noisy, x), alone)


@pytest.fixture(params=[(11, 30), (64, 48), (176, 180)], ids=str)
def hard_pairs(request):
    """[(x, reference)], each (1, 3, H, W) float64: noise, opposite structure, flat images, whose variances cancel."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, *request.param, generator=generator).double()
    noise = torch.randn(x[:1].shape, generator=generator).double()
    flat = torch.full_like(x[:1], 0.93)
    return [(x[:1] + 0.1 * noise, x[:1]), (1 - x[1:], x[1:]), (flat + 0.01, flat)]


def test_ssim_agrees_with_scikit_image(hard_pairs):
    """Theirs leaves out where the window does not fit: given the border that ours is defined with, it is the same."""
    from skimage.metrics import structural_similarity

    options = {"data_range": 1.0, "channel_axis": 0, "gaussian_weights": True, "use_sample_covariance": False}
    for pair in hard_pairs:
        padded = [F.pad(image, (5,) * 4, mode="reflect")[0] for image in pair]
        theirs = structural_similarity(*(image.numpy() for image in padded), **options)
        assert abs(float(ssim(*pair)) - theirs) < 1e-12
    elsewhere = structural_similarity(*(image[0].numpy() for image in hard_pairs[0]), **options)
    assert abs(float(ssim(*hard_pairs[0])) - elsewhere) > 1e-6  # the control: without that border


def test_ms_ssim_agrees_with_its_formula(hard_pairs):
    """By scipy's filters: contrast and structure at the finer scales, the whole of SSIM at the coarsest."""
    scales = {11: 1, 48: 3, 176: 5}[min(hard_pairs[0][0].shape[2:])]
    betas = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    for pair in hard_pairs:
        terms = []
        for scale in range(scales):
            images = [F.avg_pool2d(image, 2**scale)[0].numpy() for image in pair]
            contrast, luminance = by_scipy(*images)
            terms.append(np.mean(contrast[:, 5:-5, 5:-5] if scale + 1 < scales else contrast * luminance))
        theirs = np.prod(np.maximum(terms, 0) ** (betas / betas.sum()))
        assert abs(float(ms_ssim(*pair)) - theirs) < 1e-12


def by_scipy(x, r):
    """(contrast and structure, luminance) of SSIM at each pixel (Wang et al. 2004, equation 13)."""
    x_mean, r_mean, xx, rr, xr = (
        gaussian_filter(image, (0, 1.5, 1.5), truncate=3.5, mode="mirror") for image in (x, r, x * x, r * r, x * r)
    )
    variances = np.maximum(xx - x_mean**2, 0) + np.maximum(rr - r_mean**2, 0)
    contrast = (2 * (xr - x_mean * r_mean) + 0.03**2) / (variances + 0.03**2)
    return contrast, (2 * x_mean * r_mean + 0.01**2) / (x_mean**2 + r_mean**2 + 0.01**2)


@pytest.mark.parametrize("size", [20, 21, 41, 96, 161])
def test_ms_ssim_takes_every_size(size):
    """From 21 pixels a second scale, from 41 a third, from 161 all five."""
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(1, 3, size, size, generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    weak, strong = (float(ms_ssim(x + strength * noise, x)) for strength in (0.01, 0.1))
    assert 0 < strong < weak < 1
    assert (strong == pytest.approx(float(ssim(x + 0.1 * noise, x)))) == (size == 20)  # one scale is SSIM itself


def test_consistency_is_measured_in_float64():
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    A = AveragePool(8)
    exact = A(x.double())
    assert consistency_db(A, x, exact).isinf().all()
    assert 130 < float(consistency_db(A, x, exact.float())) < 200  # the rounding of y itself


def test_flat_measurements_count_as_images():
    A = Matrix(torch.eye(4)[:2])
    assert consistency_db(A, torch.ones(1, 4), torch.zeros(1, 2)).item() == 0.0


def test_8_bit_levels_are_refused_where_they_would_be_cast():
    levels = torch.full((1, 3, 16, 16), 255, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"x must be floating point in \[0, 1\], got torch.uint8"):
        consistency_db(AveragePool(8), levels, torch.ones(1, 3, 2, 2))
    flat, good = levels.flatten(1), torch.ones(1, 768)
    for pair, name in (((flat, good), "x"), ((good, flat), "reference")):
        with pytest.raises(TypeError, match=f"^{name} must be floating point"):
            psnr(*pair)


@pytest.mark.parametrize("metric", [ssim, ms_ssim])
def test_similarity_needs_images_not_flat_measurements(metric):
    with pytest.raises(ValueError, match=r"x must have four axes \(N, C, H, W\), got shape \(32, 32\)"):
        metric(torch.rand(32, 32), torch.rand(32, 32))


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_bad_input(metric):
    good = torch.rand(1, 3, 32, 32)
    with pytest.raises(ValueError, match="differ in shape"):
        metric(good, good[..., :16])
    with pytest.raises(ValueError, match="four axes"):
        metric(good[0], good[0])
    with pytest.raises(TypeError, match="floating point"):
        metric((good * 255).byte(), good)
    with pytest.raises(ValueError, match="NaN"):
        metric(good * float("nan"), good)
    if metric is not psnr:
        with pytest.raises(ValueError, match="at least 11 x 11"):
            metric(good[..., :8], good[..., :8])


def test_the_comb_of_noise_is_even_and_that_of_a_grid_is_not():
    noise = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    even = comb(noise)
    assert even == pytest.approx(1, abs=0.05)  # 8 teeth of 64 x 3 x 64 lines each: about 1 %
    column = torch.arange(64)
    for grid in ((column[:, None] + column) % 2, column % 2, torch.cos(column * torch.pi / 2)):
        assert comb(noise + 0.1 * grid) > 1.2
    with pytest.raises(ValueError, match="multiples of 32, got 48 x 64"):
        comb(noise[..., :48, :])
    for bad in (float("nan"), float("inf")):
        noise[0, 0, 0, 0] = bad
        with pytest.raises(ValueError, match="x holds 1 NaN or infinite values"):
            comb(noise)


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_no_images_have_no_figures(metric):
    assert metric(torch.rand(0, 3, 32, 32), torch.rand(0, 3, 32, 32)).shape == (0,)
