"""What the evaluation of PULSE reports: rows per image, their means, and what to hold them against."""

import statistics
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import from_signed, from_uint8, to_uint8
from ..layers import FeatureNet64
from ..metrics import consistency_db, cosine_similarity, fd_features64, ms_ssim, psnr, ssim
from ..operators import AveragePool
from ..priors import StyleGAN2
from ..restorers import enforce_consistency

FEWEST = 129  # images that fd_features64 needs
STAGES = ("search", "PD")


def judged(
    stage: str, found: Tensor, kept: Tensor, x: Tensor, y: Tensor, A: AveragePool, network: FeatureNet64 | None
) -> list[dict]:
    """A row per image: the 8-bit ``kept`` against the truth x and the measurement y; PSNR(LR) before rounding too."""
    x_hat = from_uint8(kept)
    before = enforce_consistency(found, y, A) if stage == "PD" else found
    same = to_uint8(A(x_hat.double())) == to_uint8(y)
    table = fidelity(x_hat, x, network) | {
        "lr_psnr": consistency_db(A, before, y),
        "lr_psnr_8bit": consistency_db(A, x_hat, y).clamp_max(200),  # exact files would be infinite, which is no JSON
        "lr_reproduced": same.flatten(1).double().mean(1),
    }
    return [{"stage": stage} | {key: float(value[i]) for key, value in table.items()} for i in range(len(x))]


def fidelity(x_hat: Tensor, x: Tensor, network: FeatureNet64 | None) -> dict[str, Tensor]:
    """How near x_hat (N, 3, H, W) is to the truth x: (N,) each; "identity" is the features' cosine similarity."""
    values = {"psnr": psnr(x_hat, x), "ssim": ssim(x_hat, x), "ms_ssim": ms_ssim(x_hat, x)}
    return values if network is None else values | {"identity": cosine_similarity(x_hat, x, network)}


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
            means["lowest_lr_psnr"] = min(row["lr_psnr"] for row in own)
            seeds = sorted({row["seed"] for row in own})
            by_seed = [statistics.mean(row["psnr"] for row in own if row["seed"] == seed) for seed in seeds]
            if len(seeds) > 1:
                means["seed_spread"] = statistics.stdev(by_seed)
            summary[f"{factor}x {stage}"] = means
    if {"8x search", "16x search"} <= summary.keys():
        summary["C16"] = summary["16x search"]["lr_psnr"] - summary["8x search"]["lr_psnr"]
    return summary


def references(
    prior: StyleGAN2, x: Tensor, everything: Tensor, factors: Sequence[int], count: int, network: FeatureNet64 | None
) -> dict:
    """What no search is needed for: bicubic upsampling at each factor, and samples of the prior as they come.

    Fidelity over the images x; the distance over ``count`` images, as many as the searches made, since it depends on
    their number: samples, and bicubic of images spread over ``everything``.
    """
    table = {}
    spread = everything[[i * len(everything) // count for i in range(min(count, len(everything)))]]
    enough = network is not None and min(len(spread), len(everything)) >= FEWEST
    for factor in factors:
        near = {name: value.mean().item() for name, value in fidelity(bicubic(x, factor), x, network).items()}
        near["lr_psnr"] = consistency_db(A := AveragePool(factor), bicubic(x, factor), A(x)).mean().item()
        if enough:
            near["fd_features64"] = fd_features64(bicubic(spread, factor), everything, network)
        table[f"{factor}x bicubic"] = near
    if enough and count >= FEWEST:
        table["samples"] = {"fd_features64": fd_features64(samples(prior, count), everything, network)}
    return table


def bicubic(x: Tensor, factor: int) -> Tensor:
    """x made smaller by averaging and larger again by bicubic interpolation, both in 8 bits."""
    y = from_uint8(to_uint8(AveragePool(factor)(x)))
    return from_uint8(to_uint8(F.interpolate(y, x.shape[-2:], mode="bicubic")))


@torch.no_grad()
def samples(prior: StyleGAN2, count: int) -> Tensor:
    """(count, 3, H, W) in 8 bits: the first samples of seed 0, none left out."""
    z = torch.randn(count, prior.style_dim, generator=torch.Generator().manual_seed(0))
    return from_uint8(to_uint8(torch.cat([from_signed(prior(prior.mapping(part))) for part in z.split(50)])))
