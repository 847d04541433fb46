"""Where a run executes: the only reader of the launcher's environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ..checks import is_out_of_memory
from ..layers.rrdb import RRDB
from ..priors.discriminator import ResidualBlock
from ..priors.stylegan2 import StyledConv

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = ("auto", "32-true", "bf16-mixed")
ACCELERATORS = ("auto", "cpu", "cuda")
BLOCKS = (StyledConv, ResidualBlock, RRDB)


class Execution(NamedTuple):
    """How a run executes: what may change its speed and its memory, and no more than the rounding of its numbers."""

    precision: str = "auto"  # of PRECISIONS
    accelerator: str = "auto"  # of ACCELERATORS
    readers: int | None = None  # processes that read images ahead; None: by the cores there are
    compile: bool = False  # the networks' forward passes, by torch.compile; what is differentiated twice stays as it is
    recompute: bool = False  # activations in the backward pass in place of keeping them, see recompute_activations
    loggers: tuple[str, ...] = ()  # names of .loggers, beside the run's own JSON lines
    rehearse: bool = False  # one step and one evaluation on little, and an estimate of the whole; nothing is kept

    def prepare(self, *modules: nn.Module) -> None:
        """Make networks, on their device, execute so; their weights and the names of these stay."""
        for module in modules:
            if self.recompute:
                recompute_activations(module)
            if self.compile:
                module.compile()


USUAL = Execution()


def recompute_activations(network: nn.Module) -> None:
    """Let each block of a network keep its inputs alone, and run it again for the gradients (Chen et al. 2016).

    Blocks are the ``StyledConv`` of generators, the residual blocks of discriminators, and RRDBs: those whose
    activations fill the memory at 1024 pixels. Gradients, second ones too, are the same.
    """
    for module in network.modules():
        if isinstance(module, BLOCKS):
            vars(module)["forward"] = _Recomputed(module)  # of this one, before its class's


class _Recomputed:
    """A block's forward pass with its activations dropped; nothing is dropped where no gradient is wanted."""

    def __init__(self, block: nn.Module):
        self.run = block.forward

    def __call__(self, *inputs):
        return checkpoint(self.run, *inputs, use_reentrant=False) if torch.is_grad_enabled() else self.run(*inputs)


def fastest_precision() -> str:
    """The precision: "bf16-mixed" where a GPU or this processor multiplies bfloat16 in hardware, else "32-true".

    A GPU that only emulates it (V100, T4) is slower with it than without.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    amx, avx512 = torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()
    return "bf16-mixed" if amx or avx512 else "32-true"


def resolve_precision(name: str) -> str:
    """One of Fabric's two that this project uses, ``auto`` resolved. Raises ValueError for another name."""
    if name not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {name!r}")
    return fastest_precision() if name == "auto" else name


def pick_device(name: str, option: str = "device") -> torch.device:
    """One of ``ACCELERATORS`` as a device, ``auto`` being a GPU if there is one.

    option: what the word was given as, for errors. Raises ValueError for another word, RuntimeError for a GPU that is
    not there.
    """
    if name not in ACCELERATORS:
        raise ValueError(f"{option} must be one of {', '.join(ACCELERATORS)}, got {name!r}")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise RuntimeError("a GPU was asked for, but torch finds none on this machine; auto takes what is there")
    return torch.device("cuda" if name != "cpu" and there else "cpu")


def make_fabric(*, precision: str = "32-true", accelerator: str = "auto") -> "Fabric":
    """A launched Fabric for one process, or for one of torchrun's.

    Under ``torchrun --nproc-per-node 2`` Fabric left to itself makes two worlds of one process on CPUs; it must be told
    devices and nodes. Raises RuntimeError when the world it made is not the launcher's and when a GPU is asked for that
    is not there, ValueError for an unknown accelerator.
    """
    pick_device(accelerator, "accelerator")
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
