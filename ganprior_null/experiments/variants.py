"""PDN's open choices, one departure from the defaults each: what the ablation of lesson 08 trains."""

from typing import NamedTuple

from ..profiles import did_you_mean


class Variant(NamedTuple):
    """What is changed: arguments of :class:`~ganprior_null.restorers.PDN`, fields of the recipe."""

    network: dict = {}
    recipe: dict = {}


VARIANTS = {
    "": Variant(),
    "trained-bank": Variant(network={"train_bank": True}),
    "features-only": Variant(network={"fuse_rgb": False}),  # the bank's RGB sum is not fused
    "stored-noise": Variant(network={"fresh_noise": False}),
    "random-start": Variant(network={"near_prior": False}),  # GLEAN's
    "held-to-y": Variant(recipe={"range_weight": 10.0}),  # PD hides the block means of x_r, which drift
    "r1": Variant(recipe={"r1_gamma": 0.05}),  # the heuristic 0.0002 size^2 / batch at 64 px and batch 16
}


def variant(model: str, name: str) -> Variant:
    """The departure of that name. Raises ValueError for an unknown one and for models other than PDN."""
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}{did_you_mean(name, [key for key in VARIANTS if key])}")
    if name and model != "pdn":
        raise ValueError(f"variants are of pdn; {model} takes none, got {name!r}")
    return VARIANTS[name]
