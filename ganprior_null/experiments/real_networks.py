"""Published networks on photographs: raw, with PD, with the exact operator. The command ``evaluate networks``.

A measurement is made by a known downsampler, and stored in 8 bits or not. A run that was stopped goes on where it was.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..images import from_uint8, list_images, load_image, to_uint8
from ..kernelgan.crops import LUMA
from ..metrics import consistency_db, psnr
from ..networks import enlarge, load_network
from ..networks.stages import Staged
from ..operators import AveragePool, LinearOperator
from ..profiles import did_you_mean, profile_name
from ..restorers import enforce_consistency, enforce_noisy
from ..restorers.identify import downsampler as named
from ..restorers.pictures import check_noise
from ..storage import write_json
from ..training.origin import code_state, note_origin
from ..training.record import Run


def evaluate_networks(
    out: Path, names: list[str], folders: list[Path], *, downsampler: str = "bicubic", noise: float = 0.0,
    unrounded: bool = False, crop: int | dict[str, int] | None = None, count: int | dict[str, int] | None = None,
) -> list[dict]:  # fmt: skip
    """Each network on each image of the folders; rows to ``out/metrics.jsonl``, the summary returned and written.

    crop: the side of the centre crop that is taken of larger images; count: so many images of each folder; either for
    all folders or, as a dict, for those named. noise: the standard deviation of white noise added to y. unrounded: y
    keeps its floating-point values instead of the 256 levels of a file. The output folder belongs to one set of
    parameters, networks and images apart: what it holds is not computed again.

    Raises ValueError and OSError for bad input before anything is computed or written.
    """
    check_noise(noise)
    named(downsampler, (1, 1), (1, 1))  # an unknown name is refused before the work
    sides, counts = _of_each(folders, crop, "crop"), _of_each(folders, count, "count")
    networks = {name: load_network(name) for name in names}
    files = [(folder.name, path) for folder in folders for path in list_images(folder)[: counts[folder.name]]]
    for folder, path in files:
        for factor in {network.factor for network in networks.values()}:
            inside(cut(load_image(path), factor, sides[folder]), factor)
    params = {"profile": profile_name(), "downsampler": downsampler, "noise": noise, "unrounded": unrounded}
    run, start, code = Run(out, params | {"crop": crop}), time.monotonic(), code_state()
    done = {(row["set"], row["image"], row["network"]) for row in run.history()}
    todo = [(s, p, n) for n in names for s, p in files if (s, p.stem, n) not in done]
    for folder, path, name in tqdm(todo, desc="networks", unit="image"):
        x = cut(load_image(path), networks[name].factor, sides[folder])
        h, w = x.shape[-2:]
        A = named(downsampler, (h, w), (h // networks[name].factor, w // networks[name].factor))
        row = {"set": folder, "image": path.stem, "network": name}
        run.log(len(run.history()), row | figures(networks[name], x, A, noise, unrounded=unrounded))
    if todo:
        note_origin(run.path, 1, time.monotonic() - start, code)
    table = summary(run.history())
    write_json(run.path / "summary.json", table)
    return table


def _of_each(folders: list[Path], setting: int | dict[str, int] | None, what: str) -> dict[str, int | None]:
    """What holds for each folder, by its name. Raises ValueError for a number below 1 or a name of no folder."""
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        raise ValueError(f"the folders of images need names of their own, which name the sets, got {', '.join(names)}")
    for name, number in setting.items() if isinstance(setting, dict) else [("", setting)]:
        if name and name not in names:
            raise ValueError(f"{what} of {name!r}, which is no folder of images{did_you_mean(name, names)}")
        if number is not None and number < 1:
            raise ValueError(f"{what} must be at least 1, got {number}")
    return {name: setting.get(name) if isinstance(setting, dict) else setting for name in names}


def cut(x: Tensor, factor: int, crop: int | None = None) -> Tensor:
    """The centre of x, at most crop pixels a side, its sides multiples of the factor; ValueError where nothing is left.

    Without crop the first rows and columns stay, as benchmarks are cut.
    """
    h, w = (min(side, crop or side) // factor * factor for side in x.shape[-2:])
    if not h or not w:
        raise ValueError(f"an image of {x.shape[-1]} x {x.shape[-2]} has no block of {factor} x {factor} pixels")
    top, left = ((x.shape[-2] - h) // 2, (x.shape[-1] - w) // 2) if crop else (0, 0)
    return x[..., top : top + h, left : left + w]


def inside(x: Tensor, border: int) -> Tensor:
    """x without a border of so many pixels; ValueError where nothing is left."""
    h, w = x.shape[-2:]
    if min(h, w) <= 2 * border:
        raise ValueError(f"an image of {w} x {h} has nothing inside a border of {border} pixels")
    return x[..., border : h - border, border : w - border]


def figures(network: Staged, x: Tensor, A: LinearOperator, noise: float = 0.0, *, unrounded: bool = False) -> dict:
    """PSNR to x (RGB, no border cut) and PSNR(LR), in dB, of x_r ("raw"), of x_r with PD, and with A ("exact").

    y is what an 8-bit file holds of A x + noise; unrounded, A x + noise itself, which may leave [0, 1]. Each also
    clamped to [0, 1], as files are: "raw clamped", .... With noise, also of the self-tuned weight ("weighted").
    "PSNR printed", "PSNR luma printed": of x_r as papers measure it.
    """
    generator = torch.Generator().manual_seed(0)
    y = A(x)
    y = y + noise * torch.randn(y.shape, generator=generator)
    y = y if unrounded else from_uint8(to_uint8(y))
    x_r = enlarge(network, y)
    PD = AveragePool(network.factor)
    images = {"raw": x_r, "PD": enforce_consistency(x_r, y, PD), "exact": enforce_consistency(x_r, y, A)}
    if noise:
        images["weighted"] = enforce_noisy(x_r, y, A).image
    images |= {f"{stage} clamped": image.clamp(0, 1) for stage, image in images.items()}
    row = {f"PSNR {stage}": float(psnr(image, x)) for stage, image in images.items()}
    row |= {f"PSNR(LR) {stage}": float(consistency_db(A, image, y)) for stage, image in images.items()}
    row |= printed(x_r, x, network.factor)
    return {key: round(value, 4) for key, value in row.items()}


def printed(x_r: Tensor, x: Tensor, factor: int) -> dict[str, float]:
    """PSNR in dB as papers on super-resolution print it: of the 8-bit file, without a border of factor pixels, in RGB
    and in luma, the Y of BT.601, whose white and black lie 219 of 255 levels apart.
    """
    file, truth = inside(from_uint8(to_uint8(x_r)), factor), inside(x, factor)
    weights = 219 / 255 * x.new_tensor(LUMA)[:, None, None]
    luma = psnr((weights * file).sum(1, keepdim=True), (weights * truth).sum(1, keepdim=True))
    return {"PSNR printed": float(psnr(file, truth)), "PSNR luma printed": float(luma)}


def summary(rows: list[dict]) -> list[dict]:
    """Means over the images of each set, network by network."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["network"], row["set"]), []).append(row)
    table = []
    for (network, folder), own in groups.items():
        keys = [key for key in own[0] if key.startswith("PSNR")]
        means = {key: round(sum(row[key] for row in own) / len(own), 4) for key in keys}
        table.append({"network": network, "set": folder, "images": len(own)} | means)
    return table


def predicted_gain(row: dict) -> float:
    """What PD, exact, will add to the raw answer of a row, in dB, from PSNR and PSNR(LR) alone.

    -10 log10(1 - 10^(-(PSNR(LR) - PSNR) / 10)): by Pythagoras, the squared error less its part in the range. Exact for
    averages and y = A x; lesson 09 derives it.
    """
    margin = row["PSNR(LR) raw"] - row["PSNR raw"]
    return -10 * math.log10(1 - 10 ** (-margin / 10))


def as_markdown(table: list[dict]) -> str:
    """Two tables, a row per network and a column per set: raw / PD / exact, clamped as files are, and PSNR(LR) raw;
    and what papers print of x_r, RGB / luma.
    """
    stages = ("raw", "PD", "exact")
    first = _grid(
        "PSNR raw / PD / exact; PSNR(LR) raw",
        table,
        lambda row: (
            " / ".join(f"{row[f'PSNR {stage} clamped']:.2f}" for stage in stages) + f"; {row['PSNR(LR) raw']:.1f}"
        ),
    )
    second = _grid(
        "PSNR as papers print it, RGB / luma",
        table,
        lambda row: f"{row['PSNR printed']:.2f} / {row['PSNR luma printed']:.2f}",
    )
    return f"{first}\n\n{second}"


def _grid(title: str, table: list[dict], cell: Callable[[dict], str]) -> str:
    sets, networks = (list(dict.fromkeys(row[key] for row in table)) for key in ("set", "network"))
    cells = {(row["network"], row["set"]): cell(row) for row in table}
    lines = [f"| {title} | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    for network in networks:
        lines.append(f"| {network} | " + " | ".join(cells.get((network, name), "") for name in sets) + " |")
    return "\n".join(lines)
