"""Worked numbers and bad input of the first operators: pooling, gray, mask, matrix."""

import pytest
import torch

from ganprior_null import AveragePool, Grayscale, Inpaint, Matrix


def test_pooling_on_a_2x2_picture():
    """The paper's first example: A is the mean of four pixels, A^+ writes it four times."""
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])[None, None]
    part = AveragePool(2).decompose(x)
    assert AveragePool(2)(x).item() == 3
    assert part.range.flatten().tolist() == [3, 3, 3, 3]
    assert part.null.flatten().tolist() == [-2, -1, 0, 3]


def test_gray_on_one_pixel():
    A, x = Grayscale(), torch.tensor([0.9, 0.3, 0.0]).view(1, 3, 1, 1)
    assert A(x).item() == pytest.approx(0.4)
    assert A.pinv(A(x)).flatten().tolist() == pytest.approx([0.4, 0.4, 0.4])
    wrong = A.adjoint(A(x))  # the printed A^+ with base 1: A A^+ would be 1/3
    assert A(wrong).item() == pytest.approx(0.4 / 3)


def test_mask_keeps_and_loses():
    A, x = Inpaint(torch.tensor([[1, 0]])), torch.tensor([[0.25, 0.5]])[None, None]
    assert A(x).flatten().tolist() == [0.25, 0]
    assert A.project_null(x).flatten().tolist() == [0, 0.5]


def test_matrix_truncates_where_told():
    A = torch.diag(torch.tensor([4.0, 2.0, 1e-3]))
    assert Matrix(A).rank == 3 and Matrix(A, rtol=0.01).rank == 2 and Matrix(torch.zeros(2, 3)).rank == 0
    assert Matrix(A, rtol=0.01).pinv(torch.ones(1, 3)).flatten().tolist() == pytest.approx([0.25, 0.5, 0])


@pytest.mark.parametrize("factor", [0, -1, 2.0, True, "2", None])
def test_bad_factor(factor):
    with pytest.raises(ValueError, match="factor must be an integer of at least 1"):
        AveragePool(factor)


@pytest.mark.parametrize("weights", [(), (0, 0, 0), (float("nan"), 1, 1), ((1, 1), (1, 1))])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="weights must be a finite, non-zero vector"):
        Grayscale(weights)


@pytest.mark.parametrize("mask, message", [(torch.tensor([[0.5]]), "only 1"), (torch.ones(4), "mask must have shape"),
                                           (torch.tensor([[float("nan")]]), "only 1")])  # fmt: skip
def test_bad_mask(mask, message):
    with pytest.raises(ValueError, match=message):
        Inpaint(mask)


@pytest.mark.parametrize("A, message", [(torch.ones(3), "must be a matrix"), (torch.ones(0, 3), "must be a matrix"),
                                        (torch.tensor([[float("inf")]]), "NaN or infinite")])  # fmt: skip
def test_bad_matrix(A, message):
    with pytest.raises(ValueError, match=message):
        Matrix(A)


@pytest.mark.parametrize("rtol", [-1e-3, 1, float("nan")])
def test_bad_rtol(rtol):
    with pytest.raises(ValueError, match="rtol"):
        Matrix(torch.eye(2), rtol=rtol)


def test_images_that_do_not_fit():
    image = torch.zeros(1, 3, 6, 8)
    with pytest.raises(ValueError, match="factor 4 must divide the image sides, got 6 x 8"):
        AveragePool(4)(image)
    with pytest.raises(ValueError, match="must have 3 channels"):
        Grayscale()(image[:, :2])
    with pytest.raises(ValueError, match="one channel"):
        Grayscale().pinv(image)
    with pytest.raises(ValueError, match="does not fit x"):
        Inpaint(torch.ones(8, 6))(image)
    with pytest.raises(ValueError, match=r"x must have shape \(N, 3\)"):
        Matrix(torch.eye(3))(torch.zeros(1, 4))
    for A in (AveragePool(2), Grayscale(), Inpaint(torch.ones(6, 8))):
        with pytest.raises(ValueError, match="four axes"):
            A(image[0])
        with pytest.raises(TypeError, match="must be a torch.Tensor"):
            A([[1.0]])
    with pytest.raises(ValueError, match=r"y has shape \(1, 3, 3, 3\), but A maps x_r"):
        AveragePool(2).enforce(image, torch.zeros(1, 3, 3, 3))
