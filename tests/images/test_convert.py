"""Floats in [0, 1], the [-1, 1] of published networks, 8 bits: exact where they can be."""

import pytest
import torch

from ganprior_null.images import from_signed, from_uint8, grid, to_signed, to_uint8

LEVELS = torch.arange(256, dtype=torch.uint8)


def test_all_256_levels_survive_the_round_trip():
    assert torch.equal(to_uint8(from_uint8(LEVELS)), LEVELS)
    assert torch.equal(to_uint8(from_uint8(LEVELS).double()), LEVELS)


def test_from_uint8_is_k_over_255_in_float32():
    x = from_uint8(LEVELS)
    assert x.dtype == torch.float32 and x[0] == 0 and x[255] == 1
    assert (255 * x.double() - LEVELS).abs().max() < 255 * 2**-24


def test_rounds_to_nearest_after_the_clamp():
    x = torch.tensor([-3.0, -1e-9, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255, 1.0, 7.0])
    assert to_uint8(x).tolist() == [0, 0, 0, 1, 254, 255, 255, 255]


def test_shape_is_kept_and_the_input_not_written():
    x = torch.randn(2, 3, 4, 5)
    kept = x.clone()
    assert to_uint8(x).shape == x.shape and torch.equal(x, kept)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_no_pixel_is_made_of_nan(bad):
    x = torch.rand(1, 3, 4, 4)
    x[0, 1, 2, 3] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        to_uint8(x)


def test_dtypes_are_not_guessed():
    with pytest.raises(TypeError, match=r"floating-point image in \[0, 1\], got torch.uint8"):
        to_uint8(LEVELS)
    with pytest.raises(TypeError, match="expected uint8, got torch.float32"):
        from_uint8(torch.rand(3))


def test_signed_range_and_back():
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    assert (from_signed(to_signed(x)) - x).abs().max() < 1e-15
    assert to_signed(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]
    assert from_signed(torch.tensor([-2.0, 3.0])).tolist() == [-0.5, 2]  # unclamped: that would break A x = y


@pytest.mark.parametrize("n, columns, rows, across", [(1, None, 1, 1), (5, None, 2, 3), (4, 1, 4, 1), (3, 4, 1, 4)])
def test_grid_puts_every_image_in_its_place(n, columns, rows, across):
    images = torch.arange(1, n + 1).float().view(n, 1, 1, 1).expand(n, 3, 4, 5) / 10
    sheet = grid(images, columns, pad=2, background=0.0)
    assert sheet.shape == (3, rows * 6 + 2, across * 7 + 2)
    for i in range(n):
        top, left = 2 + (i // across) * 6, 2 + (i % across) * 7
        assert torch.equal(sheet[:, top : top + 4, left : left + 5], images[i])
    assert sheet.double().sum() == pytest.approx(images.double().sum().item(), rel=1e-12)  # the rest is background
