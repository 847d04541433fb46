"""Packs: many small images of one size as the tiles of a few lossless pictures.

A pack is a folder with ``pack.json`` (name, count, tile, columns, channels, atlases, pixels_sha256), the atlases it
names (tiles row by row, ``columns`` to a row) and ``index.csv``, one line for each image in the order of the tiles.
"""

import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..images import read_pixels
from ..storage import read_json

_KEYS = {"name": str, "count": int, "tile": int, "columns": int, "channels": int, "atlases": list, "pixels_sha256": str}


@dataclass(frozen=True)
class Pack:
    """Images and what is known of each. ``images.from_uint8(pack.images[i])`` makes a batch of floats."""

    name: str
    images: Tensor  # (N, 3, tile, tile) uint8, a quarter of the memory of floats; gray becomes three equal channels
    rows: list[dict[str, str]]  # index.csv, line for line


def load_pack(folder: str | os.PathLike) -> Pack:
    """Read a pack and check it against the checksum it carries.

    Raises NotADirectoryError for no folder, FileNotFoundError for a missing part, ValueError for a part that does not
    fit the others.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"no such folder: {folder}")
    meta = _read_meta(folder)
    tiles = np.concatenate([_read_atlas(_part(folder, name), meta) for name in meta["atlases"]])
    if len(tiles) < meta["count"]:
        raise ValueError(f"{folder}: {len(tiles)} tiles for {meta['count']} images")
    tiles = np.ascontiguousarray(tiles[: meta["count"], ..., : meta["channels"]])  # (N, tile, tile, 1 or 3)
    if hashlib.sha256(tiles.data).hexdigest() != meta["pixels_sha256"]:
        raise ValueError(f"{folder}: the pixels differ from the checksum in pack.json; copy the pack again")
    try:
        with _part(folder, "index.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{folder}: index.csv is no table of text ({error})") from error
    if len(rows) != meta["count"]:
        raise ValueError(f"{folder}: index.csv has {len(rows)} lines for {meta['count']} images")
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    return Pack(meta["name"], images.contiguous(), rows)


def _part(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder} is no complete pack: {name} is missing")
    return folder / name


def _read_meta(folder: Path) -> dict:
    meta = read_json(_part(folder, "pack.json"))
    for key, kind in _KEYS.items():
        if not isinstance(meta, dict) or type(meta.get(key)) is not kind:
            raise ValueError(f"{folder}: pack.json must give {key} as {kind.__name__}")
    if min(meta["count"], meta["tile"], meta["columns"], len(meta["atlases"])) < 1 or meta["channels"] not in (1, 3):
        raise ValueError(f"{folder}: pack.json must have positive sizes and 1 or 3 channels")
    if not all(isinstance(name, str) for name in meta["atlases"]):
        raise ValueError(f"{folder}: pack.json must give atlases as names of files, got {meta['atlases']!r}")
    return meta


def _read_atlas(path: Path, meta: dict) -> np.ndarray:
    """One picture of rows x columns tiles -> (tiles, tile, tile, 3) uint8."""
    pixels = read_pixels(path)
    tile, columns = meta["tile"], meta["columns"]
    if pixels.shape[0] % tile or pixels.shape[1] != columns * tile:
        raise ValueError(
            f"{path}: {pixels.shape[1]} x {pixels.shape[0]} pixels are not rows of {columns} tiles of {tile} x {tile}"
        )
    rows = pixels.shape[0] // tile
    return pixels.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
