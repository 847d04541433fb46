"""What the paper profile takes: operations of its training steps, counted; the rate of this machine, measured; hours.

    python benchmarks/cost.py                        # measure here, print the table
    python benchmarks/cost.py --store data/results/cost/mine.json
    python benchmarks/cost.py --read data/results/cost/cpu.json --price 3    # the table of a stored measurement
    python benchmarks/cost.py --evening              # the hours of the sweep at the gpu profile

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
from pathlib import Path

import torch

from ganprior_null.experiments import estimate
from ganprior_null.experiments.estimate import alone, operations
from ganprior_null.profiles import PRIORS, RESTORERS, Experiment

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


def prior_step(name: str, batch: int, device: torch.device):
    """(step, state) of a StyleGAN2's training at a profile, with that many images a step."""
    return estimate.prior_step(PRIORS[name], batch, device)


def restorer_step_of(model: str, factor: int, size: int, name: str, batch: int, device: torch.device):
    """(step, state) of a restorer's training around a prior of the profile's widths up to ``size`` pixels; PD aside."""
    size = min(size, PRIORS[name].size)
    prior = dataclasses.replace(PRIORS[name], size=size, widths=PRIORS[name].widths[: int(math.log2(size)) - 1])
    this = Experiment(model=model, factor=factor)
    return estimate.restorer_step_of(this, prior, RESTORERS[name], batch, device)


def kinds_of_step(name: str) -> dict[int, int]:
    """{t: how many of 16 steps of a prior's training are like step t}: with both lazy regularisers, one, or none."""
    every = PRIORS[name].path_every  # R1 comes every 16 steps
    return {0: 1, every: 16 // every - 1, 1: 16 - 16 // every}


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
        per_image = operations(*make(*which, "paper", 2, meta), full) / 2
        done = operations(*make(*which, name, batch, meta), here)
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


EVENING = (("glean", 2), ("panini", 2), ("pdn", 1))  # restorers of workflow/gpu.yaml, how many of each


def evening() -> str:
    """The hours of workflow/gpu.yaml on one V100, at the rate that follows from StyleGAN2's published time."""
    meta, paper = torch.device("meta"), PRIORS["paper"]
    v100 = paper.images * operations(*prior_step("paper", 2, meta), kinds_of_step("paper")) / 2 / V100_SECONDS
    prior, profile = PRIORS["gpu"], RESTORERS["gpu"]
    shown = profile.steps * profile.global_batch
    rows = [("StyleGAN2", 1, prior.images, operations(*prior_step("gpu", 4, meta), kinds_of_step("gpu")) / 4)]
    rows += [
        (TITLES[model], count, shown, operations(*restorer_step_of(model, 8, prior.size, "gpu", 4, meta), {1: 1}) / 4)
        for model, count in EVENING
    ]
    lines = ["| run | how many | images shown | one V100, each | all |", "|---|--:|--:|--:|--:|"]
    total = 0.0
    for title, count, images, each in rows:
        hours = images * each / v100 / 3600
        total += count * hours
        lines.append(f"| {title}, {prior.size} px | {count} | {images:,} | {hours:.1f} h | {count * hours:.1f} h |")
    return "\n".join([*lines, f"| **the evening** | | | | {total:.1f} h |"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, help="images a step while measuring (default: 4 on a GPU, 8 on a CPU)")
    parser.add_argument("--price", type=float, default=1.0, help="of one V100 hour, in your currency (default 1)")
    parser.add_argument("--store", type=Path, metavar="FILE", help="write what was counted and measured, as JSON")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: the table of a stored measurement")
    parser.add_argument("--evening", action="store_true", help="measure nothing: the hours of workflow/gpu.yaml")
    options = parser.parse_args()
    if options.evening:
        print(evening())
        return 0
    found = json.loads(options.read.read_text("utf-8")) if options.read else measure(options.batch)
    if options.store:
        options.store.parent.mkdir(parents=True, exist_ok=True)
        options.store.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(table(found, options.price))
    return 0


if __name__ == "__main__":
    sys.exit(main())
