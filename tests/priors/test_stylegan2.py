"""StyleGAN2 and its discriminator as machines: sizes, latents, noise, groups, gradients of gradients, bad input."""

import pytest
import torch

from ganprior_null import losses
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator, channel_table, truncate
from ganprior_null.priors.discriminator import minibatch_stddev

WIDTHS = {4: 12, 8: 10, 16: 7, 32: 5, 64: 3, 128: 2}  # odd ones among them, all different


def small(size=16, **changes) -> StyleGAN2:
    """A generator whose biases and noise strengths matter, as after training."""
    torch.manual_seed(size)
    G = StyleGAN2(size, **{"style_dim": 6, "n_mlp": 2, "channels": WIDTHS} | changes).double()
    for name, parameter in G.named_parameters():
        if name.endswith(("bias", "noise.weight")):
            torch.nn.init.normal_(parameter)
    return G


def z(count: int, generator_seed: int = 0, dim: int = 6) -> torch.Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(generator_seed))


@pytest.mark.parametrize("size", [4, 8, 16, 32, 128])
@torch.no_grad()
def test_any_power_of_two_and_any_widths(size):
    G, D = small(size), StyleGAN2Discriminator(size, WIDTHS).double()
    x = G(G.mapping(z(3)))
    assert x.shape == (3, 3, size, size)
    assert D(x).shape == (3, 1)
    assert [stage.resolution for stage in G.stages()] == [2**k for k in range(3, size.bit_length())]
    assert len(list(G.noises)) == G.latents - 1


def test_published_widths():
    assert channel_table(1024) == {
        4: 512, 8: 512, 16: 512, 32: 512, 64: 512, 128: 256, 256: 128, 512: 64, 1024: 32
    }  # fmt: skip
    assert channel_table(256, multiplier=1)[256] == 64
    with torch.device("meta"):
        G, D = StyleGAN2(1024), StyleGAN2Discriminator(1024)
    assert sum(p.numel() for p in G.parameters()) == 30_370_060  # the published counts: 30.4 M and 29.0 M
    assert round(sum(p.numel() for p in D.parameters()) / 1e6, 1) == 29.0
    assert G.latents == 18


TABLES = ["g_ema_64_cm1", "g_ema_64_cm2", "g_ema_256_cm2", "g_ema_1024_cm2", "d_64_cm2", "d_1024_cm2"]


@pytest.mark.parametrize("table", TABLES)
def test_state_dict_has_the_published_names_and_shapes(shared, table):
    lines = (shared / "facts/keytables" / f"rosinality_{table}.tsv").read_text().splitlines()[1:]
    want = {name: shape for name, shape, *_ in (line.split("\t") for line in lines)}
    kind, *_, size, multiplier = table.split("_")
    with torch.device("meta"):
        model = StyleGAN2 if kind == "g" else StyleGAN2Discriminator
        network = model(int(size), channels=channel_table(int(size), int(multiplier[-1])))
    assert {key: "x".join(map(str, value.shape)) for key, value in network.state_dict().items()} == want


@torch.no_grad()
def test_w_and_w_plus_and_mixing_agree():
    G = small()
    w, other = G.mapping(z(2)), G.mapping(z(2, 1))
    assert torch.equal(G(w), G(G.spread(w)))
    assert torch.equal(G.spread(G.spread(w)), G.spread(w))
    assert torch.equal(G.mix(w, other, 0), G.spread(other))
    assert torch.equal(G.mix(w, other, G.latents), G.spread(w))
    mixed = G.mix(w, other, 3)
    assert torch.equal(mixed[:, 2], w) and torch.equal(mixed[:, 3], other)
    assert not torch.allclose(G(mixed), G(w))


@torch.no_grad()
def test_each_layer_listens_to_its_own_latent():
    G = small()
    w_plus = G.spread(G.mapping(z(1))).clone()
    x = G(w_plus)
    for i in range(G.latents):
        changed = w_plus.clone()
        changed[:, i] += 1
        assert (G(changed) - x).abs().max() > 1e-6, i


@torch.no_grad()
def test_truncation():
    G = small()
    w, mean = G.mapping(z(3)), G.mean_w(512, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(truncate(w, mean, 1.0), w, rtol=1e-14)
    assert torch.allclose(truncate(G.spread(w), mean, 0.0), mean.expand(3, G.latents, -1))
    assert torch.allclose((truncate(w, mean, 0.5) - mean).norm(dim=1), 0.5 * (w - mean).norm(dim=1))
    assert torch.equal(mean, G.mean_w(512, generator=torch.Generator().manual_seed(1)))


@torch.no_grad()
def test_scale_of_z_does_not_matter():
    G = small()
    assert torch.allclose(G.mapping(z(2)), G.mapping(1000 * z(2)), rtol=1e-6)  # eps 1e-8 on a mean square near 1


@torch.no_grad()
def test_noise_is_fixed_unless_fresh_is_given():
    G = small()
    w = G.mapping(z(2))
    assert torch.equal(G(w), G(w))
    one, two = (G.fresh_noise(2, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert torch.equal(G(w, one), G(w, G.fresh_noise(2, generator=torch.Generator().manual_seed(0))))
    assert not torch.allclose(G(w, one), G(w, two)) and not torch.allclose(G(w, one), G(w))
    assert torch.equal(G(w, list(G.noises)), G(w))
    shared_by_all = [n[:1] for n in one]
    assert torch.allclose(G(w[:1], shared_by_all), G(w, shared_by_all)[:1])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16])
def test_minibatch_statistic_takes_any_batch(count):
    """By definition: image i of N is in group i mod (N / G), G the largest divisor of N up to 4."""
    group = {1: 1, 2: 2, 3: 3, 4: 4, 5: 1, 6: 3, 7: 1, 8: 4, 9: 3, 10: 2, 12: 4, 16: 4}[count]
    x = torch.randn(count, 5, 4, 4, dtype=torch.float64)
    y = minibatch_stddev(x)
    assert torch.equal(y[:, :5], x)
    for i in range(count):
        mates = x[i % (count // group) :: count // group]
        assert len(mates) == group
        want = torch.sqrt(((mates - mates.mean(0)) ** 2).mean(0) + 1e-8).mean()
        assert torch.allclose(y[i, 5], want.expand(4, 4), rtol=1e-12)


def test_groups_of_the_minibatch_statistic():
    assert minibatch_stddev(torch.rand(0, 5, 4, 4), None).shape == (0, 6, 4, 4)
    with pytest.raises(ValueError, match="at least 1 image, got 0"):
        minibatch_stddev(torch.rand(2, 5, 4, 4), 0)


@pytest.mark.parametrize("count", [1, 3, 5, 6, 8])
def test_any_batch_trains_the_discriminator(count):
    D = StyleGAN2Discriminator(8, WIDTHS).double()
    x = torch.randn(count, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    losses.r1_penalty(D(x), x).backward()
    assert all(torch.isfinite(p.grad).all() for p in D.parameters() if p.grad is not None)


def directional(loss, parameters, epsilon=1e-8):
    """(by autograd, by central differences): the derivative of loss() along one random direction, float64.

    A gradient penalty jumps where a leaky ReLU changes sides: a step of 1e-8 meets almost no kink among 1e4
    activations, and rounding (1e-16 / 1e-8, relative to the values) still leaves five digits.
    """
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    direction = [torch.randn(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(7)) for p in parameters]
    exact = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True) if g is not None)
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += sign * epsilon * d
        values.append(loss().detach())
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p -= sign * epsilon * d
    return float(exact), float((values[0] - values[1]) / (2 * epsilon))


def test_r1_differentiates_a_gradient():
    torch.manual_seed(0)
    D = StyleGAN2Discriminator(16, WIDTHS).double()
    x = torch.randn(4, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    exact, numeric = directional(lambda: losses.r1_penalty(D(x), x), list(D.parameters()))
    assert exact == pytest.approx(numeric, rel=1e-5)


def test_path_length_differentiates_a_gradient():
    G = small(8)
    y = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def loss():
        w_plus = G.spread(G.mapping(z(2)))
        return losses.path_length_penalty(losses.path_lengths(G(w_plus), w_plus, y), 0.5)[0]

    exact, numeric = directional(loss, list(G.parameters()))
    assert exact == pytest.approx(numeric, rel=1e-5)


@torch.no_grad()
def test_path_lengths_are_norms_of_the_jacobian():
    G = small(4)
    w_plus = G.spread(G.mapping(z(1))).contiguous()
    y = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    J = torch.autograd.functional.jacobian(G, w_plus).reshape(48, G.latents, 6)
    want = torch.einsum("pld,p->ld", J, y.flatten() / 4).square().sum(1).mean().sqrt()
    with torch.enable_grad():
        w = w_plus.requires_grad_()
        assert torch.allclose(losses.path_lengths(G(w), w, y)[0], want, rtol=1e-12)


@torch.no_grad()
def test_features_stay_channels_last_whatever_comes_in():
    G, D = small(16), StyleGAN2Discriminator(16, WIDTHS).double()
    formats = []

    def look(module, inputs, output):
        formats.append(output.is_contiguous(memory_format=torch.channels_last))

    for layer in [G.conv1, *G.convs, *D.convs]:
        layer.register_forward_hook(look)
    x = G(G.mapping(z(2)))
    assert torch.allclose(D(x.contiguous()), D(x.to(memory_format=torch.channels_last)))
    assert len(formats) == 5 + 2 * 3 and all(formats)


def test_autocast_keeps_one_type_of_activation():
    """bfloat16 in every layer: parameters in float32 must not promote activations back. Only the RGB sum is float32."""
    G = small(16).float()
    types, sums = set(), set()
    for layer in G.convs:
        layer.register_forward_hook(lambda module, inputs, output: types.add(output.dtype))
    for layer in [G.to_rgb1, *G.to_rgbs]:
        layer.register_forward_hook(lambda module, inputs, output: sums.add(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        x = G(G.mapping(z(2).float()))
    x.float().square().mean().backward()
    assert types == {torch.bfloat16} and sums == {torch.float32}
    assert all(torch.isfinite(p.grad).all() for p in G.parameters() if p.grad is not None)


@pytest.mark.parametrize("size", [0, 2, 6, 48, 100, -8, 64.0, "64", True])
@pytest.mark.parametrize("network", [StyleGAN2, StyleGAN2Discriminator])
def test_sizes_that_are_no_power_of_two_are_refused(network, size):
    with pytest.raises(ValueError, match="size must be a power of two of at least 4"):
        network(size)


@pytest.mark.parametrize("channels", [{}, {4: 8, 8: 8}, {4: 8, 8: 8, 16: 0}, {4: 8, 8: 8, 16: 2.5}])
@pytest.mark.parametrize("network", [StyleGAN2, StyleGAN2Discriminator])
def test_incomplete_width_tables_are_refused(network, channels):
    with pytest.raises(ValueError, match=r"channels must give a width .* for each of \[4, 8, 16\]"):
        network(16, channels=channels)


def test_bad_inputs_are_refused_with_their_shape():
    G, D = small(16), StyleGAN2Discriminator(16, WIDTHS)
    w = G.mapping(z(2))
    with pytest.raises(ValueError, match=r"z must be \(N, 6\), got \(2, 5\)"):
        G.mapping(z(2, dim=5))
    with pytest.raises(ValueError, match=r"w_plus \(N, 6, 6\), got \(2, 4, 6\)"):
        G(G.spread(w)[:, :4])
    for noise in (list(G.noises)[:4], list(G.noises)[::-1], G.fresh_noise(3)):
        with pytest.raises(ValueError, match=r"noise must be 5 tensors \(2 or 1, 1, r, r\) with r = \[4, 8, 8, 16"):
            G(w, noise)
    with pytest.raises(ValueError, match="crossover must lie in 0 ... 6 for 16 px, got 7"):
        G.mix(w, w, 7)
    with pytest.raises(ValueError, match=r"x must be \(N, 3, 16, 16\), got \(2, 3, 8, 8\)"):
        D(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="at least 1, got 6 and 0"):
        small(16, n_mlp=0)
