"""Networks as lists of operations: what is stored is exact and shared, and what cannot be is refused."""

import json
import os

import numpy as np
import pytest
import torch
from torch import nn

from ganprior_null.interop.page import PART, export, page_files
from ganprior_null.interop.page.assemble import HERE, assembled
from ganprior_null.interop.page.graph import Weights, trace, write
from ganprior_null.interop.page.networks import page_network


def stored(graph: dict, files: dict[str, bytes]) -> dict[int, np.ndarray]:
    """The constants of a graph, as a page reads them."""
    values = {}
    for number, shape, kind, *place in graph["constants"]:
        file, at = place or ("", 0)
        dtype = {"half": "<f2", "single": "<f4"}.get(str(kind))
        count = int(np.prod(shape))
        read = np.frombuffer(files[file], dtype, count, at).astype("f4") if dtype else np.array(kind, "f4")
        values[number] = read.reshape(shape)
    return values


def test_constants_are_stored_exactly_and_once():
    module = nn.Sequential(nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 40)).requires_grad_(False)
    module[2].weight = module[0].weight  # shared
    module[0].bias.copy_(module[0].bias.half())  # exact in half precision, the weights are not
    prior = Weights("prior")
    prior.place(module[0].bias.numpy())
    weights, x = Weights("own", prior), torch.randn(1, 40)
    graph = write(trace(module, {"x": x}), {"x": x}, ["out"], weights)
    assert graph["files"] == {"own": 4 * 1640, "prior": 80}
    values = stored(graph, {"own": bytes(weights.data), "prior": bytes(prior.data)})
    by_shape = [value for value in values.values() if value.shape == (40,)]
    assert any(np.array_equal(value, module[0].bias.numpy()) for value in by_shape)
    assert any(np.array_equal(value, module[2].bias.numpy()) for value in by_shape)
    assert all(np.array_equal(value, module[0].weight.numpy()) for value in values.values() if value.ndim == 2)


def test_a_gradient_that_a_page_cannot_take_is_refused():
    class Step(nn.Module):
        def forward(self, x):
            x = x.detach().requires_grad_()
            with torch.enable_grad():
                out = nn.functional.conv2d(x, torch.ones(1, 1, 2, 2), stride=2).sum()
                return torch.autograd.grad(out, x)[0]

    with pytest.raises(NotImplementedError, match="only the gradient for the input"):
        trace(Step(), {"x": torch.randn(1, 1, 4, 4)})


def test_pdn_shares_its_bank_with_the_prior(tmp_path):
    files = page_files(["pdn-faces-8x"])
    assert set(files) >= {"program", "faces64", "faces64-0", "pdn-faces-8x", "pdn-faces-8x-0"}
    sizes = files["pdn-faces-8x"]["files"]
    alone = sum(p.numel() for p in page_network("pdn-faces-8x").module.parameters()) * 2
    assert sizes["faces64"] > 1_000_000 and sizes["pdn-faces-8x"] + sizes["faces64"] < 1.1 * alone
    for file, size in sizes.items():
        parts = [value for name, value in files.items() if name.rpartition("-")[0] == file and isinstance(value, bytes)]
        assert sum(map(len, parts)) == size and max(map(len, parts)) <= PART
    export(["pdn-faces-8x"], tmp_path / "networks")
    assert {path.stem for path in (tmp_path / "networks").iterdir()} == set(files)
    head, _, value = (tmp_path / "networks" / "pdn-faces-8x.js").read_text("utf-8").partition(" = ")
    assert head == '(globalThis.ganpriorFiles ??= {})["pdn-faces-8x"]' and json.loads(value[:-2])["files"] == sizes


@pytest.mark.parametrize("name", ["none64", "none64-search-8x"])
def test_an_unknown_network_is_one_clear_error(name):
    with pytest.raises(ValueError, match="no weights named 'none64'|no weights named 'none64-search-8x'"):
        page_network(name)


def test_the_kernels_are_assembled_from_their_source():
    if not os.environ.get("CI"):
        pytest.importorskip("wasmtime")
    assert (HERE / "kernels.base64").read_bytes() == assembled(), "run: python -m ganprior_null.interop.page.assemble"
