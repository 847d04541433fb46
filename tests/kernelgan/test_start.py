"""The second-order start: closed forms against patches really cut, and a kernel that is known by construction."""

import math

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import BlurDownsample
from ganprior_null.data import photograph
from ganprior_null.kernelgan import (
    bicubic_kernel,
    from_sharp,
    gaussian_kernel,
    kernel_error,
    kernel_x4,
    matched_gaussian,
)
from ganprior_null.kernelgan.losses import centre_of_mass
from ganprior_null.kernelgan.networks import correlate
from ganprior_null.kernelgan.start import LAGS, _coarse_variances, autocovariance


def noise(size, seed=0):
    return torch.rand(3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_autocovariance_is_the_mean_over_pixel_pairs():
    x = noise(64)
    r = autocovariance(x)
    centred = x - x.mean((1, 2), keepdim=True)
    for row, column in ((0, 0), (3, 0), (-2, 5), (7, -7)):
        rows, columns = (slice(max(0, v), 64 + min(0, v)) for v in (row, column))
        moved = centred[:, max(0, -row) : 64 + min(0, -row), max(0, -column) : 64 + min(0, -column)]
        expected = (centred[:, rows, columns] * moved).mean((1, 2)).mean()
        torch.testing.assert_close(r[LAGS + row, LAGS + column], expected)


def test_the_variances_of_coarse_patches_are_those_of_patches_really_cut():
    """The closed form against unfold: noise is stationary, so that both see the same covariance.

    Of 24 drawings of the components, the worst misses by 0.006, and the other diagonal by 0.059 at least.
    """
    x, k = noise(360) - 0.5, gaussian_kernel((2.0, 0.7), 0.5)
    directions = torch.randn(49, 49, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    components = torch.linalg.qr(directions)[0][:, :5]
    components = torch.linalg.qr(components - components.mean(0))[0]
    patches = F.unfold(correlate(x[None], k, 2).transpose(0, 1), 7)  # (3, 49, L)
    found = (components.T @ (patches - patches.mean(1, keepdim=True))).square().mean((0, 2))

    def predicted(k):
        spread = F.conv2d(k[None, None], k[None, None], padding=12).flatten()
        return _coarse_variances(autocovariance(x), components) @ spread

    assert (predicted(k) / found - 1).abs().max() < 0.02
    assert (predicted(gaussian_kernel((2.0, 0.7), -0.5)) / found - 1).abs().max() > 0.03  # control: the other diagonal


@pytest.mark.parametrize("degrees", [20, 110])
def test_the_start_leans_as_the_hidden_kernel_does(degrees):
    """On a real photograph, blurred with a long Gaussian; bicubic, the usual start, is round."""
    truth = gaussian_kernel((3.5, 0.8), math.radians(degrees))
    x = photograph("astronaut")
    y = BlurDownsample(truth, 2, tuple(x.shape[-2:]))(x)[0]
    start = matched_gaussian(y[:, 10:-10, 10:-10])
    assert abs(float(start.sum()) - 1) < 1e-9
    found, usual = (kernel_error(k, truth).l1 for k in (from_sharp(start), bicubic_kernel()))
    assert found < 0.5 * usual


def test_from_sharp_undoes_the_step_between_two_scales():
    """Of a Gaussian of variance v, recurrence sees 3/4 v; the rest comes back but for 1/64 of it after two rounds."""
    seen, whole = gaussian_kernel((2.4, 1.2), 0.4), gaussian_kernel((3.2, 1.6), 0.4)
    assert kernel_error(from_sharp(seen), whole).l1 < 0.03
    assert kernel_error(seen, whole).l1 > 0.2
    assert kernel_error(from_sharp(seen, rounds=1), whole).l1 > kernel_error(from_sharp(seen), whole).l1
    torch.testing.assert_close(from_sharp(seen, rounds=0), seen)
    middle = centre_of_mass(from_sharp(seen))
    assert (middle - 6.5).abs().max() < 0.01  # the window reaches half a pixel further to one side


def test_from_sharp_at_4x_counts_every_factor_once():
    """Variances in 4x pixels: 4 v + v of the two steps, v / 4 + v / 16 of what came before."""
    step, v = gaussian_kernel((1.2, 1.2)), 1.2
    found = from_sharp(step, onto=kernel_x4(step))
    assert kernel_error(found, gaussian_kernel((5.3125 * v, 5.3125 * v), side=25)).l1 < 0.03
    assert kernel_error(kernel_x4(from_sharp(step)), found).l1 > 0.1


def test_from_sharp_is_the_product_of_spectra():
    """K(f) = k(f) k(f / 2), where k has no share of what is cut at half the sampling rate."""
    k = gaussian_kernel((2.0, 1.5), 0.9)
    whole = F.pad(from_sharp(k, rounds=1), (12, 11, 12, 11))
    f = torch.linspace(-0.4, 0.4, 9, dtype=torch.float64)

    def spectrum(v, at):
        n = v.shape[0]
        where = torch.arange(n, dtype=torch.float64) - n // 2 - (0.5 if n == 13 else 0.0)
        wave = torch.exp(-2j * math.pi * at[:, None] * where)
        return (wave @ v.to(wave) @ wave.T).abs()

    torch.testing.assert_close(spectrum(whole, f), spectrum(k, f) * spectrum(k, f / 2), rtol=0, atol=5e-3)
