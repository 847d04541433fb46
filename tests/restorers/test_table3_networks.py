"""pSp, GFP-GAN, GPEN and SinGAN as restorers: any sizes, no hidden randomness, A x = y around them."""

import pytest
import torch

from ganprior_null import GFPGAN, GPEN, PSP, AveragePool, NullSpace, StyleGAN2, losses, singan
from ganprior_null.restorers import ESRGAN, GFPGANNetwork, GPENNetwork, PSPNetwork
from ganprior_null.restorers.psp import shrink
from ganprior_null.restorers.singan import pyramid, resize

CHANNELS = {4: 8, 8: 6, 16: 4, 32: 2}
SMALL = {"channels": CHANNELS, "style_dim": 6, "n_mlp": 2}
ENCODER = {"encoder_widths": (4, 6, 4, 6), "reduction": 2}
MAKE = {
    "psp": lambda in_size=4, out_size=16, **more: PSP(in_size, out_size, **(SMALL | ENCODER | more)),
    "gfpgan": lambda in_size=4, out_size=16, **more: GFPGAN(in_size, out_size, **(SMALL | more)),
    "gfpgan clean": lambda in_size=4, out_size=16: GFPGAN(in_size, out_size, resample="bilinear", **SMALL),
    "gpen": lambda in_size=4, out_size=16, **more: GPEN(in_size, out_size, **(SMALL | more)),
    "gpen added": lambda in_size=4, out_size=16: GPEN(in_size, out_size, concat=False, **SMALL),
    "gpen native": lambda in_size=4, out_size=16: GPEN(in_size, out_size, encoder_size=in_size, **SMALL),
}


def make(name: str, **sizes) -> torch.nn.Module:
    """A restorer in float64 whose scalars that start at 0 or 1 are moved, so that every part matters."""
    torch.manual_seed(0)
    restorer = MAKE[name](**sizes).double().eval()
    with torch.no_grad():
        for parameter in restorer.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return restorer


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("sizes", [(4, 8), (8, 16), (16, 16)])
def test_consistent_by_construction_and_deterministic(name, sizes):
    in_size, out_size = sizes
    restorer = make(name, in_size=in_size, out_size=out_size)
    y = torch.rand(2, 3, in_size, in_size, dtype=torch.float64, requires_grad=True)
    A = AveragePool(out_size // in_size)
    x_r, x = restorer(y), NullSpace(restorer, A)(y)
    assert x_r.shape == x.shape == (2, 3, out_size, out_size)
    assert torch.equal(restorer(y), x_r)
    assert (A(x) - y).abs().max() < 1e-12 and (A(x_r) - y).abs().max() > 1e-3
    assert torch.autograd.grad(x_r.sum(), y)[0].abs().min() > 0
    torch.testing.assert_close(restorer(y[:1]), x_r[:1], rtol=1e-9, atol=1e-9)  # no picture sees another


@pytest.mark.parametrize("name", MAKE)
def test_what_learns_and_what_takes_part(name):
    """The banks of pSp and GFP-GAN are frozen; the U-Net's own images take part in training only."""
    restorer = make(name, out_size=32)
    restorer(torch.rand(2, 3, 4, 4, dtype=torch.float64)).square().mean().backward()
    learns = {key: p for key, p in restorer.network.named_parameters() if p.requires_grad}
    assert any(key.startswith("bank.") for key in learns) == name.startswith("gpen")
    assert {key.split(".")[0] for key, p in learns.items() if p.grad is None} == ({"toRGB"} if "gfp" in name else set())


def test_from_a_prior():
    torch.manual_seed(0)
    prior = StyleGAN2(16, style_dim=6, n_mlp=2, channels=CHANNELS)
    w, y = prior.mapping(torch.randn(2, 6)), torch.rand(2, 3, 4, 4)
    psp = PSP.from_prior(prior, 4, **ENCODER).network
    assert torch.equal(psp.bank(w), prior(w))
    assert (psp.latent_avg - prior.mean_w(10_000, generator=torch.Generator().manual_seed(0))).abs().max() < 1e-6
    gfpgan = GFPGAN.from_prior(prior, 4).network
    neutral = [(torch.ones(1, gfpgan.bank.channels[r] // 2, r, r), torch.zeros(())) for r in (8, 16)]
    assert torch.equal(gfpgan.grow(w, neutral), prior(w))
    gpen = GPEN.from_prior(prior, 4, concat=False).network
    noise = [n.expand(-1, c, -1, -1) for n, c in zip(prior.noises, (8, 6, 6, 4, 4), strict=True)]
    assert torch.equal(gpen.bank(w, noise), prior(w))
    assert GPEN.from_prior(prior, 4, concat=False)(y).shape == (2, 3, 16, 16)
    with pytest.raises(ValueError, match="GPEN 16 -> 16 sees features beside .* fits only concat=False"):
        GPEN.from_prior(prior, 4)
    with pytest.raises(ValueError, match="its resample is fir, the network's is bilinear"):
        GFPGAN.from_prior(prior, 4, resample="bilinear")


def test_a_new_gpen_ignores_its_features_and_noise_matters_only_above_its_encoder():
    torch.manual_seed(0)
    network = GPENNetwork(4, 16, **SMALL)
    y, noise = torch.rand(2, 3, 4, 4), network.draw(2, torch.Generator().manual_seed(1))
    assert [tuple(n.shape) for n in noise] == [(2, 6, 8, 8)] * 2 + [(2, 4, 16, 16)] * 2
    assert torch.equal(network(y, noise), network(y))  # all strengths are 0
    for conv in network.bank.convs:
        torch.nn.init.ones_(conv.noise.weight)
    x = network(y)
    assert torch.equal(network(y), x) and not torch.equal(network(y, noise), x)
    assert torch.equal(network(y, generator=torch.Generator().manual_seed(1)), network(y, noise))
    with pytest.raises(ValueError, match="noise must be 5 tensors"):
        network(y, noise[:1])


def test_gfpgan_takes_noise_and_steers_half_or_all_channels():
    torch.manual_seed(0)
    whole = GFPGANNetwork(16, half=False, one_code=True, train_bank=True, **SMALL)
    y = torch.rand(2, 3, 16, 16)
    encoded = whole.encode(y)
    assert encoded.w_plus.shape == (2, 6) and [s.shape[1] for s, _ in encoded.conditions] == [6, 4]
    assert [tuple(i.shape) for i in whole.images(encoded.features)] == [(2, 3, 8, 8), (2, 3, 16, 16)]
    torch.nn.init.ones_(whole.bank.conv1.noise.weight)
    noise = whole.bank.fresh_noise(2, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(whole(y, noise), whole(y))
    assert all(p.requires_grad for p in whole.parameters())


def test_latents_of_another_face_in_some_layers():
    network = make("psp", in_size=8).network
    w = network.latents(torch.rand(2, 3, 32, 32, dtype=torch.float64))
    other = torch.zeros(1, 6, 6, dtype=torch.float64)
    mixed = network.inject(w, other, [1, 4], 0.25)
    assert torch.equal(mixed[:, [0, 2, 3, 5]], w[:, [0, 2, 3, 5]])
    torch.testing.assert_close(mixed[:, [1, 4]], 0.75 * w[:, [1, 4]])
    with pytest.raises(ValueError, match=r"pSp 32 -> 16 has layers 0 ... 5, got \[6\]"):
        network.inject(w, other, [0, 6])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PSP(3, 16), "in_size must be one of 1, 2, 4, 8, 16, 32, as y is enlarged; got 3"),
        (lambda: PSP(64, 64, encoder_size=32), "must be one of 1, 2, 4, 8, 16, 32, .* got 64"),
        (lambda: PSP(4, 16, encoder_size=16), "in_size of pSp with out_size 16 must be one of 32, 64, .* got 16"),
        (lambda: GFPGAN(32, 16), "must be one of 1, 2, 4, 8, 16, .* got 32"),
        (lambda: GFPGAN(4, 4), "in_size of GFP-GAN with out_size 4 does not exist: too small"),
        (lambda: GFPGAN(4, 8, {4: 4, 8: 3}), r"steers half .* must be even; got \{8: 3\}"),
        (lambda: GFPGAN(4, 8, resample="cubic"), "resample and noise must be one of fir or bilinear"),
        (lambda: GPEN(8, 16, encoder_size=4), "in_size must be one of 1, 2, 4, as y is enlarged; got 8"),
        (lambda: GPEN(8, 24), "size must be a power of two"),
        (lambda: make("psp")(torch.rand(1, 3, 8, 8)), "y must be 4 x 4 pixels, got 8 x 8"),
        (lambda: make("gfpgan")(torch.rand(1, 3, 16, 16)), "y must be 4 x 4 pixels, got 16 x 16"),
        (lambda: make("psp").network(torch.rand(1, 3, 64, 64)), r"pSp 32 -> 16 takes y of shape \(N, 3, 32, 32\)"),
        (
            lambda: make("psp").network(torch.rand(1, 3, 16, 16)),
            r"takes y of shape \(N, 3, 32, 32\), got \(1, 3, 16, 16",
        ),
        (lambda: make("gpen").network(torch.rand(1, 3, 8, 8)), r"GPEN 16 -> 16 takes y of shape \(N, 3, 16, 16\)"),
        (lambda: make("gpen").network.bank(torch.rand(1, 6).double()), r"C = \[8, 6, 6, 4, 4\], got \[\]"),
        (lambda: singan(torch.rand(1, 3, 10, 20), 2), "at least 11 pixels, got"),
        (lambda: singan(torch.rand(2, 3, 12, 12), 2), "one RGB image"),
        (lambda: singan(torch.rand(1, 3, 12, 12), 1), "factor must be at least 2, got 1"),
        (lambda: singan(torch.rand(1, 3, 12, 12), 2, steps=0), "steps must be at least 1, got 0"),
        (lambda: singan(torch.rand(1, 3, 12, 12), 2, width=0), "width must be at least 1, got 0"),
        (lambda: ESRGAN(8, 32, 1, 8)(torch.rand(1, 1, 8, 8)), r"y must be \(N, 3, 8, 8\), got \(1, 1, 8, 8\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nan_is_named():
    y = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    y[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="y holds .* NaN"):
        make("gpen")(y)


def test_psp_shrinks_as_bicubic_does_inside():
    from ganprior_null import Resize

    x = torch.rand(1, 3, 64, 64, dtype=torch.float64)
    inner = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(shrink(x, 4)[inner], Resize(64, 4)(x)[inner], rtol=0, atol=1e-6)  # buffers in float32
    assert (shrink(x, 1) - x).abs().max() > 0.1  # half a pixel off


def test_losses_by_hand():
    w = torch.zeros(2, 3, 4)
    w[1] = 2.0
    assert float(losses.w_norm(w, torch.zeros(1, 4))) == pytest.approx(12**0.5)  # (0 + 2 sqrt(12)) / 2
    reference = torch.rand(1, 3, 8, 8)
    images = [torch.nn.functional.avg_pool2d(reference, 2), reference + 0.5]
    assert losses.pyramid_l1(images, reference).tolist() == pytest.approx([0.0, 0.5], abs=1e-6)
    f = torch.ones(1, 2, 4, 4, requires_grad=True)
    assert losses.gram_l1(f, 3 * f).item() == pytest.approx((9 - 1) / 2)  # F F^T / (C H W) = 1/2 everywhere
    assert not torch.autograd.grad(losses.gram_l1(f, f), f)[0].any()

    def network(x):
        return torch.nn.functional.normalize(x.mean((2, 3)), dim=1)

    face = torch.rand(2, 3, 64, 64)
    assert losses.crop_face(face).shape == (2, 3, 112, 112)
    assert float(losses.identity_loss(face, face, network)) == pytest.approx(0, abs=1e-6)
    assert 0.2 < float(losses.identity_loss(face, -face, network)) <= 2


def test_singan_learns_one_picture_and_enlarges_it():
    y = torch.linspace(0, 1, 12 * 20).reshape(1, 1, 12, 20).expand(1, 3, -1, -1)
    state, seen = torch.get_rng_state(), []
    found = singan(y, 3, steps=40, width=4, progress=lambda k, scales: seen.append((k, scales)))
    assert found.x.shape == (1, 3, 36, 60) and torch.isfinite(found.x).all()
    assert seen == [(0, 1)] and found.scales[0].amplitude == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert found.errors[0] < 0.7 * (2 * y - 1).std()  # of the picture itself, which an answer of 0 would leave


def test_singan_trains_half_precision_in_single():
    found = singan(torch.rand(1, 3, 12, 12).half(), 2, steps=1, width=2)
    assert found.x.dtype == torch.float32 and torch.isfinite(found.x).all()


@pytest.mark.parametrize("name", MAKE)
def test_no_image_is_a_batch_too(name):
    assert make(name)(torch.rand(0, 3, 4, 4, dtype=torch.float64)).shape == (0, 3, 16, 16)


def test_a_restorer_hands_named_codes_on():
    gfpgan, gpen = make("gfpgan"), make("gpen native")
    y = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    noise = gfpgan.network.bank.fresh_noise(1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gfpgan(y, noise=noise), gfpgan(y, noise))
    one, other = (gpen(y, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_singan_chain_depends_on_its_seed_alone():
    y = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    found = singan(y, 2, steps=1, width=2)
    assert len(found.scales) == 3 and all(0 < scale.amplitude < 0.1 for scale in found.scales[1:])
    assert torch.equal(found.x, singan(y, 2, steps=1, width=2).x)
    assert not torch.equal(found.x, singan(y, 2, steps=1, width=2, seed=1).x)


def test_singan_pyramid_ends_at_its_coarsest_side():
    reals, ratio = pyramid(torch.rand(1, 3, 64, 80))
    assert len(reals) == 8 and ratio == pytest.approx((18 / 64) ** (1 / 7))
    assert [min(real.shape[-2:]) for real in (reals[0], reals[-1])] == [18, 64]
    assert len(pyramid(torch.rand(1, 3, 16, 16))[0]) == 1
    x = torch.rand(1, 3, 20, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.grad(resize(x, 0.7).sum(), x)[0].abs().min() > 0  # the program's 8 bits cut the gradient


def test_psp_network_has_one_head_for_each_layer():
    for out_size, count in ((4, 2), (8, 4), (64, 10)):
        network = PSPNetwork(32, out_size, {r: 2 for r in (4, 8, 16, 32, 64)}, 4, 1, (2, 2, 2, 2), 1)
        assert len(network.encoder.styles) == network.bank.latents == count
