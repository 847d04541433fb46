"""From a few words, such as "faces", to a run in its folder: where images are, what it is called, how it is started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from ..options import words
from ..places import from_caller
from ..profiles import Experiment, did_you_mean
from ..profiles import Restorer as Profile
from ..profiles import restorer as profile_row
from ..weights import available, read_metadata, weights_path
from .restorer import train_restorer

PACKS = {"faces": "faces_color64", "cats": "cats64", "buildings": "buildings64"}
DRAWN = "drawn"
VARIABLE = "GANPRIOR_DATA"  # the folder in which categories are looked for


class Source(NamedTuple):
    """What to train on, and around which prior."""

    name: str  # faces | cats | buildings | drawn, or a folder's own
    folder: Path | None  # None: drawn faces
    prior: str
    margin: int  # pixels cut from every side, as the prior's training had it


def find_source(data: str, prior: str = "") -> Source:
    """Where to find "drawn" (or nothing), a category that GANPRIOR_DATA's folder holds, or any folder of images.

    A relative path is one of the caller's folder. prior: empty for the category's own of 64 pixels, faces64 for a
    folder. Raises ValueError for an unknown word or prior, and FileNotFoundError, saying where it was looked for, for a
    category that is not there.
    """
    name, folder = data or DRAWN, None
    if name in PACKS:
        folder = category_folder(name)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no images of {name} at {folder}: set {VARIABLE} to the folder that holds {name}, a folder of images, "
                f"or the pack {PACKS[name]}; or give a folder of images"
            )
    elif name != DRAWN:
        folder = from_caller(name)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no folder {name!r}, and no category of that name{did_you_mean(name, categories())}"
            )
        name = folder.name
    prior = prior or (f"{name}64" if f"{name}64" in available() else "faces64")
    margin = int(read_metadata(weights_path(prior)).get("margin", 0))
    return Source(name, folder, prior, margin if folder else 0)


def category_folder(name: str) -> Path:
    """Where a category's images lie, or should: below GANPRIOR_DATA a folder of its name, else its pack."""
    where = from_caller(os.environ.get(VARIABLE) or "data")
    return next((path for path in (where / name, where / PACKS[name]) if path.is_dir()), where / name)


def category_of(data: str) -> str:
    """The category of a run by the name of its images' folder; "" for others. faces_color64 is faces too."""
    return next((name for name, pack in PACKS.items() if data in (name, pack)), "")


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
        done = succeeds(torchrun(gpus, source, out, this, profile, changes))
    else:
        done = train_restorer(source.folder, out, this, profile_row(profile, **changes), margin=source.margin)
    if not done:
        raise RuntimeError(f"the run in {out} did not finish; started again, it goes on where it was")


def succeeds(command: list[str]) -> bool:
    """Run a command to its end; SIGTERM meanwhile goes on to it, so that its runs stop and save as ours would."""
    with subprocess.Popen(command) as process:
        former = signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
        try:
            return process.wait() == 0
        finally:
            signal.signal(signal.SIGTERM, former)


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
