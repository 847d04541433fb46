"""The GAN step: two ranks compute what one computes on the whole batch, and a resumed run equals an unbroken one."""

import json
import subprocess
import sys

import pytest
import torch

from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.training import Run, fit, make_fabric, step_generator
from ganprior_null.training.ema import update_ema
from ganprior_null.training.gan import GanRecipe, gan_state, gan_step

WIDTHS = {4: 8, 8: 8, 16: 8}
RECIPE = GanRecipe(global_batch=8, r1_every=2, path_every=2, ema_images=100)


def images_at(t: int) -> torch.Tensor:
    return torch.rand(8, 3, 16, 16, generator=step_generator(0, t, "images")) * 2 - 1


def build(recipe: GanRecipe = RECIPE) -> dict:
    torch.manual_seed(0)
    return gan_state(StyleGAN2(16, 16, 2, WIDTHS).double(), StyleGAN2Discriminator(16, WIDTHS).double(), recipe)


def train(steps: int, run: Run, fabric) -> dict:
    state = build()
    step = gan_step(lambda t: images_at(t).double(), RECIPE)
    fit(fabric, step, state, run, steps=steps, global_batch=8, log_every=1, save_every=2, progress=False)
    return state


def weights(state: dict, name: str) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state[name].parameters()])


@pytest.fixture(scope="module")
def fabric():
    return make_fabric(accelerator="cpu")


def test_resumed_equals_uninterrupted(fabric, tmp_path):
    whole = train(5, Run(tmp_path / "whole", {}), fabric)
    train(2, Run(tmp_path / "parts", {}), fabric)
    parts = train(5, Run(tmp_path / "parts", {}), fabric)
    for name in ("G", "D", "G_ema"):
        assert torch.equal(weights(whole, name), weights(parts, name))
    assert whole["path_mean"] == parts["path_mean"] > 0


def test_two_ranks_equal_one(fabric, tmp_path):
    """torchrun with two CPU processes of batch 4 against one of batch 8: same losses, same weights (float64)."""
    alone = train(4, Run(tmp_path / "one", {}), fabric)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.training.gan_ranks", str(tmp_path / "two")]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    state = build()
    assert Run(tmp_path / "two", {}).resume(state)
    for name in ("G", "D", "G_ema"):
        torch.testing.assert_close(weights(state, name), weights(alone, name), rtol=1e-6, atol=1e-8)
    logs = [[json.loads(line) for line in (tmp_path / n / "metrics.jsonl").open()] for n in ("one", "two")]
    for ours, theirs in zip(*logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_the_step_trains_every_part(fabric, tmp_path):
    before = build()
    after = train(2, Run(tmp_path, {}), fabric)
    for name in ("G", "D", "G_ema"):
        moved = [
            not torch.equal(a, b) for a, b in zip(before[name].parameters(), after[name].parameters(), strict=True)
        ]
        assert all(moved), name


def test_ema_forgets_half_after_its_half_life():
    average, module = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for value, layer in ((0.0, average), (1.0, module)):
        torch.nn.init.constant_(layer.weight, value)
        torch.nn.init.constant_(layer.bias, value)
    for _ in range(10):  # ten batches of 16, half-life 160: whatever the batch size
        update_ema(average, module, batch=16, seen=10**6, half_life=160)
    torch.testing.assert_close(average.weight.item(), 0.5, rtol=1e-5, atol=0)
    update_ema(average, module, batch=16, seen=1, half_life=10**9)  # at the start it follows at once
    assert average.weight.item() > 0.999
