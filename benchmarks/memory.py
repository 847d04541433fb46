"""What saves memory, and what saves time: a training step of GLEAN and of StyleGAN2 in each way to execute it.

    python benchmarks/memory.py                  # 64 pixels, batch 16, one thread; some minutes
    python benchmarks/memory.py --size 128 --batch 8 --threads 2
    python benchmarks/memory.py --store data/results/memory/mine.json
    python benchmarks/memory.py --read data/results/memory/cpu.json      # the table of a stored measurement

Each way is a process of its own, since the peak of memory is the process's: what it held at most during the steps, less
what it held before. Time (the processor's, not the clock's) and memory are printed as ratios to the plain step in
float32, medians over rounds in which all ways take turns. GLEAN 8x with all its losses and its discriminator; StyleGAN2
with both of its regularisers in every step.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from ganprior_null.experiments import models
from ganprior_null.layers import FeatureNet64
from ganprior_null.operators import AveragePool
from ganprior_null.places import commit
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.profiles import restorer
from ganprior_null.storage import read_json, write_json
from ganprior_null.training.gan import GanRecipe, gan_state, gan_step
from ganprior_null.training.restore import RestorerRecipe, restorer_state, restorer_step
from ganprior_null.training.runtime import Execution

WIDTH, STYLE = 64, 128
TITLES = {"glean": "GLEAN", "stylegan2": "StyleGAN2"}
# with glibc, freed memory is given back, so that the peak is the step's
BACK = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
WAYS = {
    "plain": {},
    "accumulate 2": {"accumulate": 2},
    "accumulate 4": {"accumulate": 4},
    "recompute": {"recompute": True},
    "both": {"accumulate": 4, "recompute": True},
    "bfloat16": {"bfloat16": True},
    "channels-last": {"channels_last": True},
    "compile": {"compile": True},
}


class Alone:
    """What a step asks of Fabric, for one process."""

    global_rank, world_size, device = 0, 1, torch.device("cpu")

    def __init__(self, bfloat16: bool):
        self.bfloat16 = bfloat16

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16) if self.bfloat16 else contextlib.nullcontext()

    def backward(self, loss) -> None:
        loss.backward()

    def all_reduce(self, value, reduce_op="mean"):
        return value


def step_of(network: str, size: int, batch: int, way: dict):
    """(step, state): of "glean" or "stylegan2"."""
    torch.manual_seed(0)
    widths = {4 * 2**i: WIDTH for i in range(size.bit_length() - 2)}
    G, D = StyleGAN2(size, STYLE, 4, widths), StyleGAN2Discriminator(size, widths)
    x, accumulate = torch.rand(batch, 3, size, size), way.get("accumulate", 1)
    if network == "stylegan2":
        recipe = GanRecipe(global_batch=batch, r1_every=1, path_every=1, accumulate=accumulate)
        state, learning = gan_state(G, D, recipe), (G, D)
        step = gan_step(lambda t: 2 * x - 1, recipe)
    else:
        A, recipe = AveragePool(8), RestorerRecipe(global_batch=batch, accumulate=accumulate)
        glean = models.model("glean").build(G, size // 8, restorer("laptop"))
        state, learning = restorer_state(glean, D, recipe), (glean, D)
        step = restorer_step(lambda t: (x, A(x)), A, recipe, FeatureNet64().requires_grad_(False))
    if way.get("channels_last"):
        for module in learning:
            for parameter in module.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.to(memory_format=torch.channels_last)
    Execution(recompute=way.get("recompute", False), compile=way.get("compile", False)).prepare(*learning)
    return step, state


def measure(network: str, size: int, batch: int, way: dict) -> dict:
    """Of this process: seconds of a step, the fastest of three after a first one, and MB that the steps took."""
    step, state = step_of(network, size, batch, way)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fabric, taken = Alone(way.get("bfloat16", False)), []
    for t in range(4):
        began = time.process_time()
        step(fabric, state, t)
        taken.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": min(taken[1:]), "MB": (peak - before) / 1024}


def compare(size: int, batch: int, threads: int, rounds: int, ways: list[str]) -> dict:
    """The ratios of each network and way to the plain step, with what they were measured on."""
    about = {"machine": platform.machine(), "torch": torch.__version__, "commit": commit(within="ganprior_null")}
    about |= {"size": size, "batch": batch, "threads": threads, "rounds": rounds, "width": WIDTH}
    sizes = ["--size", str(size), "--batch", str(batch), "--threads", str(threads)]
    rows = []
    for network in TITLES:
        found: dict[str, list[dict]] = {way: [] for way in dict.fromkeys(["plain", *ways])}
        for _ in range(rounds):
            for way, results in found.items():
                command = [sys.executable, str(Path(__file__)), *sizes, "--one", network, way]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=BACK)
                results.append(json.loads(done.stdout.splitlines()[-1]))
                print(network, way, results[-1], file=sys.stderr, flush=True)
        for way, results in found.items():
            row: dict = {"network": network, "way": way}
            for what, unit in (("time", "seconds"), ("memory", "MB")):
                each = [one[unit] / plain[unit] for one, plain in zip(results, found["plain"], strict=True)]
                row[what] = round(statistics.median(each), 3)
            rows.append(row)
    return about | {"rows": rows}


def table(found: dict) -> str:
    """The measurement as Markdown."""
    threads = "one thread" if found["threads"] == 1 else f"{found['threads']} threads"
    sizes = f"{found['size']} pixels, {found['batch']} images a step, {found['width']} channels"
    ways = list(dict.fromkeys(row["way"] for row in found["rows"]))
    ratios = {(row["network"], row["way"]): f"{row['time']:.2f} | {row['memory']:.2f}" for row in found["rows"]}
    return "\n".join([
        f"A step over a plain one in float32: {sizes}, {threads} of {found['machine']}, torch {found['torch']}.",
        "",
        "| way | " + " | ".join(f"{title}, time | memory" for title in TITLES.values()) + " |",
        "|---|" + "--:|--:|" * len(TITLES),
        *(f"| {way} | " + " | ".join(ratios[network, way] for network in TITLES) + " |" for way in ways),
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--store", type=Path, metavar="FILE", help="write what was measured, as JSON")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: the table of a stored measurement")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)  # what the processes are started with
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(options.threads)
        print(json.dumps(measure(options.one[0], options.size, options.batch, WAYS[options.one[1]])))
        return
    if options.read:
        print(table(read_json(options.read)))
        return
    found = compare(options.size, options.batch, options.threads, options.rounds, options.ways)
    if options.store:
        write_json(options.store, found)
    print(table(found))


if __name__ == "__main__":
    main()
