"""Make the results of any system consistent with their measurements: folders in, 8-bit files and a report out.

The command ``python -m ganprior_null enforce``. Nothing is written before every pair of files has been checked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from ..checks import height_width
from ..images import dykstra_box, grid, list_images, load_image, project_box, save_image, to_uint8, to_uint8_consistent
from ..metrics import psnr
from ..names import by_stem, markdown, markdown_target, namesakes, printable
from ..operators import AveragePool, LinearOperator
from ..restorers import enforce_consistency
from ..restorers.identify import Identified, identify_downsampler, known_at
from ..restorers.identify import downsampler as named
from ..restorers.tiles import map_tiles
from ..storage import check_apart, check_outputs, sole_writer, write, write_json

TILE = 320  # pixels of a picture's longer side in the report
SIDE = 512  # pixels of the tiles that blocks are worked on in
EIGHT_BITS = 58.9  # dB: PSNR(LR) of an image whose measurement differs by the rounding to 8 bits, 10 log10(12 255^2)
ERROR_GAIN = 5  # error maps are shown times five, as in Figures 4 and 9 of the paper


@dataclass(frozen=True)
class Triple:
    """One image: measurement, result and, where there is one, ground truth."""

    name: str  # of its files, without suffix
    y: Path
    x_r: Path
    x: Path | None

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.y, self.x_r, self.x) if path]

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """(H, W) of the result and (h, w) of the measurement."""
        return height_width(load_image(self.x_r)), height_width(load_image(self.y))


def enforce_folders(
    lr: Path, sr: Path, out: Path, *, gt: Path | None = None, operator: str = "average", overwrite: bool = False
) -> list[dict]:
    """Consistent 8-bit files of every result in ``sr``, a table and pictures in ``out``; a row per image and stage.

    lr, sr, gt: folders whose files pair by name without suffix. operator: a name of
    :func:`~ganprior_null.restorers.identify.downsamplers`, or "auto", which asks the images.
    Raises, with nothing written, ValueError that lists every file without partner and every size that does not fit, or
    for an ``out`` that is one of the folders; FileExistsError unless overwrite; OSError for folders. Afterwards
    OSError, which says how far it came, when the disk is full: each file is written whole or not at all.
    """
    triples = pair(lr, sr, gt)
    check_apart(out, lr=lr, sr=sr, gt=gt)
    files, inputs = outputs(triples, out), [path for triple in triples for path in triple.files]
    check_outputs(files, inputs=inputs, overwrite=overwrite)
    identified = None
    if operator == "auto":
        identified = identify(triples)
        operator = identified.name
        print(how_sure(identified))
    for triple in triples:  # the operator must fit every image before the first file is written
        known_at(operator, *triple.sizes)
    operator_at = lru_cache(maxsize=2)(partial(named, operator))  # images of one size share it
    rows = []
    with sole_writer(out, files, overwrite=overwrite):
        for count, triple in enumerate(tqdm(triples, unit="image")):
            try:
                rows += _enforce_one(triple, operator, operator_at(*triple.sizes), out)
            except OSError as error:
                raise OSError(f"{error}; {count} of {len(triples)} images are done, without a report") from error
        _write_report(out, operator, identified, rows, [triple.name for triple in triples])
    return rows


def outputs(triples: list[Triple], out: Path) -> list[Path]:
    """All files that will be written."""
    images = [folder / f"{triple.name}.png" for triple in triples for folder in (out, out / "pictures")]
    return [*images, out / "report.md", out / "report.json"]


def identify(triples: list[Triple], most: int = 10) -> Identified:
    """Ask the ground truths where there are any, else the results; those of the first image's size, ten at most.

    Raises ValueError when results without ground truths agree with an operator beyond 8 bits: they were interpolated
    from y, or made consistent already, and tell how that was done, not how y was made.
    """
    asked = [triple for triple in triples if triple.sizes == triples[0].sizes][:most]
    x = torch.cat([load_image(triple.x or triple.x_r) for triple in asked])
    found = identify_downsampler(x, torch.cat([load_image(triple.y) for triple in asked]))
    if triples[0].x is None and found.scores[found.name].mean() > EIGHT_BITS:
        raise ValueError(
            f"auto cannot tell: the results reproduce y under {found.name!r} as they are "
            f"({float(found.scores[found.name].mean()):.0f} dB), so they were interpolated from it, or are consistent "
            "already; give --gt, or name the operator"
        )
    return found


def how_sure(identified: Identified) -> str:
    """One line for people: the answer, its lead, and the field."""
    scores = ", ".join(f"{name} {float(score.mean()):.1f}" for name, score in identified.scores.items())
    return (
        f"operator: {identified.name} ({identified.sure}; {identified.margin_db:.1f} dB ahead, first in "
        f"{100 * identified.agreement:.0f} % of the images). PSNR(LR) in dB: {scores}"
    )


def pair(lr: Path, sr: Path, gt: Path | None) -> list[Triple]:
    """Match the folders' files by stem. Raises ValueError listing all that is wrong."""
    folders = {"--lr": lr, "--sr": sr} | ({"--gt": gt} if gt else {})
    paths = {option: list_images(folder) for option, folder in folders.items()}
    wrong = [line for found in paths.values() for line in namesakes(found)]
    files = {option: {name: several[0] for name, several in by_stem(found).items()} for option, found in paths.items()}
    for name in sorted(set().union(*files.values())):
        missing = [f"{option} {folders[option]}" for option in folders if name not in files[option]]
        if missing:
            wrong.append(f"{printable(name)}: not in {' and '.join(missing)}")
    names = sorted(set.intersection(*(set(found) for found in files.values())))
    triples = [Triple(n, files["--lr"][n], files["--sr"][n], files["--gt"][n] if gt else None) for n in names]
    for triple in triples:
        name = printable(triple.name)
        try:
            size, lr_size = triple.sizes
            if triple.x and load_image(triple.x).shape[-2:] != size:
                wrong.append(f"{name}: the result and the ground truth differ in size")
            if size[0] * lr_size[1] != size[1] * lr_size[0] or size[0] < lr_size[0]:
                wrong.append(f"{name}: {size[0]} x {size[1]} is no enlargement of {lr_size[0]} x {lr_size[1]}")
        except ValueError as error:
            wrong.append(str(error))
    if wrong or not triples:
        raise ValueError(f"{len(wrong)} files do not fit, nothing was written:\n  " + "\n  ".join(wrong))
    return triples


def _enforce_one(triple: Triple, operator: str, A: LinearOperator, out: Path) -> list[dict]:
    y, x_r = load_image(triple.y), load_image(triple.x_r)
    x = load_image(triple.x) if triple.x else None
    rows = []
    for stage, x_hat in _stages(x_r, y, A, operator):
        rows.append({"image": printable(triple.name), "stage": stage} | _figures(x_hat, y, A, x))
    save_image(x_hat, out / f"{triple.name}.png")
    save_image(_strip(y, x_r, x_hat, x), out / "pictures" / f"{triple.name}.png")
    return rows


def _stages(x_r: Tensor, y: Tensor, A: LinearOperator, operator: str) -> Iterator[tuple[str, Tensor]]:
    """(name, image) from the given result to the 8-bit file; one at a time, for images may be large."""
    yield "given result", x_r
    factor = x_r.shape[-1] / y.shape[-1]
    if factor.is_integer() and not isinstance(A, AveragePool):
        yield "PD (average pooling)", enforce_consistency(x_r, y, AveragePool(int(factor)))
    yield f"exact operator ({operator})", enforce_consistency(x_r, y, A)
    if isinstance(A, AveragePool):
        yield "in the box [0, 1]", map_tiles(partial(project_box, factor=A.factor), x_r, y, A.factor, tile=SIDE)
        levels = map_tiles(partial(to_uint8_consistent, factor=A.factor), x_r, y, A.factor, tile=SIDE)
    else:
        boxed = dykstra_box(x_r, lambda v: enforce_consistency(v, y, A, inplace=True))
        yield "in the box [0, 1]", boxed
        levels = to_uint8(boxed)
    yield "8-bit file", levels.double() / 255


def _figures(x_hat: Tensor, y: Tensor, A: LinearOperator, x: Tensor | None) -> dict:
    """PSNR(LR), the share of LR pixels that come out the same in 8 bits, and PSNR to the ground truth if any."""
    Ax = A(x_hat.double())
    same = to_uint8(Ax) == to_uint8(y)
    figures = {"PSNR(LR)": float(psnr(Ax, y)), "LR reproduced": float(same.double().mean())}
    return figures | ({"PSNR": float(psnr(x_hat, x))} if x is not None else {})


def _strip(y: Tensor, x_r: Tensor, x_hat: Tensor, x: Tensor | None) -> Tensor:
    """y | result | consistent | change times five, and with a ground truth: truth | its error before | after."""
    x_hat = x_hat.to(x_r)
    tiles = [_tile(F.interpolate(y, x_r.shape[-2:], mode="nearest-exact")), _tile(x_r), _tile(x_hat)]
    tiles.append(_tile(ERROR_GAIN * (x_hat - x_r).abs()))
    if x is not None:
        tiles += [_tile(x), _tile(ERROR_GAIN * (x_r - x).abs()), _tile(ERROR_GAIN * (x_hat - x).abs())]
    return grid(torch.cat(tiles), columns=len(tiles), pad=4)


def _tile(x: Tensor) -> Tensor:
    """The image, its longer side at most ``TILE`` pixels."""
    if max(x.shape[-2:]) <= TILE:
        return x
    return F.interpolate(x, scale_factor=TILE / max(x.shape[-2:]), mode="bilinear", antialias=True)


def summary(rows: list[dict]) -> list[dict]:
    """Means over the images, stage by stage."""
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    keys = [key for key in rows[0] if key not in ("image", "stage")]
    table = []
    for stage in stages:
        own = [row for row in rows if row["stage"] == stage]
        table.append({"stage": stage} | {key: sum(row[key] for row in own) / len(own) for key in keys})
    return table


def as_markdown(rows: list[dict]) -> str:
    """The summary as a table."""
    table = summary(rows)
    keys = [key for key in table[0] if key != "stage"]
    lines = ["| | " + " | ".join(keys) + " |", "|---|" + "---|" * len(keys)]
    for row in table:
        cells = [f"{100 * row[key]:.2f} %" if key == "LR reproduced" else f"{row[key]:.2f} dB" for key in keys]
        lines.append(f"| {row['stage']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _write_report(out: Path, operator: str, identified: Identified | None, rows: list[dict], names: list[str]) -> None:
    answer = f"\n{how_sure(identified)}\n" if identified else ""
    caption = "measurement | given result | consistent 8-bit file | change"
    if "PSNR" in rows[0]:
        caption += " | ground truth | error of the given result | error of the consistent file"
    pictures = "\n\n".join(
        f"## {markdown(name)}\n\n![{caption}]({markdown_target(f'pictures/{name}.png')})" for name in names
    )
    text = (
        f"# Consistency enforced on {len(names)} images, operator {operator}\n{answer}\n{as_markdown(rows)}\n\n"
        f"PSNR(LR) is PSNR(y, A x) under the operator above, evaluated in float64. Pictures, changes and errors shown "
        f"times {ERROR_GAIN}: {caption}.\n\n{pictures}\n"
    )
    write(out / "report.md", text)
    write_json(out / "report.json", {"operator": operator, "images": rows})
