"""Published layouts of pSp, GFP-GAN, GPEN and ESRGAN at made-up sizes: there, back, and what is refused."""

import math
import re

import pytest
import torch

from ganprior_null.layers import binomial
from ganprior_null.networks.rrdbnet import RRDBNet
from ganprior_null.restorers import GFPGANNetwork, GPENNetwork, PSPNetwork
from ganprior_null.weights import (
    build,
    convert,
    convert_file,
    describe,
    infer_restorer,
    infer_rrdbnet,
    load_checkpoint,
    load_weights,
)

from .test_weights import prefixed, same

CHANNELS = {4: 6, 8: 10, 16: 4, 32: 2}
CASES = [  # class, arguments
    (PSPNetwork, dict(in_size=32, out_size=8, encoder_widths=(7, 5, 9, 11), reduction=5)),
    (PSPNetwork, dict(in_size=64, out_size=32, encoder_widths=(8, 8, 16, 24), reduction=8)),
    (GFPGANNetwork, dict(out_size=8, resample="fir")),
    (GFPGANNetwork, dict(out_size=32, resample="fir", half=False)),
    (GFPGANNetwork, dict(out_size=16, resample="bilinear", one_code=True)),
    (GPENNetwork, dict(in_size=16, out_size=16, concat=True)),
    (GPENNetwork, dict(in_size=4, out_size=32, concat=True)),
    (GPENNetwork, dict(in_size=8, out_size=8, concat=False)),
]
WRAPPED = [
    lambda sd: sd,
    lambda sd: {"params_ema": sd, "params": {k: torch.zeros_like(v) for k, v in sd.items()}},
    lambda sd: {"g_ema": sd, "g": {}, "d": {}, "args": None},
    lambda sd: {"state_dict": sd, "epoch": 3},
    lambda sd: prefixed("module.", sd),
    lambda sd: {"params": prefixed("module.", sd)},
]
# published names and shapes, from the key lists of the released files, at the widths of SMALL
KEYS = {
    "psp": {
        "encoder.input_layer.2.weight": (7,),
        "encoder.body.3.shortcut_layer.0.weight": (5, 7, 1, 1),
        "encoder.body.23.res_layer.5.fc1.weight": (2, 11, 1, 1),
        "encoder.styles.3.convs.2.weight": (6, 6, 3, 3),
        "encoder.latlayer1.bias": (11,),
        "decoder.convs.1.activate.bias": (10,),
        "decoder.noises.noise_2": (1, 1, 8, 8),
    },
    "gfpgan": {
        "conv_body_first.0.weight": (5, 3, 1, 1),
        "conv_body_down.0.conv2.2.bias": (3,),
        "conv_body_down.0.skip.1.weight": (3, 5, 1, 1),
        "final_conv.1.bias": (3,),
        "final_linear.weight": (24, 48),
        "conv_body_up.0.conv2.activation.bias": (5,),
        "condition_shift.0.2.bias": (5,),
        "toRGB.0.bias": (3,),
        "stylegan_decoder.style_mlp.2.bias": (6,),
        "stylegan_decoder.style_convs.1.modulated_conv.modulation.weight": (10, 6),
        "stylegan_decoder.style_conv1.weight": (1,),
        "stylegan_decoder.style_conv1.activate.bias": (6,),
        "stylegan_decoder.noises.noise1": (1, 1, 8, 8),
    },
    "clean": {
        "conv_body_first.bias": (5,),
        "conv_body_up.0.conv1.weight": (3, 3, 3, 3),
        "conv_body_up.0.skip.weight": (5, 3, 1, 1),
        "stylegan_decoder.style_mlp.3.weight": (6, 6),
        "stylegan_decoder.style_convs.0.bias": (1, 10, 1, 1),
        "stylegan_decoder.to_rgbs.0.modulated_conv.weight": (1, 3, 10, 1, 1),
        "condition_scale.0.0.bias": (5,),
    },
    "gpen": {
        "ecd0.0.0.weight": (10, 3, 1, 1),
        "ecd1.0.0.kernel": (4, 4),
        "ecd1.0.2.bias": (6,),
        "final_linear.0.weight": (6, 96),
        "generator.input.input": (1, 6, 4, 4),
        "generator.conv1.activate.bias": (12,),
        "generator.convs.0.conv.weight": (1, 10, 12, 3, 3),
        "generator.to_rgbs.0.conv.modulation.weight": (20, 6),
    },
}


def network(kind, seed=0, **config):
    torch.manual_seed(seed)
    made = kind(**config, channels={r: CHANNELS[r] for r in CHANNELS if r <= config["out_size"]}, style_dim=6, n_mlp=2)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return made.eval()


def bank_published(key: str) -> str:
    """Our name of a tensor of the bank -> GFP-GAN's."""
    for ours, theirs in (
        (r"^style\.", "style_mlp."),
        (r"^input\.input$", "constant_input.weight"),
        (r"noises\.noise_", "noises.noise"),
        (r"\bconv\.(weight|modulation)", r"modulated_conv.\1"),
        (r"^conv(1|s\.\d+)\.", r"style_conv\1."),
        (r"noise\.weight$", "weight"),
    ):
        key = re.sub(ours, theirs, key)
    return "stylegan_decoder." + key


def gfpgan_published(net: GFPGANNetwork) -> dict:
    """The names of version 1 and of the bilinear form, without the constant filters."""
    found = {}
    for key, value in net.state_dict().items():
        if key.endswith("kernel"):
            continue
        name = bank_published(key.removeprefix("bank.")) if key.startswith("bank.") else key
        name = re.sub(r"(conv_body_up\.\d+\.(conv2|skip))\.1\.weight", r"\1.weight", name)
        name = re.sub(r"(conv_body_up\.\d+\.conv2)\.2\.bias", r"\1.activation.bias", name)
        found[re.sub(r"(condition_\w+\.\d+)\.1\.bias", r"\1.0.bias", name)] = value
    return found


def clean(equalised: dict) -> dict:
    """A bilinear network's tensors -> those of a clean file: constants multiplied in, modules of activations gone."""
    found, root = {}, math.sqrt(2)
    for key, value in equalised.items():
        mlp = re.fullmatch(r"(.*style_mlp\.)(\d+)(\..*)", key)
        s = 1 / math.sqrt(math.prod(value.shape[2:] if value.ndim == 5 else value.shape[1:])) if value.ndim > 1 else 1
        s = s if key.endswith("weight") and "constant_input" not in key else 1
        if mlp:
            key, s = f"{mlp[1]}{2 * int(mlp[2]) - 1}{mlp[3]}", s * 0.01 * root
        elif key.endswith("style_conv1.weight") or re.search(r"style_convs\.\d+\.weight$", key):
            s = root
        elif "activate.bias" in key:
            key, s, value = key.replace("activate.bias", "bias"), root, value.view(1, -1, 1, 1)
        elif re.search(r"^conv_body_first|^final_conv|conv1\.[01]|condition_\w+\.\d+\.0", key):
            s *= root
            key = key if "condition" in key else re.sub(r"\.[01]\.(weight|bias)$", r".\1", key)
        elif "skip" in key:
            key, s = key.replace("skip.1", "skip"), s / root
        key = re.sub(r"conv2\.(1|2|activation)\.", "conv2.", key)
        found[key] = value * s
    return found


def published(net) -> tuple[dict, str]:
    """A network's checkpoint under the published names, and its layout."""
    state = net.state_dict()
    if isinstance(net, PSPNetwork):
        return {k.replace("bank.", "decoder."): v for k, v in state.items()}, "psp"
    if isinstance(net, GPENNetwork):
        names = {k: re.sub(r"^encoder\.(\d+)\.", r"ecd\1.0.", k).replace("bank.", "generator.") for k in state}
        return {names[k]: v for k, v in state.items()}, "gpen"
    return gfpgan_published(net), "gfpgan" if net.bank.resample == "fir" else "gfpgan-bilinear"


@pytest.mark.parametrize(("kind", "config"), CASES)
def test_sizes_are_read_off_the_tensors(kind, config):
    net = network(kind, **config)
    found, inferred = infer_restorer(net.state_dict())
    assert found is kind and inferred.items() >= config.items()
    built, y = build(net.state_dict()), torch.rand(2, 3, net.in_size, net.in_size)
    assert same(built.state_dict(), net.state_dict()) and not built.training
    assert torch.equal(built(y), net(y))


@pytest.mark.parametrize(("kind", "config"), CASES)
def test_published_names_there_and_back(kind, config):
    net = network(kind, **config)
    theirs, layout = published(net)
    assert theirs.keys() != net.state_dict().keys()
    assert same(convert(theirs, layout), net.state_dict())


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("case", [0, 2, 5])
def test_wrapped_files(wrap, case, tmp_path):
    net = network(CASES[case][0], **CASES[case][1])
    theirs, layout = published(net)
    beside = {}
    if layout == "psp":
        net.latent_avg.copy_(torch.randn(6))  # rows are equal, as files have them
        beside = {"latent_avg": theirs.pop("latent_avg")[0]}
    checkpoint = wrap(theirs) | beside
    assert same(convert(checkpoint, layout), net.state_dict())
    torch.save(checkpoint, tmp_path / "in.pth")
    assert convert_file(layout, tmp_path / "in.pth", tmp_path / "out.safetensors").exact
    assert same(build(load_checkpoint(tmp_path / "out.safetensors")).state_dict(), net.state_dict())


@pytest.mark.parametrize("layout", KEYS)
def test_key_lists(layout):
    """Names and shapes written out, so that the table and its reverse above cannot err together."""
    kind, config = {"psp": CASES[0], "gpen": (GPENNetwork, dict(in_size=8, out_size=8))}.get(layout, CASES[2])
    if layout == "clean":
        config = config | {"resample": "bilinear"}
    theirs, _ = published(network(kind, **config))
    theirs = clean(theirs) if layout == "clean" else theirs
    assert {k: tuple(theirs[k].shape) for k in KEYS[layout]} == KEYS[layout]
    if "gfpgan" in layout:
        assert not any("kernel" in key for key in theirs)
        ours = convert(theirs, "gfpgan")
        assert torch.equal(ours["conv_body_down.0.skip.0.kernel"], binomial())
        assert torch.equal(ours["bank.to_rgbs.0.upsample.kernel"], binomial(4.0))


def test_a_clean_file_becomes_the_network_that_was_trained():
    net = network(GFPGANNetwork, out_size=16, resample="bilinear").double()
    folded = clean(gfpgan_published(net))
    ours = convert(folded, "gfpgan")
    assert ours.keys() == net.state_dict().keys()
    for key, value in net.state_dict().items():
        torch.testing.assert_close(ours[key], value, rtol=1e-12, atol=0, msg=key)
    wrong = convert({k: v.flip(0) if "skip" in k else v for k, v in folded.items()}, "gfpgan")
    assert not torch.allclose(wrong["conv_body_up.0.skip.1.weight"], ours["conv_body_up.0.skip.1.weight"])


def test_one_version_read_as_another():
    version1, later = network(GFPGANNetwork, out_size=16), network(GFPGANNetwork, out_size=16, resample="bilinear")
    folded = clean(gfpgan_published(later))
    with pytest.raises(ValueError, match="clean file of versions 1.2 to 1.4; this looks like the layout 'gfpgan'"):
        convert({"params_ema": folded}, "gfpgan-bilinear")
    with pytest.raises(ValueError, match="looks like GFP-GAN .*1.2 to 1.4.*; the model is GFP-GAN .* version 1"):
        load_weights(version1, convert(folded, "gfpgan"))
    with pytest.raises(ValueError, match="looks like GFP-GAN .* version 1.*; the model is .* the form of versions 1.2"):
        load_weights(later, convert(gfpgan_published(version1), "gfpgan"))
    beside, added = (
        network(GPENNetwork, in_size=8, out_size=8),
        network(GPENNetwork, in_size=8, out_size=8, concat=False),
    )
    with pytest.raises(ValueError, match="looks like GPEN .* features added.*; the model is GPEN .* features beside"):
        load_weights(beside, convert(published(added)[0], "gpen"))


@pytest.mark.parametrize("case", [0, 2, 5])
@pytest.mark.parametrize("layout", ["psp", "gfpgan", "gpen", "rosinality", "panini"])
def test_the_wrong_layout_names_the_right_one(case, layout):
    theirs, right = published(network(CASES[case][0], **CASES[case][1]))
    if layout != right:
        with pytest.raises(ValueError, match=f"layout '{layout}' does not fit .* this looks like the layout '{right}'"):
            convert({"state_dict": theirs}, layout)


def test_the_mean_of_w_is_missed_by_name():
    theirs, _ = published(network(CASES[0][0], **CASES[0][1]))
    mean = theirs.pop("latent_avg")
    for checkpoint in (theirs, {"state_dict": theirs, "latent_avg": None}):
        with pytest.raises(ValueError, match="there is no latent_avg, the mean of w"):
            convert(checkpoint, "psp")
    for short in (mean[0], mean[:1]):
        found = convert({"state_dict": theirs, "latent_avg": short}, "psp")["latent_avg"]
        assert torch.equal(found, mean[:1].expand(4, -1))
    with pytest.raises(ValueError, match=r"1 mismatched \(such as latent_avg: \(3, 6\) for \(4, 6\)\)"):
        build(convert({"state_dict": theirs, "latent_avg": mean[:3]}, "psp"))


def test_incomplete_files_and_descriptions():
    net = network(CASES[0][0], **CASES[0][1])
    assert describe(net.state_dict()) == (
        "pSp 32 -> 8, channels 6-10, encoder of 7-5-9-11 channels, 2 mapping layers, 6 latent dimensions"
    )
    theirs, _ = published(net)
    del theirs["encoder.styles.2.linear.bias"]
    with pytest.raises(ValueError, match="looks like pSp 32 -> 8, .* 1 missing"):
        build(convert(theirs, "psp"))


def esrgan_namings(net: RRDBNet) -> list[dict]:
    """The three sets of names, written from the published lists."""
    later = {k.removeprefix("features."): v for k, v in net.state_dict().items()}
    count, esrgan, first = len(net.features.body), {}, {}
    place = {"conv_first": "model.0", "conv_body": f"model.1.sub.{count}"}
    place |= {f"conv_up{i}": f"model.{3 * i}" for i in range(1, len(net.doublings) + 1)}
    last = 3 * len(net.doublings)
    place |= {"conv_hr": f"model.{last + 2}", "conv_last": f"model.{last + 4}"}
    old = {"conv_body": "trunk_conv", "conv_hr": "HRconv"} | {f"conv_up{i}": f"upconv{i}" for i in range(1, 5)}
    for key, value in later.items():
        name, kind = key.rsplit(".", 1)
        if match := re.fullmatch(r"body\.(\d+)\.rdb(\d)\.(conv\w+)", name):
            index, block, conv = match.groups()
            esrgan[f"RRDB_trunk.{index}.RDB{block}.{conv}.{kind}"] = value
            inner = conv if conv == "conv1x1" else f"{conv}.0"
            first[f"model.1.sub.{index}.RDB{block}.{inner}.{kind}"] = value
        else:
            esrgan[f"{old.get(name, name)}.{kind}"] = value
            first[f"{place[name]}.{kind}"] = value
    return [esrgan, later, first]


@pytest.mark.parametrize(
    "config",
    [
        dict(channels=5, blocks=2, factor=4, growth=3, plus=False),
        dict(channels=4, blocks=1, factor=4, growth=6, plus=True),
        dict(channels=6, blocks=1, factor=2, growth=2, plus=False),
        dict(channels=3, blocks=2, factor=1, growth=2, plus=False),
        dict(channels=3, blocks=1, factor=16, growth=2, plus=False),
    ],
)
def test_esrgan_under_three_names(config):
    torch.manual_seed(0)
    net = RRDBNet(**config).eval()
    assert infer_rrdbnet(net.state_dict()) == config
    y = torch.rand(1, 3, 8, 4)
    for theirs in esrgan_namings(net):
        for wrap in WRAPPED:
            assert same(convert(wrap(theirs), "esrgan"), net.state_dict())
    built = build(net.state_dict())
    assert torch.equal(built(y), net(y)) and built(y).shape == (1, 3, 8 * config["factor"], 4 * config["factor"])


def test_esrgan_is_refused_by_name():
    net = RRDBNet(4, 1, growth=2)
    theirs = esrgan_namings(net)[0]
    for layout in ("gpen", "mmagic-glean"):
        with pytest.raises(ValueError, match=f"layout '{layout}' does not fit .* this looks like the layout 'esrgan'"):
            convert(theirs, layout)
    with pytest.raises(ValueError, match="looks like ESRGAN 4x, 1 RRDB blocks of 4 channels; the model is ESRGAN. 4x"):
        load_weights(RRDBNet(4, 1, growth=2, plus=True), convert(theirs, "esrgan"))
    with pytest.raises(ValueError, match="factor must be a power of two .* got 3"):
        RRDBNet(4, 1, factor=3)
    with pytest.raises(ValueError, match="of factor 2 folds y by 2, which must divide 5 x 4"):
        RRDBNet(4, 1, factor=2)(torch.rand(1, 3, 5, 4))
