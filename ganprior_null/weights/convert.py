"""From a foreign checkpoint to ours: state dict to state dict, and file to file."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
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
from ..restorers.bank import PriorNetwork
from ..storage import check_outputs, sole_writer, write
from . import esrgan, gfpgan, gpen, mmagic, panini, psp, rosinality
from .course import CRITIC, PATIENCE, new_weights_folder, read_metadata
from .files import mean_w, save_weights
from .infer import bank_of, describe, infer, make
from .read import load_checkpoint
from .rename import MEAN, fits, flatten, rename, select
from .report import LoadReport, build, check_finite_weights, compare

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
ENLARGING = ("psp", "gfpgan", "gpen")  # no two have a landmark in common, nor with any other
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
    and its bilinear form cannot be told apart: "gfpgan" takes either for version 1, which alone was released. Fixed
    noises, which some published files lack, are drawn from seed 0 (:func:`missing_noises`).

    Raises ValueError for an unknown layout or part, when the layout finds no such network in the checkpoint, and for
    tensors with NaN or infinity.

    >>> G = StyleGAN2(8, style_dim=8, n_mlp=2, channels={4: 8, 8: 8})
    >>> tensors = weights.convert({"g_ema": G.state_dict()}, "rosinality")
    >>> tensors.keys() == G.state_dict().keys()
    True
    """
    if layout not in LAYOUTS:
        raise ValueError(f"unknown layout {layout!r}{did_you_mean(layout, LAYOUTS)}")
    table, flat = LAYOUTS[layout], flatten(checkpoint)
    others = " or ".join(repr(name) for name in LAYOUTS if name != layout and fits(flat, LAYOUTS[name]))
    looks = f"; this looks like the layout {others}" if others else ""
    if others and not table.landmarks and part in (None, "generator"):
        raise ValueError(f"layout {layout!r} does not fit this checkpoint: its generator is part of a network{looks}")
    state_dict = rename(select(flat, table, part), table.names)
    if MEAN not in table.beside:
        state_dict.pop(MEAN, None)
    try:
        state_dict = table.adapt(state_dict)
        kind, _ = infer(state_dict)
    except ValueError as error:
        raise ValueError(f"layout {layout!r} does not fit this checkpoint: {error}{looks}") from error
    _check_kind(kind, layout, part, describe(state_dict))
    check_finite_weights(state_dict)
    return state_dict | missing_noises(state_dict)


def load_published(path: str | os.PathLike, layout: str = "") -> PriorNetwork | None:
    """The bare network around a prior that a checkpoint file holds, strictly loaded, in evaluation mode.

    layout: a name in LAYOUTS; empty takes pSp, GFP-GAN and GPEN by their tensors, and files that :func:`convert_file`
    wrote; None is then the answer for a file of anything else. Raises what :func:`convert` and ``load_checkpoint``
    raise, and ValueError where layout's network has no prior in it.
    """
    checkpoint = load_checkpoint(path)
    flat = flatten(checkpoint)
    if not layout and not bank_of(flat):
        layout = next((name for name in ENLARGING if fits(flat, LAYOUTS[name])), "")
        if not layout:
            return None
    network = build(convert(checkpoint, layout) if layout else flat)
    if not isinstance(network, PriorNetwork):
        raise ValueError(f"{path} holds a {type(network).__name__}, which restores nothing")
    return network


def missing_noises(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The fixed noises that a network of our names has and its state dict lacks, N(0, 1) from seed 0.

    They are no result of training: files without them leave to their reader what they are.
    """
    with torch.device("meta"):
        wanted = make(*infer(state_dict)).state_dict()
    missing = [name for name in wanted if re.search(r"\bnoises\.noise_\d+$", name) and name not in state_dict]
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(wanted[name].shape, generator=generator) for name in missing}


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
    and as metadata: model, config (the constructor's arguments), layout, source_sha256. The report says which tensors
    were drawn.

    Raises FileNotFoundError, ValueError as :func:`convert` and ``load_checkpoint``, FileExistsError unless overwrite,
    OSError when the target cannot be written. Nothing is written unless all tensors fit.

    >>> G = StyleGAN2(8, style_dim=8, n_mlp=2, channels={4: 8, 8: 8})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"g_ema": G.state_dict()}, f"{folder}/theirs.pt")
    ...     target = f"{folder}/ours.safetensors"
    ...     weights.convert_file("rosinality", f"{folder}/theirs.pt", target).exact
    True
    """
    source, target = Path(source), Path(target)
    check_outputs([target], inputs=[source], overwrite=overwrite)
    checkpoint = load_checkpoint(source)
    state_dict = convert(checkpoint, layout, part=part)
    network = build(state_dict)
    flat = flatten(checkpoint)
    theirs = rename(select(flat, LAYOUTS[layout], part), LAYOUTS[layout].names)
    drawn = tuple(name for name in state_dict if "noises." in name and name not in theirs)
    report = replace(compare(network, state_dict), drawn=drawn)
    kind, config = infer(state_dict)
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    metadata = {"model": kind.__name__, "config": config, "layout": layout, "source_sha256": digest}
    if isinstance(network, StyleGAN2):
        state_dict = state_dict | {MEAN: _mean(({MEAN: checkpoint.get(MEAN)} | flat | theirs)[MEAN], network)}
    save_weights(target, state_dict, metadata)
    return report


CARD = """# {name}

{description}. Converted from a file of the layout `{layout}`; every tensor was matched.

| | |
|---|---|
| source | {source}, SHA-256 {digest} |
| tensors | {tensors} |
| part | {part} |

**Licence.** That of the file it was made of, which its authors say.
"""


def convert_named(
    layout: str, source: str | os.PathLike, name: str, *, part: str | None = None, overwrite: bool = False
) -> tuple[LoadReport, Path]:
    """:func:`convert_file` to the user's weights under a name, with a card ``NAME.md`` beside it; the file's path.

    A discriminator lies beside its prior, and has no name of its own. Other programs that put weights there meanwhile
    are waited for. Raises as :func:`convert_file`, and ValueError for a name that the course's weights have.
    """
    stem = name + (CRITIC if part == "discriminator" else "")
    folder = new_weights_folder(stem)
    target, card = folder / f"{stem}.safetensors", folder / f"{stem}.md"
    check_outputs([target, card], inputs=[Path(source)], overwrite=overwrite)
    with sole_writer(folder, [target, card], overwrite=overwrite, patience=PATIENCE):
        report = convert_file(layout, source, target, part=part, overwrite=overwrite)
        tensors, about = load_checkpoint(target), read_metadata(target)
        text = CARD.format(
            name=stem,
            description=describe(tensors),
            layout=layout,
            source=Path(source).name,
            digest=about["source_sha256"],
            tensors=len(tensors),
            part=part or "generator, or the restoring network",
        )
        write(card, text)
    return report, target


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


def _mean(mean: Tensor | None, network: StyleGAN2) -> Tensor:
    """The mean of w that a checkpoint gives, checked, or if it gives none the one that is measured."""
    if mean is None:
        return mean_w(network)
    if not isinstance(mean, Tensor) or mean.numel() != network.style_dim:
        raise ValueError(f"{MEAN} must hold {network.style_dim} values, got {getattr(mean, 'shape', mean)}")
    check_finite_weights({MEAN: mean})
    return mean.flatten()
