"""What costs nothing: interpolation, the pseudo-inverse and the mean image, each with and without the null space.

A table of restorers has these rows; a network that does not beat them has learned nothing that counts in that column.
The command ``python -m ganprior_null evaluate baselines``.
"""

import json
from pathlib import Path

from torch import Tensor

from ..data.image_sets import all_of
from ..images import from_uint8, save_image
from ..layers import FeatureNet64
from ..operators import LinearOperator
from ..profiles import Experiment, restorer
from ..storage import write
from ..training import Run
from ..weights import load_features64
from .evaluation import measure
from .figures import sheet
from .judge import baselines, blockiness, judge
from .launch import Source
from .restorer import choose_sides, operators
from .runs import read_json


def evaluate_baselines(source: Source, out: Path, *, factor: int, downsampler: str, profile: str | None = None) -> dict:
    """{name: row of :func:`judge`} on the images that runs of the same data, factor and profile are tested on.

    Leaves ``params.json``, ``summary.json`` and ``sheet.webp`` (y, then a row of pictures for each) in ``out``. Raises
    ValueError for another experiment's folder, and what :func:`choose_sides` and :func:`operators` raise.
    """
    this, row = Experiment(factor=factor, downsampler=downsampler, prior=source.prior), restorer(profile)
    features = load_features64()
    A_true, _ = operators(this, size := 64)
    sides = choose_sides(source.folder, size, row, margin=source.margin, skip_broken=False)
    x = from_uint8(all_of(sides.held_out)[: row.test_images])
    mean_image = all_of(sides.training).double().mean(0).float() / 255
    params = {
        "experiment": "baselines",
        "data": source.folder.name if source.folder else "drawn faces",
        "factor": factor,
        "downsampler": downsampler,
        "profile": row.profile,
        "images": len(x),
    }
    run = Run(out, params)
    y = measure(A_true, x)
    answers = baselines(y, A_true, mean_image)
    summary = {name: row_of(x_hat, x, y, A_true, features) for name, x_hat in answers.items()}
    write(run.path / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    save_image(sheet(y, *answers.values()), run.path / "sheet.webp")
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


def row_of(x_hat: Tensor, x: Tensor, y: Tensor, A: LinearOperator, features: FeatureNet64) -> dict:
    """The judge's row, and the blockiness."""
    return judge(x_hat, x, y, A, features) | {"blockiness": blockiness(x_hat, x.shape[-1] // y.shape[-1])}


def name_of(data: str, factor: int, downsampler: str, profile: str) -> str:
    """The folder's name below data/results/baselines, as :func:`~.launch.run_name` makes those of runs."""
    tag = {"bicubic": "", "average": "-pooled", "bicubic-plain": "-aliased"}.get(downsampler, f"-{downsampler}")
    return ("" if profile == "laptop" else f"{profile}-") + f"{data}-{factor}x{tag}"
