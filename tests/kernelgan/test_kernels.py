"""Conventions of kernels: where their centre is, what 4x means, what counts as an error."""

import pytest
import torch

from ganprior_null import BlurDownsample
from ganprior_null.kernelgan import (
    bicubic_kernel,
    centred,
    gaussian_kernel,
    kernel_error,
    kernel_x4,
    post_process,
    random_kernel,
)
from ganprior_null.kernelgan.kernels import drop_small
from ganprior_null.kernelgan.losses import cell_centre, centre_of_mass, centring, sparsity
from ganprior_null.operators import sampling_phase


@pytest.mark.parametrize(("factor", "side"), [(2, 13), (2, 11), (2, 12), (4, 25), (4, 21), (4, 24)])
def test_a_centred_kernel_puts_lr_pixels_in_the_middle_of_their_cells(factor, side):
    """The convention of average pooling, measured on the operator itself."""
    k = gaussian_kernel((2.0, 1.0), 0.7, side)
    k = centred(k)
    down, right = sampling_phase(BlurDownsample(k, factor, 64), 64)
    assert abs(down) < 1e-6 and abs(right) < 1e-6


def test_bicubic_and_its_4x_kernel_follow_the_same_convention():
    k = bicubic_kernel()
    assert float(centring(k)) < 1e-12
    for kernel, factor in ((k, 2), (kernel_x4(k), 4)):
        assert max(abs(v) for v in sampling_phase(BlurDownsample(kernel, factor, 64), 64)) < 1e-6


def test_x4_kernel_is_2x_twice():
    """On images away from the border, where two circular operators and one agree; the window cuts nothing here."""
    k = torch.zeros(13, 13, dtype=torch.float64)
    k[4:10, 5:9] = torch.rand(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    k = k / k.sum()
    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    twice = BlurDownsample(k, 2, 32)(BlurDownsample(k, 2, 64)(x))
    once = BlurDownsample(kernel_x4(k), 4, 64)(x)
    torch.testing.assert_close(once, twice)


def test_x4_window_of_the_published_program_would_be_noticed():
    from ganprior_null.kernelgan.kernels import composed

    full = composed(bicubic_kernel())
    down, right = sampling_phase(BlurDownsample(full[6:-6, 6:-6], 4, 64), 64)
    assert abs(down - 1) < 0.01 and abs(right - 1) < 0.01


def test_centring_moves_by_fractions_and_keeps_the_sum():
    k = gaussian_kernel((3.0, 2.0), 0.3).roll((1, -1), (0, 1)) * 0.9
    moved = centred(k)
    assert (centre_of_mass(moved) - cell_centre(13)).abs().max() < 0.01
    assert abs(float(moved.sum()) - 0.9) < 1e-9


def test_post_processing_ends_with_sum_one():
    k = post_process(random_kernel(torch.Generator().manual_seed(3))[1:-1, 1:-1] * 1.3 + 0.001)
    assert abs(float(k.sum()) - 1) < 1e-9


def test_a_kernel_of_few_weights_keeps_all():
    k = gaussian_kernel((1.0, 1.0), side=5)
    torch.testing.assert_close(drop_small(k), k / k.sum())
    assert abs(float(post_process(k).sum()) - 1) < 1e-9


def test_kernel_error_ignores_shift_and_scale_and_nothing_else():
    k = gaussian_kernel((3.0, 1.5))
    same = kernel_error(1.7 * k.roll(1, 0), k)
    assert same.l1 < 0.02 and same.correlation > 0.999 and same.psnr > 45
    turned = kernel_error(k.T, k)
    assert turned.l1 > 0.3


def test_random_kernels_are_those_of_div2krk():
    """Sum 1, centred, 11 x 11 at 2x and 21 x 21 at 4x, not symmetric (the noise), never the same."""
    generator = torch.Generator().manual_seed(0)
    seen = [random_kernel(generator, 2) for _ in range(20)]
    for k in seen:
        assert k.shape == (11, 11) and abs(float(k.sum()) - 1) < 1e-6
        assert float(centring(k)) < 1e-3
        assert (k - k.flip(0).flip(1)).abs().max() > 1e-3 * k.max()
    assert random_kernel(generator, 4).shape == (21, 21)
    assert kernel_error(seen[0], seen[1]).l1 > 0.1


def test_sparsity_has_a_slope_even_at_zero():
    """|k|^0.2 alone has not: 0 times infinity."""
    k = torch.zeros(13, 13, dtype=torch.float64)
    k[6, 6] = 0.5
    k.requires_grad_()
    sparsity(k).backward()
    assert k.grad.isfinite().all() and k.grad[6, 6] > 0
    plain = k.detach().requires_grad_()
    plain.abs().pow(0.2).mean().backward()
    assert plain.grad.isnan().any()
    assert sparsity(k).item() == pytest.approx(0.5**0.2 / 169)


def test_gaussians_need_positive_variances():
    with pytest.raises(ValueError, match="positive"):
        gaussian_kernel((1.0, 0.0))
