"""SinGAN against the published program; where ours is repaired, the published way stands here."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganprior_null.restorers.singan import (
    LAYERS,
    SinGANDiscriminator,
    SinGANGenerator,
    gradient_penalty,
    resize,
    resize_matrix,
    resize_taps,
)

from .test_stylegan2 import Reference, activations


@pytest.fixture(scope="module")
def reference(shared):
    return lambda name: Reference(shared / "parity", name)


def inner(x: Tensor) -> Tensor:
    """The program hands the generator pictures with zeros around them; ours adds the zeros."""
    assert not x[..., :LAYERS, :].any() and not x[..., -LAYERS:].any()
    return x[..., LAYERS:-LAYERS, LAYERS:-LAYERS]


def test_one_scale(reference):
    ref = reference("singan_stage")
    entry = json.loads((ref.folder / "manifest.json").read_text())["vectors"]["singan_stage"]
    G, D = SinGANGenerator((24, 12, 8, 8)).eval(), SinGANDiscriminator((24, 12, 8, 8)).eval()
    G.load_state_dict(ref.weights("G"), strict=True)
    D.load_state_dict(ref.weights("D"), strict=True)
    noise, previous, real = 0.3 * inner(ref["x"]), inner(ref["y"]), ref["real"]
    names = {"act_head": "head", "act_tail": "tail"} | {f"act_body_block{i}": f"body.block{i}" for i in (1, 2, 3)}
    ref.check(**activations(G, names, lambda: G(noise, previous)))
    with torch.no_grad():
        ref.check(fake_eval=G(noise, previous), map_real_eval=D(real))
    # training mode, in the order of the program: D on the real, on the fake, the penalty; then G
    G.train(), D.train()
    fake = G(noise, previous)
    scores = D(real)
    d_real, d_fake = -scores.mean(), D(fake.detach()).mean()
    penalty = 0.1 * gradient_penalty(D, real, fake.detach(), ref["alpha"].view(1, 1, 1, 1))
    ref.check(map_real_train=scores, fake_train=fake, loss_d_real=d_real, loss_d_fake=d_fake, loss_gp=penalty)
    rec = 10 * F.mse_loss(G(torch.zeros(()), inner(ref["z_prev"])), real)
    g = -D(fake).mean()
    assert float((g - ref["loss_g"]).abs()) <= ref.tolerance["loss_g"]
    ref.check(loss_rec=rec)
    norms = gradient_norms("D", D, d_real + d_fake + penalty) | gradient_norms("G", G, g + rec)
    largest = max(entry["grad_norms"].values())
    for name, norm in entry["grad_norms"].items():
        assert norms.get(name, 0.0) == pytest.approx(norm, rel=2e-3, abs=1e-5 * largest), name


def gradient_norms(what: str, network, loss: Tensor) -> dict[str, float]:
    names, parameters = zip(*network.named_parameters(), strict=True)
    grads = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {f"{what}.{name}": float(g.norm()) for name, g in zip(names, grads, strict=True) if g is not None}


def published_matrix(side: int, ratio: float) -> Tensor:
    """Pixels before the border weigh nothing, those behind it are mirrored."""
    index, weight = resize_taps(side, ratio)
    weight = torch.where(index < 0, 0.0, weight)
    weight = weight / weight.sum(1, keepdim=True)
    mirrored = torch.where(index < side, index.clamp_min(0), 2 * side - 1 - index)
    return torch.zeros(len(index), side, dtype=weight.dtype).scatter_add_(1, mirrored, weight)


def published_resize(x: Tensor, ratio: float) -> Tensor:
    x = (255 * ((x + 1) / 2).clamp(0, 1)).byte().double() / 127.5 - 1  # truncated
    rows, columns = (published_matrix(side, ratio) for side in x.shape[-2:])
    return (rows @ x @ columns.T).clamp(-1, 1).float()


@pytest.mark.parametrize(
    ("name", "ratio"),
    [("0p75", 0.75), ("0p5", 0.5), ("1p3333", 4 / 3), ("1p26", 2 ** (1 / 3)), ("0p7937", 2 ** (-1 / 3)), ("2", 2.0)],
)
def test_resize(reference, name, ratio):
    """The program's numbers come from its two faults on top of our weights; away from the borders, from ours alone."""
    ref = reference("singan_imresize")
    ref.check(**{f"out_s{name}": published_resize(ref["x"], ratio)})
    truncated, theirs = ref["x_truncated_u8"] / 127.5 - 1, ref[f"out_s{name}"]
    margin = 1 + int(3 * max(ratio, 1))
    ours = resize(truncated, ratio)[..., margin:-margin, margin:-margin]
    assert (ours - theirs[..., margin:-margin, margin:-margin]).abs().max() < 1e-5  # the tolerance of the entry
    assert (resize(ref["x"], ratio) - theirs).abs().max() > 1e-3  # the repairs do change the result
    matrix = resize_matrix(41, ratio)
    assert torch.allclose(matrix, matrix.flip(0, 1), atol=1e-12) == (41 * ratio == len(matrix))  # both borders alike


@torch.no_grad()
def test_the_chain(reference):
    ref = reference("singan_chain3")
    Gs = [SinGANGenerator((8, 8, 8, 8)).eval() for _ in range(3)]
    for k, G in enumerate(Gs):
        G.load_state_dict(ref.weights(f"G{k}"), strict=True)
    amplitudes, reals = ref["noise_amp"], [ref[f"real_{k}"] for k in range(3)]
    for k, G in enumerate(Gs):
        previous, noise = ref[f"prev_rec_{k}"], ref["z_0"] if k == 0 else torch.zeros(())
        if k:  # a level of 8 bits may flip, so the stored pictures go in
            h, w = reals[k].shape[-2:]
            ref.check(**{f"prev_rec_{k}": published_resize(ref[f"rec_{k - 1}"], 1 / 0.75)[..., :h, :w]})
            ours = 0.1 * (reals[k] - previous).square().mean().sqrt()
            assert abs(float(ours - amplitudes[k])) <= ref.tolerance["noise_amp"]
        ref.check(**{f"rec_{k}": G(amplitudes[k] * noise, previous)})
    ref.check(fake_2=Gs[2](amplitudes[2] * ref["noise_2"], ref["prev_rand_2"]))
    step, x = 2 ** (1 / 3), ref["lr"]
    for j in range(3):
        ref.check(**{f"sr_in_{j}": published_resize(x, step)})
        x = ref[f"sr_out_{j}"]
        ref.check(**{f"sr_out_{j}": Gs[2](amplitudes[2] * ref[f"sr_noise_{j}"], ref[f"sr_in_{j}"])})
    ref.check(sr=x[..., :40, :36])
