"""The linear generator is one kernel, whichever way it is computed; the discriminator sees 7 x 7 pixels."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.data import photographs
from ganprior_null.kernelgan import REPAIRED, DeepLinearGenerator, PatchDiscriminator, bicubic_kernel
from ganprior_null.kernelgan.duel import Duel


def gradients(G, evaluate, x, weight):
    return torch.autograd.grad((evaluate(x) * weight).sum(), list(G.parameters()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_collapsed_evaluation_has_the_gradients_of_the_six_convolutions(dtype):
    """Relative gap of every layer's gradient; 1e-5 is the demand in float32, in float64 it is rounding."""
    torch.manual_seed(0)
    G = DeepLinearGenerator(gain=1.0).to(dtype)
    x = torch.randn(2, 3, 64, 60, dtype=dtype)
    weight = torch.randn(2, 3, 26, 24, dtype=dtype)
    torch.testing.assert_close(G(x), G.stacked(x))
    pairs = zip(gradients(G, G, x, weight), gradients(G, G.stacked, x, weight), strict=True)
    gap = max(float((a - b).norm() / b.norm()) for a, b in pairs)
    assert gap < (1e-5 if dtype == torch.float32 else 1e-12)


def test_a_wrong_composition_would_be_noticed():
    """Negative control: the composition of the *flipped* last spatial filter gives other gradients."""
    torch.manual_seed(0)
    G = DeepLinearGenerator(channels=8, gain=1.0).double()
    x, weight = torch.randn(1, 3, 40, 40).double(), torch.randn(1, 3, 14, 14).double()

    def wrong(x):
        k = G.weights[-1]
        for i, w in reversed(list(enumerate(G.weights[:-1]))):
            k = F.conv_transpose2d(k, w.flip(-1) if i == 2 else w)
        return F.conv2d(x.transpose(0, 1), k, stride=2).transpose(0, 1)

    pairs = zip(gradients(G, wrong, x, weight), gradients(G, G.stacked, x, weight), strict=True)
    assert max(float((a - b).norm() / b.norm()) for a, b in pairs) > 0.1


@pytest.mark.parametrize("filters", [(13,), (7, 5, 3), (7, 5, 3, 1, 1, 1)])
def test_kernel_is_what_conv2d_takes(filters):
    torch.manual_seed(1)
    G = DeepLinearGenerator(filters, channels=8, gain=1.0).double()
    x = torch.randn(1, 3, 30, 34).double()
    k = G.kernel()
    assert k.shape == (13, 13)
    expected = F.conv2d(x.transpose(0, 1), k[None, None], stride=2).transpose(0, 1)
    torch.testing.assert_close(G.stacked(x), expected)


def test_filters_must_be_odd():
    with pytest.raises(ValueError, match=r"odd sides.*\(4, 3\)"):
        DeepLinearGenerator((4, 3))


def test_discriminator_judges_every_7x7_patch():
    """With batch norm's statistics out of the way, one pixel reaches exactly the 7 x 7 outputs around it."""
    torch.manual_seed(0)
    D = PatchDiscriminator(channels=16, hidden=0).eval()  # no power iterations between the two calls
    x = torch.rand(1, 3, 20, 22)
    y = x.clone()
    y[0, 1, 10, 12] += 1
    moved = (D(y) != D(x))[0, 0]
    assert moved.shape == (14, 16)
    rows, columns = moved.nonzero().T
    assert rows.tolist() == [r for r in range(4, 11) for _ in range(7)]
    assert (columns.min(), columns.max()) == (6, 12)


def test_discriminator_is_the_convolutional_network_it_is_said_to_be():
    """Six convolutions with weights divided by their spectral norm, batch norm, ReLU: written out."""
    torch.manual_seed(0)
    D = PatchDiscriminator(channels=16, hidden=5).double()
    for _ in range(200):  # let the power iterations converge
        D(torch.rand(1, 3, 8, 8).double())
    x = torch.rand(2, 3, 15, 17).double()

    def divided(i):
        return D.weights[i][0] / torch.linalg.matrix_norm(D.weights[i][0], 2)

    h = F.conv2d(x, divided(0).reshape(16, 3, 7, 7), D.biases[0].flatten())
    for i in range(1, 6):
        h = F.conv2d(h, divided(i)[..., None, None], D.biases[i].flatten())
        h = F.batch_norm(h, None, None, D.scale[i - 1], D.shift[i - 1], training=True).relu()
    h = F.conv2d(h, divided(6)[..., None, None], D.biases[6].flatten()).sigmoid()
    torch.testing.assert_close(D(x), h, rtol=0, atol=1e-4)  # what 200 power iterations leave of the singular values


def test_company_changes_nothing():
    """Four duels side by side, and each alone: the same kernels after a few steps, up to rounding."""
    photo = photographs(96, 2)[1]
    recipe = replace(REPAIRED, steps=4, channels=16)
    together = Duel(photo.double(), recipe, [3, 5, 8], bicubic_kernel())
    for _ in range(4):
        together.step()
    for i, seed in enumerate([3, 5, 8]):
        alone = Duel(photo.double(), recipe, [seed], bicubic_kernel())
        for _ in range(4):
            alone.step()
        torch.testing.assert_close(alone.kernels()[0], together.kernels()[i], rtol=0, atol=1e-9)
    assert (together.kernels()[0] - together.kernels()[1]).abs().max() > 1e-6  # different seeds, different searches
