"""Resize is what torch, PIL and MATLAB do, and stays consistent in float32 at full size."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from ganprior_null import AveragePool, Resize, consistency_db, psnr
from ganprior_null.operators import resample_matrix
from ganprior_null.operators.banded import banded_pinv

from .test_properties import images


def matlab_imresize_matrix(n_hr: int, n_lr: int) -> torch.Tensor:
    """MATLAB's published rule, tap by tap: cubic of a = -0.5 stretched by the scale, borders reflected."""
    scale = n_lr / n_hr
    taps = math.ceil(4 / scale) + 2
    mirror = list(range(n_hr)) + list(range(n_hr - 1, -1, -1))
    rows = torch.zeros(n_lr, n_hr, dtype=torch.float64)
    for i in range(n_lr):
        u = (i + 1) / scale + 0.5 * (1 - 1 / scale)  # one-based HR position
        left = math.floor(u - 2 / scale)
        weights = []
        for j in range(left, left + taps):
            t = abs(scale * (u - j))
            near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
            weights.append(near if t <= 1 else far if t <= 2 else 0.0)
        for j, weight in zip(range(left, left + taps), weights, strict=True):
            rows[i, mirror[(j - 1) % (2 * n_hr)]] += weight / sum(weights)
    return rows


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size, factor", [((64, 48), 8), ((33, 50), 4), ((100, 77), 3.413), ((40, 40), 1.5)])
def test_equals_torch_interpolate(kernel, antialias, size, factor):
    A, x = Resize(size, factor, kernel, antialias), images((3, *size))
    theirs = F.interpolate(x, A.lr_size, mode=kernel, antialias=antialias)
    assert (A(x) - theirs).abs().max() < 1e-12  # float64; values of order 1


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("sides", [(4, 16), (16, 17), (13, 50), (1, 5), (9, 9)])
def test_enlarging_equals_torch_interpolate(kernel, antialias, sides):
    """Torch widens the kernel when it reduces, and does not narrow it when it enlarges."""
    W, x = resample_matrix(*sides, kernel, antialias), images((3, sides[0], sides[0]))
    theirs = F.interpolate(x, (sides[1], sides[1]), mode=kernel, antialias=antialias)
    assert (W @ x @ W.T - theirs).abs().max() < 1e-12  # float64; values of order 1


@pytest.mark.parametrize("size, factor", [((64, 48), 8), ((33, 50), 4), ((45, 30), 3)])
def test_nearest_equals_torch_nearest_exact(size, factor):
    A, x = Resize(size, factor, "nearest"), images((3, *size))
    assert torch.equal(A(x), F.interpolate(x, A.lr_size, mode="nearest-exact"))


def test_box_is_average_pooling_wherever_pooling_exists():
    A, x = Resize((24, 40), 8, "box"), images((3, 24, 40))
    torch.testing.assert_close(A(x), AveragePool(8)(x), rtol=0, atol=1e-14)
    y = A(x)
    torch.testing.assert_close(A.pinv(y), AveragePool(8).pinv(y), rtol=0, atol=1e-13)


def test_box_weighs_every_pixel_equally_at_any_ratio():
    """A fractional average: the column sums of the weights are all h/H, so the mean of the image is kept exactly."""
    W = resample_matrix(17, 5, "box")
    assert (W.sum(0) - 5 / 17).abs().max() < 1e-15
    assert W[0].tolist()[:5] == pytest.approx([5 / 17, 5 / 17, 5 / 17, 2 / 17, 0])


@pytest.mark.parametrize("kernel, theirs", [("box", "BOX"), ("bilinear", "BILINEAR"), ("bicubic", "BICUBIC"),
                                            ("lanczos3", "LANCZOS")])  # fmt: skip
@pytest.mark.parametrize("factor", [4, 8])
def test_equals_pil(kernel, theirs, factor):
    A, x = Resize((64, 48), factor, kernel), images((1, 64, 48), n=1).float()
    picture = Image.fromarray(x[0, 0].numpy())  # mode F: 32-bit floats
    resized = picture.resize(A.lr_size[::-1], getattr(Image.Resampling, theirs))
    assert np.abs(A(x)[0, 0].numpy() - np.asarray(resized)).max() < 2e-6  # float32 sums of some 100 values


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_bicubic_has_the_weights_of_matlab_away_from_the_border(factor):
    """The same rows where the kernel fits into the image; at the border MATLAB reflects, torch and PIL renormalise."""
    n = 16 * factor
    ours, matlab = resample_matrix(n, 16, "bicubic"), matlab_imresize_matrix(n, 16)
    assert (ours - matlab)[2:-2].abs().max() < 1e-15
    assert (ours - matlab)[[0, 1, -2, -1]].abs().max() > 1e-3


@pytest.mark.parametrize("n_hr, factor, n_lr", [(1000, 16, 62), (250, 8, 31), (1023, 16, 64), (1024, 3.413, 300),
                                                (720, 3.413, 211)])  # fmt: skip
def test_any_side_and_any_ratio(n_hr, factor, n_lr):
    """Sides that the factor does not divide round to the nearest; consistent to float32 rounding, a 1e-7 of 1."""
    A = Resize((n_hr, 40), factor)
    assert A.lr_size[0] == n_lr
    x, x_r = images((3, n_hr, 40), n=1).float(), images((3, n_hr, 40), n=1, seed=9).float()
    y = A(x)
    assert float(consistency_db(A, A.enforce(x_r, y), y)) > 120


def test_rows_of_every_kernel_sum_to_one():
    for kernel in ("nearest", "box", "bilinear", "bicubic", "lanczos3"):
        for antialias in (True, False):
            for sides in ((50, 13), (13, 50), (4, 16)):
                W = resample_matrix(*sides, kernel, antialias)
                assert (W.sum(1) - 1).abs().max() < 1e-14, (kernel, antialias, sides)


@pytest.mark.parametrize("spread", ["uniform", "normal"])
def test_float32_at_1024_pixels_8x(spread):
    """At least 141 dB in float32, measured in float64; one more call of enforce refines, and 300 dB in float64."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(1, 3, 1024, 1024, generator=generator)
    x_r = torch.rand(x.shape, generator=generator) if spread == "uniform" else torch.randn(x.shape, generator=generator)
    A = Resize(1024, 8)
    y = A(x)
    x_hat = A.enforce(x_r, y)
    assert float(consistency_db(A, x_hat, y)) >= 141
    assert float(consistency_db(A, A.enforce(x_hat, y), y)) >= 144
    exact = A.enforce(x_r.double(), y.double())
    assert float(psnr(A(exact), y)) >= 280
    # negative control: the usual shortcut, upsampling by the same kernel, is not the pseudo-inverse
    up = F.interpolate(y - A(x_r), (1024, 1024), mode="bicubic")
    assert float(consistency_db(A, x_r + up, y)) < 60


def test_pools_of_one_image_into_tiles_agree_with_the_whole():
    """Tiles cut at multiples of the factor have no seams: the answer of pooling for images too big for memory."""
    A, x_r = AveragePool(8), images((3, 64, 48), n=1)
    y = A(images((3, 64, 48), n=1, seed=2))
    tiles = [
        torch.cat([A.enforce(x_r[..., i : i + 32, j : j + 16], y[..., i // 8 : i // 8 + 4, j // 8 : j // 8 + 2])
                   for j in range(0, 48, 16)], 3)
        for i in range(0, 64, 32)
    ]  # fmt: skip
    torch.testing.assert_close(torch.cat(tiles, 2), A.enforce(x_r, y), rtol=0, atol=0)


@pytest.mark.parametrize("size", [0, -3, 2.5, "64", (64,), (4, 4, 4), True, (8, 0)])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match="size must be"):
        Resize(size, 2)


@pytest.mark.parametrize("factor", [0, 0.5, -2, float("nan"), float("inf"), "4", True])
def test_bad_factors(factor):
    with pytest.raises(ValueError, match="factor must be a number of at least 1"):
        Resize(16, factor)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0, 4), "n_hr must be an integer of at least 1, got 0"),
        ((16, 0), "n_lr must be an integer of at least 1, got 0"),
        ((16, -4), "n_lr must be an integer of at least 1, got -4"),
        ((16, 4.0), "n_lr must be an integer of at least 1, got 4.0"),
        ((16, 4, "cubic"), "kernel must be one of nearest, box, bilinear, bicubic, lanczos3, got 'cubic'"),
    ],
)
def test_bad_weights(arguments, message):
    with pytest.raises(ValueError, match=message):
        resample_matrix(*arguments)


def test_other_bad_input():
    with pytest.raises(ValueError, match="leaves no pixel"):
        Resize((64, 4), 16)
    with pytest.raises(ValueError, match="one of nearest, box, bilinear, bicubic, lanczos3, got 'cubic'"):
        Resize(64, 4, "cubic")
    A = Resize((16, 12), 4)
    with pytest.raises(ValueError, match="x must be 16 x 12 pixels, got 12 x 16"):
        A(torch.zeros(1, 3, 12, 16))
    with pytest.raises(ValueError, match="y must be 4 x 3 pixels"):
        A.pinv(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="four axes"):
        A(torch.zeros(3, 16, 12))
    with pytest.raises(ValueError, match="y has shape"):
        A.enforce(torch.zeros(1, 3, 16, 12), torch.zeros(1, 1, 4, 3))


@pytest.mark.parametrize("kernel", ["nearest", "box", "bilinear", "bicubic", "lanczos3"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("sides", [(600, 150), (601, 233), (300, 290)])
def test_the_pseudo_inverse_of_a_long_axis_is_that_of_the_svd(kernel, antialias, sides):
    """Long enough for several blocks; at nearly equal sides the plain kernels are ill-conditioned."""
    W = resample_matrix(*sides, kernel, antialias)
    exact = torch.linalg.pinv(W)
    assert (banded_pinv(W) - exact).abs().max() < 1e-12 * exact.abs().max()


def test_a_rank_deficient_axis_has_a_pseudo_inverse_too():
    W = resample_matrix(600, 150)
    W[70] = W[71]
    torch.testing.assert_close(banded_pinv(W), torch.linalg.pinv(W), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", ["bicubic", "box", "nearest"])
def test_blocks_give_what_the_whole_matrices_give(kernel):
    A, x = Resize((530, 601), 3.1, kernel), images((2, 530, 601), n=1)
    y = A(x)
    assert len(A.spans["W_h"]) > 1 and all(s.stop - s.start < 601 for _, s in A.spans["W_w"])
    assert (y - A.W_h @ x @ A.W_w.T).abs().max() < 1e-13
    assert (A.pinv(y) - A.P_h @ y @ A.P_w.T).abs().max() < 1e-13
    assert (A.adjoint(y) - A.W_h.T @ y @ A.W_w).abs().max() < 1e-13
    x_r = images((2, 530, 601), n=1, seed=1)
    x_hat = A.enforce(x_r, y)
    assert (A(x_hat) - y).abs().max() < 1e-13
    assert A.enforce(x_r, y, inplace=True) is x_r and (x_r - x_hat).abs().max() < 1e-13
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(A(leaf), leaf, y)
    assert (gradient - A.adjoint(y)).abs().max() < 1e-13


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("kernel", ["nearest", "bicubic"])
def test_blocks_of_which_no_pixel_is_seen(kernel, antialias):
    A, y = Resize((2048, 512), 512, kernel, antialias), images((1, 4, 1), n=1)
    assert (A(A.pinv(y)) - y).abs().max() < 1e-12
    assert (A.adjoint(y) - A.W_h.T @ y @ A.W_w).abs().max() < 1e-13


def test_in_place_does_not_overrule_a_subclass():
    class OtherPinv(Resize):
        def pinv(self, y):
            return 2 * super().pinv(y)

    A, x_r, y = OtherPinv(12, 3), images((1, 12, 12)), images((1, 4, 4), seed=1)
    expected = A.enforce(x_r, y)
    assert torch.equal(A.enforce(x_r, y, inplace=True), expected)
