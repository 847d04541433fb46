"""The GAN step: two ranks compute what one computes on the whole batch, and a resumed run equals an unbroken one."""

import dataclasses
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
AUGMENTED = dataclasses.replace(RECIPE, ada_target=0.6, ada_images=64)


def images_at(t: int) -> torch.Tensor:
    return torch.rand(8, 3, 16, 16, generator=step_generator(0, t, "images")) * 2 - 1


def build(recipe: GanRecipe = RECIPE) -> dict:
    torch.manual_seed(0)
    return gan_state(StyleGAN2(16, 16, 2, WIDTHS).double(), StyleGAN2Discriminator(16, WIDTHS).double(), recipe)


def train(steps: int, run: Run, fabric, recipe: GanRecipe = RECIPE, p: float = 0.0) -> dict:
    """p: of the augmentation at the start, so that a short run has any."""
    state = build(recipe)
    if recipe.ada_target:
        state["ada"].p = p
    share = slice(fabric.global_rank, None, fabric.world_size)
    step = gan_step(lambda t: images_at(t)[share].double(), recipe)
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
    """torchrun with two CPU processes of batch 4 against one of batch 8, augmented: same losses, same weights."""
    alone = train(5, Run(tmp_path / "one", {}), fabric, AUGMENTED, p=0.7)
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "tests.training.gan_ranks", str(tmp_path / "two")]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    state = build(AUGMENTED)
    assert Run(tmp_path / "two", {}).resume(state)
    assert state["ada"].state_dict() == alone["ada"].state_dict()
    for name in ("G", "D", "G_ema"):
        torch.testing.assert_close(weights(state, name), weights(alone, name), rtol=1e-6, atol=1e-8)
    logs = [[json.loads(line) for line in (tmp_path / n / "metrics.jsonl").open()] for n in ("one", "two")]
    for ours, theirs in zip(*logs, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_resumed_equals_uninterrupted_with_augmentation(fabric, tmp_path):
    """Seven steps: p moves after the fourth; the parts stop in the middle of its signs."""
    whole = train(7, Run(tmp_path / "whole", {}), fabric, AUGMENTED, p=0.7)
    train(3, Run(tmp_path / "parts", {}), fabric, AUGMENTED, p=0.7)
    parts = train(7, Run(tmp_path / "parts", {}), fabric, AUGMENTED)
    for name in ("G", "D", "G_ema"):
        assert torch.equal(weights(whole, name), weights(parts, name))
    assert whole["ada"].state_dict() == parts["ada"].state_dict()
    assert min(abs(whole["ada"].p - 0.2), abs(whole["ada"].p - 1.0)) < 1e-9  # 32 of 64 images up or down, at most 1
    plain = train(7, Run(tmp_path / "plain", {}), fabric, AUGMENTED, p=0.0)  # the control: p matters
    assert not torch.equal(weights(whole, "D"), weights(plain, "D"))


def test_both_sides_and_r1_are_augmented(fabric, monkeypatch):
    """Every image D sees comes from augment: real, generated, and generated for G; R1's gradient passes it."""
    from ganprior_null.training import gan

    seen, made = [], []
    kept = gan.augment
    monkeypatch.setattr(gan, "augment", lambda *args: made.append(kept(*args)) or made[-1])
    state = build(AUGMENTED)
    state["ada"].p = 1.0
    state["D"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    gan_step(lambda t: images_at(t).double(), AUGMENTED)(fabric, state, 0)
    assert len(seen) == len(made) == 4  # real, fake, R1, G
    assert all(a is b for a, b in zip(seen, made, strict=True))
    assert torch.equal(made[0], made[2]) and made[2].requires_grad and not made[0].requires_grad


def test_a_state_without_augmentation_is_what_it_was():
    """Checkpoints written before augmentation existed still resume: no further keys."""
    keys = {"step", "G", "D", "G_ema", "optimizer_G", "optimizer_D", "path_mean"}
    assert build().keys() == keys and build(AUGMENTED).keys() == keys | {"ada"}


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
