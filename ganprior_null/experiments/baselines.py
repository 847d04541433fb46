"""What costs nothing: interpolation, the pseudo-inverse and the mean image, each with and without the null space.

A table of restorers has these rows; a network that does not beat them has learned nothing that counts in that column.
The command ``python -m ganprior_null evaluate baselines``.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from ..data.image_sets import mean_of
from ..images import from_uint8, save_image
from ..profiles import Experiment, restorer
from ..storage import write
from ..training import Run
from ..weights import load_features64, load_prior
from .evaluation import measure, runs
from .figures import SHOWN, at_once, sheet
from .judge import Judgement, baselines, block_steps, blockiness_of
from .launch import Source
from .restorer import choose_sides, operators
from .runs import read_json

USUAL = 64  # pixels of the categories' own priors


def evaluate_baselines(source: Source, out: Path, *, factor: int, downsampler: str, profile: str | None = None) -> dict:
    """{name: row of :func:`.judge.judge`, and the blockiness} on the images that runs of the same data, prior, factor
    and profile are tested on, some at a time.

    Leaves ``params.json``, ``summary.json`` and ``sheet.webp`` (y, then a row of pictures for each) in ``out``. Raises
    ValueError for another experiment's folder, and what :func:`.weights.load_prior`, :func:`choose_sides` and
    :func:`operators` raise, writing nothing.
    """
    this, row = Experiment(factor=factor, downsampler=downsampler, prior=source.prior), restorer(profile)
    size = load_prior(source.prior).generator.size
    A_true, _ = operators(this, size)
    sides = choose_sides(source.folder, size, row, margin=source.margin, skip_broken=False)
    images = sides.held_out.take(range(min(row.test_images, len(sides.held_out))))
    mean_image, features = mean_of(sides.training), load_features64()
    params = {
        "experiment": "baselines",
        "data": source.folder.name if source.folder else "drawn faces",
        "factor": factor,
        "downsampler": downsampler,
        "profile": row.profile,
        "images": len(images),
    }
    if size != USUAL:  # left out so that folders of before it could be another stay what they are
        params["size"] = size
    run = Run(out, params)
    judged: dict[str, Judgement] = {}
    steps: dict[str, list[Tensor]] = {}
    shown: dict[str, list[Tensor]] = {}
    for some in runs(len(images), at_once(size)):
        x = from_uint8(images.__getitems__(some))
        y = measure(A_true, x)
        answers = baselines(y, A_true, mean_image)
        for name, x_hat in answers.items():
            judged.setdefault(name, Judgement(A_true, features)).add(x_hat, x, y)
            steps.setdefault(name, []).append(block_steps(x_hat, factor))
        if some.start < SHOWN:
            for name, pictures in {"y": y, **answers}.items():
                shown.setdefault(name, []).append(pictures)
    summary = {
        name: judgement.row() | {"blockiness": blockiness_of(torch.cat(steps[name]))}
        for name, judgement in judged.items()
    }
    write(run.path / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    save_image(sheet(*map(torch.cat, shown.values())), run.path / "sheet.webp")
    return summary


def stored_baselines(
    category: str, factor: int, *, profile: str, downsampler: str = "bicubic", folders: list[Path]
) -> dict[str, dict]:
    """{name: row} that :func:`evaluate_baselines` left in the first folder of results that has it; else nothing."""
    name = name_of(category, factor, downsampler, profile)
    files = [folder / "baselines" / name / "summary.json" for folder in folders]
    for file in files:
        if file.is_file():
            return read_json(file)
    return {}


def name_of(data: str, factor: int, downsampler: str, profile: str) -> str:
    """The folder's name below data/results/baselines, as :func:`~.launch.run_name` makes those of runs."""
    tag = {"bicubic": "", "average": "-pooled", "bicubic-plain": "-aliased"}.get(downsampler, f"-{downsampler}")
    return ("" if profile == "laptop" else f"{profile}-") + f"{data}-{factor}x{tag}"
