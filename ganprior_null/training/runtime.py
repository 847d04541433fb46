"""Where a run executes: the only reader of the launcher's environment."""

import os

from lightning_fabric import Fabric


def make_fabric(*, precision: str = "32-true", accelerator: str = "auto") -> Fabric:
    """A launched Fabric for one process, or for one of torchrun's.

    Under ``torchrun --nproc-per-node 2`` Fabric left to itself makes two worlds of one process on CPUs; it must be told
    devices and nodes. Raises RuntimeError when the world it made is not the launcher's.
    """
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    fabric = Fabric(accelerator=accelerator, devices=local, num_nodes=world // local, precision=precision)
    fabric.launch()
    if fabric.world_size != world:
        raise RuntimeError(f"the launcher started {world} processes, Fabric sees {fabric.world_size}")
    return fabric
