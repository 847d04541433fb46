"""The programs on the page "PD in your own network" run as printed, one after the other."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from ganprior_null import AveragePool, enforce_consistency
from ganprior_null.images import from_uint8, load_image, save_image, to_uint8

PAGE = Path(__file__).resolve().parents[1] / "book" / "your_network.md"
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)


@pytest.fixture
def names():
    """What the page takes for granted: a network, pairs of images."""
    torch.manual_seed(0)
    x = torch.rand(2, 3, 64, 64)
    return {
        "torch": torch,
        "network": nn.Sequential(nn.Upsample(scale_factor=8), nn.Conv2d(3, 3, 3, padding=1)).requires_grad_(False),
        "x": x,
        "y": from_uint8(to_uint8(AveragePool(8)(x))),
    }


def test_five_lines_and_what_follows_them_run(names, tmp_path, monkeypatch):
    assert len(PROGRAMS) == 7
    assert all(len(program.strip().splitlines()) <= 6 for program in PROGRAMS[:2])  # five and the blank one
    monkeypatch.chdir(tmp_path)
    save_image(names["y"][0], "small.png")
    for program in PROGRAMS:
        exec(program, names)
    assert load_image("large.png").shape[-2:] == (32, 32)
    assert names["found"].name == "average"
    assert names["pixels"].dtype == torch.uint8
    torch.testing.assert_close(AveragePool(8)(names["pixels"].double() / 255), names["y"].double(), rtol=0, atol=1e-6)
    assert names["softened"].shape == names["x"].shape
    converted = names["Converted"](nn.Upsample(scale_factor=8))
    torch.testing.assert_close(converted(names["y"]), nn.Upsample(scale_factor=8)(names["y"]))


def test_the_version_without_the_package_is_the_same(names):
    exec(PROGRAMS[2], names)
    x_r, y = torch.rand(2, 3, 64, 96, dtype=torch.float64), torch.rand(2, 3, 8, 12, dtype=torch.float64)
    torch.testing.assert_close(names["consistent"](x_r, y, 8), enforce_consistency(x_r, y, AveragePool(8)))


def test_the_assertion_on_the_page_can_fail(names):
    with pytest.raises(AssertionError):
        exec(PROGRAMS[1].replace("restore(y)", "network(y)"), names)
