"""What the evaluation of PULSE reports: rows per image, their means, and what to hold them against."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..images import as_file, from_signed
from ..layers import FeatureNet64
from ..metrics import FEWEST_IMAGES, fd_features64
from ..operators import AveragePool
from ..priors import StyleGAN2
from ..restorers import enforce_consistency
from .judge import baselines, judge, judge_each

STAGES = ("search", "PD")


class HeldOut(NamedTuple):
    """Images to restore, a name each, and the whole side they were taken from."""

    x: Tensor  # (N, 3, size, size) in [0, 1]
    names: list[str]
    everything: Tensor  # (M, 3, size, size)
    mean_image: Tensor  # (3, size, size), of the other side


def judged(
    stage: str, found: Tensor, kept: Tensor, x: Tensor, y: Tensor, A: AveragePool, network: FeatureNet64 | None
) -> list[dict]:
    """A row per image: the 8-bit ``kept`` against the truth x and the measurement y; PSNR(LR) before rounding too."""
    before = enforce_consistency(found, y, A) if stage == "PD" else found
    table = judge_each(before, x, y, A, network, kept=kept)
    return [{"stage": stage} | {key: float(value[i]) for key, value in table.items()} for i in range(len(x))]


def summarise(rows: list[dict]) -> dict:
    """Means over images and seeds per factor and stage, and the value of claim C16: PSNR(LR) at 16x minus at 8x.

    "seed_spread" is the standard deviation over the seeds of their mean PSNR, missing for a single seed.
    """
    summary = {}
    apart = ("image", "factor", "seed", "stage", "step")
    for factor in sorted({row["factor"] for row in rows}):
        for stage in STAGES:
            own = [row for row in rows if row["factor"] == factor and row["stage"] == stage]
            keys = [key for key in own[0] if key not in apart]
            means = {key: statistics.mean(row[key] for row in own) for key in keys}
            means["lowest PSNR(LR)"] = min(row["PSNR(LR)"] for row in own)
            seeds = sorted({row["seed"] for row in own})
            by_seed = [statistics.mean(row["PSNR"] for row in own if row["seed"] == seed) for seed in seeds]
            if len(seeds) > 1:
                means["seed_spread"] = statistics.stdev(by_seed)
            summary[f"{factor}x {stage}"] = means
    if {"8x search", "16x search"} <= summary.keys():
        summary["C16"] = summary["16x search"]["PSNR(LR)"] - summary["8x search"]["PSNR(LR)"]
    return summary


def references(
    prior: StyleGAN2, images: HeldOut, factors: Sequence[int], count: int, network: FeatureNet64 | None
) -> dict:
    """What no search is needed for: the baselines at each factor, and samples of the prior as they come.

    Fidelity over the images; the distance over ``count`` images, as many as the searches made, since it depends on
    their number: samples, and the baselines of images spread over everything held out.
    """
    table, (x, _, everything, mean_image) = {}, images
    spread = everything[[i * len(everything) // count for i in range(min(count, len(everything)))]]
    asked = network if min(len(spread), len(everything)) >= FEWEST_IMAGES else None
    for factor in factors:
        A = AveragePool(factor)
        y, y_spread = as_file(A(x)), as_file(A(spread))
        many = baselines(y_spread, A, mean_image) if asked is not None else {}
        for name, answers in baselines(y, A, mean_image).items():
            row = judge(answers, x, y, A, network)
            row.pop("fd_features64", None)  # of another number of images than the searches made
            if asked is not None:
                row["fd_features64"] = fd_features64(as_file(many[name]), everything, asked)
            table[f"{factor}x {name}"] = row
    if asked is not None and count >= FEWEST_IMAGES:
        table["samples"] = {"fd_features64": fd_features64(samples(prior, count), everything, asked)}
    return table


@torch.no_grad()
def samples(prior: StyleGAN2, count: int) -> Tensor:
    """(count, 3, H, W) in 8 bits: the first samples of seed 0, none left out."""
    z = torch.randn(count, prior.style_dim, generator=torch.Generator().manual_seed(0))
    return as_file(torch.cat([from_signed(prior(prior.mapping(part))) for part in z.split(50)]))
