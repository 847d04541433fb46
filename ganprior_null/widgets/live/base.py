"""What the live figures share: one ES module each, and pictures small enough to travel in a page."""

import io
from pathlib import Path

import anywidget
from PIL import Image
from torch import Tensor

from ...images import to_uint8

_HERE = Path(__file__).parent


class LiveFigure(anywidget.AnyWidget):
    """A figure whose mathematics runs in the browser: it follows its controls with a kernel and without one.

    A subclass names its module. Its traits are the controls: set from Python they move, and moved they are set.
    """

    _css = (_HERE / "live.css").read_text("utf-8")

    def __repr__(self) -> str:
        """Without an address in memory or picture data, since notebooks store it."""
        return f"<{type(self).__name__}: live in JupyterLab and on the site>"


def module(name: str) -> str:
    """The text of a figure's module, with what all share before it: a widget is one module and can import nothing."""
    return "\n".join((_HERE / f"{part}.js").read_text("utf-8") for part in ("shared", name))


def encode(image: Tensor, *, format: str = "JPEG", quality: int = 85, lossless: bool = False) -> bytes:
    """(3, H, W) or (1, 3, H, W) in [0, 1] -> a picture file. Raises ValueError for other shapes.

    lossless: of WebP; every pixel is kept then, and quality is how long it searches for a small file.
    """
    pixels = to_uint8(image[0] if image.ndim == 4 and len(image) == 1 else image)
    if pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ValueError(f"a picture must be (3, H, W) or (1, 3, H, W), got {tuple(image.shape)}")
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy()).save(file, format, quality=quality, lossless=lossless)
    return file.getvalue()
