"""Where single images lie, one after another: a folder and those below it, or tar shards; each read when asked for.

Shards are plain ``.tar`` files, as webdataset and many data sets have them. They are read by a table of offsets made of
the headers, so image i of a million is one seek away: what a batch holds is then decided by its step alone.
"""

import hashlib
import os
import tarfile
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from torch import Tensor

from ..images import READ, decode_image, load_image, walk_images
from ..names import printable

BLOCK = 512  # bytes of a tar header, and of each of the blocks of zeros that end an archive


class Store(Protocol):
    """Images by number; ``names`` in order, by which they are split, whatever holds them."""

    @property
    def place(self) -> Path: ...

    @property
    def names(self) -> list[str]: ...

    def read(self, i: int) -> Tensor:
        """(1, 3, H, W) in [0, 1]. Raises ValueError, naming the image, for one that cannot be read."""

    def mark(self) -> str:
        """A digest of names, sizes and times of change: of what the images are, without reading them."""


class Folder(NamedTuple):
    """Image files in a folder and below it."""

    place: Path
    names: list[str]  # from the folder on

    def read(self, i: int) -> Tensor:
        return load_image(os.path.join(self.place, self.names[i]))

    def mark(self) -> str:
        digest = hashlib.sha256()
        for name in self.names:
            found = os.stat(os.path.join(self.place, name), follow_symlinks=True) if self._there(name) else None
            digest.update(f"{name}/{found and (found.st_size, found.st_mtime_ns)}".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def _there(self, name: str) -> bool:
        return os.path.isfile(os.path.join(self.place, name))


class Shards(NamedTuple):
    """Images in tar files."""

    place: Path
    files: list[Path]
    names: list[str]  # as the archives call them
    table: np.ndarray  # (N, 3) int64: which file, offset in it, bytes

    def read(self, i: int) -> Tensor:
        file, offset, count = (int(number) for number in self.table[i])
        name = f"{self.files[file]}:{self.names[i]}"
        try:
            with open(self.files[file], "rb") as archive:
                archive.seek(offset)
                content = archive.read(count)
        except OSError as error:
            raise ValueError(f"{printable(name)} cannot be read ({error.strerror})") from error
        return decode_image(content, name)

    def mark(self) -> str:
        times = [(file.name, found.st_size, found.st_mtime_ns) for file in self.files if (found := file.stat())]
        return hashlib.sha256(repr(times).encode(errors="surrogateescape")).hexdigest()


def open_store(place: str | os.PathLike) -> Store:
    """A folder of images, a folder of ``.tar`` shards, or one shard. Raises what :func:`walk_images` raises, and
    ValueError for a shard that is cut off or compressed, one name in two places, images beside shards, and a folder
    of packs.
    """
    place = Path(place)
    if place.is_file():
        return open_shards(place, [place])
    shards = sorted(place.glob("*.tar*")) if place.is_dir() else []
    if not shards:
        if packs := sorted(path.parent.name for path in place.glob("*/pack.json")):
            raise ValueError(f"{printable(str(place))} holds packs ({', '.join(packs)}); name one of them")
        return Folder(place, walk_images(place))
    if others := [path.name for path in place.iterdir() if path.suffix.lower() in READ]:
        raise ValueError(f"{printable(str(place))} holds images ({printable(others[0])}, ...) beside shards; which?")
    return open_shards(place, shards)


def open_shards(place: Path, files: list[Path]) -> Shards:
    """The images of these archives, by name. Raises ValueError as :func:`open_store`."""
    names, rows = [], []
    for number, file in enumerate(files):
        for name, offset, count in read_table(file):
            names.append(name)
            rows.append((number, offset, count))
    if not names:
        raise ValueError(f"{printable(str(place))} holds no images ({', '.join(READ)})")
    order = sorted(range(len(names)), key=names.__getitem__)
    for one, other in zip(order, order[1:], strict=False):
        if names[one] == names[other]:
            both = f"{files[rows[one][0]].name} and {files[rows[other][0]].name}"
            raise ValueError(f"{printable(str(place))}: {printable(names[one])} is in {both}; names must differ")
    return Shards(place, files, [names[i] for i in order], np.array(rows, dtype=np.int64)[order])


def read_table(file: Path) -> list[tuple[str, int, int]]:
    """(name, offset, bytes) of each image in an archive; its data are skipped. Raises ValueError for a damaged one."""
    shown = printable(str(file))
    if file.suffix != ".tar":
        raise ValueError(f"{shown}: shards are read where they lie, so they must be plain .tar files; decompress it")
    found = []
    try:
        with tarfile.open(file, "r:") as archive:
            for member in archive:
                hidden = os.path.basename(member.name).startswith(".")
                if member.isfile() and not hidden and os.path.splitext(member.name)[1].lower() in READ:
                    found.append((member.name.removeprefix("./"), member.offset_data, member.size))
                archive.members = []  # type: ignore[attr-defined]  # it would keep them all; the stubs leave it out
            end = archive.offset
    except (tarfile.TarError, OSError) as error:
        raise ValueError(f"{shown} is cut off, or no tar file ({error}); copy it again") from error
    with open(file, "rb") as content:  # tarfile takes an archive that ends after any header, or in one, for whole
        content.seek(end)
        if content.read(BLOCK) != bytes(BLOCK):
            raise ValueError(f"{shown} is cut off: it lacks the end of a tar file; copy it again")
    return found
