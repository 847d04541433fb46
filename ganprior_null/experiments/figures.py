"""How good a restorer is on images it never saw: the figures of the tables, as an 8-bit file has them and before."""

import torch
from torch import Tensor, nn

from ..images import from_uint8, grid, to_uint8
from ..metrics import consistency_db, cosine_similarity, fd_features64, ms_ssim, psnr, ssim
from ..operators import AveragePool, LinearOperator
from ..restorers import enforce_consistency

BATCH = 50


@torch.no_grad()
def restore(network: nn.Module, y: Tensor, A: LinearOperator | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(x_r, x_hat) for y (N, 3, h, w): the network's answer, and the same in A's null space (x_r itself for None).

    The network is put into evaluation mode and back; one that samples (PDN) draws from the seed.
    """
    was_training, generator = network.training, torch.Generator().manual_seed(seed)
    network.eval()
    answers = []
    for part in y.split(BATCH):
        code = (network.network.draw(part, generator), generator) if hasattr(network.network, "draw") else ()
        answers.append(network(part, *code).float())
    network.train(was_training)
    x_r = torch.cat(answers)
    return x_r, x_r if A is None else enforce_consistency(x_r, y, A)


def figures(x_hat: Tensor, x: Tensor, y: Tensor, A_true: LinearOperator, features: nn.Module) -> dict[str, float]:
    """Means over the images x (N, 3, H, W): what Tables 2 to 4 report.

    PSNR, SSIM, MS-SSIM and fd_features64 are those of x_hat clamped and rounded to 8 bits; "PSNR(LR)" is how well
    A_true gives back y before that step, "PSNR(LR) 8 bit" after it; "identity" is the features' cosine similarity.
    """
    seen = from_uint8(to_uint8(x_hat))
    return {
        "PSNR": float(psnr(seen, x).mean()),
        "SSIM": float(ssim(seen, x).mean()),
        "MS-SSIM": float(ms_ssim(seen, x).mean()),
        "fd_features64": fd_features64(seen, x, features),
        "identity": float(cosine_similarity(seen, x, features).mean()),
        "PSNR(LR)": float(consistency_db(A_true, x_hat, y).mean()),
        "PSNR(LR) 8 bit": float(consistency_db(A_true, seen, y).mean()),
    }


def raw_figures(x_r: Tensor, x_hat: Tensor, y: Tensor, A_true: LinearOperator, A: LinearOperator | None) -> dict:
    """What only the float images tell: how far the network's own answer x_r is from y, and how blocky x_hat is.

    "PSNR(LR) enforced" is under the operator A that x_hat was put into the null space of; missing without one.
    "blockiness" is the mean step across the borders of factor x factor blocks over that inside them, 1 for none.
    """
    values = {"PSNR(LR) raw": float(consistency_db(A_true, x_r, y).mean()), "blockiness": blockiness(x_hat, y)}
    if A is not None:
        values["PSNR(LR) enforced"] = float(consistency_db(A, x_hat, y).mean())
    return values


def repaired_figures(x_r: Tensor, x: Tensor, y: Tensor, features: nn.Module) -> dict[str, float]:
    """The control of a run without null space: what PD (average pooling) makes of its answers, after training.

    A network trained with PD has to beat this, not only the bare answers, for PD in *training* to be worth anything.
    """
    seen = from_uint8(to_uint8(enforce_consistency(x_r, y, AveragePool(x.shape[-1] // y.shape[-1]))))
    return {
        "PSNR, PD after": float(psnr(seen, x).mean()),
        "SSIM, PD after": float(ssim(seen, x).mean()),
        "fd_features64, PD after": fd_features64(seen, x, features),
    }


def blockiness(x: Tensor, y: Tensor) -> float:
    """Mean |difference| of neighbouring pixels on two sides of a block border over that within blocks, both axes."""
    factor = x.shape[-1] // y.shape[-1]
    ratios = []
    for axis in (-2, -1):
        steps = x.diff(dim=axis).abs().double().transpose(axis, -1)  # (..., W - 1)
        border = torch.arange(1, x.shape[axis]) % factor == 0
        ratios.append(steps[..., border].mean() / steps[..., ~border].mean())
    return float(sum(ratios) / 2)


def sheet(*rows: Tensor, count: int = 12) -> Tensor:
    """(3, H', W'): the first images of each batch (N, 3, H, W), a row each; smaller ones, such as y, are enlarged."""
    size, big = rows[-1].shape[-1], []
    for row in rows:
        zoom = size // row.shape[-1]
        big.append(row[:count].repeat_interleave(zoom, -2).repeat_interleave(zoom, -1))
    return grid(torch.cat(big).cpu(), columns=min(count, len(rows[-1])))
