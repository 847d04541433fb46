"""The feature network: trained on packs of photographs and on drawn faces, then shipped."""

import dataclasses
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import FaceFactors, Sides, face_factors, load_pack, load_sides, render
from ..data.factors import HAIR_STYLES
from ..images import from_uint8, to_uint8
from ..layers import FeatureNet64
from ..metrics import AT_ONCE
from ..training import Run, batch_indices, fit, make_fabric, resolve_precision
from ..training.features import Drawn, FeatureHeads, FeatureRecipe, Images, feature_state, feature_step
from ..training.runtime import memory_advice
from ..weights import save_weights
from .feature_checks import damage_distances, identity_auc, nearest_centroid_accuracy
from .publish import LICENSE

SIZE = 64
PORTRAIT_MARGIN = 6  # pixels cut from each side of a pack that names its people: aligned portraits, face in the middle
DRAWN_PEOPLE = 5_000
EVENED = 3_072  # training images that even_out looks at
# what changes between two looks of one drawn person; the rest is who it is
LOOK = (
    "shift", "scale", "tilt", "yaw", "nod", "light", "background", "background_angle", "clothes_colour", "neckline",
    "stripes", "gaze", "eye_open", "brow_angle", "mouth_open", "smile", "blush", "glasses", "earrings",
)  # fmt: skip


def pack_sides(folder: Path) -> Sides[Tensor]:
    """A pack's two sides at 64 pixels; portraits, which name their people, lose a margin and are enlarged again."""
    margin = PORTRAIT_MARGIN if "person" in load_pack(folder).rows[0] else 0
    return load_sides(folder, SIZE, margin=margin)


def training_set(packs: Sequence[Path]) -> Images:
    """The training sides of all packs; a pack is a category, people are numbered through."""
    sides = [pack_sides(folder) for folder in packs]
    names = [f"{k}/{name}" for k, side in enumerate(sides) for name in side.training_names]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return Images(
        x=torch.cat([side.training for side in sides]),
        people=torch.tensor([number[name] for name in names]),
        category=torch.cat([torch.full((len(side.training),), k) for k, side in enumerate(sides)]),
    )


def drawn_set(people: int, seed: int = 0) -> Drawn:
    """Two looks of each of ``people`` drawn persons: other pose, light, expression, clothes and background."""
    first = face_factors(people, seed)
    strangers = face_factors(people, seed, start=people)
    second = dataclasses.replace(first, **{name: getattr(strangers, name) for name in LOOK})
    x = torch.stack([to_uint8(render(factors, SIZE)) for factors in (first, second)], 1)
    return Drawn(x, standardised(torch.stack([factor_table(first), factor_table(second)], 1)))


def factor_table(factors: FaceFactors) -> Tensor:
    """(N, F) float32: every factor as numbers, the hair style as one of seven."""
    styles = F.one_hot(factors.hair_style, len(HAIR_STYLES))
    columns = [getattr(factors, field.name).flatten(1) if getattr(factors, field.name).ndim > 1
               else getattr(factors, field.name)[:, None] for field in dataclasses.fields(factors)
               if field.name != "hair_style"]  # fmt: skip
    return torch.cat([*columns, styles], 1).float()


def standardised(table: Tensor) -> Tensor:
    """Zero mean and unit variance over all axes but the last: an error of 1 knows nothing."""
    rows = table.flatten(0, -2)
    return (table - rows.mean(0)) / rows.std(0).clamp_min(1e-6)


RECIPES = {
    "smoke": FeatureRecipe(steps=2, pairs=2, drawn_pairs=2),
    "laptop": FeatureRecipe(steps=1_000, pairs=64, drawn_pairs=24),
    "gpu": FeatureRecipe(steps=10_000, pairs=256, drawn_pairs=96),
    "paper": FeatureRecipe(steps=10_000, pairs=256, drawn_pairs=96),  # the paper has no such network
}
RECIPES["paper-text"], RECIPES["night"] = RECIPES["paper"], RECIPES["laptop"]


def train_features(packs: Sequence[Path], out: Path, recipe: FeatureRecipe, *, precision: str = "auto") -> bool:
    """Train a FeatureNet64 on packs and drawn faces; when finished, write ``features64.safetensors`` into ``out``.

    Resumes what ``out`` holds. True when finished, False when stopped by a signal. Raises ValueError for no pack.
    """
    if not packs:
        raise ValueError("the feature network needs at least one pack of photographs, got none")
    precision = resolve_precision(precision)
    drawn = drawn_set(min(DRAWN_PEOPLE, recipe.steps * recipe.drawn_pairs), recipe.seed)
    images = training_set(packs)
    fabric = make_fabric(precision=precision)
    if fabric.world_size > 1:
        raise ValueError(f"batches are compared whole, so one process trains, got {fabric.world_size}")
    torch.manual_seed(recipe.seed)  # the initial weights; every later draw is addressed by step
    network = FeatureNet64().to(fabric.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave it out
    heads = FeatureHeads(drawn.factors.shape[-1], len(packs)).to(fabric.device)
    params = {
        "experiment": "features",
        "packs": [folder.name for folder in packs],
        "training_images": len(images.x),
        "drawn_people": len(drawn.x),
        "precision": precision,
        **dataclasses.asdict(recipe),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    step, state = feature_step(images, drawn, recipe), feature_state(network, heads, recipe)
    batch = 2 * (recipe.pairs + recipe.drawn_pairs)
    run = Run(out, params)
    with memory_advice(f"lower pairs (now {recipe.pairs}) and drawn_pairs (now {recipe.drawn_pairs})"):
        finished = fit(fabric, step, state, run, steps=recipe.steps, global_batch=batch, save_every=200)
    if finished:
        even_out(network, images.x[batch_indices(len(images.x), min(EVENED, len(images.x)), 0, seed=recipe.seed)])
        halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
        save_weights(out / "features64.safetensors", halves, {"license": LICENSE, **params})
    return finished


@torch.no_grad()
def even_out(network: FeatureNet64, x: Tensor) -> None:
    """Centre and turn the embedding, folded into its matrix, so that its 128 axes are uncorrelated over x, uint8
    (N, 3, H, W), and a variance v becomes v / (v + mean v).

    A Fréchet distance and a cosine weigh an axis by its variance. Trained as it is, a few axes of category and colour
    have most of it; halfway to equal weights, damage and identity are seen better. All the way, noise would rule.
    """
    like = next(network.parameters())
    z = torch.cat([network(from_uint8(some).to(like)).double() for some in x.split(AT_ONCE)])
    values, axes = torch.linalg.eigh(z.T.cov())
    turn = axes.T / (values.clamp_min(0) + values.mean()).sqrt()[:, None]  # (128, 128), a row for each new axis
    weight, bias = network.embed.weight, network.embed.bias
    weight.copy_(turn @ weight.double())
    bias.copy_(turn @ (bias.double() - z.mean(0)))


def measure_features(network: FeatureNet64, packs: Sequence[Path]) -> dict[str, float]:
    """What the model card reports, on held-out images: damage distances as multiples of the distance of two untouched
    halves ("none", given as it is), category accuracy, identity AUC. The first pack must name its people.
    """
    sides = [pack_sides(folder) for folder in packs]
    held_out = [from_uint8(side.held_out) for side in sides]
    distances = damage_distances(held_out[0], network)
    floor = distances.pop("none")
    return {
        "split_half": floor,
        **{name: value / floor for name, value in distances.items()},
        "accuracy": nearest_centroid_accuracy([from_uint8(side.training[:600]) for side in sides], held_out, network),
        "identity_auc": identity_auc(held_out[0], sides[0].held_out_names, network),
    }
