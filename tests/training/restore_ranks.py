"""One rank of the two-process run of test_restore.py: torchrun ... -m tests.training.restore_ranks FOLDER."""

import sys

from ganprior_null.training import Run, make_fabric

from .test_restore import train_pdn

if __name__ == "__main__":
    fabric = make_fabric(accelerator="cpu")
    assert fabric.world_size == 2
    train_pdn(Run(sys.argv[1], {}), fabric)
