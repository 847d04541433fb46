"""A training run small enough to be killed many times: python toy.py FOLDER STEPS."""

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


if __name__ == "__main__":
    state, images = build()
    run = Run(sys.argv[1], {"seed": SEED})
    print("ready", flush=True)
    step = make_step(images, seconds=0.002)
    finished = fit(
        make_fabric(accelerator="cpu"), step, state, run,
        steps=int(sys.argv[2]), global_batch=BATCH, log_every=5, save_every=7, progress=False,
    )  # fmt: skip
    print("finished" if finished else f"stopped at {state['step']}", flush=True)
