"""What one GPU does with the course, in one call of ten minutes at most: its tests, its speed, its memory.

    make gpu-check                                            # measure here, store, print the table
    python benchmarks/gpu_check.py --read data/results/gpu/NAME.json

In turn: the tests that need a GPU; PD, exact operators and the box projection against a copy of the same image, whose
ratio is what a memory-bound operation can be judged by; images a second of forward passes and training steps, by
precision; the memory of training steps at 256 and 1024 pixels beside the estimate that `preflight` uses; the short
training run of lesson 07. Where there is no GPU all of it runs on the processor at the smallest sizes, to see that it
runs, and the result says so: such figures are nobody's, and are not stored with the repository's results.
"""

import argparse
import dataclasses
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils import benchmark

from ganprior_null import AveragePool, BlurDownsample, Resize, enforce_consistency, project_box
from ganprior_null.experiments import estimate
from ganprior_null.metrics import FEWEST_IMAGES
from ganprior_null.places import COMMITTED, ROOT, commit
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator
from ganprior_null.profiles import PRIORS, RESTORERS, Experiment, Prior
from ganprior_null.profiles import Restorer as Profile
from ganprior_null.storage import read_json, write_json
from ganprior_null.training import Execution

SECONDS = 600  # of all parts; one that would begin later is left out, and said
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
MODELS = ("glean", "panini", "pdn")
TABLE = ("PD", "exact bicubic", "exact blur", "box")


@dataclasses.dataclass(frozen=True)
class Scale:
    """How large the parts are."""

    profile: str  # of the training steps and of lesson 07's run
    sides: tuple[int, ...]  # of images, pixels: those of operators are the last
    batch: int
    seconds: float  # that a timing takes at least; 0: of a single call
    tests: tuple[str, ...]  # words for pytest
    run: dict  # what lesson 07's run has in place of the profile's


TESTS = ("-m", "gpu", "tests/operators", "tests/experiments/test_unseen.py")
SCALES = {
    "cuda": Scale("gpu", (256, 1024), 4, 0.5, TESTS, {"steps": 100, "eval_every": 100}),
    "cpu": Scale("smoke", (32,), 4, 0.0, TESTS, {"steps": 1, "eval_every": 1, "test_images": FEWEST_IMAGES}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, metavar="FILE", help="default: data/results/gpu/NAME.json, on a GPU")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: the table of a stored measurement")
    options = parser.parse_args()
    if options.read:
        print(table(read_json(options.read)))
        return 0
    found = measure(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if options.store or found["device"] == "cuda":
        name = found["machine"].lower().replace(" ", "-")
        print(write_json(options.store or COMMITTED / "gpu" / f"{name}.json", found))
    print(table(found))
    return int(found["tests"]["status"] != 0)


def measure(device: torch.device) -> dict:
    """All parts, each in its turn while there is time; one that fails says why and does not stop the others."""
    scale, began = SCALES[device.type], time.monotonic()
    found = {
        "machine": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "device": device.type,
        "torch": torch.__version__,
        "commit": commit(within="ganprior_null"),
        "profile": scale.profile,
    }
    parts = {
        "tests": lambda: run_tests(scale),
        "operators": lambda: operators(device, scale),
        "networks": lambda: networks(device, scale),
        "memory": lambda: memory(device, scale),
        "run": lambda: lesson_run(scale, began),
    }
    for name, part in parts.items():
        if time.monotonic() - began > SECONDS:
            found[name] = {"left out": f"{SECONDS} s were over"}
            continue
        start = time.monotonic()
        try:
            found[name] = part()
        except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
            found[name] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        found[name]["seconds"] = round(time.monotonic() - start, 1)
        print(f"{name}: {found[name]['seconds']} s", file=sys.stderr, flush=True)
    return found


def run_tests(scale: Scale) -> dict:
    """The tests marked as a GPU's; without one they are counted only."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *scale.tests]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    last = (done.stdout.strip().splitlines() or ["nothing was said"])[-1]
    return {"status": done.returncode, "said": last}


def microseconds(work: Callable[[], object], scale: Scale) -> float:
    """The median time of a call, by torch's own timer, which waits for the GPU and uses one thread of a processor."""
    timer = benchmark.Timer("work()", globals={"work": work})
    timed = timer.blocked_autorange(min_run_time=scale.seconds) if scale.seconds else timer.timeit(1)
    return 1e6 * timed.median


@torch.no_grad()
def operators(device: torch.device, scale: Scale) -> dict:
    """Each operation over a copy of the image it makes: 1 would be as fast as memory allows."""
    side, s = scale.sides[-1], 8
    x = torch.rand(scale.batch, 3, side, side, device=device)
    kernel = torch.ones(9, 9) / 81
    known = {"exact bicubic": Resize(side, s), "exact blur": BlurDownsample(kernel, s, side)}
    known = {name: A.to(device) for name, A in known.items()}
    A = AveragePool(s)
    y = A(x)
    copy = microseconds(lambda: x.clone(), scale)
    work = {"PD": lambda: enforce_consistency(x, y, A), "box": lambda: project_box(x, y, s)}
    work |= {name: consistency(x, A) for name, A in known.items()}
    ratios = {name: round(microseconds(work[name], scale) / copy, 2) for name in TABLE}
    return {"side": side, "copy_us": round(copy, 2), "ratios": ratios}


def consistency(x: torch.Tensor, A: torch.nn.Module) -> Callable[[], torch.Tensor]:
    y = A(x)
    return lambda: enforce_consistency(x, y, A)


def sizes(side: int, scale: Scale) -> Prior:
    """The profile's prior at a side, cut off above it; where the profile's is too small, that of a larger profile."""
    row = next(PRIORS[name] for name in (scale.profile, "laptop", "paper") if side <= PRIORS[name].size)
    return dataclasses.replace(row, size=side, widths=row.widths[: side.bit_length() - 2])


def makers(side: int, scale: Scale) -> dict[str, Callable]:
    """{name: (batch, device) -> (step, state)} of every training."""
    prior, profile = sizes(side, scale), restorer_row(scale)
    made = {"StyleGAN2": lambda batch, device: estimate.prior_step(prior, batch, device)}
    for model in MODELS:
        this = Experiment(model=model)
        made[model] = lambda batch, device, this=this: estimate.restorer_step_of(this, prior, profile, batch, device)
    return made


def restorer_row(scale: Scale) -> Profile:
    return RESTORERS[scale.profile]


def networks(device: torch.device, scale: Scale) -> dict:
    """Images a second: forward passes of G and D, and whole training steps, by precision and side."""
    rows = []
    for side in scale.sides:
        for name, precision in PRECISIONS.items():
            autocast = autocast_of(device, precision)
            for what, work in [*forwards(side, device, scale, autocast), *steps(side, device, scale, autocast)]:
                rate = 1e6 * scale.batch / microseconds(work, scale)
                rows.append({"what": what, "side": side, "precision": name, "images_per_second": round(rate, 2)})
    return {"batch": scale.batch, "rows": rows}


def autocast_of(device: torch.device, precision: str) -> Callable:
    return lambda: torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")


def forwards(side: int, device: torch.device, scale: Scale, autocast: Callable):
    prior = sizes(side, scale)
    with device:
        G = StyleGAN2(prior.size, prior.style_dim, prior.n_mlp, prior.channels).eval()
        D = StyleGAN2Discriminator(prior.size, prior.channels).eval()
        z, x = torch.randn(scale.batch, prior.style_dim), torch.rand(scale.batch, 3, side, side)

    def passing(network: Callable) -> Callable:
        def work():
            with torch.no_grad(), autocast():
                network()

        return work

    yield "G", passing(lambda: G(G.mapping(z)))
    yield "D", passing(lambda: D(x))


def steps(side: int, device: torch.device, scale: Scale, autocast: Callable):
    """Training steps without the lazy regularisers, which come every few steps."""
    for name, make in makers(side, scale).items():
        step, state = make(scale.batch, device)
        yield f"{name}, step", lambda step=step, state=state: step(estimate.alone(device, autocast), state, 1)


def memory(device: torch.device, scale: Scale) -> dict:
    """GB of a training step beside what was estimated; on a processor the estimate alone."""
    rows = []
    for side in scale.sides:
        for name, make in makers(side, scale).items():
            row = {"what": name, "side": side, "batch": scale.batch}
            row["estimated_gb"] = round(estimate.needs(make).at(scale.batch) / estimate.GB, 3)
            if device.type == "cuda":
                row["measured_gb"] = round(peak(make, scale, device) / estimate.GB, 3)
            rows.append(row)
    return {"slack": estimate.SLACK, "rows": rows}


def peak(make: Callable, scale: Scale, device: torch.device) -> int:
    """Bytes that torch reserved on the GPU over two of the costliest steps in float32."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step, state = make(scale.batch, device)
    for _ in range(2):
        step(estimate.alone(device), state, 0)
    torch.cuda.synchronize()
    return torch.cuda.max_memory_reserved()


def lesson_run(scale: Scale, began: float) -> dict:
    """Lesson 07's own training on drawn faces, cut short: what a user's first run does, from start to figures."""
    from ganprior_null.experiments.restorer import train_restorer
    from ganprior_null.profiles import restorer

    profile = restorer(scale.profile, **scale.run)
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        done = train_restorer(None, Path(folder) / "run", Experiment(null_space="pd"), profile, execution=Execution())
        figures = read_json(Path(folder) / "run" / "summary.json")
    kept = {name: figures[name] for name in ("step", "PSNR", "PSNR(LR)")}
    return {"finished": done, "steps": profile.steps, "took": round(time.monotonic() - start, 1), **kept}


def table(found: dict) -> str:
    """The measurement as Markdown: first what may be compared with other machines, then what belongs to this one."""
    where = found["machine"] if found["device"] == "cuda" else f"{found['machine']}, no GPU: a rehearsal, no figures"
    lines = [f"Measured on {where}, torch {found['torch']}, commit {(found['commit'] or 'unknown')[:7]}."]
    for name in ("tests", "operators", "networks", "memory", "run"):
        if problem := found[name].get("failed") or found[name].get("left out"):
            lines.append(f"{name}: {problem}.")
    lines += [f"Tests: {found['tests'].get('said')}.", ""]
    if ratios := found["operators"].get("ratios"):
        lines += ["| operation | time over a copy's |", "|---|--:|"]
        lines += [f"| {name} | {ratio} |" for name, ratio in ratios.items()] + [""]
    if rows := found["networks"].get("rows"):
        lines += [
            "| images per second | side | " + " | ".join(PRECISIONS) + " |",
            "|---|--:|" + "--:|" * len(PRECISIONS),
        ]
        rates = {(row["what"], row["side"], row["precision"]): row["images_per_second"] for row in rows}
        for what, side in dict.fromkeys((what, side) for what, side, _ in rates):
            lines.append(f"| {what} | {side} | " + " | ".join(str(rates[what, side, p]) for p in PRECISIONS) + " |")
        lines.append("")
    if rows := found["memory"].get("rows"):
        lines += ["| memory of a step, GB | side | images | estimated | measured |", "|---|--:|--:|--:|--:|"]
        lines += [
            f"| {row['what']} | {row['side']} | {row['batch']} | {row['estimated_gb']} | {row.get('measured_gb', '')} |"
            for row in rows
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
