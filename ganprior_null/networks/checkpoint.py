"""Checkpoint files of other people's networks, by way of spandrel, which knows some fifty architectures."""

from pathlib import Path

import torch
from torch import Tensor

from .stages import Stage, Staged
from .super_resolver import SuperResolver

OVERLAP = 32  # pixels of y, a multiple of the windows of transformers; at 24 an ESRGAN errs by two grey levels at most
SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


class Described(Staged):
    """y -> x_r by a spandrel descriptor, which pads y to the size that its network needs; y and x_r clamped."""

    def __init__(self, descriptor):
        super().__init__()
        self.model, self.descriptor, self.factor = descriptor.model, descriptor, descriptor.scale

    def forward(self, y: Tensor) -> Tensor:
        return torch.cat([self.descriptor(image[None]) for image in y.clamp(0, 1)]).clone()

    def stages(self) -> list[Stage]:
        """All in one, of unknown reach."""
        return [Stage(self.forward, self.factor, OVERLAP, 512 * self.factor**2)]


def read_checkpoint(path: Path) -> SuperResolver:
    """The network of a checkpoint file, its architecture found by spandrel from the names of its tensors.

    Raises FileNotFoundError; ValueError for a damaged file, one with pickled code, an unknown architecture, and a
    network that does not enlarge RGB images; RuntimeError when spandrel, or the torchvision that it asks for, is not
    there.
    """
    from ..weights.read import load_checkpoint  # here: weights know the restorers, which know the networks

    tensors = load_checkpoint(path)
    try:
        from spandrel import MAIN_REGISTRY, UnsupportedModelError, canonicalize_state_dict
    except ImportError as error:
        raise RuntimeError(
            f"reading {path.name} needs spandrel, and a torchvision of the same build as torch: "
            f"pip install 'ganprior-null[spandrel]' ({error})"
        ) from error
    try:
        found = MAIN_REGISTRY.load(canonicalize_state_dict(tensors))
    except UnsupportedModelError as error:
        raise ValueError(f"{path} holds no network that spandrel knows ({len(tensors)} entries)") from error
    if (
        found.purpose not in ("SR", "FaceSR")
        or found.scale < 2
        or (found.input_channels, found.output_channels) != (3, 3)
    ):
        raise ValueError(
            f"{path} holds a {found.architecture.name} for {found.purpose} at {found.scale}x, "
            f"{found.input_channels} to {found.output_channels} channels; needed: one that enlarges RGB images"
        )
    return SuperResolver(Described(found.eval()), found.scale).eval().requires_grad_(False)
