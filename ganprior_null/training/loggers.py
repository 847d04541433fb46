"""A run's log in the forms that other programs show, beside its JSON lines: TensorBoard, CSV, Weights & Biases."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_fabric.loggers.logger import Logger

LOGGERS = {"tensorboard": "tensorboard", "csv": "", "wandb": "wandb"}  # name: the package it needs


def check_loggers(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once. Raises ValueError for an unknown one, and for one whose package is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"a logger is one of {', '.join(LOGGERS)}, got {name!r}")
        if LOGGERS[name] and find_spec(LOGGERS[name]) is None:
            raise ValueError(f"the logger {name} needs a package that is not installed: pip install {LOGGERS[name]}")
    return tuple(dict.fromkeys(names))


def open_loggers(names: Sequence[str], folder: Path, params: dict, step: int) -> list["Logger"]:
    """Fabric's loggers, which write below a run's folder.

    step: the first that they will be told of. A run that goes on from a checkpoint tells some steps anew, and
    TensorBoard drops what it held from there on.
    """
    make = {"tensorboard": _tensorboard, "csv": _csv, "wandb": _wandb}
    return [make[name](folder, params, step) for name in names]


def _tensorboard(folder: Path, params: dict, step: int) -> "Logger":
    from lightning_fabric.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="tensorboard", version="", purge_step=step)


def _csv(folder: Path, params: dict, step: int) -> "Logger":
    from lightning_fabric.loggers import CSVLogger

    return CSVLogger(folder, name="csv", version=f"from_step_{step}", flush_logs_every_n_steps=1)


def _wandb(folder: Path, params: dict, step: int) -> "Logger":
    import wandb
    from lightning_fabric.loggers.logger import Logger

    identity = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]  # a run that goes on is the same run

    class WandbLogger(Logger):
        """Weights & Biases behind the interface of Fabric's loggers, which have none of it."""

        name, version = "wandb", identity

        def __init__(self):
            about = {"project": "ganprior-null", "name": folder.name, "id": identity, "resume": "allow"}
            self.run = wandb.init(dir=str(folder), config=params, **about)

        def log_hyperparams(self, params) -> None:
            self.run.config.update(params)

        def log_metrics(self, metrics, step=None) -> None:
            self.run.log(dict(metrics), step=step)

    return WandbLogger()
