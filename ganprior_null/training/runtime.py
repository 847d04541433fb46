"""Where a run executes: the only reader of the launcher's environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ..checks import is_out_of_memory

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = ("auto", "32-true", "bf16-mixed")
ACCELERATORS = ("auto", "cpu", "cuda")


def fastest_precision() -> str:
    """The precision: "bf16-mixed" where a GPU or this processor multiplies bfloat16 in hardware, else "32-true"."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    amx, avx512 = torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if amx or avx512 else "32-true"


def resolve_precision(name: str) -> str:
    """One of Fabric's two that this project uses, ``auto`` resolved. Raises ValueError for another name."""
    if name not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {name!r}")
    return fastest_precision() if name == "auto" else name


def make_fabric(*, precision: str = "32-true", accelerator: str = "auto") -> "Fabric":
    """A launched Fabric for one process, or for one of torchrun's.

    Under ``torchrun --nproc-per-node 2`` Fabric left to itself makes two worlds of one process on CPUs; it must be told
    devices and nodes. Raises RuntimeError when the world it made is not the launcher's and when a GPU is asked for that
    is not there, ValueError for an unknown accelerator.
    """
    if accelerator not in ACCELERATORS:
        raise ValueError(f"accelerator must be one of {', '.join(ACCELERATORS)}, got {accelerator!r}")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("a GPU was asked for, but torch finds none on this machine; auto takes what is there")
    from lightning_fabric import Fabric  # here: its import takes seconds, and most lessons train nothing

    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    known: Any = precision  # one of PRECISIONS, which Fabric's type lists once more
    fabric = Fabric(accelerator=accelerator, devices=local, num_nodes=world // local, precision=known)
    fabric.launch()
    if fabric.world_size != world:
        raise RuntimeError(f"the launcher started {world} processes, Fabric sees {fabric.world_size}")
    return fabric


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Turn torch's error for memory that is used up, of a GPU or the machine, into one that says what to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise RuntimeError(f"out of memory; {advice}") from error
        raise
