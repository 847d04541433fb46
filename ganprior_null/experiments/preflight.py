"""What a sweep needs and does not find, said before a job waits in a queue: data, priors, memory, disk, software."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import yaml

from ..data.stores import open_store
from ..metrics import FEWEST_IMAGES
from ..profiles import PRIORS, Experiment, Prior, prior, profile_name, restorer
from ..storage import check_writable, read_json, sole_writer
from ..weights import user_folder, weights_path
from ..weights.course import CRITIC
from ..weights.infer import infer_stylegan2
from ..weights.read import load_checkpoint
from .estimate import GB, Needs, needs, prior_step, restorer_step_of
from .launch import DRAWN, PACKS, category_folder

WITHOUT_GPU = ("smoke", "laptop", "night")  # profiles that are made for processors
IMAGES = 10 * FEWEST_IMAGES  # a tenth is held out, and that many are measured on


class Finding(NamedTuple):
    """One thing that was looked at; ``missing`` says what to do about it, and is empty where all is well."""

    what: str
    missing: str = ""


def preflight(
    table: Path, profile: str | None, *, results: Path, gpu_memory: float | None = None, precision: str = "32-true"
) -> list[Finding]:
    """Look at all that the runs of a sweep's table need at a profile; nothing is written, and nothing is run.

    results: the folder that the runs will be in. gpu_memory: GB of the GPU that jobs will have; None: of this
    machine's. precision: what the memory of a step is estimated at. Raises ValueError for an unknown profile and a
    damaged table, FileNotFoundError for none.
    """
    profile = profile_name(profile)
    read = yaml.safe_load(table.read_text("utf-8"))
    if not isinstance(read, dict) or not isinstance(read.get("runs"), dict):
        raise ValueError(f"{table} is no table of runs: it needs `runs:` and a line for each below it")
    planned = {name: line["data"] for name, line in (read.get("priors") or {}).items()}
    lines = read["runs"]
    findings = [*_data(lines, planned), *_priors(lines, planned), *_software(), *_folders(results)]
    tasks = list(_tasks(lines, planned, profile, precision))
    if profile not in WITHOUT_GPU:
        findings += _memory(tasks, gpu_memory)
    return [*findings, _disk(tasks, results)]


def _data(lines: dict, planned: dict) -> Iterator[Finding]:
    """Every folder of images, with enough of them: a restorer is judged on those that it holds out."""
    wanted = {line.get("data", DRAWN): IMAGES for line in lines.values()}
    wanted |= {data: wanted.get(data, 1) for data in planned.values()}
    for data, least in wanted.items():
        if data == DRAWN:
            continue
        folder = category_folder(data) if data in PACKS else Path(data)
        what = f"images of {data}, {folder}"
        if not folder.is_dir():
            yield Finding(what, "is not there: GANPRIOR_DATA names the folder that holds it")
            continue
        try:
            pack = folder / "pack.json"
            count = read_json(pack)["count"] if pack.exists() else len(open_store(folder).names)
        except (ValueError, OSError, KeyError) as error:
            yield Finding(what, str(error))
            continue
        short = f"holds {count:,}; at least {least:,} are needed" if count < least else ""
        yield Finding(f"{what}: {count:,}", short)


def _priors(lines: dict, planned: dict) -> Iterator[Finding]:
    """Every prior, with the discriminator that a restorer's adversary starts as; or the sweep trains it."""
    for name in sorted({line["prior"] for line in lines.values() if line.get("prior")}):
        try:
            weights_path(name), weights_path(name + CRITIC)
        except ValueError as error:
            if name in planned:
                yield Finding(f"prior {name}: the sweep trains it")
            else:
                how = f"`convert LAYOUT FILE --name {name}`, and again with --part discriminator, puts it there"
                yield Finding(f"prior {name}", f"{error}; {how}")
        else:
            yield Finding(f"prior {name}, with its discriminator")


def _software() -> Iterator[Finding]:
    """What no job can fetch where it has no network: the kernel of the lessons."""
    from jupyter_client.kernelspec import KernelSpecManager

    there = "python3" in KernelSpecManager().find_kernel_specs()
    yield Finding("Jupyter's kernel python3", "" if there else "is not installed: python -m ipykernel install --user")


def _folders(results: Path) -> Iterator[Finding]:
    """Folders that can be written, and that no other sweep is writing."""
    for what, folder in (("results", results), ("your own weights (GANPRIOR_WEIGHTS)", user_folder())):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        try:
            if folder == there:
                with sole_writer(folder, [], overwrite=True):
                    pass
            check_writable(there)
        except OSError as error:
            yield Finding(f"{what}, {folder}", str(error))
        else:
            yield Finding(f"{what}, {folder}")


class _Task(NamedTuple):
    """A training run: what it takes, how many there are, and what of its profile may be lowered."""

    title: str
    needs: Needs
    batch: int
    accumulate: int
    runs: int


def _tasks(lines: dict, planned: dict, profile: str, precision: str) -> Iterator[_Task]:
    """What is trained; runs that differ in their seeds alone, or in the null space, take the same."""
    for name in planned:
        own = prior(profile)
        yield _Task(f"prior {name}, {own.size} px", needs(_prior(own), precision), own.global_batch, own.accumulate, 1)
    counts: dict[tuple, int] = {}
    for line in lines.values():
        model = line.get("model", "pdn" if line.get("lesson") == "08_pdn" else "glean")
        key = model, line.get("factor", 8), line.get("prior", "faces64"), tuple(sorted(line.get("changes", {}).items()))
        counts[key] = counts.get(key, 0) + len(line.get("seeds", [0]))
    for (model, factor, name, changes), count in counts.items():
        around, row = _sizes(name, planned, profile), restorer(profile, **dict(changes))
        this = Experiment(model=model, factor=factor)
        make = _restorer(this, around, row)
        yield _Task(
            f"{model}, {factor}x, {around.size} px", needs(make, precision), row.global_batch, row.accumulate, count
        )


def _prior(own: Prior) -> Callable:
    return lambda batch, device: prior_step(own, batch, device)


def _restorer(this: Experiment, around: Prior, row) -> Callable:
    return lambda batch, device: restorer_step_of(this, around, row, batch, device)


@cache
def _sizes_of(path: Path) -> dict:
    return infer_stylegan2(load_checkpoint(path))


def _sizes(name: str, planned: dict, profile: str) -> Prior:
    """The sizes of a prior: those that it is, or will be, trained with; of one that is missing the profile's."""
    try:
        found = _sizes_of(weights_path(name))
    except ValueError:
        return PRIORS["laptop" if profile == "smoke" else profile]  # 16 pixels are too few for a restorer
    size, style_dim, n_mlp, channels = (found[key] for key in ("size", "style_dim", "n_mlp", "channels"))
    return replace(PRIORS[profile], size=size, style_dim=style_dim, n_mlp=n_mlp, widths=tuple(channels.values()))


def _memory(tasks: list[_Task], gpu_memory: float | None) -> Iterator[Finding]:
    """Whether a step of each fits the GPU; else by how much not, and which setting to lower."""
    if gpu_memory is None and not torch.cuda.is_available():
        yield Finding(
            "GPU", "there is none on this machine: --gpu-memory GB (make preflight GPU=24) says what jobs will have"
        )
        return
    there = gpu_memory * GB if gpu_memory else torch.cuda.get_device_properties(0).total_memory
    for task in tasks:
        images = task.batch // task.accumulate
        wanted = task.needs.at(images)
        what = f"GPU memory, {task.title}: about {wanted / GB:.1f} GB for {images} images at once, of {there / GB:.1f}"
        yield Finding(what, "" if wanted <= there else _lower(task, wanted - there, there))


def _lower(task: _Task, short: float, there: float) -> str:
    """By how much a GPU is too small, and what would fit it."""
    text = f"{short / GB:.1f} GB are missing; "
    if fits := task.needs.fitting(there):
        parts = next(n for n in range(1, task.batch + 1) if task.batch % (4 * n) == 0 and task.batch // n <= fits)
        return text + f"raise accumulate to {parts} (changes: {{accumulate: {parts}}}): micro-batches, the same result"
    least = task.needs.at(4) / GB
    return (
        text + f"four images at once, the fewest that the discriminator takes, need {least:.1f} GB: lower rrdb_channels"
    )


def _disk(tasks: list[_Task], results: Path) -> Finding:
    """A checkpoint for each run, and a second of the largest while it is written."""
    there = next(path for path in (results, *results.absolute().parents) if path.exists())
    sizes = [task.needs.checkpoint for task in tasks]
    wanted = sum(size * task.runs for size, task in zip(sizes, tasks, strict=True)) + max(sizes, default=0)
    free = shutil.disk_usage(there).free
    short = f"{(wanted - free) / GB:.1f} GB are missing" if wanted > free else ""
    return Finding(f"disk, {there}: about {wanted / GB:.1f} GB for checkpoints, {free / GB:.1f} free", short)
