"""Where the vectors lie: the few that ship with the tests, or the whole collection beside the checkout."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

VECTORS = Path(__file__).with_name("vectors")


@pytest.fixture(scope="session")
def folder_of(request) -> Callable[[str], Path]:
    """The name of a vector, "ops/rnd_color", -> the folder that it and its manifest are named in."""

    def find(name: str) -> Path:
        ships = (VECTORS / f"{name}.npz").is_file()
        return VECTORS if ships else request.getfixturevalue("shared") / "parity"

    return find


@pytest.fixture
def vectors(folder_of):
    """load(name) -> the arrays of an operator's vector as tensors, and the bound that is stored with them."""

    def load(name: str):
        folder = folder_of(f"ops/{name}") / "ops"
        arrays = {key: torch.from_numpy(value) for key, value in np.load(folder / f"{name}.npz").items()}
        return arrays, json.loads((folder / "manifest.json").read_text())["files"][f"{name}.npz"]["atol"]

    return load
