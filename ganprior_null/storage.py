"""Folders that results are written to."""

import tempfile
from pathlib import Path


def check_writable(folder: Path) -> None:
    """Make the folder if need be. Raises OSError, naming it, when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the output folder {folder}: {error.strerror}") from error
