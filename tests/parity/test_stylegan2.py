"""Numbers of the published implementations, run once on random weights; tolerances are those measured with them.

Each tolerance is 20 times the gap between the reference's own float32 and float64 runs (at least 2e-6 of the largest
value), as its manifest records. The last tests show that these bounds do refuse wrong arithmetic.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ganprior_null import losses
from ganprior_null.layers import ModulatedConv2d, scaled_leaky_relu, upfirdn2d
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator, truncate
from ganprior_null.weights import build, convert, load_checkpoint


class Reference:
    """One entry: its stored arrays, their tolerances, its weights."""

    def __init__(self, folder: Path, name: str):
        entry = json.loads((folder / "manifest.json").read_text())["vectors"][name]
        self.folder, self.name, self.tolerance = folder, name, entry["tolerance"]
        self.channels = {int(r): width for r, width in entry.get("channels", {}).items()}
        arrays = np.load(folder / f"{name}.npz")
        self.arrays = {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    def __getitem__(self, key: str) -> Tensor:
        return self.arrays[key]

    def weights(self, part: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{self.name}.{part}.safetensors")

    def gap(self, key: str, ours: Tensor) -> float:
        """Largest difference in units of the tolerance; at most 1 is agreement."""
        assert ours.numel() == self[key].numel(), (key, ours.shape, self[key].shape)
        tolerance = self.tolerance.get(key, self.tolerance.get("*"))
        return float((ours.detach().reshape(self[key].shape) - self[key]).abs().max()) / tolerance

    def check(self, **ours: Tensor) -> None:
        gaps = {key: self.gap(key, value) for key, value in ours.items()}
        assert max(gaps.values()) <= 1, gaps


@pytest.fixture(scope="module")
def reference(folder_of):
    return lambda name: Reference(folder_of(name), name)


@pytest.fixture(scope="module")
def generator(reference) -> tuple[StyleGAN2, Reference]:
    ref = reference("sg2_g64")
    network = StyleGAN2(64, style_dim=64, n_mlp=8, channels=ref.channels).eval()
    network.load_state_dict(ref.weights("g_ema"), strict=True)  # its names are ours
    return network, ref


@pytest.fixture(scope="module")
def discriminator(reference) -> tuple[StyleGAN2Discriminator, Reference]:
    ref = reference("sg2_d64")
    network = StyleGAN2Discriminator(64, channels=ref.channels).eval()
    network.load_state_dict(ref.weights("d"), strict=True)
    return network, ref


@torch.no_grad()
def test_generator_images(generator):
    G, ref = generator
    w, w2 = G.mapping(ref["z"]), G.mapping(ref["z2"])
    noise = [ref[f"noise_{i}"] for i in range(9)]
    ref.check(
        w=w,
        latents_returned=G.spread(w),
        latent_avg=w2.mean(0),
        img_buffer_noise=G(w),
        img_from_w=G(G.spread(ref["w"])),
        img_from_wplus=G(ref["w_plus"]),
        img_explicit_noise=G(w, noise),
        img_mix_inject3=G(G.mix(w, w2, 3)),
        img_trunc0p7=G(truncate(w, ref["latent_avg"][0], 0.7)),
    )


def activations(network, names, run) -> dict[str, Tensor]:
    """{"act_..."} outputs of named submodules for the first sample, while run() runs."""
    found = {}

    def keep(key):
        return lambda module, inputs, output: found.update({key: output[:1]})

    hooks = [network.get_submodule(name).register_forward_hook(keep(key)) for key, name in names.items()]
    with torch.no_grad():
        run()
    for hook in hooks:
        hook.remove()
    return found


def test_generator_activations(generator):
    G, ref = generator
    names = {"act_style": "style", "act_input": "input", "act_conv1": "conv1", "act_to_rgb1": "to_rgb1"}
    names |= {f"act_convs_{i}": f"convs.{i}" for i in range(8)} | {f"act_to_rgbs_{i}": f"to_rgbs.{i}" for i in range(4)}
    ref.check(**activations(G, names, lambda: G(G.mapping(ref["z"]))))


def test_generator_written_as_a_loop_over_stages(generator):
    """What an encoder-bank network does: the same image from stages(), in its own loop."""
    G, ref = generator
    w, noise = G.spread(G.mapping(ref["z"])), list(G.noises)
    x = G.conv1(G.input(len(w)), w[:, 0], noise[0])
    rgb = G.to_rgb1(x, w[:, 1])
    for i, (resolution, up_conv, conv, to_rgb) in enumerate(G.stages()):
        x = up_conv(x, w[:, 2 * i + 1], noise[2 * i + 1])
        x = conv(x, w[:, 2 * i + 2], noise[2 * i + 2])
        rgb = to_rgb(x, w[:, 2 * i + 3], rgb)
        assert x.shape[-1] == rgb.shape[-1] == resolution
    ref.check(img_buffer_noise=rgb)


def test_discriminator(discriminator):
    D, ref = discriminator
    x = ref["x4"].clone().requires_grad_()
    score4, score3 = D(x), D(ref["x3"])
    ref.check(
        score4=score4,
        score8=D(ref["x8"]),
        score3=score3,
        score1=D(ref["x4"][:1]),
        grad_x4=torch.autograd.grad(score4.sum(), x, retain_graph=True)[0],
        r1_value=losses.r1_penalty(score4, x),
        d_logistic_real4_fake3=losses.discriminator_loss(score4, score3),
        g_nonsat_score4=losses.generator_loss(score4),
    )


def test_discriminator_activations(discriminator):
    D, ref = discriminator
    names = {f"act_convs_{i}": f"convs.{i}" for i in range(5)} | {"act_final_conv": "final_conv"}
    ref.check(**activations(D, names, lambda: D(ref["x4"])))


def test_upfirdn2d_and_activation(reference):
    ref = reference("sg2_ops")
    ours = {
        "fused_lrelu": scaled_leaky_relu(ref["x"], ref["bias"]),
        "fused_lrelu_nobias": scaled_leaky_relu(ref["x"]),
    }
    for key in ref.arrays:
        if key.startswith("up"):  # up1_down2_pad2_m1_asym: m is a minus sign
            up, down, before, after, kernel = key.split("_")[0:2] + key.partition("pad")[2].split("_")
            pad = int(before.replace("m", "-")), int(after.replace("m", "-"))
            ours[key] = upfirdn2d(ref["x"], ref[f"kernel_{kernel}"], up=int(up[2:]), down=int(down[4:]), pad=pad)
    assert len(ours) == 18
    ref.check(**ours)


def test_modulated_convolution(reference):
    ref = reference("sg2_modconv")
    weights = ref.weights("w")
    settings = {
        "plain": dict(kernel_size=3),
        "up": dict(kernel_size=3, resample="up"),
        "down": dict(kernel_size=3, resample="down"),
        "rgb": dict(kernel_size=1, demodulate=False),
    }
    for mode, arguments in settings.items():
        conv = ModulatedConv2d(6, 5, style_dim=10, **arguments)
        conv.load_state_dict({k.removeprefix(f"{mode}."): v for k, v in weights.items() if k.startswith(f"{mode}.")})
        y = conv(ref["x"], ref["style"])
        ref.check(**{f"y_{mode}": y})
        assert (y - ref[f"y_unfused_{mode}"]).abs().max() <= ref.tolerance["y_unfused_*"]


@pytest.mark.parametrize("file", ["sg2_g64.training_layout.pt", "sg2_g64.converted_layout.pt"])
def test_both_nested_layouts_hold_the_same_generator(shared, generator, file):
    G, _ = generator
    checkpoint = load_checkpoint(shared / "parity" / file)
    network = build(convert(checkpoint, "rosinality"))
    ours, theirs = network.state_dict(), G.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    if "latent_avg" in checkpoint:
        assert checkpoint["latent_avg"].shape == (64,)


@torch.no_grad()
def test_mmagic_generator(reference, generator):
    """The one difference is the eps of PixelNorm, a gap of 2.29e-5 in images as the manifest says, within its bound."""
    ref = reference("mm_sg2_g64")
    network = build(convert(ref.weights("generator"), "mmagic"))
    ref.check(img_buffer_noise=network(network.mapping(ref["z"])))
    rosinality, _ = generator
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), rosinality.parameters(), strict=True))


@torch.no_grad()
def test_mmagic_discriminator(reference):
    ref = reference("mm_sg2_d64")
    D = build(convert(ref.weights("discriminator"), "mmagic"))
    ref.check(score4=D(ref["x4"]), score8=D(ref["x8"]))


# One whole training iteration: D, R1, G, path length, moving average.


class Iteration:
    """The networks, optimisers and comparisons of the recorded iteration (32 px, batch 4)."""

    def __init__(self, ref: Reference):
        self.ref, self.states, self.grads = ref, ref.weights("states"), ref.weights("grads")
        self.G = build(self.state("G_init")).train()
        self.D = build(self.state("D_init")).train()
        self.ema = build(self.state("G_init"))
        self.g_optimizer = self.adam(self.G, interval=4)
        self.d_optimizer = self.adam(self.D, interval=16)

    def state(self, name: str) -> dict[str, Tensor]:
        return {k.removeprefix(f"{name}/"): v for k, v in self.states.items() if k.startswith(f"{name}/")}

    @staticmethod
    def adam(network, interval: int):
        r = interval / (interval + 1)  # one more step in ``interval`` than there are iterations
        return torch.optim.Adam(network.parameters(), lr=0.002 * r, betas=(0.0**r, 0.99**r))

    def step(self, name: str, network, optimizer, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        for key, parameter in network.named_parameters():
            # the reference adds 0 * output, so that every parameter has a gradient
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            theirs = self.grads[f"{name}.{key}"]
            # gradients that are zero but for rounding are measured against the largest of the step
            scale = max(float(theirs.abs().max()), 1e-6 * self.largest(name))
            gap = float((parameter.grad - theirs).abs().max()) / scale
            assert gap <= self.ref.tolerance["grads_rel"], (name, key, gap)
        optimizer.step()

    def largest(self, name: str) -> float:
        return max(float(g.abs().max()) for k, g in self.grads.items() if k.startswith(f"{name}."))

    def check_state(self, network, name: str) -> None:
        for key, theirs in self.state(name).items():
            gap = float((network.state_dict()[key] - theirs).abs().mean())
            assert gap <= self.ref.tolerance["states_mean_abs"], (name, key, gap)

    def check_loss(self, key: str, loss: Tensor) -> None:
        gap = float((loss.detach() - self.ref[key]).abs().max())
        assert gap <= self.ref.tolerance["losses"], (key, gap)


def test_one_training_iteration(reference):
    ref = reference("sg2_trainstep32")
    run = Iteration(ref)
    G, D, mapping = run.G, run.D, run.G.mapping

    # discriminator, on mixed styles
    with torch.no_grad():
        fake = G(G.mix(mapping(ref["zd0"]), mapping(ref["zd1"]), int(ref["inject_d"])))
    assert (fake - ref["fake_d"]).abs().max() <= ref.tolerance["losses"]
    loss = losses.discriminator_loss(D(ref["real"]), D(fake))
    run.check_loss("d_loss", loss)
    run.step("d", D, run.d_optimizer, loss)

    # R1: gamma / 2, times 16 because it comes every 16th time
    real = ref["real"].clone().requires_grad_()
    penalty = losses.r1_penalty(D(real), real)
    run.check_loss("r1_loss", penalty)
    run.step("r1", D, run.d_optimizer, 10 / 2 * 16 * penalty)
    run.check_state(D, "D_after_2steps")

    # generator
    loss = losses.generator_loss(D(G(mapping(ref["zg0"]))))
    run.check_loss("g_loss", loss)
    run.step("g", G, run.g_optimizer, loss)

    # path length: weight 2, times 4 because it comes every 4th time
    w_plus = G.mix(mapping(ref["zp0"]), mapping(ref["zp1"]), int(ref["inject_p"]))
    lengths = losses.path_lengths(G(w_plus), w_plus, ref["path_noise_unit"])
    penalty, mean = losses.path_length_penalty(lengths, float(ref["path_mean_in"]))
    run.check_loss("path_lengths", lengths)
    run.check_loss("path_mean_out", mean)
    run.check_loss("path_loss", penalty)
    run.step("path", G, run.g_optimizer, 2 * 4 * penalty)
    run.check_state(G, "G_after_2steps")

    with torch.no_grad():
        for average, parameter in zip(run.ema.parameters(), G.parameters(), strict=True):
            average.lerp_(parameter, 1 - 0.5 ** (32 / 10_000))
    run.check_state(run.ema, "G_ema")


# Negative controls: the bounds above are tight enough to refuse wrong arithmetic.


@torch.no_grad()
def test_wrong_latent_or_noise_is_seen(generator):
    G, ref = generator
    w = G.mapping(ref["z"])
    w_plus = G.spread(w).clone()
    w_plus[:, -1] *= 1.001  # the latent of the last to_rgb only
    assert ref.gap("img_buffer_noise", G(w_plus)) > 1
    noise = list(G.noises)
    noise[4] = noise[4].flip(-1)
    assert ref.gap("img_buffer_noise", G(w, noise)) > 1
    assert ref.gap("img_mix_inject3", G(G.mix(w, G.mapping(ref["z2"]), 4))) > 1


@torch.no_grad()
def test_groups_that_are_not_interleaved_are_seen(discriminator):
    D, ref = discriminator
    blocks = torch.cat([ref["x8"][:4], ref["x8"][4:]]).view(2, 4, 3, 64, 64).transpose(0, 1).reshape(8, 3, 64, 64)
    scores = D(blocks).view(4, 2).T.reshape(8, 1)  # as if images 0-3 and 4-7 were the groups
    assert ref.gap("score8", scores) > 1
