"""Published GLEAN and Panini-Net layouts at made-up sizes: there, back, and what is refused."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open

from ganprior_null.restorers import (
    DegradationEncoder,
    GLEANNetwork,
    MomentumContrast,
    PaniniMFRNetwork,
    PaniniNetwork,
    PDNNetwork,
    Restorer,
)
from ganprior_null.weights import build, convert, convert_file, describe, infer_restorer, load_checkpoint, load_weights

from .test_weights import networks, prefixed, same, to_mmagic

SMALL = {"rrdb_blocks": 2, "rrdb_channels": 4, "style_dim": 6, "n_mlp": 3}
CASES = [  # class, in_size, out_size, channels
    (GLEANNetwork, 4, 8, {4: 6, 8: 5}),
    (GLEANNetwork, 4, 32, {4: 6, 8: 5, 16: 4, 32: 3}),
    (GLEANNetwork, 16, 32, {4: 6, 8: 7, 16: 4, 32: 3}),
    (PDNNetwork, 8, 16, {4: 6, 8: 5, 16: 7}),
    (PaniniNetwork, 4, 16, {4: 6, 8: 5, 16: 7}),
    (PaniniNetwork, 8, 64, {4: 6, 8: 6, 16: 6, 32: 6, 64: 3}),
    (PaniniMFRNetwork, 32, 64, {4: 6, 8: 6, 16: 6, 32: 6, 64: 3}),
    (PaniniMFRNetwork, 64, 64, {4: 6, 8: 6, 16: 6, 32: 6, 64: 3}),
]
LAYOUT = {GLEANNetwork: "mmagic-glean", PaniniNetwork: "panini", PaniniMFRNetwork: "panini"}


def network(kind=GLEANNetwork, in_size=4, out_size=8, channels=None, seed=0):
    torch.manual_seed(seed)
    return kind.of_sizes(in_size, out_size, channels or {4: 6, 8: 5}, **SMALL)


def published(state_dict) -> dict:
    """Our names -> the published ones: the bank is called generator and has mmagic's names."""
    bank = {key.removeprefix("bank."): value for key, value in state_dict.items() if key.startswith("bank.")}
    rest = {key: value for key, value in state_dict.items() if not key.startswith("bank.")}
    return rest | prefixed("generator.", to_mmagic(bank))


@pytest.mark.parametrize(("kind", "in_size", "out_size", "channels"), CASES)
def test_sizes_are_read_off_the_tensors(kind, in_size, out_size, channels):
    net = network(kind, in_size, out_size, channels)
    config = {"in_size": in_size, "out_size": out_size, "channels": channels, **SMALL}
    found, inferred = infer_restorer(net.state_dict())
    assert found is kind and inferred.items() >= config.items()
    built = build(net.state_dict())
    assert same(built.state_dict(), net.state_dict()) and not built.training
    y = torch.rand(1, 3, in_size, in_size)
    with torch.no_grad():
        x = net.eval()(y, torch.ones(1, 6)) if kind is PDNNetwork else net.eval()(y)
        assert torch.equal(built(y, torch.ones(1, 6)) if kind is PDNNetwork else built(y), x)


@pytest.mark.parametrize(("kind", "in_size", "out_size", "channels"), [case for case in CASES if case[0] in LAYOUT])
def test_published_names_there_and_back(kind, in_size, out_size, channels):
    net = network(kind, in_size, out_size, channels)
    theirs = published(net.state_dict())
    assert same(convert(theirs, LAYOUT[kind]), net.state_dict())
    assert theirs.keys() != net.state_dict().keys()


def files() -> list[dict]:
    """The ways in which versions 0.x and 1.x save a GLEAN, beside its discriminator and its loss."""
    bare = published(network().state_dict())
    D = to_mmagic(networks(16, channels={4: 4, 8: 4, 16: 4})[1].state_dict())
    inside = prefixed("generator.", bare) | prefixed("discriminator.", D)
    inside |= {"perceptual_loss.vgg.vgg_layers.0.weight": torch.zeros(2, 2)}
    raw = prefixed("generator.", {key: torch.zeros_like(value) for key, value in bare.items()})
    return [
        bare,
        {"state_dict": bare},
        inside,
        {"meta": {"epoch": 1}, "state_dict": inside, "optimizer": {"generator": {"state": {}}}},
        {"meta": {}, "state_dict": inside | raw | prefixed("generator_ema.", bare), "message_hub": {"a": 1}},
    ]


@pytest.mark.parametrize("which", range(5))
def test_files_of_both_versions(which, tmp_path):
    checkpoint, net = files()[which], network()
    assert same(convert(checkpoint, "mmagic-glean"), net.state_dict())
    if which >= 2:
        assert describe(convert(checkpoint, "mmagic-glean", part="discriminator")).startswith(
            "StyleGAN2Discriminator, 16"
        )
    torch.save(checkpoint, tmp_path / "in.pth")
    assert convert_file("mmagic-glean", tmp_path / "in.pth", tmp_path / "out.safetensors").exact
    built = build(load_checkpoint(tmp_path / "out.safetensors"))
    assert same(built.state_dict(), net.state_dict())
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["model"] == "GLEANNetwork" and metadata["layout"] == "mmagic-glean"
    config = json.loads(metadata["config"])
    assert (config["in_size"], config["out_size"], config["channels"]) == (4, 8, {"4": 6, "8": 5})
    assert Restorer(built)(torch.rand(1, 3, 4, 4)).shape == (1, 3, 8, 8)


def test_latents_that_the_published_class_ignores():
    """It predicts 18 latents at every size; a smaller bank uses the first ones."""
    net = network(PaniniNetwork, 4, 16, {4: 6, 8: 5, 16: 7})
    theirs = published(net.state_dict())
    for kind in ("weight", "bias"):
        head = theirs[f"encoder.1.3.{kind}"]
        theirs[f"encoder.1.3.{kind}"] = torch.cat([head, torch.ones(18 * 6 - len(head), *head.shape[1:])])
    assert same(convert(theirs, "panini"), net.state_dict())
    theirs["encoder.1.3.bias"] = theirs["encoder.1.3.bias"][:12]
    with pytest.raises(ValueError, match="this looks like Panini 4 -> 16, .* 1 mismatched"):
        build(convert(theirs, "panini"))


def test_the_pre_trained_degradation_encoder():
    """As the contrastive training saves it; and it fits into the network that it was trained for."""
    contrast = MomentumContrast(queue=4)
    checkpoint = {"epoch": 200, "arch": "x", "state_dict": prefixed("module.", contrast.state_dict())}
    for saved in (checkpoint, contrast.state_dict()):
        weights = convert(saved, "panini")
        assert same(weights, contrast.encoder_q.state_dict())
        assert same(convert(saved, "panini", part="degradation"), weights)
    assert isinstance(build(weights), DegradationEncoder)
    net = network(PaniniMFRNetwork, 32, 64, {r: 6 for r in (4, 8, 16, 32, 64)})
    assert load_weights(net.deg_encoder, weights).exact
    with pytest.raises(ValueError, match="holds no generator, only: degradation"):
        convert(checkpoint, "panini", part="generator")


def test_the_wrong_layout_says_what_it_found():
    G, glean = networks()[0], published(network().state_dict())
    whole = {"state_dict": prefixed("generator.", glean)}
    with pytest.raises(ValueError, match="'mmagic-glean', but a StyleGAN2, 16 px"):
        convert(to_mmagic(G.state_dict()), "mmagic-glean")
    with pytest.raises(ValueError, match="'panini', but a GLEAN 4 -> 8, channels 6-5, 2 RRDB blocks of 4 channels"):
        convert(whole, "panini")
    with pytest.raises(
        ValueError, match="layout 'mmagic' does not fit .*; this looks like the layout 'mmagic-glean' or 'panini'"
    ):
        convert(whole, "mmagic")
    with pytest.raises(ValueError, match="'mmagic-glean', but a Panini 4 -> 8"):
        convert(published(network(PaniniNetwork).state_dict()), "mmagic-glean")
    with pytest.raises(ValueError, match="did you mean 'mmagic-glean'"):
        convert(glean, "mmagic-gleam")


def test_incomplete_files():
    theirs = published(network().state_dict())
    without = {key: value for key, value in theirs.items() if not key.startswith("fusion_out")}
    with pytest.raises(ValueError, match="no GLEAN: the tensor fusion_out.0.weight is missing"):
        convert(without, "mmagic-glean")
    without = {key: value for key, value in theirs.items() if key != "decoder.1.2.bias"}
    with pytest.raises(ValueError, match="looks like GLEAN 4 -> 8, .*; the model is GLEAN 4 -> 8, .* 1 missing"):
        build(convert(without, "mmagic-glean"))


def test_weights_of_another_size_are_refused_by_name():
    net = network(GLEANNetwork, 4, 16, {4: 6, 8: 5, 16: 3})
    with pytest.raises(
        ValueError, match="this looks like GLEAN 4 -> 8, .*; the model is GLEAN 4 -> 16, channels 6-5-3"
    ):
        load_weights(net, network().state_dict())


def test_the_command(tmp_path):
    torch.save({"state_dict": prefixed("generator.", published(network().state_dict()))}, tmp_path / "in.pth")

    def command(*arguments):
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "ganprior_null",
                "convert",
                *arguments,
                tmp_path / "in.pth",
                tmp_path / "o.safetensors",
            ],
            capture_output=True,
            text=True,
        )

    wrong = command("mmagic")
    assert wrong.returncode == 2 and "mmagic-glean" in wrong.stderr and wrong.stderr.count("\n") == 1
    assert not (tmp_path / "o.safetensors").exists()
    right = command("mmagic-glean")
    assert right.returncode == 0 and "tensors loaded" in right.stdout
