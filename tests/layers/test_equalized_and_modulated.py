"""Layers with equalised learning rate, and modulated convolution, against their formulas written out in float64."""

import math

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.layers import EqualConv2d, EqualLinear, FusedLeakyReLU, ModulatedConv2d, PixelNorm, binomial


def test_linear_formula():
    layer = EqualLinear(7, 5, bias=1.0, lr_mul=0.01, activation=True).double()
    x = torch.randn(4, 7, dtype=torch.float64)
    y = x @ (layer.weight * 0.01 / math.sqrt(7)).T + 0.01
    assert torch.allclose(layer(x), math.sqrt(2) * torch.where(y < 0, 0.2 * y, y), rtol=1e-13)
    assert layer.weight.std() > 30  # N(0, 1) / lr_mul: 100, from 35 draws


def test_convolution_and_activation_formula():
    conv, activate = EqualConv2d(3, 4, 3, stride=2, padding=1).double(), FusedLeakyReLU(4).double()
    torch.nn.init.normal_(activate.bias)
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    y = F.conv2d(x, conv.weight / math.sqrt(27), stride=2, padding=1)
    assert torch.allclose(conv(x), y, rtol=1e-13)
    y = y + activate.bias[:, None, None]
    assert torch.allclose(activate(conv(x)), math.sqrt(2) * torch.where(y < 0, 0.2 * y, y), rtol=1e-12)


def test_pixel_norm_eps():
    """Small z, where the place and the size of eps show: 1e-8 is added to the mean square, not to its root."""
    z = 1e-4 * torch.randn(3, 16, dtype=torch.float64)
    assert torch.allclose(PixelNorm()(z), z / torch.sqrt(z.square().mean(1, keepdim=True) + 1e-8), rtol=1e-14)
    assert not torch.allclose(PixelNorm()(z), z / (z.square().mean(1, keepdim=True).sqrt() + 1e-6), rtol=1e-3)


def one_weight_per_image(layer: ModulatedConv2d, x, w):
    """The definition: modulate and demodulate the weight for each image, convolve each image with its own."""
    images = []
    for one, style in zip(x, layer.modulation(w), strict=True):
        weight = layer.scale * layer.weight[0] * style[None, :, None, None]
        if layer.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        one, taps = one[None], binomial().to(x).expand(layer.weight.shape[1], 1, 4, 4)
        if layer.resample == "up":
            y = F.conv_transpose2d(one, weight.transpose(0, 1), stride=2)
            images.append(4 * F.conv2d(y, taps, padding=1, groups=len(taps)))
        elif layer.resample == "down":
            taps = binomial().to(x).expand(x.shape[1], 1, 4, 4)
            images.append(F.conv2d(F.conv2d(one, taps, padding=2, groups=len(taps)), weight, stride=2))
        else:
            images.append(F.conv2d(one, weight, padding=layer.padding))
    return torch.cat(images)


@pytest.mark.parametrize("resample", [None, "up", "down"])
@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_by_activations_equals_one_weight_per_image(resample, demodulate):
    layer = ModulatedConv2d(5, 6, 3, 7, demodulate=demodulate, resample=resample).double()
    x = torch.randn(3, 5, 8, 8, dtype=torch.float64)
    w = torch.randn(3, 7, dtype=torch.float64)
    want = one_weight_per_image(layer, x, w)
    y = layer(x, w)
    assert y.shape == want.shape
    assert (y - want).abs().max() < 1e-12 * want.abs().max()  # sums of 45 products in another order
    wrong = one_weight_per_image(layer, x, w.flip(0))  # styles of other images
    assert (y - wrong).abs().max() > 1e-2 * want.abs().max()


@pytest.mark.parametrize("resample", [None, "up"])
def test_second_derivatives(resample):
    """R1 and path length differentiate gradients: check them against finite differences, in x and in w."""
    layer = ModulatedConv2d(2, 3, 3, 4, resample=resample).double()
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x, w))
    assert torch.autograd.gradgradcheck(layer, (x, w))


def test_unknown_resampling_is_refused():
    with pytest.raises(ValueError, match="resample must be None, 'up', 'down' or 'bilinear', got 'both'"):
        ModulatedConv2d(2, 3, 3, 4, resample="both")
