"""Panini-Net, both forms, and its degradation encoder's pre-training: a bank of mmagic's names inside its own."""

import re
from collections.abc import Mapping

from torch import Tensor

from .infer import bank_of, infer_stylegan2
from .mmagic import ENCODER, GLEAN, NETWORK
from .rename import Layout


def drop_unused_latents(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published classes predict 18 latents at every size, and a bank below 1024 px ignores the last of them."""
    kept = dict(state_dict)
    if not (bank := bank_of(state_dict)):
        return kept
    config = infer_stylegan2(bank)
    rows = (2 * config["size"].bit_length() - 4) * config["style_dim"]  # L D
    for key in state_dict:
        if re.fullmatch(r"encoder\.\d+\.3\.(weight|bias)", key):
            kept[key] = state_dict[key][:rows]
    return kept


LAYOUT = Layout(
    parts={
        "generator": NETWORK,
        "degradation": ("encoder_q.",),
        "discriminator": GLEAN.parts["discriminator"],
    },
    names=GLEAN.names,
    landmarks={"generator": ENCODER, "degradation": ("E.0.weight",)},
    adapt=drop_unused_latents,
)
