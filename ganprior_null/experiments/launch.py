"""From a few words, such as "faces", to a run in its folder: where images are, what it is called, how it is started."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from ..options import words
from ..profiles import Experiment, did_you_mean
from ..profiles import Restorer as Profile
from ..profiles import restorer as profile_row
from ..weights import available, read_metadata, weights_path
from .restorer import train_restorer

PACKS = {"faces": "faces_color64", "cats": "cats64", "buildings": "buildings64"}
DRAWN = "drawn"
VARIABLE = "GANPRIOR_DATA"  # the folder in which packs are looked for


class Source(NamedTuple):
    """What to train on, and around which prior."""

    name: str  # faces | cats | buildings | drawn, or a folder's own
    folder: Path | None  # None: drawn faces
    prior: str
    margin: int  # pixels cut from every side, as the prior's training had it


def find_source(data: str, prior: str = "") -> Source:
    """Where to find "drawn" (or nothing), a category whose pack GANPRIOR_DATA's folder holds, or any folder of images.

    prior: empty for the category's own, faces64 for a folder. Raises ValueError for an unknown word or prior, and
    FileNotFoundError, saying where it was looked for, for a pack that is not there.
    """
    name, folder = data or DRAWN, None
    if name in PACKS:
        where = Path(os.environ.get(VARIABLE) or "data")
        folder = where / PACKS[name]
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no pack of {name} at {folder}: set {VARIABLE} to the folder that holds {PACKS[name]}, "
                "or give a folder of images"
            )
    elif name != DRAWN:
        folder = Path(name)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no folder {name!r}, and no category of that name{did_you_mean(name, categories())}"
            )
        name = folder.name
    prior = prior or (f"{name}64" if f"{name}64" in available() else "faces64")
    margin = int(read_metadata(weights_path(prior)).get("margin", 0))
    return Source(name, folder, prior, margin if folder else 0)


def categories() -> list[str]:
    """What :func:`find_source` understands beside folders."""
    return [*PACKS, DRAWN]


def run_name(source: Source, this: Experiment, profile: Profile, usual: Profile) -> str:
    """A folder's name: "faces-8x-glean-pd-seed0", with a tag for what differs from the experiment's or profile's usual,
    and the profile before it unless that is "laptop": "night-faces-8x-glean-pd-seed0".

    For people; whoever compares runs reads their parameters.
    """
    parts = [] if profile.profile == "laptop" else [profile.profile]
    parts += [source.name, f"{this.factor}x", this.model, this.null_space]
    parts += {"bicubic": [], "average": ["pooled"], "bicubic-plain": ["aliased"]}.get(
        this.downsampler, [this.downsampler]
    )
    if profile.gan_weight != usual.gan_weight:
        parts.append(f"beta{profile.gan_weight:.0e}".replace("1e-0", ""))
    if (profile.rrdb_blocks, profile.rrdb_channels) < (usual.rrdb_blocks, usual.rrdb_channels):
        parts.append("small")
    parts += ["degraded"] if this.degraded else []
    parts += [this.variant] if this.variant else []
    return "-".join([*parts, f"seed{this.seed}"])


def launch(source: Source, out: Path, this: Experiment, profile: str, changes: dict) -> None:
    """Train in this process, or on several GPUs, where there are, in one process for each, started by torchrun.

    Each process has four images of a step at least, which the discriminator compares. profile: its name; changes:
    fields of it to replace. A stopped run goes on. Raises what ``train_restorer`` raises, and RuntimeError for a run
    that was stopped or whose processes failed.
    """
    gpus = gpus_for(profile_row(profile, **changes).global_batch, torch.cuda.device_count())
    if gpus > 1:
        done = subprocess.run(torchrun(gpus, source, out, this, profile, changes)).returncode == 0
    else:
        done = train_restorer(source.folder, out, this, profile_row(profile, **changes), margin=source.margin)
    if not done:
        raise RuntimeError(f"the run in {out} did not finish; started again, it goes on where it was")


def gpus_for(batch: int, there: int) -> int:
    """How many GPUs to use: at most those that are there, each with the same multiple of four images of a step."""
    return max((n for n in range(1, there + 1) if batch % (4 * n) == 0), default=1)


def torchrun(gpus: int, source: Source, out: Path, this: Experiment, profile: str, changes: dict) -> list[str]:
    """The command that trains on several GPUs of this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
    command += ["-m", "ganprior_null", "train", "restorer", *words(this, first="model")]
    command += ["--out", str(out), "--profile", profile]
    command += ["--data", str(source.folder), "--margin", str(source.margin)] if source.folder else []
    for name, value in changes.items():
        command += ["-p", name, repr(value)]
    return command
