"""BlurDownsample is a correlation with circular borders, then every s-th pixel; exact at any conditioning."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, BlurDownsample, as_matrix, consistency_db

from .cases import gaussian_kernel, random_kernel
from .test_properties import images


def by_hand(x, kernel, factor):
    """Pad circularly, correlate with stride s; the first window starts (s - k) // 2 pixels from the corner."""
    (kh, kw), (h, w) = kernel.shape, x.shape[-2:]
    rows = (torch.arange(h + kh) + (factor - kh) // 2) % h
    columns = (torch.arange(w + kw) + (factor - kw) // 2) % w
    padded = x[..., rows, :][..., columns].flatten(0, 1)[:, None]
    y = F.conv2d(padded, kernel[None, None], stride=factor)[..., : h // factor, : w // factor]
    return y.unflatten(0, x.shape[:2])[:, :, 0]


@pytest.mark.parametrize("shape, factor, size", [
    ((5, 5), 2, (12, 10)), ((4, 7), 3, (15, 9)), ((13, 13), 8, (16, 24)),
    ((2, 3), 4, (8, 12)), ((1, 1), 3, (6, 6)), ((9, 9), 1, (9, 11)),
])  # fmt: skip
def test_equals_circular_padding_and_a_strided_convolution(shape, factor, size):
    kernel, x = random_kernel(*shape), images((3, *size))
    torch.testing.assert_close(BlurDownsample(kernel, factor, size)(x), by_hand(x, kernel, factor), rtol=0, atol=1e-13)


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_a_box_as_large_as_the_cell_is_average_pooling(factor):
    """The sampling phase is the one of average pooling, for even factors too."""
    A = BlurDownsample(torch.full((factor, factor), 1 / factor**2, dtype=torch.float64), factor, (24, 48))
    x = images((3, 24, 48))
    torch.testing.assert_close(A(x), AveragePool(factor)(x), rtol=0, atol=1e-13)
    torch.testing.assert_close(A.pinv(A(x)), AveragePool(factor).pinv(A(x)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", [0, 1])
def test_float32_random_kernel_at_1024_pixels_8x(seed):
    """At least 130 dB in float32, measured in float64."""
    generator = torch.Generator().manual_seed(seed)
    x, x_r = torch.rand(2, 1, 3, 1024, 1024, generator=generator)
    A = BlurDownsample(random_kernel(13, 13, seed=seed), 8, 1024)
    assert A.kept == 1
    y = A(x)
    assert float(consistency_db(A, A.enforce(x_r, y), y)) >= 130
    # negative control: the kernel turned by 180 degrees is another operator
    other = BlurDownsample(random_kernel(13, 13, seed=seed).flip(0, 1), 8, 1024)
    assert float(consistency_db(A, other.enforce(x_r, y), y)) < 60


def test_the_cut_removes_only_what_rounding_would_drown():
    """A Gaussian of sigma 5 at 2x has singular values down to 1e-15. What is cut is below rtol of the image."""
    kernel, x = gaussian_kernel(63, 5), images((1, 64, 64), n=1)
    A = BlurDownsample(kernel, 2, 64)
    assert 0.2 < A.kept < 0.9
    assert (A(x) - by_hand(x, kernel, 2)).norm() < 1e-4 * x.norm()
    x32 = A.pinv(A(x).float()).double()
    assert (x32 - A.pinv(A(x))).norm() < 1e-2 * x.norm()  # 6e-8 of rounding, amplified at most 1e4 times
    nothing_cut = BlurDownsample(kernel, 2, 64, rtol=1e-12)
    assert nothing_cut.kept > A.kept
    assert (nothing_cut.pinv(nothing_cut(x).float()).double() - nothing_cut.project_range(x)).norm() > x.norm()


def test_singular_values_are_those_of_the_dense_matrix():
    kernel = gaussian_kernel(7, 1.2)
    M = as_matrix(BlurDownsample(kernel, 2, 16), (1, 16, 16))
    A = BlurDownsample(kernel, 2, 16)
    power = A.spectrum.abs().square().sum(0)
    assert power.max().sqrt() == pytest.approx(float(torch.linalg.matrix_norm(M, 2)), rel=1e-12)
    assert power.min().sqrt() == pytest.approx(float(torch.linalg.svdvals(M)[-1]), rel=1e-9)


@pytest.mark.parametrize("kernel, message", [
    (torch.tensor([[1.0, -1.0]]), "sums to 0"),
    (torch.zeros(3, 3), "sums to 0"),
    (torch.tensor([[1.0, float("nan")]]), "the kernel holds 1 NaN"),
    (torch.tensor([[float("inf")]]), "the kernel holds 1 NaN or infinite"),
    (torch.ones(9, 3), "larger than the image"),
    (torch.ones(3, 13), "larger than the image"),
    (torch.ones(3), "must be a matrix"),
    (torch.ones(1, 1, 3, 3), "must be a matrix"),
    (torch.ones(0, 3), "must be a matrix"),
])  # fmt: skip
def test_bad_kernels(kernel, message):
    with pytest.raises(ValueError, match=message):
        BlurDownsample(kernel, 2, (8, 12))


def test_other_bad_input():
    kernel = random_kernel(3, 3)
    with pytest.raises(ValueError, match="factor 3 must divide the image sides, got 8 x 12"):
        BlurDownsample(kernel, 3, (8, 12))
    for factor in (0, 2.0, True, -1):
        with pytest.raises(ValueError, match="factor must be an integer"):
            BlurDownsample(kernel, factor, 8)
    for rtol in (0, 1, -0.1, float("nan")):
        with pytest.raises(ValueError, match="rtol"):
            BlurDownsample(kernel, 2, 8, rtol=rtol)
    A = BlurDownsample(kernel, 2, (8, 12))
    with pytest.raises(ValueError, match="x must be 8 x 12 pixels"):
        A(torch.zeros(1, 3, 12, 8))
    with pytest.raises(ValueError, match="y must be 4 x 6 pixels"):
        A.pinv(torch.zeros(1, 3, 8, 12))
