"""A trained restorer on a user's own images: consistent 8-bit files and a sheet. The command ``restore``.

A network takes one size: y of in_size x in_size pixels. So the images are either measurements of exactly that size, or
photographs (``downsample``) whose middle square is brought to the network's HR size and then measured. Larger pictures
are not cut into tiles: a prior of faces knows one face that fills the image, not a part of one.

Published files of pSp, GFP-GAN and GPEN are read as they are. Their networks take faces aligned as in FFHQ, which
nothing here does, and y of any side up to their own, which they see enlarged bilinearly, as their programs do; answers
are rounded to 8 bits, as by GFP-GAN's program, where those of pSp and GPEN cut off.
"""

import math
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from .. import networks
from ..images import from_uint8, load_image, save_image, to_uint8
from ..metrics import consistency_db
from ..names import namesakes, printable, stem
from ..operators import LinearOperator
from ..profiles import Experiment, did_you_mean
from ..restorers.bank import PriorNetwork
from ..restorers.identify import downsampler as named
from ..restorers.pictures import consistent_file
from ..restorers.restorer import EnlargingRestorer, Restorer, sides_enlarged
from ..storage import check_outputs, sole_writer
from ..training.runtime import memory_advice, pick_device
from ..weights import around, available, load_restorer, read_metadata, shipped, weights_path
from .figures import restore, sheet
from .restorer import operators
from .runs import read_run
from .trained import experiment_of, load_trained

BATCH = 50  # images of 64 pixels at once, larger ones fewer
LOST = 6.0  # dB of PSNR(LR) raw below that of the test images which are worth a word: twice their error
AGREE = 35.0  # dB between two measurements of one image; antialiased downsamplers differ by less


class Model(NamedTuple):
    """A restorer and how it was trained: ``this`` names the downsampler and the null space, A_true and A."""

    name: str
    network: Restorer
    this: Experiment
    A_true: LinearOperator
    A: LinearOperator | None
    raw_db: float  # PSNR(LR) raw on the images it was tested on

    @property
    def sizes(self) -> tuple[int, int]:
        """(side of y, side of x)."""
        return self.network.in_size, self.network.out_size


def read_model(name: str) -> Model:
    """A restorer's name, or the folder of a finished ``train restorer``. Raises ValueError for another."""
    if (Path(name) / "params.json").is_file():
        found, final = load_trained(Path(name)), read_run(Path(name)).final
        return Model(name, found.network, found.this, found.A_true, found.A, final["PSNR(LR) raw"])
    ours = restorers(available())
    if name not in ours:
        known = [*ours, *(network.name for network in networks.available())]
        raise ValueError(f"no restorer named {name!r}{did_you_mean(name, known)}")
    about = read_metadata(weights_path(name))
    this, network = experiment_of(about), load_restorer(name)
    A_true, A = operators(this, network.out_size)
    return Model(name, network, this, A_true, A, about["PSNR(LR) raw"])


def published_model(
    network: PriorNetwork, name: str, paths: list[Path], *, factor: int | None = None, downsample: str = "",
    operator: str = "auto",
) -> Model:  # fmt: skip
    """A published network for these pictures: y as they are, or (``downsample``) made of them, ``factor`` times less.

    factor: None for y as they are. operator: whose null space the answer is put into; "auto": that of the downsampler,
    else of averaging; "none" leaves the published answer, as must be where it is no larger than y. Raises ValueError
    for a y that the network does not take, before it runs.
    """
    out_size = network.out_size
    sides = sides_enlarged(min(network.in_size, out_size))
    sides = sides if isinstance(around(network, name, {}), EnlargingRestorer) else sides[-1:]
    if factor is None:
        in_size = first_side(paths, f"{network} takes faces of {', '.join(map(str, sides))} pixels a side", sides)
    elif factor < 1 or out_size % factor or out_size // factor not in sides:
        legal = ", ".join(str(out_size // side) for side in sides[::-1])
        raise ValueError(f"the factor of {network} must be one of {legal}, got {factor}")
    else:
        in_size = out_size // factor
    makes = {"auto": downsample or "average", "none": downsample or "average"}.get(operator, operator)
    A = named(makes, (out_size, out_size), (in_size, in_size))
    this = Experiment(model=network.title, null_space="none", factor=out_size // in_size, downsampler=makes)
    enforced = None if operator == "none" or in_size == out_size else A
    return Model(name, around(network, name, {"in_size": in_size}), this, A, enforced, -math.inf)


def first_side(paths: list[Path], takes: str, sides: list[int]) -> int:
    """The side of the first picture, which all others must have. Raises ValueError for another than ``sides``."""
    for path in paths:
        h, w = load_image(path).shape[-2:]
        if h != w or h not in sides:
            raise ValueError(
                f"nothing was restored: {printable(path.name)} is {w} x {h}; {takes} (--downsample makes them from "
                "photographs)"
            )
        return h
    raise ValueError("there is no picture to restore")


def restorers(names: list[str] | None = None) -> list[str]:
    """Those of the named weights that restore; without names, of the course's."""
    names = shipped() if names is None else names
    return [name for name in names if "null_space" in read_metadata(weights_path(name))]


def converted_file(name: str) -> Path | None:
    """The file of weights of this name that were converted, not trained here: they say nothing of how to restore."""
    return weights_path(name) if name in available() and name not in restorers(available()) else None


def restore_files(
    model: Model, paths: list[Path], out: Path, *, downsample: str = "", seed: int = 0, device: str = "auto",
    overwrite: bool = False,
) -> list[dict]:  # fmt: skip
    """NAME.png for every image and sheet.png in ``out``; a dict per image: its name, PSNR(LR) raw and of the file.

    downsample: empty for files that are measurements; the name of a downsampler for photographs. Doubts about y, see
    :func:`doubts`, are printed. Raises, with nothing written, ValueError that lists all that does not fit,
    FileExistsError unless overwrite, RuntimeError for a GPU that is absent or memory that is used up.
    """
    place = pick_device(device)
    x, y = measured(model, paths, downsample)
    files = [out / f"{name}.png" for name in (*map(stem, paths), "sheet")]
    check_outputs(files, inputs=paths, overwrite=overwrite)
    network, parts, at_once = model.network.to(place), [], max(1, BATCH * 64**2 // model.network.out_size**2)
    with memory_advice("restore fewer images at once, or take --device cpu"), tqdm(total=len(y), unit="image") as bar:
        for part in y.split(at_once):
            parts.append(restore(network, part.to(place), None, seed=seed)[0].cpu())
            bar.update(len(part))
    x_r = torch.cat(parts)
    final = from_uint8(to_uint8(x_r)) if model.A is None else consistent_file(x_r, y, model.A)
    for line in doubts(model, x, y, x_r):
        print(line)
    pictures = [*final, sheet(*((y, x_r, final) if x is None else (y, x_r, final, x)))]
    with sole_writer(out, files, overwrite=overwrite):
        for picture, file in zip(pictures, files, strict=True):
            save_image(picture, file)
    raw, file_db = consistency_db(model.A or model.A_true, x_r, y), consistency_db(model.A or model.A_true, final, y)
    return [
        {"image": printable(stem(path)), "PSNR(LR) raw": float(a), "PSNR(LR) of the file": float(b)}
        for path, a, b in zip(paths, raw, file_db, strict=True)
    ]


def measured(model: Model, paths: list[Path], downsample: str) -> tuple[Tensor | None, Tensor]:
    """(x or None, y): photographs' middle squares and their measurements, or the measurements that the files are."""
    in_size, out_size = model.sizes
    A = named(downsample, (out_size, out_size), (in_size, in_size)) if downsample else None
    images, wrong = [], []
    for path in paths:
        try:
            image = load_image(path)
        except ValueError as error:
            wrong.append(str(error))
            continue
        h, w = image.shape[-2:]
        if downsample and min(h, w) < out_size:
            wrong.append(f"{printable(path.name)} is {w} x {h}; a photograph to reduce needs {out_size} pixels a side")
        elif not downsample and (h, w) != (in_size, in_size):
            wrong.append(
                f"{printable(path.name)} is {w} x {h}; {model.name} takes y of {in_size} x {in_size} pixels "
                "(--downsample makes it from a photograph)"
            )
        images.append(image)
    wrong += namesakes(paths)
    if wrong:
        raise ValueError(f"nothing was restored: {'; '.join(wrong)}")
    if A is None:
        return None, torch.cat(images)
    x = torch.cat([middle(image, out_size) for image in images])
    return x, from_uint8(to_uint8(A(x)))


def middle(image: Tensor, size: int) -> Tensor:
    """(1, 3, H, W) -> (1, 3, size, size): the middle square, reduced with antialiasing, as an 8-bit file holds it."""
    side = min(image.shape[-2:])
    top, left = ((n - side) // 2 for n in image.shape[-2:])
    square = image[..., top : top + side, left : left + side]
    return from_uint8(to_uint8(F.interpolate(square, (size, size), mode="bicubic", antialias=True)))


def doubts(model: Model, x: Tensor | None, y: Tensor, x_r: Tensor) -> list[str]:
    """Lines for people, where y does not look like what the network was trained on; its downsampler is named."""
    trained, lines = model.this.downsampler, []
    if x is not None and (agree := float(consistency_db(model.A_true, x, y).mean())) < AGREE:
        lines.append(
            f"warning: {model.name} was trained with {trained!r}, which does not reproduce this y (PSNR {agree:.1f} dB)"
        )
    reached = float(consistency_db(model.A_true, x_r, y).mean())
    if reached < model.raw_db - LOST:
        lines.append(
            f"warning: before the null space, {model.name} reproduces this y to {reached:.1f} dB, its test images to "
            f"{model.raw_db:.1f} dB: perhaps y was not made by {trained!r}, or does not show what it was trained on"
        )
    return lines
