"""The table of costs on the page is the one that the stored measurement gives, and operations are counted correctly."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from .programs import program

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "paper_scale.md"


@pytest.fixture(scope="module")
def cost():
    return program("benchmarks/cost.py")


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((ROOT / "data" / "results" / "cost" / "cpu.json").read_text("utf-8"))


def test_the_page_shows_the_stored_measurement(cost, stored):
    (shown,) = re.findall(r"% cost: begin.*?\n\n(.*?)\n\n% cost: end", PAGE.read_text("utf-8"), re.S)
    assert shown == cost.table(stored, price=1.0)
    slower = stored | {"runs": [run | {"rate": run["rate"] / 2} for run in stored["runs"]]}
    assert shown != cost.table(slower, price=1.0)  # the control


def test_the_page_shows_the_ratios_that_are_stored():
    memory = program("benchmarks/memory.py")
    found = json.loads((ROOT / "data" / "results" / "memory" / "cpu.json").read_text("utf-8"))
    (shown,) = re.findall(r"% memory: begin.*?\n\n(.*?)\n\n% memory: end", PAGE.read_text("utf-8"), re.S)
    assert shown == memory.table(found)
    other = found | {"rows": [row | {"memory": 2 * row["memory"]} for row in found["rows"]]}
    assert shown != memory.table(other)  # the control
    assert {row["way"] for row in found["rows"]} <= {*memory.WAYS}


@pytest.mark.parametrize("network", ["glean", "stylegan2"])
def test_every_way_to_execute_a_step_can_be_measured(network, monkeypatch):
    memory = program("benchmarks/memory.py")
    monkeypatch.setattr(memory, "WIDTH", 8)
    for way, settings in memory.WAYS.items():
        if way != "compile":  # tests/training/test_micro.py traces it: machine code takes minutes
            assert memory.measure(network, 32, 16, settings)["seconds"] > 0, way


def test_operations_of_a_convolution_and_its_derivatives(cost):
    """A multiplication and an addition for each weight at each pixel; either derivative the same again."""
    with torch.device("meta"):
        conv, x = nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.zeros(2, 3, 16, 16)
    forward = 2 * 2 * 5 * 16 * 16 * 3 * 9
    with cost.estimate.Operations() as once:
        conv(x)
    assert once.total == forward
    with cost.estimate.Operations() as trained:
        conv(x.requires_grad_()).sum().backward()
    assert trained.total == 3 * forward


def test_what_is_counted_does_not_depend_on_the_batch(cost):
    """Per image, at the smallest profile: work on the weights, once a step, is a small part even there."""
    meta = torch.device("meta")
    kinds = cost.kinds_of_step("smoke")
    assert sum(kinds.values()) == 16
    counts = [cost.operations(*cost.prior_step("smoke", batch, meta), kinds) / batch for batch in (4, 8)]
    assert counts[0] == pytest.approx(counts[1], rel=1e-3)
    plain = cost.operations(*cost.prior_step("smoke", 4, meta), {1: 16}) / 4
    assert plain < counts[0]  # the control: the regularisers cost something


@pytest.mark.parametrize("model", ["glean", "panini", "pdn"])
def test_every_restorer_is_counted_and_measured(cost, model):
    one = cost.operations(*cost.restorer_step_of(model, 8, 64, "laptop", 2, torch.device("meta")), {1: 1})
    assert one > 0
    assert (
        cost.seconds(
            *cost.restorer_step_of(model, 8, 64, "laptop", 2, torch.device("cpu")), {1: 1}, torch.device("cpu")
        )
        > 0
    )


def test_the_papers_64x_is_built_and_stepped(cost):
    """16 to 1024 pixels, as in GLEAN's article, at the paper's sizes: on the meta device, without its memory."""
    step, state = cost.restorer_step_of("glean", 64, 1024, "paper", 1, torch.device("meta"))
    network = state["network"].network
    assert (network.in_size, network.out_size, network.fused) == (16, 1024, [4, 8, 16])
    assert cost.operations(step, state, {1: 1}) > 1e12
    with pytest.raises(ValueError, match="takes y of shape"):  # the control: what is stepped through looks at its y
        network(torch.zeros(1, 3, 64, 64, device="meta"))


def test_the_count_agrees_with_a_published_time(cost, stored):
    """StyleGAN2's authors needed 69 d 23 h on a V100, whose float32 peak is 15.7 T a second: 20 to 80 % of it used."""
    prior = stored["runs"][0]
    assert 0.2 < prior["images"] * prior["operations_per_image"] / cost.V100_SECONDS / 15.7e12 < 0.8
