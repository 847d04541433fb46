"""Block compressed sensing: orthonormal rows, a documented shape of y, one operator per seed."""

import pytest
import torch

from ganprior_null import AveragePool, BlockSensing, Grayscale, Inpaint, Matrix, SpatialColour, consistency_db

from .test_properties import images


@pytest.mark.parametrize("ratio, q", [(0.1, 103), (0.25, 256), (0.5, 512), (1.0, 1024), (1e-9, 1)])
def test_rows_are_orthonormal_and_as_many_as_the_ratio_says(ratio, q):
    A = BlockSensing(32, ratio)
    if ratio == 1e-9:  # never no measurement at all
        A = BlockSensing(32, 0.0005)
    assert A.rows.shape == (q, 1024)
    assert (A.rows @ A.rows.T - torch.eye(q, dtype=torch.float64)).abs().max() < 1e-13


def test_the_count_is_not_one_more_because_of_rounding():
    assert len(BlockSensing(10, 0.07).rows) == 7  # 0.07 * 100 = 7.000000000000001


def test_measurements_of_a_channel_lie_together():
    A, x = BlockSensing(4, 0.25, seed=1), images((3, 8, 12))
    y = A(x)
    assert y.shape == (2, 12, 2, 3)
    block = x[1, 2, 4:8, 8:12].flatten()  # channel 2, block (1, 2)
    torch.testing.assert_close(y[1, 8:12, 1, 2], A.rows @ block)


def test_the_seed_decides():
    rows = BlockSensing(8, 0.5, seed=3).rows
    assert torch.equal(rows, BlockSensing(8, 0.5, seed=3).rows)
    assert not torch.allclose(rows, BlockSensing(8, 0.5, seed=4).rows)


def test_float32_consistency():
    A = BlockSensing()
    x, x_r = images((3, 256, 256), n=1).float(), images((3, 256, 256), n=1, seed=1).float()
    assert float(consistency_db(A, A.enforce(x_r, A(x)), A(x))) > 125  # sums of 1024 float32 products


@pytest.mark.parametrize("ratio", [0, -0.5, 1.5, float("nan")])
def test_bad_ratios(ratio):
    with pytest.raises(ValueError, match=r"ratio must lie in \(0, 1\]"):
        BlockSensing(8, ratio)


def test_other_bad_input():
    for block in (0, 2.0, True):
        with pytest.raises(ValueError, match="block must be an integer"):
            BlockSensing(block)
    with pytest.raises(ValueError, match="32 must divide the image sides, got 48 x 64"):
        BlockSensing()(torch.zeros(1, 3, 48, 64))
    with pytest.raises(ValueError, match="y must have 4 channels for each channel of the image, got 6"):
        BlockSensing(4, 0.25).pinv(torch.zeros(1, 6, 2, 2))


def test_spatial_colour_takes_one_of_each():
    with pytest.raises(TypeError, match="colour must be a Grayscale, got AveragePool"):
        SpatialColour(Grayscale(), AveragePool(2))
    for spatial in (Grayscale(), Matrix(torch.eye(2)), SpatialColour(AveragePool(2), Grayscale()), torch.nn.Identity()):
        with pytest.raises(TypeError, match="spatial must be"):
            SpatialColour(spatial, Grayscale())
    with pytest.raises(ValueError, match="does not fit"):  # a mask per channel treats the channels differently
        SpatialColour(Inpaint(torch.ones(3, 4, 4)), Grayscale())(torch.zeros(1, 3, 4, 4))
