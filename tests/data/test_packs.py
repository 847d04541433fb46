"""Packs: what was stored comes back, and every part that does not fit is named."""

import csv
import hashlib
import importlib.util
import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null.data import load_pack
from ganprior_null.images import from_uint8


def write_pack(folder, *, channels=3, count=7, tile=8, columns=3):
    """A pack of random tiles in two atlases; returns its images (N, tile, tile, channels)."""
    x = np.random.default_rng(0).integers(0, 256, (2 * 2 * columns, tile, tile, channels), dtype=np.uint8)
    for k, part in enumerate(np.split(x, 2)):
        sheet = (
            part.reshape(2, columns, tile, tile, channels).swapaxes(1, 2).reshape(2 * tile, columns * tile, channels)
        )
        Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(folder / f"atlas_{k}.webp", lossless=True)
    meta = {"name": "toy", "count": count, "tile": tile, "columns": columns, "channels": channels}
    meta |= {"atlases": ["atlas_0.webp", "atlas_1.webp"], "pixels_sha256": hashlib.sha256(x[:count]).hexdigest()}
    (folder / "pack.json").write_text(json.dumps(meta))
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["i", "person"], *([i, f"p{i}"] for i in range(count))])
    return x[:count]


def change(folder, **entries):
    path = folder / "pack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize("channels", [1, 3])
def test_what_was_stored_comes_back(tmp_path, channels):
    x = write_pack(tmp_path, channels=channels)
    pack = load_pack(tmp_path)
    assert pack.name == "toy" and pack.images.dtype == torch.uint8
    expected = torch.from_numpy(x).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    assert torch.equal(pack.images, expected)
    assert pack.rows[6] == {"i": "6", "person": "p6"}
    assert from_uint8(pack.images[:2]).max() <= 1


@pytest.mark.parametrize(
    "entries, message",
    [
        ({"count": 13}, "12 tiles for 13 images"),
        ({"count": 6}, "checksum"),
        ({"tile": 5}, "are not rows of 3 tiles of 5 x 5"),
        ({"columns": 2}, "are not rows of 2 tiles"),
        ({"channels": 2}, "1 or 3 channels"),
        ({"count": "7"}, "must give count as int"),
        ({"atlases": []}, "positive sizes"),
        ({"pixels_sha256": None}, "must give pixels_sha256 as str"),
        ({"atlases": [1]}, "must give atlases as names of files"),
    ],
)
def test_a_description_that_does_not_fit_is_named(tmp_path, entries, message):
    write_pack(tmp_path)
    change(tmp_path, **entries)
    with pytest.raises(ValueError, match=message):
        load_pack(tmp_path)


@pytest.mark.parametrize("part", ["pack.json", "index.csv", "atlas_1.webp"])
def test_a_missing_part_is_named(tmp_path, part):
    write_pack(tmp_path)
    (tmp_path / part).unlink()
    with pytest.raises(FileNotFoundError, match=part):
        load_pack(tmp_path)


@pytest.mark.parametrize(
    "part, content, message",
    [
        ("pack.json", "{", "no JSON"),
        ("pack.json", "[]", "must give name"),
        ("atlas_0.webp", "no image", "atlas_0.webp is not a readable image"),
        ("index.csv", "i\n0\n", "index.csv has 1 lines for 7 images"),
        ("index.csv", "i\n" + "9" * 200_000, "index.csv is no table"),
        ("pack.json", "[" * 100_000, "pack.json is damaged"),
    ],
)
def test_a_broken_part_is_named(tmp_path, part, content, message):
    write_pack(tmp_path)
    (tmp_path / part).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_pack(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(NotADirectoryError):
        load_pack(tmp_path / "nowhere")


@pytest.mark.parametrize("name, count", [("cats64", 2694), ("buildings64", 1789)])
def test_real_packs_read_as_their_own_loader_reads_them(shared, name, count):
    spec = importlib.util.spec_from_file_location("load_packs", shared / "data" / "load_packs.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    x, rows = reference.load(shared / "data" / name)
    pack = load_pack(shared / "data" / name)
    assert pack.images.shape == (count, 3, 64, 64)
    assert torch.equal(pack.images, torch.from_numpy(x).permute(0, 3, 1, 2)) and pack.rows == rows
