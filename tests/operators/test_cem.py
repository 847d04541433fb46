"""CEM as a baseline: exact away from the border only, and only under the kernel it was built from."""

import pytest
import torch

from ganprior_null import CEM, BlurDownsample, Resize, psnr
from ganprior_null.operators import cem_kernel

from .cases import gaussian_kernel, random_kernel
from .test_properties import images


def interior(v, margin):
    return v[..., margin:-margin, margin:-margin]


def smooth_image(side):
    """An image in [0, 1] as smooth as photographs are: a small random one, enlarged."""
    small = torch.rand(1, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(small, (side, side), mode="bicubic").clamp(0, 1)


@pytest.mark.parametrize("kernel, factor", [(cem_kernel(2), 2), (cem_kernel(4), 4), (gaussian_kernel(13, 2), 4),
                                            (gaussian_kernel(9, 1), 3)])  # fmt: skip
def test_downscale_is_blur_downsample_away_from_the_border(kernel, factor):
    """The same kernel orientation and sampling phase; CEM repeats the border where BlurDownsample wraps around."""
    side = 16 * factor
    x, border = images((3, side, side)), len(kernel) // factor + 1
    ours, theirs = BlurDownsample(kernel, factor, side)(x), CEM(kernel, factor, side).downscale(x)
    assert (interior(ours, border) - interior(theirs, border)).abs().max() < 1e-13
    assert (ours - theirs).abs().max() > 1e-3


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_the_default_kernel_is_a_centred_blur(factor):
    kernel = cem_kernel(factor)
    assert float(kernel.sum()) == pytest.approx(1)
    assert torch.equal(kernel, kernel.flip(0, 1)) and torch.equal(kernel, kernel.T)
    assert len(kernel) == 4 * factor - factor % 2


def test_consistent_away_from_the_border_and_under_its_own_kernel_only():
    """What the paper's 42.2 dB is (claim B6): another bicubic, or no padding; not a lossy pseudo-inverse."""
    factor, side = 4, 192
    cem, x = CEM(cem_kernel(factor), factor, side), smooth_image(side)
    y = cem.downscale(x)
    x_r = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    y_hat = cem.downscale(cem(x_r, y).double())
    m = cem.margin
    assert float(psnr(interior(y_hat, m), interior(y, m))) > 110
    assert 55 < float(psnr(y_hat, y)) < 100
    unpadded = CEM(cem_kernel(factor), factor, side, pad=False)(x_r, y)
    assert float(psnr(cem.downscale(unpadded.double()), y)) < 55
    bicubic = Resize(side, factor)
    assert float(psnr(bicubic(cem(x_r, y)), bicubic(x))) < 55


def test_the_inverse_filter_inverts_s2_a_at():
    """g * (s^2 A A^T) is the unit filter, up to the taps that are cut (their response to a constant: 1e-6)."""
    factor = 2
    cem = CEM(cem_kernel(factor), factor, 64)
    y = images((1, 32, 32), n=1)
    back = cem.filter(cem.downscale(cem.upscale(y)))
    m = cem.margin
    assert (interior(back, m) - interior(y, m)).abs().max() < 1e-4 * y.abs().max()


def test_a_wide_kernel_is_bounded_not_blown_up():
    """Gains below 0.01 are raised to it: no more than 100-fold amplification, and no longer consistent."""
    cem = CEM(gaussian_kernel(25, 4), 2, 64)
    assert cem.inverse.abs().sum() < 1e4
    x = smooth_image(64)
    y_hat = cem.downscale(cem(torch.rand_like(x), cem.downscale(x)).double())
    assert float(psnr(y_hat, cem.downscale(x))) < 80


def test_bad_input():
    with pytest.raises(ValueError, match="sums to 0"):
        CEM(torch.zeros(3, 3), 2, 16)
    with pytest.raises(ValueError, match="NaN"):
        CEM(torch.full((3, 3), float("nan")), 2, 16)
    with pytest.raises(ValueError, match="square kernel no larger than the image"):
        CEM(random_kernel(3, 5), 2, 16)
    with pytest.raises(ValueError, match="square kernel no larger than the image"):
        CEM(random_kernel(9, 9), 2, (8, 16))
    with pytest.raises(ValueError, match="factor 3 must divide the image sides, got 16 x 16"):
        CEM(random_kernel(3, 3), 3, 16)
    cem, x, y = CEM(random_kernel(3, 3), 2, 16), torch.rand(1, 3, 16, 16), torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match="x_r must be 16 x 16"):
        cem(x[..., :8], y)
    with pytest.raises(ValueError, match="y must be 8 x 8"):
        cem(x, x)
    for other in (y[:, :1], y.expand(2, -1, -1, -1)):  # either would broadcast
        with pytest.raises(ValueError, match=r"y has shape .*, but A maps x_r of shape .* to \(1, 3, 8, 8\)"):
            cem(x, other)
    with pytest.raises(ValueError, match="NaN or infinite"):
        cem(x, y * float("nan"))
    with pytest.raises(TypeError, match="from_uint8"):
        cem((255 * x).to(torch.uint8), y)
