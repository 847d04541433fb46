"""One sampling phase; converters to the other; a shift between two downsamplers is found."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, BlurDownsample, Resize
from ganprior_null.operators import centre_to_corner, corner_to_centre, sampling_phase, shift_between

from .cases import gaussian_kernel, random_kernel
from .test_properties import images


def corner_downsample(x, kernel, factor):
    """Blur about the kernel's middle with circular borders, then x[::s, ::s], written out as a sum of rolled images."""
    blurred = torch.zeros_like(x)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            blurred += kernel[i, j] * x.roll((kernel.shape[0] // 2 - i, kernel.shape[1] // 2 - j), (-2, -1))
    return blurred[..., ::factor, ::factor]


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("shape", [(5, 5), (4, 4), (3, 8), (1, 1)])
def test_a_kernel_of_the_other_convention_makes_the_same_image(factor, shape):
    kernel, x = random_kernel(*shape), images((2, 24, 48))
    ours = BlurDownsample(corner_to_centre(kernel, factor), factor, (24, 48))
    torch.testing.assert_close(ours(x), corner_downsample(x, kernel, factor), rtol=0, atol=1e-13)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("shape", [(5, 5), (4, 4), (3, 8), (1, 1)])
def test_and_back(factor, shape):
    kernel, x = random_kernel(*shape), images((2, 24, 48))
    theirs = centre_to_corner(kernel, factor)
    assert theirs.shape[0] % 2 == theirs.shape[1] % 2 == 1
    expected = BlurDownsample(kernel, factor, (24, 48))(x)
    torch.testing.assert_close(corner_downsample(x, theirs, factor), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("make", [
    lambda: AveragePool(4),
    lambda: Resize((48, 64), 4),
    lambda: Resize((48, 64), 4, "bilinear", antialias=False),
    lambda: Resize((47, 65), 3.1, "lanczos3"),
    lambda: Resize((50, 60), 5, "box"),
    lambda: BlurDownsample(gaussian_kernel(8, 2), 4, (48, 64)),
    lambda: BlurDownsample(gaussian_kernel(7, 1), 3, (48, 63)),
])  # fmt: skip
def test_our_downsamplers_are_centred(make):
    A = make()
    assert sampling_phase(A, getattr(A, "size", (48, 64))) == pytest.approx((0, 0), abs=1e-12)


def test_half_a_pixel_where_no_centre_exists():
    """An odd kernel cannot sit in the middle of an even cell: half a pixel up and left; nearest: down and right."""
    assert sampling_phase(BlurDownsample(gaussian_kernel(7, 1), 4, 48), 48) == pytest.approx((-0.5, -0.5))
    assert sampling_phase(Resize(48, 4, "nearest"), 48) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_the_self_test_finds_the_shift_of_the_other_convention(factor):
    """Centre against corner convention: (s - 1) / 2 pixels, for a plain function as well as for an operator."""
    kernel = gaussian_kernel(9, 1.5)

    def corner(x):
        return corner_downsample(x, kernel, factor)

    A, size, expected = AveragePool(factor), (48, 72), -(factor - 1) / 2
    assert shift_between(A, corner, size) == pytest.approx((expected, expected), abs=1e-9)
    assert shift_between(corner, A, size) == pytest.approx((-expected, -expected), abs=1e-9)
    recentred = BlurDownsample(corner_to_centre(kernel, factor), factor, size)
    assert shift_between(corner, recentred, size) == pytest.approx((0, 0), abs=1e-9)


def test_it_finds_one_axis_and_fractions_of_a_pixel():
    def shifted(x):  # three quarters of a pixel to the right: a blend of two rolls
        return AveragePool(4)(0.25 * x + 0.75 * x.roll(-1, -1))

    assert shift_between(AveragePool(4), shifted, 32) == pytest.approx((0, 0.75), abs=1e-9)
    assert shift_between(AveragePool(4), lambda x: AveragePool(4)(x.roll(2, -2)), 32) == pytest.approx((-2, 0))


def test_it_agrees_with_torch_and_refuses_what_has_no_phase():
    def torch_aa(x):
        return F.interpolate(x, scale_factor=1 / 8, mode="bicubic", antialias=True)

    assert shift_between(AveragePool(8), torch_aa, 128) == pytest.approx((0, 0), abs=1e-9)
    with pytest.raises(ValueError, match="no sampling phase"):
        sampling_phase(lambda x: (x - x.roll(1, -1))[..., ::2, ::2], 16)
