r"""GFP-GAN: version 1, its sibling with bilinear resampling, and the clean files of 1.2 to 1.4.

Version 1 and the bilinear form have the same names and shapes, so that no tensor tells them apart. Only version 1 was
ever released: the layout ``gfpgan`` takes a file with these names for it, ``gfpgan-bilinear`` for the other. A clean
file holds the bilinear form with all constants folded into its weights; here they are taken out again.
"""

import math
import re
from collections.abc import Mapping

from torch import Tensor

from ..layers import binomial
from ..layers.equalized import GAIN
from ..priors.stylegan2 import LR_MAPPING
from .rename import AVERAGED, Layout, Names, rename

CLEAN = "conv_body_first.weight"  # in the others: conv_body_first.0.weight

STRENGTH_BIAS = {"weight": "noise.weight", "bias": "activate.bias"}
BANK: Names = (
    (r"^stylegan_decoder\.", "bank."),
    (r"\bconstant_input\.weight", "input.input"),
    (r"\bnoises\.noise(\d)", r"noises.noise_\1"),
    (r"\bstyle_conv(1|s\.\d+)\.(weight|bias)$", lambda m: f"conv{m[1]}.{STRENGTH_BIAS[m[2]]}"),
    (r"\bstyle_conv(?=1|s\.)", "conv"),
    (r"\bmodulated_conv\.", "conv."),
)
EQUALISED_NAMES: Names = (
    *BANK,
    (r"\bstyle_mlp\.", "style."),
    (r"(conv_body_up\.\d+)\.conv2\.weight", r"\1.conv2.1.weight"),
    (r"(conv_body_up\.\d+)\.conv2\.activation\.bias", r"\1.conv2.2.bias"),
    (r"(conv_body_up\.\d+)\.skip\.weight", r"\1.skip.1.weight"),
    (r"(condition_\w+\.\d+)\.0\.bias", r"\1.1.bias"),
)
CLEAN_NAMES: Names = (
    *BANK,
    (r"\bstyle_mlp\.(\d+)", lambda m: f"style.{(int(m[1]) + 1) // 2}"),  # its activations are modules that count
    (r"(conv_body_first|final_conv|\.conv1)\.weight", r"\1.0.weight"),
    (r"(conv_body_first|final_conv|conv_body_\w+\.\d+\.conv1)\.bias", r"\1.1.bias"),
    (r"\.conv2\.weight", ".conv2.1.weight"),
    (r"\.conv2\.bias", ".conv2.2.bias"),
    (r"\.skip\.weight", ".skip.1.weight"),
    (r"(condition_\w+\.\d+)\.0\.bias", r"\1.1.bias"),
)
FOLDED = (  # our name, the constant that a clean file multiplies the tensor with, beside 1 / sqrt(fan_in) for weights
    (r"^bank\.style\.", LR_MAPPING * GAIN),
    (r"\b(noise\.weight|activate\.bias)$", GAIN),
    (r"\b(conv_body_first|final_conv|conv1|condition_\w+\.\d+)\.[01]\.", GAIN),
    (r"\bskip\.", 1 / GAIN),
    (r"", 1.0),
)
FILTERS = (  # our name of a weight, that of the filter beside it, its sum
    (r"^(bank\.convs\.\d*[02468]\.conv)\.weight$", r"\1.blur.kernel", 4.0),
    (r"^(bank\.to_rgbs\.\d+)\.bias$", r"\1.upsample.kernel", 4.0),
    (r"^(conv_body_down\.\d+\.(conv2|skip))\.1\.weight$", r"\1.0.kernel", 1.0),
)


def unfold(key: str, value: Tensor) -> Tensor:
    """A tensor of a clean file, under our name -> what the network with equalised learning rates stores."""
    constant = next(constant for pattern, constant in FOLDED if re.search(pattern, key))
    if value.ndim == 1 or not key.endswith(".weight"):
        value = value.flatten() if key.endswith("activate.bias") else value
        return value / constant if constant != 1 else value
    fan_in = value[0].numel() if value.ndim < 5 else value[0, 0].numel()
    return value * (math.sqrt(fan_in) / constant)


def with_filters(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Version 1's files leave the constant filters out."""
    found = dict(state_dict)
    for key, value in state_dict.items():
        for pattern, name, gain in FILTERS:
            if match := re.search(pattern, key):
                found[match.expand(name)] = binomial(gain).to(value)
    return found


def version_1_or_clean(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which of the two it is, the names tell. ValueError for a file of ours, which says by its filters what it is."""
    if any(key.startswith("bank.") for key in state_dict):
        raise ValueError("this is a converted file already")
    if CLEAN in state_dict:
        return {key: unfold(key, value) for key, value in rename(state_dict, CLEAN_NAMES).items()}
    return with_filters(rename(state_dict, EQUALISED_NAMES))


def bilinear(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """ValueError for a clean file, whose numbers mean something else."""
    if CLEAN in state_dict:
        raise ValueError("this is a clean file of versions 1.2 to 1.4")
    return rename(state_dict, EQUALISED_NAMES)


LAYOUT = Layout(parts={"generator": AVERAGED}, landmarks={"generator": ("toRGB.0.weight",)}, adapt=version_1_or_clean)
BILINEAR = LAYOUT._replace(adapt=bilinear)
