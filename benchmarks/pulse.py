"""Eight restarts of PULSE side by side with one: as one batch, with and without halving, and one after the other.

    python benchmarks/pulse.py                  # the laptop prior's widths, 64 pixels, 8x, two threads
    python benchmarks/pulse.py --threads 1      # processor time: steadier where other programs compete
    python benchmarks/pulse.py --device cuda --steps 100

Every round times each entry once, in turn; the figure is the median over the rounds of its ratio to one restart in the
same round. Target: eight restarts, as ``pulse`` runs them, at most 3 times one. Samples cost what they compute: on one
CPU thread the convolutions of a single 64-pixel image already run near the processor's peak, a batch shares only the
overhead of the calls, and eight whole searches take 3.5 to 5 times one. Halving keeps the target on any machine: 2.7
times where nothing is shared. With random weights: the time does not depend on them.
"""

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import torch

from ganprior_null import AveragePool, StyleGAN2, pulse
from ganprior_null.restorers import fit_gaussian

WIDTHS = {4: 128, 8: 128, 16: 96, 32: 64, 64: 32}  # the prior of the laptop profile
RESTARTS = 8
TARGET = 3.0


def entries(device: str, factor: int, steps: int, restarts: int) -> dict[str, Callable[[], object]]:
    """{name: () -> anything}: what is timed."""
    torch.manual_seed(0)
    prior, A = StyleGAN2(64, 128, 4, WIDTHS).to(device), AveragePool(factor).to(device)
    y = torch.rand(1, 3, 64 // factor, 64 // factor, device=device)
    gaussian = fit_gaussian(prior, samples=10_000)  # once for all searches

    def search(count: int, seed: int = 0, halving: bool = True) -> object:
        options = {"eps": 1e-9, "gaussian": gaussian, "progress": False}  # eps: nothing arrives early
        return pulse(prior, y, A, steps=steps, seed=seed, restarts=count, halving=halving, **options)

    return {
        "one restart": lambda: search(1),
        f"{restarts} restarts, halving": lambda: search(restarts),
        f"{restarts} restarts, all to the end": lambda: search(restarts, halving=False),
        f"{restarts} searches in turn": lambda: [search(1, seed) for seed in range(restarts)],
    }


def measure(calls: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """{name: seconds per round}, the calls in turn; one round to warm up."""
    seconds = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if i:
                seconds[name].append(clock() - start)
    return seconds


def make_clock(device: str, threads: int) -> Callable[[], float]:
    """Wall time; the processor's own on one CPU thread, which other programs do not lengthen."""
    if device == "cpu":
        return time.thread_time if threads == 1 else time.perf_counter

    def synchronised() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return synchronised


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--factor", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20, help="per search; the ratios do not depend on it")
    parser.add_argument("--restarts", type=int, default=RESTARTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", help="write the table as JSON to this file")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    warnings.filterwarnings("ignore", "the prior has random weights")
    calls = entries(args.device, args.factor, args.steps, args.restarts)
    seconds = measure(calls, args.rounds, make_clock(args.device, args.threads))
    one = seconds["one restart"]
    ratios = {
        name: statistics.median(a / b for a, b in zip(values, one, strict=True)) for name, values in seconds.items()
    }
    print(
        f"64 pixels at {args.factor}x, {args.steps} steps, {args.device}, {args.threads} threads, {args.rounds} rounds"
    )
    print(f"{'':34}{'time / one restart':>20}")
    for name, ratio in ratios.items():
        print(f"{name:34}{ratio:20.2f}")
    kept = ratios[f"{args.restarts} restarts, halving"] <= TARGET
    print(f"target, {args.restarts} restarts at most {TARGET:.0f} times one: {'kept' if kept else 'missed'}")
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"setting": vars(args), "median_ratios": ratios}, file, indent=2)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
