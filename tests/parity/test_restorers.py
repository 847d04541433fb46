"""GLEAN, Panini-Net and PDN against the published implementations, run once on random weights.

Tolerances as in test_stylegan2.py: 20 times the reference's own gap between float32 and float64. The last test shows
that they refuse wrong arithmetic.
"""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from ganprior_null import PDN, AveragePool, losses
from ganprior_null.layers.rrdb import SLOPE
from ganprior_null.restorers import (
    GLEAN,
    GLEANNetwork,
    MomentumContrast,
    PaniniMFRNetwork,
    PaniniNetwork,
    PDNNetwork,
    Restorer,
    enforce_consistency,
)
from ganprior_null.weights import build, convert, load_weights

from .test_stylegan2 import Reference, activations


@pytest.fixture(scope="module")
def reference(folder_of):
    return lambda name: Reference(folder_of(name), name)


@pytest.fixture(scope="module")
def glean(reference) -> tuple[GLEANNetwork, Reference]:
    ref = reference("glean_in8_out64")
    network = GLEAN(8, 64, ref.channels, rrdb_blocks=2, rrdb_channels=16, style_dim=32, n_mlp=4).network.eval()
    assert load_weights(network, convert(ref.weights("glean"), "mmagic-glean")).exact
    return network, ref


@torch.no_grad()
def test_glean(glean):
    network, ref = glean
    features = network.encode(ref["lr"])
    w_plus = network.latents(features)
    grown = network.grow_from(features, w_plus)
    ref.check(sr=network(ref["lr"]), latents=w_plus, generator_rgb=grown.rgb)
    in_unit_range = Restorer(network)((ref["lr"] + 1) / 2)
    assert (in_unit_range - (ref["sr"] + 1) / 2).abs().max() < ref.tolerance["sr"]


def test_glean_activations(glean):
    network, ref = glean
    parts = [f"encoder.{k}" for k in range(3)] + [f"fusion_{way}.{k}" for way in ("out", "skip") for k in range(2)]
    parts += [f"decoder.{k}" for k in range(4)]
    names = {f"act_{part.replace('.', '_')}": part for part in parts}
    names |= {f"act_generator_convs_{i}": f"bank.convs.{i}" for i in (1, 3, 5, 7)}
    names |= {f"act_generator_to_rgbs_{i}": f"bank.to_rgbs.{i}" for i in range(4)}

    def run():
        features = network.encode(ref["lr"])
        grown = network.grow_from(features, network.latents(features))
        network.decode(features, grown.features)

    found = activations(network, names, run)
    assert found.keys() == names.keys()
    ref.check(**found)


def test_glean_losses_and_gradients(glean, shared):
    """Loss values of the published recipe, the norm of every gradient, and which parameters have none."""
    network, ref = glean
    entry = json.loads((shared / "parity/manifest.json").read_text())["vectors"]["glean_in8_out64"]
    D = build(convert(ref.weights("disc"), "mmagic-glean"))
    x = network(ref["lr"])
    pixel, adversarial = F.mse_loss(x, ref["gt"]), 1e-2 * losses.generator_loss(D(x))
    for key, value in {
        "loss_pix": pixel,
        "loss_gan": adversarial,
        "loss_d_real": F.softplus(-D(ref["gt"])).mean(),
        "loss_d_fake": F.softplus(D(x)).mean(),
    }.items():
        assert abs(float(value.detach() - ref[key])) <= ref.tolerance["losses"], key
    both = losses.discriminator_loss(D(ref["gt"]), D(x.detach()))
    assert abs(float(both.detach() - ref["loss_d_real"] - ref["loss_d_fake"])) <= 2 * ref.tolerance["losses"]

    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert sum(not p.requires_grad for p in network.parameters()) == entry["n_frozen"]
    assert not any(p.requires_grad for p in network.bank.parameters())
    grads = torch.autograd.grad(pixel + adversarial, list(trainable.values()), allow_unused=True)
    norms = {name: float(g.norm()) for name, g in zip(trainable, grads, strict=True) if g is not None}
    theirs = {name: norm for name, norm in entry["grad_norms"].items() if norm}
    assert len(norms) == entry["n_trainable"]
    assert norms.keys() == theirs.keys() == {name for name in trainable if not name.startswith("fusion_skip")}
    for name, norm in norms.items():
        assert norm == pytest.approx(theirs[name], rel=ref.tolerance["grad_norms_rel"]), name


@pytest.fixture(scope="module")
def pdn(reference, glean) -> tuple[PDN, Reference]:
    """PDN with the weights of GLEAN's encoder, fusions and bank."""
    ref, (network, glean_ref) = reference("pdn_in8_out64"), glean
    restorer = PDN(8, 64, glean_ref.channels, rrdb_blocks=2, rrdb_channels=16, style_dim=32, n_mlp=4).eval()
    weights = {k: v for k, v in network.state_dict().items() if not k.startswith(("decoder.", "encoder.2."))}
    assert load_weights(restorer.network, weights).exact
    return restorer, ref


@torch.no_grad()
def test_pdn(pdn):
    restorer, ref = pdn
    y = (ref["lr"] + 1) / 2
    A = AveragePool(8)
    assert (restorer.network.bank.mapping(ref["z"]) - ref["w"]).abs().max() < ref.tolerance["x_r"]
    ref.check(x_r=restorer.network(ref["lr"], ref["z"]), x_hat=2 * restorer(y, ref["z"]) - 1)
    ref.check(x_hat=enforce_consistency(restorer.network(ref["lr"], ref["z"]), ref["lr"], A))
    assert isinstance(build(restorer.network.state_dict()), PDNNetwork)


PANINI = {
    "panini_sr_in8_out64": (PaniniNetwork, dict(in_size=8, out_size=64, rrdb_channels=16)),
    "panini_mfr_in64_out128": (PaniniMFRNetwork, dict(in_size=64, out_size=128, rrdb_channels=8)),
}


@pytest.fixture(scope="module", params=PANINI)
def panini(reference, request):
    ref, (kind, config) = reference(request.param), PANINI[request.param]
    network = kind.of_sizes(**config, channels=ref.channels, rrdb_blocks=1, style_dim=32, n_mlp=2)
    assert load_weights(network, convert(ref.weights("panini"), "panini")).exact
    return network, ref


@torch.no_grad()
def test_panini(panini):
    network, ref = panini
    y, state = ref["lr"], {k: v.clone() for k, v in network.state_dict().items()}
    network.eval()
    features = network.encode(y)
    masks = torch.stack([mask.expand(len(y), -1, -1, -1) for mask in network.masks(y)], dim=1)
    ref.check(sr=network(y), latents=network.latents(features), mask_gan=masks, mask_enc=1 - masks)
    network.train()
    ref.tolerance["sr_trainmode"] = ref.tolerance["sr"]
    ref.check(sr_trainmode=network(y))
    assert ref.gap("sr", network(y)) > 1  # negative control: the modes do differ
    network.load_state_dict(state)


def test_panini_activations(panini):
    network, ref = panini
    network.eval()
    parts = ["encoder.0.1", "encoder.0", "encoder.1", "encoder.2", "fusion_out.0", "fusion_out.1"]
    names = {f"act_{part.replace('.', '_')}": part for part in parts}
    names |= {f"act_generator_to_rgbs_{i}": f"bank.to_rgbs.{i}" for i in range(len(network.bank.to_rgbs))}
    if "act_deg_encoder" in ref.arrays:
        names["act_deg_encoder"] = "deg_encoder"
    ref.check(**activations(network, names, lambda: network(ref["lr"])))


def test_degradation_pretraining(reference):
    ref = reference("panini_moco")
    contrast = MomentumContrast(queue=64)
    weights = ref.weights("moco")
    keys = {k.replace("encoder_q.", "encoder_k."): v for k, v in weights.items() if k.startswith("encoder_q.")}
    contrast.load_state_dict(weights | keys, strict=True)
    contrast.eval()
    with torch.no_grad():
        features, embeddings = contrast.encoder_q(ref["im_q"]), contrast.encoder_q.embed(ref["im_q"])
    assert (embeddings - ref["out_eval"]).abs().max() <= ref.tolerance["fea_eval"]
    alone = build(convert(weights, "panini", part="degradation"))
    ref.check(fea_eval=features)
    ref.check(fea_eval=alone(ref["im_q"]))
    contrast.train()
    logits = contrast(ref["im_q"], ref["im_k"])
    ref.check(logits=logits)
    loss = F.cross_entropy(logits, torch.zeros(4, dtype=torch.long))
    assert float(loss.detach()) == pytest.approx(
        float(ref["loss"]), rel=1e-3
    )  # e^-9.4: relative, as logits are good to 2e-4
    assert (contrast.queue - ref["queue_after"]).abs().max() < 1e-6  # unit vectors, float32
    assert torch.equal(contrast.queue_ptr, ref["queue_ptr_after"])


@torch.no_grad()
@pytest.mark.parametrize("mistake", ["no decoder input", "one latent for all", "half the residuals"])
def test_the_tolerances_refuse_wrong_arithmetic(glean, mistake, monkeypatch):
    network, ref = glean
    assert ref.gap("sr", network(ref["lr"])) <= 1
    if mistake == "no decoder input":
        grow = network.grow_from
        monkeypatch.setattr(network, "grow_from", lambda *a, **k: _first_stage_zeroed(grow(*a, **k)))
    elif mistake == "one latent for all":
        latents = network.latents
        monkeypatch.setattr(network, "latents", lambda f: latents(f)[:, :1].expand(-1, network.bank.latents, -1))
    else:
        monkeypatch.setattr("ganprior_null.layers.rrdb.RESIDUAL", SLOPE / 2)
    assert ref.gap("sr", network(ref["lr"])) > 10


def _first_stage_zeroed(grown):
    return grown._replace(features=[0 * grown.features[0], 0 * grown.features[1], *grown.features[2:]])


def test_published_names_and_shapes(shared):
    """Every published GLEAN and Panini-Net, at its full size: names, shapes and number of parameters."""
    published = {
        "glean_in128_out1024": (GLEANNetwork, 128, 1024, 174.2),
        "glean_in64_out1024": (GLEANNetwork, 64, 1024, 175.5),
        "glean_in32_out256": (GLEANNetwork, 32, 256, 162.5),
        "glean_in16_out256": (GLEANNetwork, 16, 256, 171.9),
        "glean_in8_out64": (GLEANNetwork, 8, 64, 150.2),
        "glean_in4_out64": (GLEANNetwork, 4, 64, 159.6),
        "panini_sr_in64_out1024": (PaniniNetwork, 64, 1024, 108.85),
        "panini_mfr_in512_out1024": (PaniniMFRNetwork, 512, 1024, 94.34),
    }
    for name, (kind, in_size, out_size, millions) in published.items():
        lines = (shared / "facts/keytables" / f"{name}.tsv").read_text().splitlines()[1:]
        theirs = {}
        for line in lines:
            key, shape, *_ = line.split("\t")
            theirs[key] = torch.empty([int(s) for s in shape.split("x")] if shape != "scalar" else [], device="meta")
        converted = convert(theirs, "mmagic-glean" if name.startswith("glean") else "panini")
        with torch.device("meta"):
            network = kind.of_sizes(in_size, out_size)
            assert network(torch.empty(2, 3, in_size, in_size)).shape == (2, 3, out_size, out_size)
        ours = {key: value.shape for key, value in network.state_dict().items()}
        assert ours == {key: value.shape for key, value in converted.items()}, name
        assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == pytest.approx(millions, abs=0.05)


def test_the_weights_are_those_of_the_peer(shared):
    """Negative control of the loading: one tensor less, and it is refused."""
    weights = load_file(shared / "parity/glean_in8_out64.glean.safetensors")
    del weights["fusion_out.1.bias"]
    with pytest.raises(ValueError, match="do not fit: this looks like GLEAN 8 -> 64, .* 1 missing"):
        build(convert(weights, "mmagic-glean"))
