"""Published networks on photographs: raw, with PD, with the exact operator. The command ``evaluate networks``.

A measurement is an 8-bit file made by a known downsampler. A run that was stopped goes on where it was.
"""

import math
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..images import from_uint8, list_images, load_image, to_uint8
from ..metrics import consistency_db, psnr
from ..networks import load_network
from ..operators import AveragePool, LinearOperator
from ..profiles import profile_name
from ..restorers import enforce_consistency, enforce_noisy
from ..restorers.identify import downsampler as named
from ..storage import write_json
from ..training.record import Run


def evaluate_networks(
    out: Path, names: list[str], folders: list[Path], *, downsampler: str = "bicubic", noise: float = 0.0,
    crop: int | None = None, count: int | None = None,
) -> list[dict]:  # fmt: skip
    """Each network on each image of the folders; rows to ``out/metrics.jsonl``, the summary returned and written.

    crop: the side of the centre crop that is taken of larger images; count: so many images of each folder. noise: the
    standard deviation of white noise added to y. The output folder belongs to one set of parameters, networks and
    images apart: what it holds is not computed again. Raises ValueError and OSError for bad input before anything runs.
    """
    if not 0 <= noise < 1:
        raise ValueError(f"noise must be a standard deviation from 0 to 1 (grey levels are 1/255), got {noise}")
    networks = {name: load_network(name) for name in names}
    files = [(folder.name, path) for folder in folders for path in list_images(folder)[:count]]
    run = Run(out, {"profile": profile_name(), "downsampler": downsampler, "noise": noise, "crop": crop})
    done = {(row["set"], row["image"], row["network"]) for row in run.history()}
    todo = [(s, p, n) for n in names for s, p in files if (s, p.stem, n) not in done]
    for folder, path, name in tqdm(todo, desc="networks", unit="image"):
        x = cut(load_image(path), networks[name].factor, crop)
        h, w = x.shape[-2:]
        A = named(downsampler, (h, w), (h // networks[name].factor, w // networks[name].factor))
        row = {"set": folder, "image": path.stem, "network": name} | figures(networks[name], x, A, noise)
        run.log(len(run.history()), row)
    table = summary(run.history())
    write_json(run.path / "summary.json", table)
    return table


def cut(x: Tensor, factor: int, crop: int | None = None) -> Tensor:
    """The centre of x, at most crop pixels a side, its sides multiples of the factor; ValueError where nothing is left.

    Without crop the first rows and columns stay, as benchmarks are cut.
    """
    h, w = (min(side, crop or side) // factor * factor for side in x.shape[-2:])
    if not h or not w:
        raise ValueError(f"an image of {x.shape[-1]} x {x.shape[-2]} has no block of {factor} x {factor} pixels")
    top, left = ((x.shape[-2] - h) // 2, (x.shape[-1] - w) // 2) if crop else (0, 0)
    return x[..., top : top + h, left : left + w]


def figures(network: torch.nn.Module, x: Tensor, A: LinearOperator, noise: float = 0.0) -> dict:
    """PSNR to x (RGB, no border cut) and PSNR(LR), in dB, of x_r ("raw"), of x_r with PD, and with A ("exact").

    y is what an 8-bit file holds of A x + noise. Each also clamped to [0, 1], as files are: "raw clamped", .... With
    noise, also of the self-tuned weight ("weighted").
    """
    generator = torch.Generator().manual_seed(0)
    y = A(x)
    y = from_uint8(to_uint8(y + noise * torch.randn(y.shape, generator=generator)))
    with torch.inference_mode():
        x_r = network(y)
        PD = AveragePool(x.shape[-1] // y.shape[-1])
        images = {"raw": x_r, "PD": enforce_consistency(x_r, y, PD), "exact": enforce_consistency(x_r, y, A)}
        if noise:
            images["weighted"] = enforce_noisy(x_r, y, A).image
    images |= {f"{stage} clamped": image.clamp(0, 1) for stage, image in images.items()}
    row = {f"PSNR {stage}": float(psnr(image, x)) for stage, image in images.items()}
    row |= {f"PSNR(LR) {stage}": float(consistency_db(A, image, y)) for stage, image in images.items()}
    return {key: round(value, 4) for key, value in row.items()}


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
    """A row per network; in each set's column raw / PD / exact, clamped as files are, and PSNR(LR) raw."""
    sets, networks = (list(dict.fromkeys(row[key] for row in table)) for key in ("set", "network"))
    cells = {(row["network"], row["set"]): row for row in table}
    lines = ["| PSNR raw / PD / exact; PSNR(LR) raw | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    for network in networks:
        line = []
        for name in sets:
            row = cells.get((network, name))
            stages = " / ".join(f"{row[f'PSNR {s} clamped']:.2f}" for s in ("raw", "PD", "exact")) if row else ""
            line.append(f"{stages}; {row['PSNR(LR) raw']:.1f}" if row else "")
        lines.append(f"| {network} | " + " | ".join(line) + " |")
    return "\n".join(lines)
