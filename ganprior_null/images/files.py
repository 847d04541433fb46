"""Image files and folders of them."""

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from .convert import from_uint8, to_uint8

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def load_image(path: str | os.PathLike) -> Tensor:
    """An image file -> (1, 3, H, W) float32 in [0, 1], RGB. Gray becomes three equal channels, alpha is dropped.

    Raises FileNotFoundError for a missing file, ValueError for one that is no readable image, or has more than 8 bits.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such image file: {path}")
    try:
        with Image.open(path) as image:
            mode, pixels = image.mode, np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is not a readable image ({error})") from error
    if mode.startswith(("I", "F")):  # Pillow would clip their values to 0..255: a white or a black image
        raise ValueError(f"{path} has more than 8 bits per channel (mode {mode}); convert it to 8 bits first")
    return from_uint8(torch.from_numpy(pixels.copy())).permute(2, 0, 1)[None]


def save_image(x: Tensor, path: str | os.PathLike) -> Path:
    """(1, C, H, W) or (C, H, W) in [0, 1] -> an 8-bit file, C = 1 or 3; the suffix names the format.

    .png, .bmp and .tif keep every level; .jpg and .webp are lossy, and no longer consistent with anything.

    Written under a temporary name and renamed, so that a full disk or a broken run leaves no half file. Raises
    ValueError for other shapes, other suffixes, NaN, and OSError when the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name}: the suffix must be one of {', '.join(SUFFIXES)}")
    image = _pil(x)
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(f"cannot save {path.name}: {path.parent} is no folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        image.save(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def png_bytes(x: Tensor) -> bytes:
    """(1, C, H, W) or (C, H, W) in [0, 1] -> the bytes of a PNG, what ``ipywidgets.Image`` shows."""
    buffer = io.BytesIO()
    _pil(x).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def list_images(folder: str | os.PathLike) -> list[Path]:
    """The image files directly in a folder, sorted by name.

    Raises NotADirectoryError for no folder, ValueError for one without images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"no such folder: {folder}")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder} holds no images ({', '.join(SUFFIXES)})")
    return paths


def _pil(x: Tensor) -> Image.Image:
    if x.ndim == 4 and x.shape[0] == 1:
        x = x[0]
    if x.ndim != 3 or x.shape[0] not in (1, 3):
        raise ValueError(f"an image to save must be (1, C, H, W) or (C, H, W), C = 1 or 3, got {tuple(x.shape)}")
    pixels = to_uint8(x.detach().cpu()).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if x.shape[0] == 1 else pixels)
