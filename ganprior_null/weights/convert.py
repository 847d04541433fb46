"""From a foreign checkpoint to ours: state dict to state dict, and file to file."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..networks.rrdbnet import RRDBNet
from ..priors import StyleGAN2, StyleGAN2Discriminator
from ..profiles import did_you_mean
from ..restorers import (
    DegradationEncoder,
    GFPGANNetwork,
    GLEANNetwork,
    GPENNetwork,
    PaniniMFRNetwork,
    PaniniNetwork,
    PSPNetwork,
)
from ..storage import check_outputs
from . import esrgan, gfpgan, gpen, mmagic, panini, psp, rosinality
from .files import MEAN, mean_w, save_weights
from .infer import describe, infer
from .read import load_checkpoint
from .rename import fits, flatten, rename, select
from .report import LoadReport, build, compare

LAYOUTS = {
    "rosinality": rosinality.LAYOUT,
    "mmagic": mmagic.LAYOUT,
    "mmagic-glean": mmagic.GLEAN,
    "panini": panini.LAYOUT,
    "psp": psp.LAYOUT,
    "gfpgan": gfpgan.LAYOUT,
    "gfpgan-bilinear": gfpgan.BILINEAR,
    "gpen": gpen.LAYOUT,
    "esrgan": esrgan.LAYOUT,
}
PARTS = ("generator", "discriminator", "degradation")
GENERATORS = {  # else StyleGAN2
    "mmagic-glean": (GLEANNetwork,),
    "panini": (PaniniNetwork, PaniniMFRNetwork),
    "psp": (PSPNetwork,),
    "gfpgan": (GFPGANNetwork,),
    "gfpgan-bilinear": (GFPGANNetwork,),
    "gpen": (GPENNetwork,),
    "esrgan": (RRDBNet,),
}


def convert(checkpoint: Mapping, layout: str, *, part: str | None = None) -> dict[str, Tensor]:
    """A foreign checkpoint or bare state dict -> the state dict of our network; tensors are shared, not copied.

    layout: a name in LAYOUTS. part: "generator" (the moving average when there is one; of a restorer's layout, the
    restoring network), "discriminator", or "degradation" (panini: its degradation encoder, pre-trained); None takes
    the first of these that the checkpoint holds. ``latent_avg`` is part of pSp, and of no other. Version 1 of GFP-GAN
    and its bilinear form cannot be told apart: "gfpgan" takes either for version 1, which alone was released.

    Raises ValueError for an unknown layout or part, and when the layout finds no such network in the checkpoint.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}{did_you_mean(layout, LAYOUTS)}")
    table, flat = LAYOUTS[layout], flatten(checkpoint)
    state_dict = rename(select(flat, table, part), table.names)
    if MEAN not in table.beside:
        state_dict.pop(MEAN, None)
    try:
        state_dict = table.adapt(state_dict)
        kind, _ = infer(state_dict)
    except ValueError as error:
        fitting = " or ".join(repr(name) for name in LAYOUTS if name != layout and fits(flat, LAYOUTS[name]))
        looks = f"; this looks like the layout {fitting}" if fitting else ""
        raise ValueError(f"layout {layout!r} does not fit this checkpoint: {error}{looks}") from error
    _check_kind(kind, layout, part, describe(state_dict))
    return state_dict


def convert_file(
    layout: str,
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    part: str | None = None,
    overwrite: bool = False,
) -> LoadReport:
    """Read a foreign checkpoint file, prove that it loads strictly, write it as ours; returns the report of that load.

    The .safetensors file holds the network's tensors, for a generator also ``latent_avg`` (the source's, or measured),
    and as metadata: model, config (the constructor's arguments), layout, source_sha256.

    Raises FileNotFoundError, ValueError as :func:`convert` and ``load_checkpoint``, FileExistsError unless overwrite,
    OSError when the target cannot be written. Nothing is written unless all tensors fit.
    """
    source, target = Path(source), Path(target)
    check_outputs([target], inputs=[source], overwrite=overwrite)
    checkpoint = load_checkpoint(source)
    state_dict = convert(checkpoint, layout, part=part)
    network = build(state_dict)
    report = compare(network, state_dict)
    kind, config = infer(state_dict)
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    metadata = {"model": kind.__name__, "config": config, "layout": layout, "source_sha256": digest}
    extra = {MEAN: _mean(checkpoint, network)} if kind is StyleGAN2 else {}
    save_weights(target, state_dict | extra, metadata)
    return report


def _check_kind(kind: type, layout: str, part: str | None, description: str) -> None:
    """ValueError unless a network of this kind is what the layout calls by the part's name (None: by any)."""
    kinds = {
        "generator": GENERATORS.get(layout, (StyleGAN2,)),
        "discriminator": (StyleGAN2Discriminator,),
        "degradation": (DegradationEncoder,),
    }
    wanted = kinds[part] if part else [k for name in LAYOUTS[layout].parts for k in kinds[name]]
    if kind not in wanted:
        what = part or f"network of the layout {layout!r}"
        raise ValueError(f"the checkpoint holds no {what}, but a {description}")


def _mean(checkpoint: Mapping, network: StyleGAN2) -> Tensor:
    mean = checkpoint.get(MEAN)
    if mean is None:
        return mean_w(network)
    if not isinstance(mean, Tensor) or mean.numel() != network.style_dim:
        raise ValueError(f"{MEAN} must hold {network.style_dim} values, got {getattr(mean, 'shape', mean)}")
    return mean.flatten()
