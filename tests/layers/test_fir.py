"""upfirdn2d against its definition, and as a linear map: adjoint, derivatives of every order, memory formats."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.layers import Blur, Upsample, binomial, upfirdn2d

CASES = [  # up, down, pad
    (1, 1, (2, 1)),
    (1, 1, (1, 1)),
    (1, 1, (-1, 2)),
    (1, 2, (2, 2)),
    (1, 2, (1, 1)),
    (2, 1, (2, 1)),
    (2, 1, (3, 2)),
    (2, 2, (1, 0)),
    (3, 2, (0, 4)),
    (2, 3, (5, -2)),
]
KERNEL = torch.arange(1.0, 13.0, dtype=torch.float64).view(3, 4).sqrt()  # neither square nor symmetric


def by_definition(x, kernel, up, down, pad):
    """Zeros inserted, padded or cropped, convolved by a double loop over the taps, thinned out."""
    n, c, h, w = x.shape
    zeros = x.new_zeros(n, c, h, up, w, up)
    zeros[:, :, :, 0, :, 0] = x
    x = F.pad(zeros.view(n, c, h * up, w * up), (*pad, *pad))
    kh, kw = kernel.shape
    rows, columns = x.shape[-2] - kh + 1, x.shape[-1] - kw + 1
    y = sum(
        kernel[kh - 1 - i, kw - 1 - j] * x[..., i : i + rows, j : j + columns] for i in range(kh) for j in range(kw)
    )
    return y[..., ::down, ::down]


@pytest.mark.parametrize(("up", "down", "pad"), CASES)
def test_definition(up, down, pad):
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)
    ours, want = upfirdn2d(x, KERNEL, up=up, down=down, pad=pad), by_definition(x, KERNEL, up, down, pad)
    assert ours.shape == want.shape
    assert (ours - want).abs().max() < 1e-13 * want.abs().max()  # twelve products a sum, in float64
    assert not torch.allclose(upfirdn2d(x, KERNEL.flip(0, 1), up=up, down=down, pad=pad), want)


@pytest.mark.parametrize(("up", "down", "pad"), CASES)
def test_derivatives_of_first_and_second_order(up, down, pad):
    x = torch.randn(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: upfirdn2d(x, KERNEL, up=up, down=down, pad=pad), x)
    squared = lambda x: upfirdn2d(x, KERNEL, up=up, down=down, pad=pad).square()  # noqa: E731
    assert torch.autograd.gradgradcheck(squared, x)


@pytest.mark.parametrize(("up", "down", "pad"), CASES)
def test_backward_is_the_adjoint(up, down, pad):
    x = torch.randn(2, 3, 8, 7, dtype=torch.float64, requires_grad=True)
    ours = upfirdn2d(x, KERNEL, up=up, down=down, pad=pad)
    want = by_definition(x, KERNEL, up, down, pad)
    y = torch.randn_like(ours)
    (a,), (b,) = torch.autograd.grad(ours, x, y), torch.autograd.grad(want, x, y)
    assert (a - b).abs().max() < 1e-13 * b.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtype_and_memory_format_follow_the_input(dtype):
    x = torch.randn(2, 8, 9, 9, dtype=dtype).to(memory_format=torch.channels_last)
    for layer in (Blur(1), Blur(2, down=2), Upsample()):
        y = layer(x)
        assert y.dtype == dtype and y.is_contiguous(memory_format=torch.channels_last)
        assert torch.allclose(y, layer(x.contiguous()), rtol=0, atol=4 * torch.finfo(dtype).eps)


def test_filters_keep_a_constant():
    ones = torch.ones(1, 2, 12, 12)
    assert binomial().sum() == 1
    assert torch.equal(Blur(1)(ones)[..., 2:-2, 2:-2], ones[..., :7, :7])
    assert torch.equal(Upsample()(ones)[..., 2:-2, 2:-2], torch.ones(1, 2, 20, 20))
    assert Upsample()(ones).shape == (1, 2, 24, 24)


def test_a_thinned_blur_equals_blur_then_thinning():
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    assert torch.allclose(Blur(1, down=2)(x), Blur(1)(x)[..., ::2, ::2], rtol=0, atol=1e-15)  # sums of 16


@pytest.mark.parametrize(("up", "down", "pad"), CASES)
def test_transforms(up, down, pad):
    x, v = (torch.randn(3, 2, 2, 5, 6, dtype=torch.float64) for _ in range(2))
    resample = lambda x: upfirdn2d(x, KERNEL, up=up, down=down, pad=pad)  # noqa: E731
    each = torch.stack([resample(image) for image in x])
    torch.testing.assert_close(torch.func.vmap(resample)(x), each, rtol=0, atol=1e-13)
    _, tangent = torch.func.jvp(resample, (x[0],), (v[0],))
    torch.testing.assert_close(tangent, resample(v[0]), rtol=0, atol=1e-13)
    reverse = torch.func.jacrev(resample)(x[0, :1])
    torch.testing.assert_close(reverse, torch.func.jacfwd(resample)(x[0, :1]), rtol=0, atol=1e-13)
    torch.testing.assert_close((reverse * v[0, :1]).sum((-1, -2, -3, -4)), resample(v[0, :1]), rtol=0, atol=1e-13)
