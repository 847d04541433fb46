"""GLEAN, Panini-Net and PDN at sizes nobody published: shapes, consistency, priors, what they refuse."""

import pytest
import torch
from torch import nn

from ganprior_null import GLEAN, PDN, AveragePool, NullSpace, Panini, PaniniMFR, Resize, Restorer, StyleGAN2
from ganprior_null.restorers import enforce_consistency

KINDS = [GLEAN, Panini, PDN]
PAIRS = [  # in_size, out_size, channels
    (4, 8, {4: 6, 8: 5}),
    (4, 16, {4: 8, 8: 8, 16: 8}),
    (8, 16, {4: 7, 8: 9, 16: 4}),
    (16, 64, {4: 12, 8: 10, 16: 8, 32: 6, 64: 4}),
    (16, 128, {4: 8, 8: 8, 16: 8, 32: 8, 64: 8, 128: 4}),
]
SMALL = {"rrdb_blocks": 1, "rrdb_channels": 4, "style_dim": 6, "n_mlp": 2}
CHANNELS = {4: 8, 8: 7, 16: 6}


def small(kind: type, in_size=4, out_size=16, channels=None, seed=0, **options) -> Restorer:
    torch.manual_seed(seed)
    return kind(in_size, out_size, channels or CHANNELS, **SMALL | options).eval()


def measurement(restorer: Restorer, count=2, seed=1) -> torch.Tensor:
    side = restorer.network.in_size
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("in_size", "out_size", "channels"), PAIRS)
def test_any_pair_of_sizes_and_any_widths(kind, in_size, out_size, channels):
    restorer = small(kind, in_size, out_size, channels)
    x = restorer(measurement(restorer))
    assert x.shape == (2, 3, out_size, out_size) and torch.isfinite(x).all()
    assert (x[0] - x[1]).abs().max() > 1e-4  # y has a say


@torch.no_grad()
@pytest.mark.parametrize(("in_size", "out_size"), [(32, 32), (32, 64), (64, 64)])
def test_the_form_for_unknown_degradations(in_size, out_size):
    restorer = small(PaniniMFR, in_size, out_size, {r: 6 for r in (4, 8, 16, 32, 64)})
    y = measurement(restorer)
    assert restorer(y).shape == (2, 3, out_size, out_size)
    masks = restorer.network.masks(2 * y - 1)
    assert len(masks) == len(restorer.network.fused) and masks[0].shape == (2, 6, 1, 1)
    assert not torch.equal(masks[0][0], masks[0][1])  # the mixing depends on the image
    fixed = small(Panini).network.masks(y)
    assert fixed[0].shape == (1, 8, 1, 1) and all(((m > 0) & (m < 1)).all() for m in masks + fixed)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("operator", ["pool", "bicubic"])
def test_the_null_space_around_each_is_consistent(kind, operator):
    """float64; A x_hat - y is a few dozen roundings of numbers near 1."""
    restorer = small(kind).double()
    A = AveragePool(4) if operator == "pool" else Resize(16, 4, "bicubic").double()
    y = measurement(restorer).double()
    x_hat = NullSpace(restorer, A)(y)
    assert (A(x_hat) - y).abs().max() < 1e-13
    backbone = Restorer(restorer.network)  # negative control: the network alone does not know y that well
    assert (A(backbone(y)) - y).abs().max() > 1e-2


def test_training_through_the_null_space_reaches_every_part():
    for kind, idle in ((GLEAN, ("bank.", "fusion_skip.")), (Panini, ("bank.style.",)), (PDN, ("bank.",))):
        restorer = small(kind).train()
        y = measurement(restorer, 4)
        NullSpace(restorer, AveragePool(4))(y).square().sum().backward()
        without = {name for name, p in restorer.network.named_parameters() if p.grad is None}
        assert without == {name for name, _ in restorer.network.named_parameters() if name.startswith(idle)}
        assert all(torch.isfinite(p.grad).all() for p in restorer.parameters() if p.grad is not None)


@torch.no_grad()
@pytest.mark.parametrize("kind", [*KINDS, PaniniMFR])
def test_half_precision_training_types(kind):
    """Under bfloat16 autocast, nothing is lost but digits (8 bits of mantissa, a few dozen layers)."""
    restorer = small(kind) if kind is not PaniniMFR else small(PaniniMFR, 32, 32, {4: 8, 8: 7, 16: 6, 32: 5})
    network, y = restorer.network, 2 * measurement(restorer) - 1
    draws = (torch.ones(1, 6),) if kind is PDN else ()
    exact = network(y, *draws)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(y, *draws).float()
    assert 0 < (rounded - exact).norm() / exact.norm() < 0.05


@pytest.mark.parametrize("kind", [*KINDS, PaniniMFR])
def test_from_prior(kind):
    torch.manual_seed(5)
    size = 64 if kind is PaniniMFR else 16
    prior = StyleGAN2(size, 6, 3, {r: 5 for r in (4, 8, 16, 32, 64)})
    in_size = 32 if kind is PaniniMFR else 4
    restorer = kind.from_prior(prior, in_size, rrdb_blocks=1, rrdb_channels=4)
    bank = restorer.network.bank
    assert (bank.size, bank.n_mlp, bank.style_dim, bank.channels) == (size, 3, 6, prior.channels)
    for (name, ours), theirs in zip(bank.state_dict().items(), prior.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name  # the fixed noise too
    frozen = kind in (GLEAN, PDN)
    assert all(p.requires_grad != frozen for n, p in bank.named_parameters() if not n.startswith("style."))
    assert all(p.requires_grad for p in prior.parameters())  # a copy: the prior itself is left alone
    with torch.no_grad():
        prior.input.input += 1
    assert not torch.equal(bank.input.input, prior.input.input)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "channels", "style_dim", "n_mlp", "message"),
    [
        (32, {4: 8, 8: 7, 16: 6, 32: 5}, 6, 2, "its size is 32, the network's is 16"),
        (
            16,
            {4: 8, 8: 8, 16: 6},
            6,
            2,
            r"its channels is \{4: 8, 8: 8, 16: 6\}, the network's is \{4: 8, 8: 7, 16: 6\}",
        ),
        (16, CHANNELS, 5, 2, "its style_dim is 5, the network's is 6"),
        (16, CHANNELS, 6, 8, "its n_mlp is 8, the network's is 2"),
    ],
)
def test_a_prior_of_another_shape(kind, size, channels, style_dim, n_mlp, message):
    network = small(kind).network
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(ValueError, match=f"the prior does not fit {network.title} 4 -> 16: {message}"):
        network.load_prior(StyleGAN2(size, style_dim, n_mlp, channels))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_that_do_not_fit(kind):
    for in_size in (16, 32, 5, 2, 0, -4, 4.0, "4", True):
        with pytest.raises(ValueError, match=r"in_size of \w+ with out_size 16 must be one of 4, 8; got"):
            small(kind, in_size, 16)
    with pytest.raises(ValueError, match="must be one of 4, 8, 16, 32; got 64"):
        kind(64, 64, {r: 4 for r in (4, 8, 16, 32, 64)}, **SMALL)
    with pytest.raises(ValueError, match="with out_size 4 does not exist: too small"):
        small(kind, 4, 4)
    for out_size in (24, 100, 0):
        with pytest.raises(ValueError, match=f"size must be a power of two .* got {out_size}"):
            small(kind, 4, out_size)
    with pytest.raises(ValueError, match=r"channels must give a width .* wrong at \[16\]"):
        small(kind, 4, 16, {4: 8, 8: 8})
    with pytest.raises(ValueError, match="in_size of PaniniMFR with out_size 64 must be one of 32, 64; got 16"):
        small(PaniniMFR, 16, 64, {r: 4 for r in (4, 8, 16, 32, 64)})
    with pytest.raises(TypeError, match="unexpected keyword argument 'rrdb'"):
        kind.from_prior(StyleGAN2(16, 6, 2, CHANNELS), 4, rrdb=3)


@pytest.mark.parametrize("kind", KINDS)
def test_measurements_that_do_not_fit(kind):
    restorer = small(kind)
    for shape in ((2, 3, 8, 8), (2, 1, 4, 4), (2, 3, 4, 8), (1, 3, 16, 16)):
        with pytest.raises(ValueError, match=r"\w+ 4 -> 16 takes y of shape \(N, 3, 4, 4\), got"):
            restorer(torch.rand(shape))
    with pytest.raises(ValueError, match="four axes"):
        restorer(torch.rand(3, 4, 4))
    with pytest.raises(TypeError, match="floating point"):
        restorer(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        restorer(torch.rand(1, 3, 4, 4).index_fill(3, torch.tensor(0), 1.0).masked_fill_(_one_pixel(), float("nan")))


def _one_pixel() -> torch.Tensor:
    mask = torch.zeros(1, 3, 4, 4, dtype=torch.bool)
    mask[0, 1, 2, 3] = True
    return mask


@pytest.mark.parametrize(("rrdb_blocks", "rrdb_channels"), [(0, 4), (-1, 4), (2.0, 4), (True, 4)])
def test_stems_that_do_not_exist(rrdb_blocks, rrdb_channels):
    for kind in KINDS:
        with pytest.raises(ValueError, match="rrdb_blocks and rrdb_channels must be integers of at least 1"):
            small(kind, rrdb_blocks=rrdb_blocks, rrdb_channels=rrdb_channels)


@torch.no_grad()
def test_glean_leaves_out_only_what_has_no_effect():
    """The RGB sum and its fusions do not reach the decoder, so the forward pass does not compute them."""
    network = small(GLEAN, 4, 16).network
    y = 2 * measurement(small(GLEAN)) - 1
    x = network(y)
    for convolution in network.fusion_skip:
        nn.init.normal_(convolution.weight)
    features = network.encode(y)
    grown = network.grow_from(features, network.latents(features))
    assert grown.rgb is not None and torch.equal(network.decode(features, grown.features), x)
    for convolution in network.fusion_out:  # negative control: this fusion does reach it
        nn.init.normal_(convolution.weight)
    assert not torch.equal(network(y), x)


@torch.no_grad()
def test_panini_interpolates_between_encoder_and_bank():
    """Masks of one give the bank's own image for these latents; masks of zero hide the bank's features."""
    network = small(Panini).network
    y = 2 * measurement(small(Panini)) - 1
    features = network.encode(y)
    w_plus = network.latents(features)
    ones = [torch.ones_like(m) for m in network.masks(y)]
    assert (network.mix(features, w_plus, ones) - network.bank(w_plus)).abs().max() < 1e-5
    zeros = [torch.zeros_like(m) for m in ones]
    network.bank.to_rgb1.conv.weight.zero_()  # the one way past the fusions: the RGB sum is not interpolated
    without, with_bank = network.mix(features, w_plus, zeros), network.mix(features, w_plus, ones)
    network.bank.conv1.activate.bias += 1
    assert torch.equal(network.mix(features, w_plus, zeros), without)
    assert (network.mix(features, w_plus, ones) - with_bank).abs().max() > 1e-3  # negative control


@torch.no_grad()
def test_pdn_samples():
    restorer, A = small(PDN).double(), AveragePool(4)
    y = measurement(restorer).double()
    z = torch.randn(2, 6, generator=torch.Generator().manual_seed(2)).double()
    for value in restorer.network.bank.convs:  # noise strengths start at 0
        value.noise.weight.fill_(0.3)

    def seeded(seed):
        return torch.Generator().manual_seed(seed)

    samples = [restorer(y, generator=seeded(s)) for s in range(3)] + [restorer(y, z), restorer(y, z, seeded(0))]
    assert all((A(x) - y).abs().max() < 1e-13 for x in samples)
    for i, a in enumerate(samples):
        assert all((a - b).abs().max() > 1e-3 for b in samples[:i])
    assert torch.equal(restorer(y, generator=seeded(0)), samples[0]) and torch.equal(restorer(y, z), samples[3])
    one = restorer(y, z[:1])
    assert torch.equal(one, restorer(y, z[:1].expand(2, -1)))


@torch.no_grad()
def test_pdn_choices():
    y = measurement(small(PDN))
    z = torch.ones(1, 6)

    def seeded():
        return torch.Generator().manual_seed(3)

    quiet = small(PDN, fresh_noise=False)
    for restorer in (quiet, small(PDN)):
        restorer.network.bank.conv1.noise.weight.fill_(1.0)
    assert torch.equal(quiet(y, z, seeded()), quiet(y, z))
    plain = small(PDN, fuse_rgb=False)
    assert not hasattr(plain.network, "fusion_skip") and plain(y, z).shape == (2, 3, 16, 16)
    learning = small(PDN, train_bank=True)
    assert all(p.requires_grad for p in learning.network.parameters())
    A = Resize(16, 4, "bicubic").double()
    exact = small(PDN, A=A).double()
    assert (A(exact(y.double(), z)) - y).abs().max() < 1e-13
    alone = Restorer(small(PDN).network)(y)  # without the null-space step
    assert (AveragePool(4)(alone) - y).abs().max() > 1e-2
    assert torch.equal(
        enforce_consistency(Restorer(quiet.network).network(2 * y - 1, z) / 2 + 0.5, y, quiet.A), quiet(y, z)
    )


@torch.no_grad()
def test_a_new_pdn_is_its_prior_but_for_the_encoders_share():
    z = torch.randn(2, 6, generator=torch.Generator().manual_seed(4))
    for near, close in ((True, True), (False, False)):  # a random start is the negative control
        restorer = small(PDN, near_prior=near)
        network = restorer.network
        silent = [torch.zeros_like(f) for f in network.encode(2 * measurement(restorer) - 1)]
        x_r, sample = network.grow_from(silent, network.bank.mapping(z)).rgb, network.bank(network.bank.mapping(z))
        assert torch.allclose(x_r, sample, rtol=1e-5, atol=1e-6) is close


@pytest.mark.parametrize("shape", [(2, 5), (3, 6), (6,), (2, 2, 6), (0, 6)])
def test_pdn_refuses_other_z(shape):
    restorer = small(PDN)
    with pytest.raises(ValueError, match=r"z must be \(2, 6\), or \(1, 6\) for all images, got"):
        restorer(measurement(restorer), torch.zeros(shape))


def test_pdn_is_glean_without_head_and_decoder():
    glean, pdn = GLEAN(8, 16, CHANNELS, **SMALL).network, PDN(8, 16, CHANNELS, **SMALL).network
    rest = {k for k in glean.state_dict() if not k.startswith(("decoder.", "encoder.2."))}
    assert pdn.state_dict().keys() == rest < glean.state_dict().keys()


@torch.no_grad()
def test_new_dense_blocks_are_near_the_identity():
    """Their weights begin at a tenth of the usual scale; at that scale they would not be. An RRDB hence starts as
    1.2 x: it adds a fifth of three such blocks to its input."""
    torch.manual_seed(0)
    stem = GLEAN(8, 16, CHANNELS, rrdb_blocks=2, rrdb_channels=16, style_dim=6, n_mlp=2).network.encoder[0][0]
    x = torch.randn(1, 16, 8, 8)
    rrdb, dense = stem.body[0], stem.body[0].rdb1
    assert 0 < (dense(x) - x).norm() / x.norm() < 0.1
    assert (rrdb(x) - 1.2 * x).norm() / x.norm() < 0.1
    for p in dense.parameters():
        p *= 10
    assert (dense(x) - x).norm() / x.norm() > 0.1
