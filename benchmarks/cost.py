"""What the paper profile takes: operations of its training steps, counted; the rate of this machine, measured; hours.

    python benchmarks/cost.py                        # measure here, print the table
    python benchmarks/cost.py --store data/results/cost/mine.json
    python benchmarks/cost.py --read data/results/cost/cpu.json --price 3    # the table of a stored measurement

Counting needs no memory: the very training steps run on PyTorch's meta device, which knows shapes only, and every
convolution and matrix product is counted, those of first and second derivatives too. Measuring runs the same steps in
earnest: on a GPU those of the paper profile, with few images at a time; on a CPU those of the laptop profile, on one
core, by the processor's own clock, which programs beside this one do not disturb. Hours are operations over rate.

Assumed: a step takes time in proportion to its operations, and nothing is lost between steps (loading, evaluation,
saving). Larger layers usually sustain a higher rate, so a CPU's figures are pessimistic. The rate of a V100 is not
measured here but follows from what StyleGAN2's authors publish: 69 days 23 hours on one of them for the prior.
"""

import argparse
import dataclasses
import json
import math
import platform
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganprior_null.experiments import prior as priors
from ganprior_null.experiments import restorer as restorers
from ganprior_null.layers.features import FeatureNet64
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.profiles import PRIORS, RESTORERS
from ganprior_null.training.gan import gan_state, gan_step
from ganprior_null.training.restore import restorer_state, restorer_step

V100_SECONDS = (69 * 24 + 23) * 3600  # github.com/NVlabs/stylegan2, config F, 1024 px, 25 million images, one V100
# training runs of the paper's tables: (model, factor, size, how many)
RUNS = [
    ("glean", 8, 1024, 2),  # Table 2, faces, with and without PD
    ("glean", 8, 256, 4),  # cats and churches
    ("panini", 8, 1024, 2),
    ("panini", 8, 256, 4),
    ("glean", 16, 1024, 2),  # Table 3
    ("panini", 16, 1024, 2),
    ("pdn", 8, 1024, 2),  # Table 4, with and without PD
]
TITLES = {"glean": "GLEAN", "panini": "Panini", "pdn": "PDN"}


class Operations(TorchDispatchMode):
    """Counts multiplications and additions of convolutions and matrix products."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return True  # a check of values, of which there are none
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def alone(device: torch.device, autocast=nullcontext) -> SimpleNamespace:
    """The part of Fabric that a step uses, for one process."""
    same = {"all_reduce": lambda x, **_: x, "backward": lambda loss: loss.backward()}
    return SimpleNamespace(global_rank=0, world_size=1, device=device, autocast=autocast, **same)


def prior_step(name: str, batch: int, device: torch.device):
    """(step, state) of a StyleGAN2's training at a profile, with that many images a step."""
    profile = PRIORS[name]
    with device:
        G = StyleGAN2(profile.size, profile.style_dim, profile.n_mlp, profile.channels)
        D = StyleGAN2Discriminator(profile.size, profile.channels)
        x = torch.zeros(batch, 3, profile.size, profile.size)
    recipe = dataclasses.replace(priors.recipe_of(profile, 0), global_batch=batch)
    state = gan_state(G, D, recipe)
    state["path_mean"] = state["path_mean"].to(device)
    return gan_step(lambda t: x, recipe), state


def restorer_step_of(model: str, factor: int, size: int, name: str, batch: int, device: torch.device):
    """(step, state) of a restorer's training around a prior of the profile's widths up to ``size`` pixels; PD aside."""
    profile, size = RESTORERS[name], min(size, PRIORS[name].size)
    prior = dataclasses.replace(PRIORS[name], size=size, widths=PRIORS[name].widths[: int(math.log2(size)) - 1])
    this = restorers.Experiment(model=model, factor=factor)
    with device:
        G = StyleGAN2(prior.size, prior.style_dim, prior.n_mlp, prior.channels)
        D = StyleGAN2Discriminator(prior.size, prior.channels)
        network = restorers.build(this, G, profile)
        features = FeatureNet64().requires_grad_(False)
        x, y = (torch.zeros(batch, 3, side, side) for side in (prior.size, prior.size // factor))
    recipe = dataclasses.replace(restorers.recipe_of(this, profile), global_batch=batch)
    return restorer_step(lambda t: (x, y), None, recipe, features), restorer_state(network, D, recipe)


def kinds_of_step(name: str) -> dict[int, int]:
    """{t: how many of 16 steps of a prior's training are like step t}: with both lazy regularisers, one, or none."""
    every = PRIORS[name].path_every  # R1 comes every 16 steps
    return {0: 1, every: 16 // every - 1, 1: 16 - 16 // every}


def counted(step, state: dict, kinds: dict[int, int]) -> float:
    """Operations of a step on average, on the meta device, which has no fused form of Adam."""
    for optimizer in (each for each in state.values() if isinstance(each, torch.optim.Optimizer)):
        for group in optimizer.param_groups:
            group["fused"] = False
    total = 0.0
    for t, often in kinds.items():
        with Operations() as operations:
            step(alone(torch.device("meta")), state, t)
        total += often * operations.total
    return total / sum(kinds.values())


def seconds(step, state: dict, kinds: dict[int, int], device: torch.device) -> float:
    """How long a step takes on average: on a GPU by the clock on the wall, on a CPU by that of the processor."""
    if device.type == "cuda":
        fabric = alone(device, lambda: torch.autocast("cuda", torch.bfloat16))
        wait, clock = torch.cuda.synchronize, time.perf_counter
    else:
        torch.set_num_threads(1)
        fabric, wait, clock = alone(device), lambda: None, time.process_time
    total = 0.0
    for t, often in kinds.items():
        taken = []
        for _ in range(3):
            wait()
            start = clock()
            step(fabric, state, t)
            wait()
            taken.append(clock() - start)
        total += often * min(taken[1:])  # the first one warms up
    return total / sum(kinds.values())


def measure(batch: int | None) -> dict:
    """Rates of this machine in operations a second, and the operations of the paper profile's runs."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name, meta = "paper" if device.type == "cuda" else "laptop", torch.device("meta")
    batch = batch or (4 if device.type == "cuda" else 8)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else f"one core of {platform.machine()}"
    found = {"machine": machine, "device": device.type, "torch": torch.__version__, "measured_at": name, "runs": []}
    rows = [("StyleGAN2, 1024 px", prior_step, (), 1, PRIORS["paper"].images)]
    images = RESTORERS["paper"].steps * RESTORERS["paper"].global_batch
    rows += [
        (f"{TITLES[model]}, {factor}x, {size} px", restorer_step_of, (model, factor, size), count, images)
        for model, factor, size, count in RUNS
    ]
    for title, make, which, count, images in rows:
        full, here = (kinds_of_step(profile) if make is prior_step else {1: 1} for profile in ("paper", name))
        per_image = counted(*make(*which, "paper", 2, meta), full) / 2
        done = counted(*make(*which, name, batch, meta), here)
        rate = done / seconds(*make(*which, name, batch, device), here, device)
        run = {"name": title, "runs": count, "images": images, "operations_per_image": per_image, "rate": rate}
        found["runs"].append(run)
        print(
            f"{title}: {per_image / 1e9:.0f} G operations an image, {rate / 1e9:.1f} G a second here", file=sys.stderr
        )
    return found


def table(found: dict, price: float) -> str:
    """The measurement as Markdown: each kind of run, and all that the paper's tables need when priors are at hand."""
    prior = found["runs"][0]
    v100 = prior["images"] * prior["operations_per_image"] / V100_SECONDS
    lines = [
        f"| run | how many | operations | {found['machine']} | one V100 | cost on V100s |",
        "|---|---|---|---|---|---|",
    ]
    hours = 0.0
    for run in found["runs"]:
        total = run["images"] * run["operations_per_image"]
        each = total / v100 / 3600
        if run is not prior:
            hours += run["runs"] * each
        here = f"{total / run['rate'] / 86400:,.0f} days"
        lines.append(f"| {run['name']} | {run['runs']} | {total:.1e} | {here} | {each:,.0f} h | {each * price:,.0f} |")
    count = sum(run["runs"] for run in found["runs"][1:])
    lines.append(f"| **all of them, prior aside** | {count} | | | {hours:,.0f} h | {hours * price:,.0f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, help="images a step while measuring (default: 4 on a GPU, 8 on a CPU)")
    parser.add_argument("--price", type=float, default=1.0, help="of one V100 hour, in your currency (default 1)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="write what was counted and measured, as JSON")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: the table of a stored measurement")
    options = parser.parse_args()
    found = json.loads(options.read.read_text("utf-8")) if options.read else measure(options.batch)
    if options.store:
        options.store.parent.mkdir(parents=True, exist_ok=True)
        options.store.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(table(found, options.price))
    return 0


if __name__ == "__main__":
    sys.exit(main())
