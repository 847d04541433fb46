"""A sweep that loses its machine twice, against one that is left alone: are all results the same?

    python benchmarks/preempted.py build/preempted                   # the smoke table, on this machine
    python benchmarks/preempted.py build/preempted --table mine.yaml

Both sweeps are started as the container starts them, `make sweep PROFILE=smoke`, each in a folder of its own. One is
left alone. Of the other the machine is taken back while its first run trains (SIGTERM to every process, and SIGKILL to
what still stands half a minute later, as SLURM does it), then, while another run trains, everything dies at once
(SIGKILL), and the third call goes on to the end. Compared are all files of the results and the report: weights tensor
by tensor, the others byte by byte. Left aside are notes of who ran for how long (origin.json) and the executed lessons,
which show times. Needs snakemake and psutil. What a folder holds of an earlier call is not done again.
"""

import argparse
import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROFILE = "smoke"
GRACE = 30.0  # seconds from SIGTERM to SIGKILL: SLURM's KillWait, and Kubernetes' grace period
OWN = ("origin.json",)  # files that differ between any two runs


def start(folder: Path, table: Path) -> subprocess.Popen:
    """A sweep of a table in a folder: by the container's own entry point, with the environment as it is."""
    (entry,) = re.findall(r"(?m)^ENTRYPOINT (\[.*\])$", (ROOT / "Containerfile").read_text("utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    command = [*json.loads(entry), "--assume-old=.venv/sweep.stamp", "sweep", f"PROFILE={PROFILE}"]
    command += [f"SWEEP={table.resolve()}", f"ARGS=--directory {folder.resolve()}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def family(process: subprocess.Popen) -> list:
    """The processes that a sweep started, kernels too, which have groups of their own; none once it has ended."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def signal_all(processes: list, number: int) -> None:
    """Send a signal to those that still run."""
    import psutil

    for each in processes:
        with contextlib.suppress(psutil.Error):
            each.send_signal(number)


def kill(process: subprocess.Popen) -> None:
    """Everything dies at once."""
    signal_all([*family(process), process], signal.SIGKILL)
    process.communicate()


def take_back(process: subprocess.Popen, grace: float = GRACE) -> None:
    """SIGTERM to all, and SIGKILL to what still runs after `grace` seconds.

    Snakemake (9.15) may be such a one: its handler takes a lock that the same thread holds while it notes a failed job.
    """
    told = [*family(process), process]
    signal_all(told, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=grace)
    signal_all([*told, *family(process)], signal.SIGKILL)
    process.communicate()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen, seconds: float) -> None:
    """Raise AssertionError, with what it said, for a sweep that ends, or takes too long, before the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0]
        time.sleep(0.05)


def logs(folder: Path) -> list[Path]:
    """The logs of the runs that have begun."""
    return sorted((folder / "build" / "sweep" / PROFILE / "results").glob("*/*/metrics.jsonl"))


def finish(process: subprocess.Popen) -> None:
    said = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"the sweep failed: {said[-3000:]}")


def lose(folder: Path, table: Path, end: Callable[[subprocess.Popen], None], seconds: float) -> str:
    """Start a sweep, and end it by `take_back` or `kill` once a run has begun that had not; the run's name."""
    former, process = logs(folder), start(folder, table)
    wait_for(lambda: len(logs(folder)) > len(former), process, seconds)
    end(process)
    assert process.returncode != 0, "it ended before it was told to"
    return next(path.parent.name for path in logs(folder) if path not in former)


def compared(one: Path, other: Path) -> tuple[list[str], list[str]]:
    """(all files of either sweep's results, and its report; those that differ or that one of the two lacks)."""
    sides = [folder / "build" / "sweep" / PROFILE for folder in (one, other)]
    names = {path.relative_to(side) for side in sides for path in (side / "results").rglob("*") if path.is_file()}
    names = {name for name in names if name.name not in OWN} | {Path("report.md")}
    wrong = [name for name in names if not same(*(side / name for side in sides))]
    return sorted(map(str, names)), sorted(map(str, wrong))


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same: checkpoints by their content, as archives note times."""
    if not (one.is_file() and other.is_file()):
        return False
    if one.suffix != ".ckpt":
        return one.read_bytes() == other.read_bytes()
    return equal(*(torch.load(path, map_location="cpu", weights_only=True) for path in (one, other)))


def equal(one, other) -> bool:
    """Whether two structures of tables, lists, tensors and numbers are the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(equal, one, other))
    return one == other


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder for both sweeps")
    parser.add_argument("--table", type=Path, default=ROOT / "workflow" / "smoke.yaml", help="of two runs or more")
    parser.add_argument("--patience", type=float, default=3600, metavar="S", help="for a run to begin (default 3600)")
    options = parser.parse_args()
    alone, killed, table = options.out / "alone", options.out / "killed", options.table
    runs = sum(len(line.get("seeds", [0])) for line in yaml.safe_load(table.read_text("utf-8"))["runs"].values())
    began = time.monotonic()
    finish(start(alone, table))
    print(f"left alone: {runs} runs and the report, {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    for end in (take_back, kill):
        print(f"{end.__name__} while {lose(killed, table, end, options.patience)} trained", flush=True)
    finish(start(killed, table))
    print(f"killed twice and finished: {time.monotonic() - began:.0f} s", flush=True)
    names, wrong = compared(alone, killed)
    print(f"{len(names)} files compared, {len(names) - len(wrong)} the same")
    for name in wrong:
        print(f"differs: {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
