"""Reference vectors and a photograph to estimate from."""

import json

import numpy as np
import pytest
import torch

from ganprior_null.data import photograph


@pytest.fixture
def vectors(shared):
    folder = shared / "parity" / "ops"
    manifest = json.loads((folder / "manifest.json").read_text())["files"]

    def load(name):
        arrays = {key: torch.from_numpy(value) for key, value in np.load(folder / f"{name}.npz").items()}
        return arrays, manifest[f"{name}.npz"]["atol"]

    return load


@pytest.fixture(scope="session")
def small_photo():
    """(3, 96, 112): the eyes of chelsea."""
    return photograph("chelsea")[0, :, 90:186, 120:232]
