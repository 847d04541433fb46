"""One rank of the two-process run of test_gan.py: torchrun ... -m tests.training.gan_ranks FOLDER."""

import sys

from ganprior_null.training import Run, make_fabric

from .test_gan import AUGMENTED, train

if __name__ == "__main__":
    fabric = make_fabric(accelerator="cpu")
    assert fabric.world_size == 2
    train(5, Run(sys.argv[1], {}), fabric, AUGMENTED, p=0.7)
