"""How well KernelGAN finds kernels that are known: photographs blurred as DIV2KRK's, over several seeds.

The command ``python -m ganprior_null evaluate kernelgan``. A run that was stopped goes on where it was.
"""

import dataclasses
import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import height_width
from ..data import PHOTOGRAPHS, photograph
from ..images import list_images, load_image, to_uint8
from ..kernelgan import (
    CUT,
    PUBLISHED,
    REPAIRED,
    KernelEstimate,
    Recipe,
    bicubic_kernel,
    estimate_kernels,
    gaussian_kernel,
    kernel_error,
    kernel_x4,
    multiplied,
    post_process,
    random_kernel,
    unsearched_kernel,
)
from ..metrics import psnr
from ..names import by_stem, namesakes
from ..operators import BlurDownsample, LinearOperator, Resize
from ..profiles import did_you_mean, profile_name
from ..profiles import kernel as kernel_profile
from ..restorers import enforce_consistency
from ..storage import write_json
from ..training.record import Run, forget

KNOWN = {"astronaut": (1.99, 0.89, 45.0), "coffee": (1.72, 1.01, 149.0, 0.25)}  # sigma, sigma, degrees, noise
LARGEST = 1024  # sides of HR images are cut to this, around the middle


@dataclass(frozen=True)
class Case:
    """A photograph, and the kernel that hides in its LR image."""

    name: str
    read: Callable[[], Tensor]  # (1, 3, H, W) in [0, 1]
    kernel: Tensor  # for BlurDownsample at the run's scale


def recipe_for(profile: str | None = None, *, compatible: bool = False) -> Recipe:
    """Ours or the published program's, as long as the profile says."""
    row = kernel_profile(profile)
    if compatible:
        return dataclasses.replace(PUBLISHED, steps=row.published_steps)
    return dataclasses.replace(REPAIRED, steps=row.steps, starts=row.starts)


def cases(
    scale: int = 2,
    images: Path | None = None,
    gaussian: tuple[float, float, float] | None = None,
    only: list[str] | None = None,
) -> list[Case]:
    """The photographs of scikit-image, or a folder's, each with a kernel of its own, always the same.

    gaussian: (sigma, sigma, degrees) of one kernel for all of them, instead of random ones as DIV2KRK has. only: names
    of the images to take, default all. At 2x, two photographs have the kernels of KNOWN. Raises ValueError for a name
    that is not there, or that two of the folder's files share.
    """
    readers = {name: (lambda name=name: photograph(name)) for name in PHOTOGRAPHS}
    if images:
        paths = list_images(images)
        if same := namesakes(paths):
            raise ValueError("; ".join(same))
        readers = {name: (lambda path=path: load_image(path)) for name, (path,) in by_stem(paths).items()}
    for name in only or ():
        if name not in readers:
            raise ValueError(f"no image {name!r}{did_you_mean(name, readers)}")
    made = []
    for i, (name, read) in enumerate(readers.items()):
        kernel = random_kernel(torch.Generator().manual_seed(i), scale)
        if gaussian or (scale == 2 and not images and name in KNOWN):
            kernel = _gaussian(*(gaussian or KNOWN[name]), scale=scale)
        if not only or name in only:
            made.append(Case(name, read, kernel))
    return made


def _gaussian(first: float, second: float, degrees: float, noise: float = 0.0, *, scale: int) -> Tensor:
    k = gaussian_kernel((first**2, second**2), math.radians(degrees), 6 * scale + 1)
    return multiplied(k, noise, torch.Generator().manual_seed(0))


def blurred(case: Case, scale: int) -> tuple[Tensor, Tensor]:
    """x (1, 3, H, W), its sides cut to multiples of 2 s, and y (1, 3, H/s, W/s) of 8 bits."""
    x = case.read()
    h, w = (min(side, LARGEST) // (2 * scale) * 2 * scale for side in x.shape[-2:])
    top, left = (x.shape[-2] - h) // 2, (x.shape[-1] - w) // 2
    x = x[..., top : top + h, left : left + w]
    y = BlurDownsample(case.kernel, scale, (h, w))(x)
    return x, to_uint8(y).to(x.dtype) / 255


def evaluate_kernels(
    out: Path,
    found: list[Case],
    recipe: Recipe,
    *,
    scale: int = 2,
    seeds: int = 4,
    profile: str | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> dict:
    """Estimate every case's kernel ``seeds`` times; rows to ``out/metrics.jsonl``, the summary returned and written.

    The folder belongs to one set of parameters, and what it holds already is not computed again; overwrite: it is
    deleted first. Raises ValueError for a folder with other parameters or fewer than one seed.
    """
    if seeds < 1:
        raise ValueError(f"seeds must be at least 1, got {seeds}")
    params = {"scale": scale, "seeds": seeds, "kernels": {case.name: _rounded(case.kernel) for case in found}}
    if overwrite:
        forget(out)
    run = Run(out, params | {"profile": profile_name(profile), "recipe": dataclasses.asdict(recipe)})
    done = {(row["image"], row["seed"]) for row in run.history()}
    for case in found:
        missing = [seed for seed in range(seeds) if (case.name, seed) not in done]
        if not missing:
            continue
        x, y = blurred(case, scale)
        estimates = estimate_kernels(y[0], scale, missing, recipe=recipe, progress=progress)
        if estimates[0].stopped:
            raise KeyboardInterrupt
        for seed, estimate in zip(missing, estimates, strict=True):
            row = {"image": case.name, "seed": seed} | figures(estimate, case, x, y)
            run.log(len(run.history()), row)
            print(f"{case.name:24} seed {seed}  L1 {row['l1']:.3f}  converged {row['converged']}", flush=True)
    summary = summarise(run.history())
    if not recipe.published:  # whose start is random
        starts = {case.name: unsearched(case, recipe, scale) for case in found}
        summary["unsearched_l1_by_image"] = {name: error for name, (error, _) in starts.items()}
        summary["unsearched_sr_psnr_by_image"] = {name: quality for name, (_, quality) in starts.items()}
    write_json(run.path / "summary.json", summary)
    return summary


def figures(estimate: KernelEstimate, case: Case, x: Tensor, y: Tensor) -> dict:
    """One estimate against the truth: as a kernel, and as the A of a null-space method on bicubic upsampling.

    ``bicubic_*``: the same of the assumption that y was made by bicubic downsampling.
    """
    scale, size = estimate.scale, height_width(x)
    kernel = estimate.kernel if scale == 2 else estimate.kernel_x4
    assumed = post_process(bicubic_kernel())
    assumed = assumed if scale == 2 else kernel_x4(assumed)
    operators = {
        "estimated": estimate.operator(size),
        "bicubic": Resize(size, scale),
        "true": BlurDownsample(case.kernel, scale, size),
    }
    row = kernel_error(kernel, case.kernel)._asdict()
    row |= {f"bicubic_{name}": value for name, value in kernel_error(assumed, case.kernel)._asdict().items()}
    row |= {f"sr_psnr_{name}": restored(A, x, y) for name, A in operators.items()}
    row |= {"lr_psnr": float(psnr(BlurDownsample(kernel, scale, size)(x), y)), "sum": float(kernel.sum())}
    last = estimate.history[-1]
    row |= {"raw_sum": float(last.kernel.sum()), "steps": last.step}
    return row | {"converged": estimate.converged, "reason": estimate.reason, "kernel": _rounded(kernel)}


def unsearched(case: Case, recipe: Recipe, scale: int) -> tuple[float, float]:
    """(L1 error, PSNR of :func:`restored`) of the recipe's start, finished as an estimate is: more is the search's."""
    x, y = blurred(case, scale)
    kernel = unsearched_kernel(y[0], scale, recipe=recipe)
    A = BlurDownsample(kernel, scale, height_width(x), rtol=CUT)
    return kernel_error(kernel, case.kernel).l1, restored(A, x, y)


def restored(A: LinearOperator, x: Tensor, y: Tensor) -> float:
    """PSNR of A^+ y + (I - A^+ A) x_r, with x_r plain bicubic upsampling; the outermost 8 pixels do not count."""
    x_r = F.interpolate(y, height_width(x), mode="bicubic")
    inner = (..., slice(8, -8), slice(8, -8))
    return float(psnr(enforce_consistency(x_r, y, A)[inner], x[inner]))


def summarise(rows: list[dict]) -> dict:
    """Medians over all rows; the spread over seeds is the mean over the images of the standard deviation."""
    images = list(dict.fromkeys(row["image"] for row in rows))
    own = {name: [row["l1"] for row in rows if row["image"] == name] for name in images}
    summary = {f"median_{key}": statistics.median(row[key] for row in rows) for key in ("l1", "correlation", "psnr")}
    summary["median_bicubic_l1"] = statistics.median(row["bicubic_l1"] for row in rows)
    summary["l1_spread"] = statistics.mean(statistics.stdev(v) if len(v) > 1 else 0.0 for v in own.values())
    summary["l1_by_image"] = {name: statistics.median(v) for name, v in own.items()}
    summary["largest_sum_error"] = max(abs(row["sum"] - 1) for row in rows)
    summary["largest_raw_sum_error"] = max(abs(row["raw_sum"] - 1) for row in rows)
    summary["converged"] = statistics.mean(row["converged"] for row in rows)
    gains = [row["sr_psnr_estimated"] - row["sr_psnr_bicubic"] for row in rows]
    return summary | {"sr_gain_over_bicubic": statistics.mean(gains), "runs": len(rows)}


def load_rows(*folders: Path) -> list[dict]:
    """The rows of finished or unfinished evaluations. Raises FileNotFoundError for a folder without any."""
    rows = []
    for folder in folders:
        path = Path(folder) / "metrics.jsonl"
        if not path.is_file():
            raise FileNotFoundError(f"no evaluation in {folder}: it has no metrics.jsonl")
        rows += [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return rows


def compare(ours: list[dict], published: list[dict]) -> dict:
    """Claims B4 and B5 from two evaluations, over the (image, seed) pairs that both hold.

    B4: median L1 kernel error, ours over published. B5: mean gain in dB of the null-space method with our kernels over
    the one that assumes bicubic. Raises ValueError when the evaluations share nothing.
    """
    shared = {(row["image"], row["seed"]) for row in ours} & {(row["image"], row["seed"]) for row in published}
    if not shared:
        raise ValueError("the two evaluations share no image and seed: there is nothing to compare")
    a, b = (summarise([row for row in rows if (row["image"], row["seed"]) in shared]) for rows in (ours, published))
    return {
        "B4": a["median_l1"] / b["median_l1"],
        "B5": a["sr_gain_over_bicubic"],
        "spread": a["l1_spread"] / b["l1_spread"] if b["l1_spread"] else math.nan,
        "ours": a,
        "published": b,
    }


def _rounded(kernel: Tensor) -> list[list[float]]:
    return [[round(v, 5) for v in row] for row in kernel.tolist()]
