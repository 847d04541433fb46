"""pSp, GFP-GAN, GPEN and ESRGAN against the published programs, run once on random weights.

Tolerances as in test_stylegan2.py. Gradients are taken with respect to the tensors of the published file itself,
through its conversion.
"""

import copy
import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.func import functional_call

from ganprior_null import AveragePool, NullSpace, losses
from ganprior_null.layers import IRSE50
from ganprior_null.priors import FacialComponentDiscriminator, StyleGAN2Discriminator
from ganprior_null.restorers import Restorer
from ganprior_null.restorers.psp import shrink
from ganprior_null.weights import build, convert, load_weights
from ganprior_null.weights.infer import infer

from .test_stylegan2 import Reference, activations


@pytest.fixture(scope="module")
def reference(shared):
    return lambda name: Reference(shared / "parity", name)


class Call(torch.nn.Module):
    """A network inside the computation of a loss, so that ``functional_call`` can exchange its tensors."""

    def __init__(self, network: torch.nn.Module, loss: Callable[[], Tensor]):
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self) -> Tensor:
        return self.loss()


def check_gradients(ref: Reference, network, weights: dict[str, Tensor], layout: str, loss) -> None:
    """Every norm that the manifest records, of the gradient of loss() with respect to ``weights``, a file's tensors."""
    entry = json.loads((ref.folder / "manifest.json").read_text())["vectors"][ref.name]
    leaves = {k: weights[k].requires_grad_() for k in entry["grad_norms"]}
    ours = {f"network.{k}": v for k, v in convert(weights | leaves, layout).items()}
    value = functional_call(Call(network, loss), ours, ())
    grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    norms = {k: float(g.norm()) for k, g in zip(leaves, grads, strict=True) if g is not None}
    largest = max(entry["grad_norms"].values())
    for name, norm in entry["grad_norms"].items():
        # a leaky ReLU's corner may fall on either side, as for the gradients with respect to the input
        assert norms.get(name, 0.0) == pytest.approx(norm, rel=2e-3, abs=1e-5 * largest), name


def psp_file(ref: Reference) -> dict:
    return {"state_dict": ref.weights("encoder") | ref.weights("decoder"), "latent_avg": ref["latent_avg"]}


@pytest.fixture(scope="module")
def psp(reference):
    ref = reference("psp_in64_out64")
    return build(convert(psp_file(ref), "psp")), ref


def test_psp(psp):
    network, ref = psp
    network.eval()
    x = ref["x"].clone().requires_grad_()
    w_plus = network.latents(x)
    img = network(x)
    pooled = F.adaptive_avg_pool2d(img, ref["y"].shape[-1])
    l2, norm = F.mse_loss(pooled, ref["y"]), losses.w_norm(w_plus, network.latent_avg)
    (grad_x,) = torch.autograd.grad(l2 + 0.005 * norm, x)
    ref.check(codes=w_plus - network.latent_avg, w_plus=w_plus, img=img, img_pooled=pooled)
    ref.check(loss_l2=l2, loss_w_norm=norm, grad_x=grad_x)
    mixed = network.inject(w_plus, ref["inject_latent"], (5, 6, 7), 0.4)
    ref.check(img_mix=network.bank(mixed), img_from_z=network.bank(network.bank.mapping(ref["z"])))


def test_psp_activations(psp):
    network, ref = psp
    network.eval()
    parts = ["input_layer", "body.2", "body.6", "body.20", "body.23", "latlayer1", "latlayer2"]
    names = {f"act_encoder_{part.replace('.', '_')}": f"encoder.{part}" for part in parts}
    ref.check(**activations(network, names, lambda: network(ref["x"])))


def test_psp_gradients_and_training_mode(psp):
    network, ref = psp
    network.eval()

    def loss():
        w_plus = network.latents(ref["x"])
        l2 = F.mse_loss(F.adaptive_avg_pool2d(network.bank(w_plus), 32), ref["y"])
        return l2 + 0.005 * losses.w_norm(w_plus, network.latent_avg)

    check_gradients(ref, network, psp_file(ref)["state_dict"] | {"latent_avg": ref["latent_avg"]}, "psp", loss)
    with torch.no_grad():
        codes = copy.deepcopy(network.encoder).train()(ref["x"])  # a copy, whose running means it changes
    ref.check(codes_trainmode=codes)
    assert ref.gap("codes", codes) > 1  # negative control: the modes do differ


def test_identity_loss(reference):
    ref = reference("psp_irse50_id")
    network = IRSE50(widths=(4, 8, 16, 32), reduction=4, features=16).eval()
    assert load_weights(network, ref.weights("facenet")).exact
    y, x = ref["y_u8"] / 255, (ref["y_hat_u8"] / 255).requires_grad_()
    loss = losses.identity_loss(x, y, network)
    (grad,) = torch.autograd.grad(loss, x)  # of [0, 1], twice that of [-1, 1]
    with torch.no_grad():
        crops = [losses.crop_face(image) for image in (y, x)]
        ref.check(crop112=crops[1][:1], feats_y=network(crops[0]), feats_y_hat=network(crops[1]))
        ref.check(feats_x112=network(ref["x112"]))
    ref.check(loss_id=loss, grad_y_hat_pooled8=F.avg_pool2d(grad / 2, 8) * 64)
    names = {f"act_body_{i}": f"body.{i}" for i in (2, 6, 20, 23)}
    ref.check(**activations(network, names, lambda: network(ref["x112"])))


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_psp_training_images(reference, factor):
    ref = reference("psp_sr_degrade")
    down = shrink(ref["img_u8"] / 255, factor)
    ref.check(**{f"down_f{factor}": down})
    lr = (down.clamp(0, 1) * 255).byte()[0]  # truncated
    assert torch.equal(lr, ref[f"lr_u8_f{factor}"])
    back = Image.fromarray(lr.permute(1, 2, 0).numpy()).resize((64, 64), Image.Resampling.BILINEAR)
    assert np.array_equal(np.asarray(back).transpose(2, 0, 1), ref[f"back_u8_f{factor}"])


GFPGAN = {  # entry: part, layout
    "gfpgan_v1_out64": ("gfpgan", "gfpgan"),
    "gfpgan_clean_out64": ("gfpgan", "gfpgan"),
    "gfpgan_clean_out32_plain": ("gfpgan", "gfpgan"),
    "gfpgan_bilinear_out32": ("gfpgan", "gfpgan-bilinear"),
}


@pytest.fixture(scope="module", params=GFPGAN)
def gfpgan(reference, request):
    ref, (part, layout) = reference(request.param), GFPGAN[request.param]
    return build(convert({"params_ema": ref.weights(part)}, layout)), ref


def gfpgan_loss(network, encoded, img, gt) -> tuple[Tensor, Tensor]:
    return 0.1 * F.l1_loss(img, gt), losses.pyramid_l1(network.images(encoded.features), gt)


def test_gfpgan(gfpgan):
    network, ref = gfpgan
    lq = ref["lq"].clone().requires_grad_()
    encoded = network.encode(lq)
    img = network.grow(encoded.w_plus, encoded.conditions)
    pixel, pyramid = gfpgan_loss(network, encoded, img, ref["gt"])
    (grad,) = torch.autograd.grad(pixel + pyramid.sum(), lq)
    ref.check(img=img, latents=network.bank.spread(encoded.w_plus), loss_pix=pixel, loss_pyramid=pyramid, grad_lq=grad)
    ref.check(**{f"rgb_{rgb.shape[-1]}": rgb for rgb in network.images(encoded.features)})
    kept = [(r, pair) for r, pair in zip((8, 16, 32, 64), encoded.conditions, strict=False) if r < 64]
    ref.check(**{f"cond_scale_{r}": scale[:1] for r, (scale, _) in kept})
    ref.check(**{f"cond_shift_{r}": shift[:1] for r, (_, shift) in kept})
    assert torch.equal(network(lq), img)


def test_gfpgan_activations(gfpgan):
    network, ref = gfpgan
    levels = len(network.conv_body_up)
    names = {f"unet_up_{8 * 2**i}": f"conv_body_up.{i}" for i in range(levels)}
    names |= {f"unet_down_{2 * 2 ** (levels - i)}": f"conv_body_down.{i}" for i in range(levels)}
    names |= {"unet_first": "conv_body_first", "unet_final": "final_conv"}
    names |= {"act_stylegan_decoder_style_conv1": "bank.conv1", "act_stylegan_decoder_to_rgb1": "bank.to_rgb1"}
    names |= {f"act_stylegan_decoder_style_convs_{i}": f"bank.convs.{i}" for i in range(1, 2 * levels, 2)}
    names |= {f"act_stylegan_decoder_to_rgbs_{i}": f"bank.to_rgbs.{i}" for i in range(levels)}
    found = activations(network, {k: v for k, v in names.items() if k in ref.arrays}, lambda: network(ref["lq"]))
    assert found.keys() == {key for key in ref.arrays if key.startswith(("unet_", "act_"))}
    ref.check(**found)


def test_gfpgan_gradients(gfpgan):
    network, ref = gfpgan
    part, layout = GFPGAN[ref.name]

    def loss():
        encoded = network.encode(ref["lq"])
        pixel, pyramid = gfpgan_loss(network, encoded, network.grow(*encoded[:2]), ref["gt"])
        return pixel + pyramid.sum()

    check_gradients(ref, network, ref.weights(part), layout, loss)
    entry = json.loads((ref.folder / "manifest.json").read_text())["vectors"][ref.name]
    if entry["n_frozen"]:
        frozen = [not p.requires_grad for p in network.parameters()]
        assert (sum(frozen), len(frozen) - sum(frozen)) == (entry["n_frozen"], entry["n_trainable"])


@torch.no_grad()
def test_gfpgan_bilinear_and_its_clean_file_are_one_network(reference):
    ref = reference("gfpgan_bilinear_out32")
    clean, trained = (convert(ref.weights("clean"), "gfpgan"), convert(ref.weights("gfpgan"), "gfpgan-bilinear"))
    assert clean.keys() == trained.keys()
    for name, value in trained.items():
        torch.testing.assert_close(clean[name], value, rtol=1e-5, atol=1e-6, msg=name)  # folded and unfolded in float32
    ref.check(img=build(clean)(ref["lq"]))
    # negative control: the same names read as version 1 give another image, which no name can tell
    assert ref.gap("img", build(convert(ref.weights("gfpgan"), "gfpgan"))(ref["lq"])) > 1000


def test_facial_component_discriminator(reference):
    ref = reference("gfpgan_facedisc")
    D = FacialComponentDiscriminator(widths=(8, 16, 32))
    missing, unexpected = D.load_state_dict(ref.weights("disc"), strict=False)
    assert missing == ["conv2.0.kernel", "conv4.0.kernel"] and not unexpected  # constants, which the file leaves out
    fake = ref["fake"].clone().requires_grad_()
    (f0, f1), (r0, r1) = D.stages(fake), D.stages(ref["real"])
    style = 0.5 * losses.gram_l1(f0, r0) + losses.gram_l1(f1, r1)
    score, g = D(fake), losses.generator_loss(D(fake))
    (grad,) = torch.autograd.grad(g + 200 * style, fake)
    ref.check(score_fake=score, score_real=D(ref["real"]), feat0=f0[:1], feat1=f1[:1], loss_style=style, loss_g=g)
    ref.check(loss_d=losses.discriminator_loss(D(ref["real"]), score), grad_fake=grad)


GPEN = ("gpen_out64", "gpen_add_out32", "gpen_sr_in16_out64")


@pytest.fixture(scope="module", params=GPEN)
def gpen(reference, request):
    ref = reference(request.param)
    return build(convert(ref.weights("gpen"), "gpen")), ref


def gpen_noise(ref: Reference) -> list[Tensor]:
    return [ref[f"noise_{i}"] for i in range(4)] if "noise_0" in ref.arrays else []


def gpen_loss(ref: Reference, img: Tensor) -> dict[str, Tensor]:
    found = {"loss_smooth_l1": F.smooth_l1_loss(img, ref["gt"])}
    if "loss_g_gan" in ref.arrays:
        D = build(convert(ref.weights("disc"), "gpen", part="discriminator"))
        found |= {"score": D(img), "loss_g_gan": losses.generator_loss(D(img))}
    return found


def test_gpen(gpen):
    network, ref = gpen
    lq = ref["lq"].clone().requires_grad_()
    features = network.encode(lq)
    w, z = network.latents(features), network.final_linear(features[0].flatten(1))
    img = network.grow(features, w, gpen_noise(ref))
    found = gpen_loss(ref, img)
    (grad,) = torch.autograd.grad(sum(v for k, v in found.items() if k != "score"), lq)
    ref.check(img=img, latents=network.bank.spread(w), z=z, grad_lq=grad, **found)
    assert torch.equal(network(lq, gpen_noise(ref) or None), img)


def test_gpen_activations(gpen):
    network, ref = gpen
    stored = [key for key in ref.arrays if key.startswith("act_")]
    ours = {key: key.replace("act_ecd", "encoder.").replace("act_generator_", "bank.") for key in stored}
    ours = {key: name.replace("convs_", "convs.").replace("rgbs_", "rgbs.") for key, name in ours.items()}
    ref.check(**activations(network, ours, lambda: network(ref["lq"], gpen_noise(ref) or None)))


def test_gpen_gradients(gpen):
    network, ref = gpen

    def loss():
        found = gpen_loss(ref, network(ref["lq"], gpen_noise(ref) or None))
        return sum(value for key, value in found.items() if key != "score")

    check_gradients(ref, network, ref.weights("gpen"), "gpen", loss)


def test_gpen_discriminator(reference):
    ref = reference("gpen_d32")
    weights = convert(ref.weights("disc"), "gpen", part="discriminator")
    D = StyleGAN2Discriminator(32, ref.channels, group=None)
    assert load_weights(D, weights).exact
    x3 = ref["x3"].clone().requires_grad_()
    scores = D(x3)
    ref.check(score1=D(ref["x1"]), score3=scores, score6=D(ref["x6"]), r1_value=losses.r1_penalty(scores, x3))
    ref.check(grad_x3=torch.autograd.grad(D(x3).sum(), x3)[0])
    assert ref.gap("score6", build(weights)(ref["x6"])) > 100  # negative control: groups of 3, as StyleGAN2 has them


@pytest.mark.parametrize("naming", ["esrgan", "basicsr", "first"])
def test_esrgan(reference, naming):
    ref = reference("rrdbnet_x4")
    weights = convert({"params_ema": ref.weights(naming)}, "esrgan")
    network, lr = build(weights), ref["lr"].clone().requires_grad_()
    sr = network(lr)
    loss = F.l1_loss(sr, ref["gt"])
    ref.check(sr=sr, loss_l1=loss, grad_lr=torch.autograd.grad(loss, lr)[0])
    names = {"act_conv_first": "features.conv_first", "act_trunk_conv": "features.conv_body"}
    names |= {f"act_RRDB_trunk_{i}": f"features.body.{i}" for i in range(2)}
    ref.check(**activations(network, names, lambda: network(ref["lr"])))
    if naming == "esrgan":  # whose names the manifest has

        def loss():
            return F.l1_loss(network(ref["lr"]), ref["gt"])

        check_gradients(ref, network, ref.weights(naming), "esrgan", loss)


@torch.no_grad()
def test_esrgan_at_other_factors_and_esrgan_plus(reference):
    ref = reference("rrdbnet_x2_x1")
    for part in ("x2", "x1"):
        network = build(convert(ref.weights(part), "esrgan"))
        assert network.factor == int(part[1])
        ref.check(**{f"sr_{part}": network(ref[f"lr_{part}"])})
    plus = reference("esrganplus_x4")
    weights = convert(plus.weights("net"), "esrgan")
    network = build(weights)
    plus.check(sr=network(plus["lr"]))
    for block in (module for module in network.modules() if hasattr(module, "conv1x1")):
        block.plus = False  # negative control: the sums do matter
    assert plus.gap("sr", network(plus["lr"])) > 10


@torch.no_grad()
@pytest.mark.parametrize("name", ["psp_in64_out64", "gfpgan_v1_out64", "gpen_out64"])
def test_a_null_space_around_published_weights(reference, name):
    """y is enlarged, restored, and made consistent: A x = y to rounding."""
    ref, layout = reference(name), name.split("_")[0]
    network = build(convert(psp_file(ref) if layout == "psp" else ref.weights(layout), layout))
    A, y = AveragePool(8), torch.rand(2, 3, 8, 8)
    backbone = torch.nn.Sequential(torch.nn.Upsample(size=64, mode="bilinear"), Restorer(network))
    x = NullSpace(backbone, A)(y)
    assert (A(x) - y).abs().max() < 2e-6 * backbone(y).abs().max()  # float32, values up to 5
    assert (A(backbone(y)) - y).abs().max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("mistake", ["slope of the heads", "scale + 1", "features first", "no mean"])
def test_the_tolerances_refuse_wrong_arithmetic(reference, mistake, monkeypatch):
    name = {"slope of the heads": "psp_in64_out64", "no mean": "psp_in64_out64"}.get(mistake)
    name = name or {"scale + 1": "gfpgan_clean_out64", "features first": "gpen_out64"}[mistake]
    ref, layout = reference(name), name.split("_")[0]
    if mistake == "slope of the heads":
        monkeypatch.setattr("ganprior_null.restorers.psp.SLOPE", 0.2)
    network = build(convert(psp_file(ref) if layout == "psp" else ref.weights(layout), layout))
    if mistake == "no mean":
        network.latent_avg.zero_()
    elif mistake == "scale + 1":
        for head in network.condition_scale:
            head[-1].bias += 1
    elif mistake == "features first":
        cat = torch.cat
        monkeypatch.setattr(torch, "cat", lambda parts, dim=0: cat(parts[::-1], dim))
    assert ref.gap("img", network(ref["x" if layout == "psp" else "lq"])) > 10


PUBLISHED = {  # key table: layout, millions of parameters
    "psp_sr_1024": ("psp", 297.5),
    "gfpgan_v1_512_cm1": ("gfpgan", None),
    "gfpgan_clean_512_cm2": ("gfpgan", 86.4),
    "gpen_bfr_512": ("gpen", 71.0),
    "gpen_bfr_256": ("gpen", None),
    "rrdbnet_x4_esrgan": ("esrgan", 16.70),
    "rrdbnet_x4_basicsr": ("esrgan", 16.70),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_names_and_shapes(shared, name):
    """Every published network at its full size: names, shapes, and the number of parameters where it is known."""
    layout, millions = PUBLISHED[name]
    theirs = {}
    for line in (shared / "facts/keytables" / f"{name}.tsv").read_text().splitlines()[1:]:
        key, shape, *_ = line.split("\t")
        theirs[key] = torch.empty([int(s) for s in shape.split("x")] if shape != "scalar" else [], device="meta")
    if layout == "psp":
        theirs["latent_avg"] = torch.empty(512, device="meta")
    converted = convert(theirs, layout)
    kind, config = infer(converted)
    with torch.device("meta"):
        network = kind(**config)
        side, size = (8, 32) if layout == "esrgan" else (network.in_size, network.out_size)
        assert network(torch.empty(1, 3, side, side)).shape == (1, 3, size, size)
    ours = {key: value.shape for key, value in network.state_dict().items()}
    assert ours == {key: value.shape for key, value in converted.items()}
    if millions:
        assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
