"""How faithful PULSE is: held-out faces at several factors and seeds, with and without PD after the search.

The command ``python -m ganprior_null evaluate pulse``. A run that was stopped goes on where it was.
"""

import hashlib
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ..data import faces, load_sides
from ..images import as_file, from_uint8, save_image, to_uint8, to_uint8_consistent
from ..layers import FeatureNet64
from ..metrics import FEWEST_IMAGES, fd_features64
from ..operators import AveragePool
from ..priors import StyleGAN2
from ..profiles import Searches
from ..restorers import fit_gaussian, pulse
from ..restorers.inversion.check import check_counts, check_name, check_positive
from ..restorers.inversion.latents import LatentGaussian, is_untrained
from ..restorers.inversion.loss import parse_loss
from ..restorers.inversion.pulse import SPACES
from ..storage import read_json, write, write_json
from ..training.record import Run, forget, read_params
from ..weights import available, load_prior, load_stylegan2
from .figures import sheet
from .inversion_figures import STAGES, HeldOut, judged, references, summarise

BATCH = 16  # images searched at once
SHOWN = 12  # images in a sheet
MEAN_OF = 256  # drawn faces whose mean is the baseline's mean image
SEARCHES = "*x_seed*.safetensors"  # kept until they are judged


def read_prior(source: str) -> StyleGAN2:
    """A prior's name, the folder of a training run (its moving average), or a file that ``weights`` can load.

    Raises ValueError for a prior that was never trained, and what the loaders raise.
    """
    if source in available():
        prior = load_prior(source).generator
    elif (Path(source) / "last.ckpt").is_file():
        state = torch.load(Path(source) / "last.ckpt", map_location="cpu", weights_only=True)["G_ema"]
        params = read_params(Path(source) / "params.json")
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


def held_out(data: Path | None, size: int, count: int, margin: int) -> HeldOut:
    """``count`` images of the test side of a pack or folder, spread evenly over it; without one, drawn faces.

    Raises ValueError when the side has fewer, and what ``load_sides`` raises.
    """
    if data is None:
        drawn = faces(max(count, FEWEST_IMAGES), size, seed=1)
        others = faces(MEAN_OF, size, seed=0)
        return HeldOut(drawn[:count], [f"drawn-{i}" for i in range(count)], drawn, others.mean(0))
    sides = load_sides(data, size, margin=margin)
    x, names = from_uint8(sides.held_out), sides.held_out_names
    if not 1 <= count <= len(x):
        raise ValueError(f"{data} holds out {len(x)} images; count must be 1 to {len(x)}, got {count}")
    chosen = [i * len(x) // count for i in range(count)]
    return HeldOut(x[chosen], [names[i] for i in chosen], x, from_uint8(sides.training).mean(0))


def evaluate_pulse(
    out: Path,
    prior: StyleGAN2,
    images: HeldOut,
    settings: Searches,
    *,
    about: dict | None = None,
    network: FeatureNet64 | None = None,
    progress: bool = True,
    overwrite: bool = False,
) -> dict:
    """Rows per image, factor, seed and stage to ``out/metrics.jsonl``; the summary, returned and written.

    Stages: "search", PULSE's image; "PD", A^+ y + (I - A^+ A) of it. Both are judged as the 8-bit file that one would
    keep, PSNR(LR) before rounding too. y is the block mean of x, rounded to 8 bits as a file is. about: what else
    belongs to the parameters (prior, data). network: for fd_features64 and identity similarity.

    All searches come first, all judging last. The folder belongs to one set of parameters, and searches that it holds
    are not repeated; overwrite: they are deleted first. Raises ValueError, before anything is written, for settings
    that do not fit, and for a folder of other parameters.
    """
    check(settings, prior.size)
    if overwrite:
        forget(out, SEARCHES)
    params = {"network": network is not None, **(about or {}), **asdict(settings)}
    run = Run(out, params | {"names": images.names, "batch": BATCH, **fingerprint(prior)})
    written = run.path / "summary.json"
    if written.exists():
        return read_json(written)
    gaussian = fit_gaussian(prior)
    for factor in settings.factors:
        A = AveragePool(factor)
        y = as_file(A(images.x))  # in 8 bits as a file is
        for seed in range(settings.seeds):
            path = kept_at(run, factor, seed)
            if not path.exists():
                write(path, save(search_all(prior, y, A, settings, seed, gaussian, progress)))
                print(f"{factor}x, seed {seed}: done", flush=True)
    summary = _judge(run, prior, images, settings, network)
    write_json(written, summary)
    for results in run.path.glob(SEARCHES):
        results.unlink()
    return summary


def check(settings: Searches, size: int) -> None:
    """ValueError, with the value, for settings that no search could follow."""
    check_counts(count=settings.count, seeds=settings.seeds, steps=settings.steps, restarts=settings.restarts)
    check_positive(eps=settings.eps, lr=settings.lr)
    check_name(settings.space, SPACES, "space")
    parse_loss(settings.loss)
    for factor in settings.factors:
        if factor < 1 or size % factor:
            raise ValueError(f"factor {factor} must divide the prior's {size} pixels")


def kept_at(run: Run, factor: int, seed: int) -> Path:
    """The file of these searches until they are judged."""
    return run.path / f"{factor}x_seed{seed}.safetensors"


def fingerprint(prior: StyleGAN2) -> dict[str, str]:
    """What made the images: the prior's weights, as 12 hex digits (names outlive training), torch and the machine."""
    digest = hashlib.sha256()
    for tensor in prior.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return {"weights": digest.hexdigest()[:12], "torch": torch.__version__, "machine": platform.machine()}


def search_all(
    prior: StyleGAN2,
    y: Tensor,
    A: AveragePool,
    settings: Searches,
    seed: int,
    gaussian: LatentGaussian,
    progress: bool,
) -> dict[str, Tensor]:
    """PULSE on all of y, a batch at a time: images (N, 3, H, W), and what the search says of each, (N,)."""
    parts = []
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
            space=settings.space,
            lr=settings.lr,
            progress=progress,
        )
        if found.interrupted:  # half a batch is no result
            raise KeyboardInterrupt
        norm = gaussian.to_z(found.latents).square().mean((1, 2)).sqrt()  # about 1 on the sphere
        said = {"lr_error": found.lr_error, "converged": found.converged.float(), "norm": norm}
        parts.append({"images": found.images, **said})
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _judge(run: Run, prior: StyleGAN2, images: HeldOut, settings: Searches, network: FeatureNet64 | None) -> dict:
    """All searches of the folder: the rows, the sheets, and the summary, returned."""
    rows, shown, distances = [], [], {}
    for factor in settings.factors:
        A = AveragePool(factor)
        results: dict[str, list[Tensor]] = {stage: [] for stage in STAGES}
        y = as_file(A(images.x))  # in 8 bits as a file is
        for seed in range(settings.seeds):
            found = load_file(kept_at(run, factor, seed))
            kept = {"search": to_uint8(found["images"]), "PD": to_uint8_consistent(found["images"], y, factor)}
            for stage in STAGES:
                results[stage].append(kept[stage])
                for i, row in enumerate(judged(stage, found["images"], kept[stage], images.x, y, A, network)):
                    said = {name: found[name][i].item() for name in ("lr_error", "converged", "norm")}
                    rows.append({"image": images.names[i], "factor": factor, "seed": seed} | said | row)
        first = [from_uint8(results[stage][0][:SHOWN]) for stage in STAGES]
        save_image(sheet(*first), run.path / f"{factor}x.webp")
        shown += [y[:SHOWN], *first]
        for stage in STAGES:
            x_hat = from_uint8(torch.cat(results[stage]))
            if network is not None and min(len(x_hat), len(images.everything)) >= FEWEST_IMAGES:
                distances[f"{factor}x {stage}"] = fd_features64(x_hat, images.everything, network)
    save_image(sheet(*shown, images.x[:SHOWN]), run.path / "sheet_with_truth.webp")  # shows the data: stays here
    write(run.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    summary = summarise(rows)
    for name, distance in distances.items():
        summary[name]["fd_features64"] = distance
    count = len(images.x) * settings.seeds
    return summary | references(prior, images, settings.factors, count, network)
