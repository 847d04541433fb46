"""A run that begins with the networks of another (Karras et al. 2020b, Sec. 4.3: transfer learning)."""

import hashlib
import io
from pathlib import Path

import torch

from .record import read_params


def begin_from(source: Path, state: dict, out: Path) -> dict[str, str]:
    """Put G, D, G_ema and the mean path length of another run into ``state``; optimisers stay fresh.

    source: a run's folder, or a .ckpt file of one. Returns what the run's parameters note: name and SHA-256 of
    that checkpoint. Where ``out`` has a checkpoint already it is the one to resume: nothing is loaded, and the note is
    the one made then, since ``source`` may have been trained further or deleted.

    Raises FileNotFoundError without a checkpoint there, ValueError for one that is unreadable or does not fit, or where
    the parameters in ``out`` are damaged.
    """
    path = source if source.suffix == ".ckpt" else source / "last.ckpt"
    name = f"{path.resolve().parent.name}/{path.name}"
    if (out / "last.ckpt").exists():
        return _noted(out, name)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint to start from: {path}")
    content = path.read_bytes()  # once: a run in progress may replace the file between two looks
    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        for key in ("G", "D", "G_ema"):
            state[key].load_state_dict(stored[key])
        state["path_mean"] = stored["path_mean"]  # from 0 the penalty would pull the trained G to pieces
    except Exception as error:  # torch raises half a dozen types for broken files and for networks of other sizes
        reason = " ".join(str(error).split("\n")[:2])  # torch lists every tensor
        raise ValueError(f"{path} does not hold networks like this run's: {reason}") from error
    return {"checkpoint": name, "sha256": hashlib.sha256(content).hexdigest()}


def _noted(out: Path, name: str) -> dict[str, str]:
    noted = read_params(out / "params.json").get("start_from")
    return noted if noted and noted["checkpoint"] == name else {"checkpoint": name, "sha256": "not read"}
