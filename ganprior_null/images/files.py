"""Image files and folders of them."""

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageCms, ImageFile, ImageOps
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from ..names import printable
from ..storage import write
from .convert import from_uint8, to_uint8

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")  # written and read
READ = (*SUFFIXES, ".jfif", ".gif", ".ppm", ".pgm", ".pbm", ".pnm")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM")  # whose depth _bits knows
BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339  # tags of TIFF
UNSIGNED = (1, 4)  # sample formats: unsigned, and unspecified
SRGB_GAMMA = (0.44, 0.47)  # PNG's gAMA of a picture for the screen is 1 / 2.2


class NoImageFile(FileNotFoundError, ValueError):
    """There is no file at this path: nothing, a folder, a device, a link that leads nowhere."""


def load_image(path: str | os.PathLike) -> Tensor:
    """An image file -> (1, 3, H, W) float32 in [0, 1], RGB; gray becomes three equal channels.

    See :func:`read_pixels` for what is read, what is refused, and what is raised.
    """
    return _as_tensor(read_pixels(path))


def decode_image(content: bytes, name: str) -> Tensor:
    """:func:`load_image` of a file's bytes; name: what messages call it."""
    return _as_tensor(_decode(io.BytesIO(content), printable(name)))


def _as_tensor(pixels: np.ndarray) -> Tensor:
    return from_uint8(torch.from_numpy(pixels)).permute(2, 0, 1)[None]


def read_pixels(path: str | os.PathLike) -> np.ndarray:
    """An image file -> (H, W, 3) uint8, RGB, upright as its orientation tag says. The package's one reader of pictures.

    Nothing is cut, dropped or chosen silently. Refused: more than 8 bits per channel; several frames or pages. With a
    warning: transparent pixels are laid over white, since what they hide belongs to no result; of a photograph with
    others behind it (MPO) the first is taken; colour profiles other than sRGB are not applied, for a measurement is
    made of the numbers as they are.

    Raises ValueError, naming the file, for whatever cannot be read (:class:`NoImageFile` where there is no file).
    """
    shown = printable(str(path))
    if not os.path.isfile(path):  # a device or pipe would be read for ever
        raise NoImageFile(f"no such image file: {shown}")
    return _decode(path, shown)


def _decode(file: str | os.PathLike | io.BytesIO, shown: str) -> np.ndarray:
    """What :func:`read_pixels` says, of a file or of its bytes, which messages call ``shown``."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            refused = _refused(image)
            if not refused:
                ImageOps.exif_transpose(image, in_place=True)
                pixels, notes = _over_white(image), _notes(image, shown)
    except Image.DecompressionBombError as error:
        raise ValueError(f"{shown} is too large to be read as one picture ({error}); cut it into several") from error
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"{shown} is not a readable image (no {', '.join(FORMATS)} that can be read)") from error
    except Exception as error:  # a broken file can trip Pillow over anything
        raise ValueError(f"{shown} is not a readable image ({error or type(error).__name__})") from error
    if refused:
        raise ValueError(f"{shown} {refused}")
    for note in notes:
        warnings.warn(note, stacklevel=1)  # here, so that a file read twice is told of once
    return pixels


def _refused(image: ImageFile.ImageFile) -> str:
    """Why an opened image is not read, before it is decoded; empty for one that is."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        return f"has {frames} frames or pages; save the one that is meant as a file of its own"
    if (bits := _bits(image)) > 8:
        return f"has more than 8 bits per channel ({bits}, mode {image.mode}); convert it to 8 bits first"
    if isinstance(image, TiffImageFile) and not set(image.tag_v2.get(SAMPLE_FORMAT, (1,))) <= set(UNSIGNED):
        return "has signed or floating-point samples; convert it to 8 bits first"
    return ""


def _bits(image: ImageFile.ImageFile) -> int:
    """Bits per channel in the file, of which Pillow's mode may hold fewer."""
    if image.mode.startswith(("I", "F")):
        return 16 if "16" in image.mode else 32
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(BITS_PER_SAMPLE, (1,)))
    arguments = image.tile[0][3] if image.tile else ""
    if image.format == "PPM" and isinstance(arguments, tuple):
        return arguments[1].bit_length()  # the largest value
    return 16 if image.format == "PNG" and ";16" in str(arguments) else 8


def _over_white(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 of a decoded image; opaque pixels keep their values."""
    if not _may_be_transparent(image):
        return np.array(image.convert("RGB"))
    white = Image.new("RGBA", image.size, "white")
    return np.array(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


def _may_be_transparent(image: Image.Image) -> bool:
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _notes(image: ImageFile.ImageFile, shown: str) -> list[str]:
    """What people should know of an image that is read."""
    notes = []
    if _may_be_transparent(image):
        share = (np.asarray(image.convert("RGBA").getchannel("A")) < 255).mean()
        if share:
            notes.append(f"{shown} has transparent pixels ({100 * share:.3g} %): laid over white")
    if (frames := getattr(image, "n_frames", 1)) > 1:
        notes.append(f"{shown} has {frames} frames; the first, the photograph, is read")
    if profile := _profile(image):  # without the file's name: of a folder of photographs it is said once
        notes.append(f"the colour profile {profile!r} is not applied: numbers are read as they are, as if sRGB")
    return notes


def _profile(image: Image.Image) -> str:
    """The name of a colour profile, or gamma, other than that of sRGB; empty for none."""
    if data := image.info.get("icc_profile"):
        try:
            name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(data))).strip()
        except Exception:  # a damaged profile, or a Pillow without lcms: it is not applied either way
            name = "unreadable"
        return "" if "srgb" in name.lower() else printable(name or "unnamed")
    gamma = image.info.get("gamma")
    return "" if gamma is None or SRGB_GAMMA[0] <= gamma <= SRGB_GAMMA[1] else f"gamma {gamma:.3g}"


def save_image(x: Tensor, path: str | os.PathLike) -> Path:
    """(1, C, H, W) or (C, H, W) in [0, 1] -> an 8-bit file, C = 1 or 3; the suffix names the format.

    .png, .bmp and .tif keep every level; .jpg and .webp are lossy, and no longer consistent with anything.

    Written whole or not at all, so that a full disk or a broken run leaves no half file. Raises ValueError for other
    shapes, other suffixes, NaN, and OSError, naming the file, when it cannot be written, or its format does not hold as
    many pixels.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{printable(path.name)}: the suffix must be one of {', '.join(SUFFIXES)}")
    return write(path, _encoded(_pil(x), Image.registered_extensions()[path.suffix.lower()], printable(str(path))))


def _encoded(image: Image.Image, form: str, shown: str) -> bytes:
    """The bytes of a file of this format, which messages call ``shown``."""
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=form)
    except (OSError, ValueError) as error:  # Pillow's own, of whichever kind
        size = f"{image.width} x {image.height} pixels"
        raise OSError(f"{shown}: {size} cannot be written as {form} ({error}); .png holds larger images") from error
    return buffer.getvalue()


def png_bytes(x: Tensor) -> bytes:
    """(1, C, H, W) or (C, H, W) in [0, 1] -> the bytes of a PNG, what ``ipywidgets.Image`` shows."""
    buffer = io.BytesIO()
    _pil(x).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()


def list_images(folder: str | os.PathLike) -> list[Path]:
    """The image files directly in a folder, sorted by name; hidden ones are none, others that are left out are named.

    Raises NotADirectoryError for no folder, ValueError for one without images.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"no such folder: {printable(str(folder))}")
    there = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    paths = [path for path in there if path.suffix.lower() in READ]
    if not paths:
        raise ValueError(f"{printable(str(folder))} holds no images ({', '.join(READ)})")
    others = [printable(path.name) for path in there if path.suffix.lower() not in READ and not path.is_dir()]
    if others:
        few = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        warnings.warn(f"{printable(str(folder))}: no images by their suffix, left out: {few}", stacklevel=2)
    return paths


def walk_images(folder: str | os.PathLike) -> list[str]:
    """The image files in a folder and in those below it, sorted: paths from the folder on, with "/".

    Hidden files and folders are none; other files are not told of. Raises NotADirectoryError for no folder, ValueError
    for one without images.
    """
    if not os.path.isdir(folder):
        raise NotADirectoryError(f"no such folder: {printable(str(folder))}")
    found, waiting, seen = [], [""], set()
    while waiting:
        below = waiting.pop()
        with os.scandir(os.path.join(folder, below)) as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.name.startswith("."):
                    continue
                if os.path.splitext(entry.name)[1].lower() in READ:
                    found.append(path)
                elif entry.is_dir() and (place := _place(entry)) not in seen:  # a link may lead back to above
                    seen.add(place)
                    waiting.append(path)
    if not found:
        raise ValueError(f"{printable(str(folder))} holds no images ({', '.join(READ)})")
    return sorted(found)


def _place(entry: os.DirEntry) -> tuple[int, int]:
    found = entry.stat()
    return found.st_dev, found.st_ino


def _pil(x: Tensor) -> Image.Image:
    if x.ndim == 4 and x.shape[0] == 1:
        x = x[0]
    if x.ndim != 3 or x.shape[0] not in (1, 3):
        raise ValueError(f"an image to save must be (1, C, H, W) or (C, H, W), C = 1 or 3, got {tuple(x.shape)}")
    if not x.numel():
        raise ValueError(f"an image to save must have pixels, got shape {tuple(x.shape)}")
    pixels = to_uint8(x.detach().cpu()).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if x.shape[0] == 1 else pixels)
