"""A finished or stopped prior run -> the files that ship: weights in half precision, samples, a model card."""

from pathlib import Path

import torch
from torch import Tensor

from ..data import ImageSet
from ..images import from_signed, from_uint8, grid, save_image, to_uint8
from ..metrics import fd_features64
from ..priors import StyleGAN2, truncate
from ..storage import check_outputs, sole_writer, write
from ..training.origin import commit_of
from ..training.record import read_params
from ..weights import build, load_features64, save_weights
from ..weights.course import PATIENCE
from ..weights.files import MEAN, mean_w
from .prior import training_images

LICENSE = (
    "Apache-2.0 for the weights, as far as the project can give it. Photographs they were learned from are for "
    "research and education only and are not distributed."
)

ENDS = ("safetensors", "discriminator.safetensors", "webp", "md")  # of the files

CARD = """# {name}

A StyleGAN2 generator for {size} x {size} images ({parameters} parameters, widths {widths} from 4 pixels up,
{style_dim}-wide latents, {n_mlp} mapping layers): its moving average over training, in half precision, with the mean
of its w (`latent_avg`). Beside it the discriminator it was trained against, and a sheet of samples (upper half as they
come, lower half truncated to 0.7; seed 0, nothing chosen).

    from ganprior_null.weights import load_prior
    generator, w_mean = load_prior("{name}")

| | |
|---|---|
| training images | {data}: {training_images}, {margin} pixels cut from every side, mirrored at random |
| images shown | {images_shown}, in batches of {global_batch} |
| began from | {start_from} |
| augmentation | {augmentation} |
| seed, precision, torch | {seed}, {precision}, {torch} |
| commit | {commit} |
| fd_features64 of {samples} samples to {samples} training images | {distance:.3f} |
| the same of {samples} other training images to these | {floor:.3f} |

fd_features64 is a Frechet distance of this project's own small feature network. It is not an FID and cannot be
compared with one. A perfect generator would reach the second figure; this one is {times:.1f} times as far away, so look
at the sheet before you build on it.

**Meant for** this course and for experiments on 64-pixel images. **Not for** making or altering pictures of people:
the images are small and blurred; what it was trained on, drawings, news photographs or a few thousand pictures from the
web, is far from all of its kind, and a generator repeats the imbalances of what it saw.

**Licence.** {license}
"""


def publish_prior(
    run: Path, name: str, out: Path, *, data: Path | None = None, samples: int = 2_000, overwrite: bool = False
) -> Path:
    """Write NAME.safetensors, NAME.discriminator.safetensors, NAME.webp and NAME.md to ``out``; the card's path.

    run: the folder of a ``train prior``. data: the pack or folder it was trained on, None for drawn faces. samples: how
    many images, at most, the distances in the card are measured on. Raises ValueError for a run without checkpoint,
    FileExistsError unless overwrite.
    """
    if not (run / "last.ckpt").is_file():
        raise ValueError(f"{run} holds no last.ckpt: not the folder of a training run, or nothing was saved yet")
    params = read_params(run / "params.json")
    weights, critic, samples_file, card = (out / f"{name}.{end}" for end in ENDS)
    files = [weights, critic, samples_file, card]
    check_outputs(files, overwrite=overwrite)
    state = torch.load(run / "last.ckpt", map_location="cpu", weights_only=True)
    G, D = build(state["G_ema"]), build(state["D"])
    if not isinstance(G, StyleGAN2):
        raise ValueError(f"{run} trained a {type(G).__name__}, no prior")
    w_mean = mean_w(G)
    params |= {"images_shown": state["step"] * params["global_batch"]}
    about = {"license": LICENSE, **params}
    figures = distances(G, training_images(data, params["size"], margin=params["margin"]).images, samples)
    facts = {"parameters": parameter_count(G), "license": LICENSE, "commit": commit_of(run)}
    with sole_writer(out, files, overwrite=overwrite, patience=PATIENCE):
        half = {key: value.half() for key, value in (G.state_dict() | {MEAN: w_mean}).items()}
        save_weights(weights, half, {"model": "StyleGAN2", **about})
        half = {key: value.half() for key, value in D.state_dict().items()}
        save_weights(critic, half, {"model": "StyleGAN2Discriminator", **about})
        save_image(sheet(G, w_mean), samples_file)
        return write(card, CARD.format(name=name, **facts, **told(params), **figures))


def told(params: dict) -> dict:
    """The parameters as the card tells them: options that were off have words of their own."""
    start, target = params.get("start_from"), params.get("ada_target")
    return params | {
        "start_from": f"{start['checkpoint']} (SHA-256 {start['sha256'][:16]}...)" if start else "nothing",
        "augmentation": f"adaptive, target {target}, {params['ada_images']} images" if target else "none",
    }


def parameter_count(module: torch.nn.Module) -> str:
    """1.0 M and the like."""
    return f"{sum(p.numel() for p in module.parameters()) / 1e6:.1f} M"


@torch.no_grad()
def sheet(G: StyleGAN2, w_mean: Tensor, *, rows: int = 4, columns: int = 8) -> Tensor:
    """(3, H, W): samples of seed 0, nothing chosen; the upper half as they come, the lower truncated to psi 0.7."""
    z = torch.randn(rows * columns // 2, G.style_dim, generator=torch.Generator().manual_seed(0))
    w = G.mapping(z)
    images = from_signed(torch.cat([G(w), G(truncate(w, w_mean, 0.7))]))
    return grid(images, columns=columns)


@torch.no_grad()
def distances(G: StyleGAN2, reals: ImageSet, most: int) -> dict[str, float]:
    """fd_features64 of generated images (seed 1) to one half of the real ones, and of their other half to it.

    All three sets are equally large, ``most`` at most, since the distance depends on that; halves of seed 0.
    """
    order, network = torch.randperm(len(reals), generator=torch.Generator().manual_seed(0)), load_features64()
    count = min(most, len(reals) // 2)
    one, other = (from_uint8(reals.__getitems__(some)) for some in (order[:count], order[-count:]))
    z = torch.randn(count, G.style_dim, generator=torch.Generator().manual_seed(1))
    fakes = from_uint8(torch.cat([to_uint8(from_signed(G(G.mapping(part)))) for part in z.split(50)]))
    distance, floor = fd_features64(fakes, one, network), fd_features64(other, one, network)
    return {"samples": count, "distance": distance, "floor": floor, "times": distance / floor}
