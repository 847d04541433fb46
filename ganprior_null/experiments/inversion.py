"""How faithful PULSE is: held-out faces at several factors and seeds, with and without PD after the search.

The command ``python -m ganprior_null evaluate pulse``. A run that was stopped goes on where it was.
"""

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data import faces, load_sides
from ..images import from_uint8, grid, save_image, to_uint8, to_uint8_consistent
from ..layers import FeatureNet64
from ..metrics import consistency_db, fd_features64, ms_ssim, psnr, ssim
from ..operators import AveragePool
from ..priors import StyleGAN2
from ..restorers import enforce_consistency, fit_gaussian, pulse
from ..restorers.latents import LatentGaussian, is_untrained
from ..training.record import Run, replace
from ..weights import load_prior, load_stylegan2, shipped

BATCH = 16  # images searched at once
SHOWN = 8  # images in the picture of a factor
FEWEST = 129  # images that fd_features64 needs
STAGES = ("search", "PD")


@dataclass(frozen=True)
class Settings:
    """What is searched, and how; stored with the results."""

    count: int = 64  # held-out images
    factors: tuple[int, ...] = (4, 8, 16)
    seeds: int = 3
    steps: int = 100
    restarts: int = 1
    eps: float = (
        1e-4  # PSNR(LR) of 40 dB: with the published 2e-3 every search would stop at 27 dB, whatever the factor
    )
    loss: str = "100*L2+0.05*GEOCROSS"


def read_prior(source: str) -> StyleGAN2:
    """A shipped prior's name, the folder of a training run (its moving average), or a file that ``weights`` can load.

    Raises ValueError for a prior that was never trained, and what the loaders raise.
    """
    if source in shipped():
        prior = load_prior(source).generator
    elif (Path(source) / "last.ckpt").is_file():
        state = torch.load(Path(source) / "last.ckpt", map_location="cpu", weights_only=True)["G_ema"]
        params = json.loads((Path(source) / "params.json").read_text("utf-8"))
        sides = [4 * 2**i for i in range(len(params["widths"]))]
        prior = StyleGAN2(
            params["size"], params["style_dim"], params["n_mlp"], dict(zip(sides, params["widths"], strict=True))
        )
        prior.load_state_dict(state)
    else:
        prior = load_stylegan2(source).generator
    if is_untrained(prior):
        raise ValueError(f"{source} holds random weights: all noise strengths and biases are 0, as before training")
    return prior.eval().requires_grad_(False)


class HeldOut(NamedTuple):
    """Images to restore, a name each, and the whole side they were taken from."""

    x: Tensor  # (N, 3, size, size) in [0, 1]
    names: list[str]
    everything: Tensor  # (M, 3, size, size)


def held_out(data: Path | None, size: int, count: int, margin: int) -> HeldOut:
    """``count`` images of the test side of a pack or folder, spread evenly over it; without one, drawn faces.

    Raises ValueError when the side has fewer, and what ``load_sides`` raises.
    """
    if data is None:
        drawn = faces(max(count, FEWEST), size, seed=1)
        return HeldOut(drawn[:count], [f"drawn-{i}" for i in range(count)], drawn)
    sides = load_sides(data, size, margin=margin)
    x, names = from_uint8(sides.held_out), sides.held_out_names
    if not 1 <= count <= len(x):
        raise ValueError(f"{data} holds out {len(x)} images; count must be 1 to {len(x)}, got {count}")
    chosen = [i * len(x) // count for i in range(count)]
    return HeldOut(x[chosen], [names[i] for i in chosen], x)


def evaluate_pulse(
    out: Path,
    prior: StyleGAN2,
    images: HeldOut,
    settings: Settings,
    *,
    about: dict | None = None,
    network: FeatureNet64 | None = None,
    progress: bool = True,
) -> dict:
    """Rows per image, factor, seed and stage to ``out/metrics.jsonl``; the summary, returned and written.

    Stages: "search", PULSE's image; "PD", A^+ y + (I - A^+ A) of it. Both are judged as the 8-bit file that one would
    keep, PSNR(LR) before rounding too. y is the block mean of x, rounded to 8 bits as a file is. about: what else
    belongs to the parameters (prior, data). network: for fd_features64 and identity similarity.

    The folder belongs to one set of parameters, and searches that it holds are not repeated. Raises ValueError for
    other parameters there, and for factors that do not fit.
    """
    params = {"names": images.names, "batch": BATCH, **(about or {}), **asdict(settings)}
    run = Run(out, params | {"network": network is not None})
    done = {(row["factor"], row["seed"]) for row in run.history()}
    gaussian = fit_gaussian(prior)
    for factor in settings.factors:
        A = AveragePool(factor)
        y = from_uint8(to_uint8(A(images.x)))
        for seed in range(settings.seeds):
            if (factor, seed) in done:
                continue
            found, said = search_all(prior, y, A, settings, seed, gaussian, progress)
            kept = {"search": to_uint8(found), "PD": to_uint8_consistent(found, y, factor)}
            rows = [row for stage in STAGES for row in judged(stage, found, kept[stage], images.x, y, A, network)]
            save_file(kept, run.path / f"{factor}x_seed{seed}.safetensors")
            for i, row in enumerate(rows):
                j = i % len(images.names)
                run.log(j, {"image": images.names[j], "factor": factor, "seed": seed} | said[j] | row)
            print(f"{factor}x, seed {seed}: done", flush=True)
    return _finish(run, images, settings, network)


def search_all(
    prior: StyleGAN2,
    y: Tensor,
    A: AveragePool,
    settings: Settings,
    seed: int,
    gaussian: LatentGaussian,
    progress: bool,
) -> tuple[Tensor, list[dict]]:
    """PULSE on all of y, a batch at a time: images (N, 3, H, W) and per image what the search says of itself."""
    images, rows = [], []
    for some in y.split(BATCH):
        found = pulse(
            prior,
            some,
            A,
            steps=settings.steps,
            seed=seed,
            restarts=settings.restarts,
            loss=settings.loss,
            eps=settings.eps,
            gaussian=gaussian,
            progress=progress,
        )
        if found.interrupted:  # half a batch is no result
            raise KeyboardInterrupt
        images.append(found.images)
        rows += [
            {"lr_error": float(error), "converged": bool(converged)}
            for error, converged in zip(found.lr_error, found.converged, strict=True)
        ]
    return torch.cat(images), rows


def judged(
    stage: str, found: Tensor, kept: Tensor, x: Tensor, y: Tensor, A: AveragePool, network: FeatureNet64 | None
) -> list[dict]:
    """A row per image: the 8-bit ``kept`` against the truth x and the measurement y; PSNR(LR) before rounding too."""
    x_hat = from_uint8(kept)
    before = enforce_consistency(found, y, A) if stage == "PD" else found
    same = to_uint8(A(x_hat.double())) == to_uint8(y)
    table = {
        "psnr": psnr(x_hat, x),
        "ssim": ssim(x_hat, x),
        "ms_ssim": ms_ssim(x_hat, x),
        "lr_psnr": consistency_db(A, before, y),
        "lr_psnr_8bit": consistency_db(A, x_hat, y).clamp_max(200),  # exact files would be infinite, which is no JSON
        "lr_reproduced": same.flatten(1).double().mean(1),
    }
    if network is not None:
        with torch.no_grad():
            table["identity"] = F.cosine_similarity(network(x_hat), network(x))
    return [{"stage": stage} | {key: float(value[i]) for key, value in table.items()} for i in range(len(x))]


def _finish(run: Run, images: HeldOut, settings: Settings, network: FeatureNet64 | None) -> dict:
    """summary.json and a picture per factor; the results themselves, which the distance needs, are then deleted."""
    written = run.path / "summary.json"
    if written.exists():
        return json.loads(written.read_text("utf-8"))
    summary = summarise(run.history())
    for factor in settings.factors:
        kept = [load_file(run.path / f"{factor}x_seed{seed}.safetensors") for seed in range(settings.seeds)]
        _picture(run.path / f"{factor}x.png", images.x, kept[0], factor)
        for stage in STAGES:
            x_hat = from_uint8(torch.cat([tensors[stage] for tensors in kept]))
            if network is not None and min(len(x_hat), len(images.everything)) >= FEWEST:
                summary[f"{factor}x {stage}"]["fd_features64"] = fd_features64(x_hat, images.everything, network)
    replace(written, (json.dumps(summary, indent=1) + "\n").encode())
    for results in run.path.glob("*x_seed*.safetensors"):
        results.unlink()
    return summary


def summarise(rows: list[dict]) -> dict:
    """Means over images and seeds per factor and stage, and the value of claim C16: PSNR(LR) at 16x minus at 8x."""
    summary = {}
    apart = ("image", "factor", "seed", "stage", "step")
    for factor in sorted({row["factor"] for row in rows}):
        for stage in STAGES:
            own = [row for row in rows if row["factor"] == factor and row["stage"] == stage]
            keys = [key for key in own[0] if key not in apart]
            summary[f"{factor}x {stage}"] = {key: statistics.mean(row[key] for row in own) for key in keys}
            summary[f"{factor}x {stage}"]["lowest_lr_psnr"] = min(row["lr_psnr"] for row in own)
    if {"8x search", "16x search"} <= summary.keys():
        summary["C16"] = summary["16x search"]["lr_psnr"] - summary["8x search"]["lr_psnr"]
    return summary


def _picture(path: Path, x: Tensor, images: dict[str, Tensor], factor: int) -> None:
    """Truth, measurement, search and PD, one below the other, the first eight images."""
    x = x[:SHOWN]
    y = F.interpolate(AveragePool(factor)(x), x.shape[-2:], mode="nearest-exact")
    rows = [x, y, *(from_uint8(images[stage][:SHOWN]) for stage in STAGES)]
    save_image(grid(torch.cat(rows), columns=len(x)), path)
