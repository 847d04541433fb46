"""Files: outputs checked before the first is written, each written whole or not at all; JSON read with one error."""

import contextlib
import json
import os
import secrets
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to, of the same suffix; it becomes ``path`` when the block has ended well.

    After any error nothing is left of it, and what stood at ``path`` before still does. Raises OSError that names
    ``path``: the disk is full, say.
    """
    part = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part{path.suffix}")  # others may write the same file
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())  # network disks tell only here that they are full
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Delete what :func:`whole` could not, of writers that were killed: for who alone writes to a folder."""
    for part in folder.glob(".*-*.part*"):
        part.unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> Path:
    """Write a file, text in UTF-8, as :func:`whole` does; folders above it are made."""
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(f"cannot save {path.name}: {path.parent} is no folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_json(path: Path, content) -> Path:
    """:func:`write` as indented JSON."""
    return write(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises FileNotFoundError, and ValueError, naming the file, for one that is damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no text, or nested without end
        raise ValueError(f"{path} is damaged (no JSON: {error})") from error


def check_outputs(outputs: Iterable[Path], *, inputs: Iterable[Path] = (), overwrite: bool = False) -> None:
    """Raise unless every output is a file of its own that may be written; nothing is written here.

    ValueError: two outputs have one name, or names that some disks do not tell apart (upper case, Unicode forms); or an
    output is an input, by whatever path or link. FileExistsError: outputs are there already, unless overwrite.
    IsADirectoryError, NotADirectoryError: a folder, or a file in a folder's place, is in the way.
    """
    outputs, inputs = list(outputs), list(inputs)
    taken: dict[tuple[str, str], Path] = {}
    for path in outputs:
        if twin := taken.get(_place(path)):
            raise ValueError(
                f"{path} would be written twice" + (f", once as {twin.name}" if twin.name != path.name else "")
                + ": inputs must differ in more than folder, suffix or case, and not be called as a file of ours is"
            )  # fmt: skip
        taken[_place(path)] = path
    places, files = {_place(path): path for path in inputs}, {_file(path): path for path in inputs if path.exists()}
    for path in outputs:
        source = places.get(_place(path)) or (files.get(_file(path)) if path.exists() else None)
        if source:
            raise ValueError(f"{path} would replace the input {source}; choose another output")
    _check_free(outputs, overwrite)


def _check_free(outputs: list[Path], overwrite: bool) -> None:
    for folder in {path.parent for path in outputs}:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"cannot write to the output folder {folder}: it is a file")
    there = [path for path in outputs if os.path.lexists(path)]
    folders = [path for path in there if path.is_dir()]
    if folders:
        raise IsADirectoryError(f"{folders[0]} is a folder; a file would be written there")
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} is there already ({len(there)} files in all); --overwrite replaces them")


def check_apart(out: Path, **inputs: Path | None) -> None:
    """Raise ValueError when ``out`` is one of these folders, by whatever path: results would be read as inputs."""
    for option, folder in inputs.items():
        if folder and folder.exists() and out.exists() and out.samefile(folder):
            raise ValueError(f"--out is the folder of --{option}, {folder}; results need a folder of their own")


def _place(path: Path) -> tuple[str, str]:
    """Folder and name of a file that need not exist, equal for names that not every disk tells apart."""
    return os.path.realpath(path.parent), unicodedata.normalize("NFC", path.name).casefold()


def _file(path: Path) -> tuple[int, int]:
    """What all names of one file share."""
    found = path.stat()
    return found.st_dev, found.st_ino


def check_writable(folder: Path) -> None:
    """Make the folder if need be. Raises OSError, naming it, when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the output folder {folder}: {error.strerror}") from error


@contextlib.contextmanager
def sole_writer(folder: Path, outputs: Iterable[Path], *, overwrite: bool, patience: float = 0.0) -> Iterator[None]:
    """Hold a folder, made if need be, for the length of the block.

    Raises OSError when another process still holds it after ``patience`` seconds, and FileExistsError unless overwrite
    when one has meanwhile written outputs there.
    """
    check_writable(folder)
    handle, end = os.open(folder, os.O_RDONLY), time.monotonic() + patience
    try:
        while not _locked(handle):
            if time.monotonic() >= end:
                raise OSError(f"another process is writing to {folder}; wait for it, or choose another folder")
            time.sleep(0.1)
        _check_free(list(outputs), overwrite)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Lock an open folder; False while another process holds it."""
    import fcntl  # here, since Windows has none

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network disks lock no folders; each file is still written whole
        pass
    return True
