"""A published network trained a little further, with or without the null space in its forward pass.

The command ``train network``. The question of lesson 09 that PD *after* training leaves open: is PD *in* training worth
more? So every run is judged on the same held-out photographs, raw and with PD and the exact operator behind it.
"""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import height_width
from ..data import PHOTOGRAPHS, photograph
from ..images import from_uint8, list_images, load_image, to_uint8
from ..networks import load_network
from ..networks.stages import Staged
from ..operators import AveragePool, LinearOperator, Resize
from ..profiles import did_you_mean
from ..restorers import NullSpace
from ..storage import write_json
from ..training import Run, fit, make_fabric, step_generator
from ..training.runtime import memory_advice
from .real_networks import cut, figures, summary

NULL_SPACES = ("none", "pd", "exact")
HELD_OUT = 4  # every fourth photograph is never trained on


def fine_tune(
    name: str, null_space: str, out: Path, *, images: Path | None = None, steps: int = 2000, batch: int = 8,
    side: int = 192, lr: float = 1e-4, seed: int = 0,
) -> bool:  # fmt: skip
    """Train the named network on crops (side x side) of photographs, y by bicubic in 8 bits, loss L1 of what comes out.

    null_space: what stands at the end of the forward pass: none, pd, exact. images: a folder, else scikit-image's
    photographs. Leaves ``last.ckpt`` and, when finished, ``summary.json``: the figures on held-out photographs, before
    and after. True when finished, False when stopped by a signal; the same call goes on. Raises ValueError for bad
    input.
    """
    if null_space not in NULL_SPACES:
        raise ValueError(f"unknown null space {null_space!r}{did_you_mean(null_space, NULL_SPACES)}")
    network = load_network(name).requires_grad_(True)
    side = side // network.factor * network.factor
    photos = [load_image(path) for path in list_images(images)] if images else [photograph(n) for n in PHOTOGRAPHS]
    held_out, training = photos[::HELD_OUT], [x for i, x in enumerate(photos) if i % HELD_OUT]
    if not training or any(min(x.shape[-2:]) < side for x in photos):
        raise ValueError(f"training needs two photographs or more, of {side} pixels a side or more")
    params = {"network": name, "null_space": null_space, "batch": batch, "side": side, "lr": lr, "seed": seed}
    run = Run(out, params | {"steps": steps, "photographs": len(training)})
    A = Resize(side, network.factor)
    whole = {"none": network, "pd": NullSpace(network, AveragePool(network.factor)), "exact": NullSpace(network, A)}
    state = {"step": 0, "network": network, "optimizer": torch.optim.Adam(network.parameters(), lr=lr)}
    before = judged(load_network(name), held_out)
    step = fine_tune_step(whole[null_space], crops(training, side, batch, seed), A)
    with memory_advice(f"lower the batch (now {batch}), then the side (now {side})"):
        finished = fit(make_fabric(accelerator="cpu"), step, state, run, steps=steps, global_batch=batch)
    if finished:
        write_json(run.path / "summary.json", {"before": before, "after": judged(network.eval(), held_out)})
    return finished


def fine_tune_step(whole: nn.Module, x_at: Callable[[int], Tensor], A: LinearOperator) -> Callable:
    """One step of :func:`~ganprior_null.training.fit`: L1 between whole(y) and x."""

    def step(fabric, state: dict, t: int) -> dict[str, Tensor]:
        x = x_at(t)
        loss = F.l1_loss(whole(from_uint8(to_uint8(A(x)))), x)
        state["optimizer"].zero_grad()
        loss.backward()
        state["optimizer"].step()
        return {"l1": loss}

    return step


def crops(photos: list[Tensor], side: int, batch: int, seed: int) -> Callable[[int], Tensor]:
    """t -> (batch, 3, side, side): places in photographs, mirrored or not, a function of the seed and t."""

    def x_at(t: int) -> Tensor:
        generator = step_generator(seed, t, "crops")
        parts = []
        for _ in range(batch):
            which, down, across, mirrored = torch.rand(4, generator=generator).tolist()
            x = photos[int(which * len(photos))]
            top, left = (int(share * (n - side + 1)) for share, n in zip((down, across), x.shape[-2:], strict=True))
            part = x[..., top : top + side, left : left + side]
            parts.append(part.flip(-1) if mirrored < 0.5 else part)
        return torch.cat(parts)

    return x_at


@torch.no_grad()
def judged(network: Staged, photos: list[Tensor], most: int = 256) -> dict:
    """PSNR and PSNR(LR) raw, with PD, exact: means over the centres of the photographs."""
    rows = []
    for x in photos:
        x = cut(x, network.factor, most)
        row = figures(network, x, Resize(height_width(x), network.factor))
        rows.append({"network": "", "set": ""} | row)
    (mean,) = summary(rows)
    return {key: value for key, value in mean.items() if key.startswith("PSNR")}
