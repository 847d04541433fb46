"""How different PDN's answers to one y are, where they differ, and whether each is consistent."""

import math
from pathlib import Path

import torch
from torch import Tensor

from ..images import from_uint8, grid, save_image
from ..metrics import consistency_db
from ..operators import AveragePool, LinearOperator
from ..restorers import PDNNetwork, Restorer, enforce_consistency
from ..storage import write_json
from ..training import step_generator
from ..training.runtime import pick_device
from .evaluation import measure
from .runs import read_run
from .trained import load_trained, unseen_images

IMAGES, CODES, SHOWN = 32, 8, 4
PURPOSE = "diversity"
FILES = ("diversity.json", "diversity_map.webp", "diversity_samples.webp")


def evaluate_diversity(
    path: Path, data: Path | None = None, *, images: int = IMAGES, codes: int = CODES, accelerator: str = "auto"
) -> dict:
    """Distances between the answers of one PDN run; ``diversity.json``, its map and samples in the run's folder.

    accelerator: as training takes it. Raises ValueError for a run of a network without z, and what
    :func:`.runtime.pick_device`, :func:`load_trained` and :func:`unseen_images` raise.
    """
    device = pick_device(accelerator, "accelerator")
    model = read_run(path).params["model"]
    if model != "pdn":
        raise ValueError(f"{path.name}: {model} has one answer to each y; diversity is PDN's")
    trained = load_trained(path)
    held_out = unseen_images(trained, data)
    x = from_uint8(held_out.__getitems__(range(min(images, len(held_out))))).to(device)
    trained.network.to(device)
    y = measure(trained.A_true, x)
    P = trained.A or AveragePool(trained.this.factor)  # the null space distances are measured in
    answers = sample(trained.network, y, trained.A, codes)  # (K, N, 3, H, W)
    only_z = sample(trained.network, y, trained.A, codes, vary_noise=False)
    only_noise = sample(trained.network, y, trained.A, codes, vary_z=False)
    where = spread_map(answers)
    result = {
        "step": trained.step,
        "images": len(x),
        "codes": codes,
        "distance": pairwise_distance(answers, P),
        "distance by z alone": pairwise_distance(only_z, P),
        "distance by noise alone": pairwise_distance(only_noise, P),
        "distance to the truth": float(rms(P.project_null((answers - x).flatten(0, 1))).mean()),
        "largest spread": float(where.max()),
    }
    if trained.A is not None:
        result["PSNR(LR) enforced, worst"] = min(float(consistency_db(P, part, y).min()) for part in answers)
    write_json(path / "diversity.json", result)
    save_image((where / where.max()).cpu().expand(3, -1, -1), path / "diversity_map.webp")
    shown = answers[:, :SHOWN].transpose(0, 1).flatten(0, 1)
    save_image(grid(shown.cpu(), columns=codes), path / "diversity_samples.webp")  # a row per y
    return result


@torch.no_grad()
def sample(
    network: Restorer,
    y: Tensor,
    A: LinearOperator | None,
    codes: int,
    *,
    vary_z: bool = True,
    vary_noise: bool = True,
    seed: int = 0,
) -> Tensor:
    """(codes, N, 3, H, W): answers to y (N, 3, h, w), each by a new z, or the first, and new noise, or the stored."""
    answers, bare = [], network.network
    assert isinstance(bare, PDNNetwork)  # no other has a z
    for k in range(codes):
        z = bare.draw(y, step_generator(seed, k if vary_z else 0, PURPOSE))
        x_r = network(y, z, step_generator(seed, k, f"{PURPOSE} noise") if vary_noise else None)
        answers.append(x_r if A is None else enforce_consistency(x_r, y, A))
    return torch.stack(answers)


def pairwise_distance(answers: Tensor, A: LinearOperator) -> float:
    """Mean root mean square of (I - A^+ A)(x_i - x_j) over pairs i < j of the answers (K, N, 3, H, W) to each y."""
    null = torch.stack([A.project_null(part) for part in answers]).transpose(0, 1).flatten(2)  # (N, K, D)
    return float(torch.stack([torch.pdist(rows.double()).mean() for rows in null]).mean()) / math.sqrt(null.shape[-1])


def spread_map(answers: Tensor) -> Tensor:
    """(K, N, 3, H, W) -> (1, H, W): the standard deviation over the answers, root mean square over images, channels."""
    return answers.double().var(dim=0).mean(dim=(0, 1)).sqrt().float()[None]


def rms(x: Tensor) -> Tensor:
    """Root mean square over the last three axes."""
    return x.square().mean(dim=(-3, -2, -1)).sqrt()
