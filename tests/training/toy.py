"""A training run small enough to be killed many times: python toy.py FOLDER STEPS."""

import functools
import signal
import sys
import time

import torch
from torch import nn

from ganprior_null.training import Run, batch_indices, fit, make_fabric, step_generator

BATCH = 4
SEED = 3


def build() -> tuple[dict, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(10, 6, generator=generator)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return {"step": 0, "model": model, "optimizer": torch.optim.Adam(model.parameters(), lr=1e-2)}, images


def make_step(images, seconds: float = 0.0):
    def step(fabric, state, t):
        x = images[batch_indices(len(images), BATCH, t, seed=SEED)]
        noise = torch.randn(x.shape, generator=step_generator(SEED, t, "noise"))
        loss = (state["model"](x + 0.1 * noise) - x).square().mean()
        state["optimizer"].zero_grad()
        loss.backward()
        state["optimizer"].step()
        time.sleep(seconds)
        return {"loss": loss}

    return step


def train(folder: str, steps: int, say, at_most: int | None = None) -> None:
    """Train in ``folder``; ``say`` hears "ready" when all is set up, and then how it ended.

    After ``at_most`` steps it waits for ever: to be killed, on a machine however fast.
    """
    fabric = make_fabric(accelerator="cpu")
    state, images = build()
    run = Run(folder, {"seed": SEED})
    say("ready")
    one_step, taken = make_step(images, seconds=0.002), 0

    def step(fabric, state, t):
        nonlocal taken
        if taken == at_most:
            signal.pause()
        taken += 1
        return one_step(fabric, state, t)

    finished = fit(
        fabric, step, state, run,
        steps=steps, global_batch=BATCH, log_every=5, save_every=7, progress=False,
    )  # fmt: skip
    say("finished" if finished else f"stopped at {state['step']}")


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]), functools.partial(print, flush=True))
