"""What network a state dict belongs to, read off its tensors' shapes."""

import itertools
import math
import re
from collections.abc import Mapping

from torch import Tensor, nn

from ..layers.irse import UNITS
from ..networks.rrdbnet import RRDBNet
from ..priors import StyleGAN2, StyleGAN2Discriminator, channel_table
from ..restorers import (
    DegradationEncoder,
    GFPGANNetwork,
    GLEANNetwork,
    GPENNetwork,
    PaniniMFRNetwork,
    PaniniNetwork,
    PDNNetwork,
    PSPNetwork,
)
from ..restorers.bank import BankNetwork, PriorNetwork


def infer_stylegan2(state_dict: Mapping[str, Tensor]) -> dict:
    """{"size", "style_dim", "n_mlp", "channels"}: the arguments of the StyleGAN2 whose weights these are (our names).

    Raises ValueError when a tensor that tells them is missing or has another rank than it should.
    """
    channels = {4: _shape(state_dict, "input.input", 4)[1]}
    style_dim = _shape(state_dict, "conv1.conv.modulation.weight", 2)[1]
    for i in range(_count(state_dict, r"to_rgbs\.(\d+)\.conv\.weight")):
        channels[8 * 2**i] = _shape(state_dict, f"convs.{2 * i}.conv.weight", 5)[1]
    n_mlp = _count(state_dict, r"style\.(\d+)\.weight", first=1)
    return {"size": max(channels), "style_dim": style_dim, "n_mlp": n_mlp, "channels": channels}


def infer_discriminator(state_dict: Mapping[str, Tensor]) -> dict:
    """{"size", "channels"}: the arguments of the StyleGAN2Discriminator whose weights these are (our names).

    Raises ValueError when a tensor that tells them is missing or has another rank than it should.
    """
    blocks = _count(state_dict, r"convs\.(\d+)\.conv1\.0\.weight", first=1)
    size = 4 * 2**blocks
    channels = {size: _shape(state_dict, "convs.0.0.weight", 4)[0]}
    for i in range(blocks):
        channels[size >> (i + 1)] = _shape(state_dict, f"convs.{i + 1}.conv2.1.weight", 4)[0]
    return {"size": size, "channels": channels}


def infer_restorer(state_dict: Mapping[str, Tensor]) -> tuple[type[PriorNetwork], dict]:
    """The bare network around a prior whose weights these are (our names), and its arguments.

    GLEAN, Panini, PaniniMFR, PDN, pSp, GFP-GAN or GPEN. Raises ValueError when a tensor that tells them is missing or
    has another rank than it should.
    """
    kind = _restorer_kind(state_dict)
    if not (bank := bank_of(state_dict)):
        raise ValueError(f"this {kind.title} has no bank of our names")
    prior = infer_stylegan2(bank)
    prior = {"out_size": prior.pop("size")} | prior
    if kind in READERS:
        return kind, prior | READERS[kind](state_dict, prior)
    levels = _count(state_dict, r"fusion_out\.(\d+)\.weight")
    if not levels:
        raise ValueError(f"no {kind.title}: the tensor fusion_out.0.weight is missing (of {len(state_dict)} tensors)")
    config = prior | {
        "in_size": 2 * 2**levels * (8 if kind is PaniniMFRNetwork else 1),
        "rrdb_blocks": _count(state_dict, r"encoder\.0\.0\.body\.(\d+)\.rdb1\.conv1\.weight"),
        "rrdb_channels": _shape(state_dict, "encoder.0.0.conv_first.weight", 4)[0],
    }
    if kind is PDNNetwork:
        config["fuse_rgb"] = "fusion_skip.0.weight" in state_dict
    return kind, config


def infer_rrdbnet(state_dict: Mapping[str, Tensor]) -> dict:
    """{"channels", "blocks", "factor", "growth", "plus"}: the arguments of the RRDBNet whose weights these are.

    Raises ValueError when a tensor that tells them is missing or has another rank than it should.
    """
    channels, seen = _shape(state_dict, "features.conv_first.weight", 4)[:2]
    doublings = _count(state_dict, r"conv_up(\d+)\.weight", first=1)
    return {
        "channels": channels,
        "blocks": _count(state_dict, r"features\.body\.(\d+)\.rdb1\.conv1\.weight"),
        "factor": 2**doublings // math.isqrt(seen // 3),
        "growth": _shape(state_dict, "features.body.0.rdb1.conv1.weight", 4)[0],
        "plus": "features.body.0.rdb1.conv1x1.weight" in state_dict,
    }


def bank_of(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the StyleGAN2 inside a network around one (our names); none for another network."""
    return {key.removeprefix("bank."): value for key, value in state_dict.items() if key.startswith("bank.")}


def describe(state_dict: Mapping[str, Tensor]) -> str:
    """One line for messages, such as "StyleGAN2, 256 px, channel multiplier 1, 2 mapping layers, 512 latent dimensions"
    or "GLEAN 8 -> 64, channels 32-32-32-24-16, 2 RRDB blocks of 16 channels, 4 mapping layers, 32 latent dimensions".
    """
    try:
        kind, config = infer(state_dict)
    except ValueError:
        names = ", ".join(list(state_dict)[:3]) or "no tensors"
        return f"no network of this package ({names}{', ...' if len(state_dict) > 3 else ''})"
    if kind is DegradationEncoder:
        return "Panini-Net's degradation encoder"
    if kind is RRDBNet:
        plus = "ESRGAN+" if config["plus"] else "ESRGAN"
        return f"{plus} {config['factor']}x, {config['blocks']} RRDB blocks of {config['channels']} channels"
    if issubclass(kind, PriorNetwork):
        size = config["out_size"]
        parts = [f"{kind.title} {config.get('in_size', size)} -> {size}", _widths(size, config["channels"])]
        parts += [tell(config) for key, tell in DETAILS.items() if key in config]
    else:
        parts = [kind.__name__, f"{config['size']} px", _widths(config["size"], config["channels"])]
    if "n_mlp" in config:
        parts += [f"{config['n_mlp']} mapping layers", f"{config['style_dim']} latent dimensions"]
    return ", ".join(parts)


def infer(state_dict: Mapping[str, Tensor]) -> tuple[type[nn.Module], dict]:
    """The class and its arguments. Raises ValueError for a state dict of no network of this package."""
    if any(mark in state_dict for mark in LANDMARKS):
        return infer_restorer(state_dict)
    if "features.conv_first.weight" in state_dict:
        return RRDBNet, infer_rrdbnet(state_dict)
    if "final_conv.0.weight" in state_dict:
        return StyleGAN2Discriminator, infer_discriminator(state_dict)
    if "E.0.weight" in state_dict:
        return DegradationEncoder, {}
    return StyleGAN2, infer_stylegan2(state_dict)


def make(kind: type[nn.Module], config: dict) -> nn.Module:
    """The network of that class and those arguments, as :func:`infer` tells them; its weights begin at random."""
    return kind.of_sizes(**config) if issubclass(kind, BankNetwork) else kind(**config)


def _psp(state_dict: Mapping[str, Tensor], prior: dict) -> dict:
    convs = _count(state_dict, r"encoder\.styles\.0\.convs\.(\d+)\.weight", step=2)
    starts = [0, *itertools.accumulate(UNITS)][:-1]
    widths = [_shape(state_dict, f"encoder.body.{i}.res_layer.3.weight", 4)[0] for i in starts]
    hidden = [_shape(state_dict, f"encoder.body.{i}.res_layer.5.fc1.weight", 4)[0] for i in starts]
    fits = [r for r in range(1, max(widths) + 1) if [w // r for w in widths] == hidden]
    if not fits:
        raise ValueError(f"no pSp: gates of {hidden} hidden channels for stages of {widths} channels")
    return {"in_size": 16 * 2**convs, "encoder_widths": tuple(widths), "reduction": fits[-1]}


def _gfpgan(state_dict: Mapping[str, Tensor], prior: dict) -> dict:
    steered = _shape(state_dict, "condition_scale.0.2.weight", 4)[0]
    return {
        "resample": "fir" if "bank.to_rgbs.0.upsample.kernel" in state_dict else "bilinear",
        "half": steered < prior["channels"][8],
        "one_code": _shape(state_dict, "final_linear.weight", 2)[0] == prior["style_dim"],
    }


def _gpen(state_dict: Mapping[str, Tensor], prior: dict) -> dict:
    halvings = _count(state_dict, r"encoder\.(\d+)\.1\.weight", first=1)
    seen = _shape(state_dict, "bank.conv1.activate.bias", 1)[0]
    return {"in_size": 4 * 2**halvings, "concat": seen > prior["channels"][4]}


READERS = {PSPNetwork: _psp, GFPGANNetwork: _gfpgan, GPENNetwork: _gpen}  # what else the tensors tell
LANDMARKS = {  # a tensor that no other network of ours has
    "encoder.latlayer1.weight": PSPNetwork,
    "condition_scale.0.2.weight": GFPGANNetwork,
    "encoder.0.0.weight": GPENNetwork,
    "encoder.0.0.conv_first.weight": None,  # GLEAN, PDN or Panini
}
DETAILS = {  # what describe says of an argument
    "rrdb_blocks": lambda c: f"{c['rrdb_blocks']} RRDB blocks of {c['rrdb_channels']} channels",
    "resample": lambda c: "version 1" if c["resample"] == "fir" else "the form of versions 1.2 to 1.4",
    "concat": lambda c: "features beside" if c["concat"] else "features added",
    "encoder_widths": lambda c: "encoder of " + "-".join(map(str, c["encoder_widths"])) + " channels",
}


def _restorer_kind(state_dict: Mapping[str, Tensor]) -> type[PriorNetwork]:
    for mark, kind in LANDMARKS.items():
        if kind and mark in state_dict:
            return kind
    if any(key.startswith("AFS_maskGen.") for key in state_dict):
        return PaniniNetwork if "choice_vector" in state_dict else PaniniMFRNetwork
    return GLEANNetwork if any(key.startswith("decoder.") for key in state_dict) else PDNNetwork


def _shape(state_dict: Mapping[str, Tensor], name: str, rank: int) -> tuple[int, ...]:
    if name not in state_dict:
        raise ValueError(f"no StyleGAN2: the tensor {name} is missing (of {len(state_dict)} tensors)")
    shape = tuple(state_dict[name].shape)
    if len(shape) != rank:
        raise ValueError(f"no StyleGAN2: {name} should have {rank} axes, got shape {shape}")
    return shape


def _count(state_dict: Mapping[str, Tensor], pattern: str, first: int = 0, step: int = 1) -> int:
    """How many indices first, first + step, ... match the pattern's group."""
    found = {int(match[1]) for key in state_dict if (match := re.fullmatch(pattern, key))}
    count = 0
    while first + step * count in found:
        count += 1
    return count


def _widths(size: int, channels: dict[int, int]) -> str:
    for multiplier in (1, 2):
        if channels == channel_table(size, multiplier):
            return "512 channels" if size <= 32 else f"channel multiplier {multiplier}"
    return "channels " + "-".join(str(channels[r]) for r in sorted(channels))
