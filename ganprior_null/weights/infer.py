"""What network a state dict belongs to, read off its tensors' shapes."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from ..priors import StyleGAN2, StyleGAN2Discriminator, channel_table
from ..restorers import DegradationEncoder, GLEANNetwork, PaniniMFRNetwork, PaniniNetwork, PDNNetwork
from ..restorers.bank import BankNetwork


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


def infer_restorer(state_dict: Mapping[str, Tensor]) -> tuple[type[BankNetwork], dict]:
    """The bare network GLEAN, Panini, PaniniMFR or PDN whose weights these are (our names), and its arguments.

    Raises ValueError when a tensor that tells them is missing or has another rank than it should.
    """
    kind = _restorer_kind(state_dict)
    if not (bank := bank_of(state_dict)):
        raise ValueError(f"this {kind.title} has no bank of our names; layout 'mmagic-glean' or 'panini' converts it")
    prior = infer_stylegan2(bank)
    levels = _count(state_dict, r"fusion_out\.(\d+)\.weight")
    if not levels:
        raise ValueError(f"no {kind.title}: the tensor fusion_out.0.weight is missing (of {len(state_dict)} tensors)")
    config = {
        "in_size": 2 * 2**levels * (8 if kind is PaniniMFRNetwork else 1),
        "out_size": prior["size"],
        "channels": prior["channels"],
        "rrdb_blocks": _count(state_dict, r"encoder\.0\.0\.body\.(\d+)\.rdb1\.conv1\.weight"),
        "rrdb_channels": _shape(state_dict, "encoder.0.0.conv_first.weight", 4)[0],
        "style_dim": prior["style_dim"],
        "n_mlp": prior["n_mlp"],
    }
    if kind is PDNNetwork:
        config["fuse_rgb"] = "fusion_skip.0.weight" in state_dict
    return kind, config


def bank_of(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the StyleGAN2 inside a GLEAN, Panini or PDN (our names); none for another network."""
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
    if issubclass(kind, BankNetwork):
        size = config["out_size"]
        parts = [f"{kind.title} {config['in_size']} -> {size}", _widths(size, config["channels"])]
        parts.append(f"{config['rrdb_blocks']} RRDB blocks of {config['rrdb_channels']} channels")
    else:
        parts = [kind.__name__, f"{config['size']} px", _widths(config["size"], config["channels"])]
    if "n_mlp" in config:
        parts += [f"{config['n_mlp']} mapping layers", f"{config['style_dim']} latent dimensions"]
    return ", ".join(parts)


def infer(state_dict: Mapping[str, Tensor]) -> tuple[type[nn.Module], dict]:
    """The class and its arguments. Raises ValueError for a state dict of no network of this package."""
    if "final_conv.0.weight" in state_dict:
        return StyleGAN2Discriminator, infer_discriminator(state_dict)
    if "encoder.0.0.conv_first.weight" in state_dict:
        return infer_restorer(state_dict)
    if "E.0.weight" in state_dict:
        return DegradationEncoder, {}
    return StyleGAN2, infer_stylegan2(state_dict)


def _restorer_kind(state_dict: Mapping[str, Tensor]) -> type[BankNetwork]:
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


def _count(state_dict: Mapping[str, Tensor], pattern: str, first: int = 0) -> int:
    """How many consecutive indices, from first, match the pattern's group."""
    found = {int(match[1]) for key in state_dict if (match := re.fullmatch(pattern, key))}
    count = 0
    while first + count in found:
        count += 1
    return count


def _widths(size: int, channels: dict[int, int]) -> str:
    for multiplier in (1, 2):
        if channels == channel_table(size, multiplier):
            return "512 channels" if size <= 32 else f"channel multiplier {multiplier}"
    return "channels " + "-".join(str(channels[r]) for r in sorted(channels))
