"""GLEAN, Panini-Net and PDN answer as they did when they passed the published vectors, too large to ship.

The weights follow from a rule, so that only the answers are stored. See ``vectors/README.md``.
"""

import zlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganprior_null.restorers import GLEAN, PDN, Panini, PaniniMFR, PDNNetwork

from .conftest import VECTORS

SIZES = dict(rrdb_blocks=1, rrdb_channels=4, style_dim=6, n_mlp=2)
NETWORKS = {
    "glean": lambda: GLEAN(8, 16, {4: 6, 8: 5, 16: 4}, **SIZES).network,
    "panini": lambda: Panini(8, 16, {4: 6, 8: 5, 16: 4}, **SIZES).network,
    "panini_mfr": lambda: PaniniMFR(32, 32, {4: 4, 8: 4, 16: 4, 32: 4}, **SIZES).network,
    "pdn": lambda: PDN(8, 16, {4: 6, 8: 5, 16: 4}, **SIZES).network,
}
BOUND = 1e-10  # of answers around 1, in float64: other orders of summation give some 1e-14


def drawn(*shape: int, seed: int) -> Tensor:
    """Normal numbers whose stream numpy has frozen, on every machine and in every version."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape))


def filled(name: str) -> nn.Module:
    """The network in float64, every stored tensor drawn by its name and divided by the root of its fan-in."""
    network = NETWORKS[name]().double().eval()
    for key, value in network.state_dict().items():
        if not value.is_floating_point() or key.endswith("kernel"):  # counters; the fixed filters of the resampling
            continue
        values = (
            drawn(*value.shape, seed=zlib.crc32(key.encode()))
            / max(1, value[0].numel() if value.ndim > 1 else 1) ** 0.5
        )
        value.copy_(values.abs() + 0.5 if key.endswith("running_var") else values)
    return network


@torch.no_grad()
def answer(network: nn.Module) -> Tensor:
    """x (2, 3, R, R) for a y of values in [-1, 1]; PDN's random code and noise are given."""
    y = drawn(2, 3, network.in_size, network.in_size, seed=1000).tanh()
    if not isinstance(network, PDNNetwork):
        return network(y)
    noise = [drawn(2, 1, *buffer.shape[2:], seed=2000 + i) for i, buffer in enumerate(network.bank.noises)]
    return network(y, drawn(2, 6, seed=3000), noise=noise)


def gap(name: str, x: Tensor) -> float:
    return float((x - torch.from_numpy(np.load(VECTORS / "own.npz")[name])).abs().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_answers_are_those_of_before(name):
    assert gap(name, answer(filled(name))) < BOUND


@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_that_changed_by_a_millionth_is_seen(name):
    network = filled(name)
    with torch.no_grad():
        network.bank.conv1.conv.weight[0, 0, 0] *= 1 + 1e-6
    assert BOUND < gap(name, answer(network)) < 1e-3


if __name__ == "__main__":
    np.savez_compressed(VECTORS / "own.npz", **{name: answer(filled(name)).numpy() for name in NETWORKS})
