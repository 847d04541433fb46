"""What the live figures share: one ES module each, and pictures small enough to travel in a page."""

import io
import re
from pathlib import Path

import anywidget
import traitlets
from PIL import Image
from torch import Tensor

from ...images import grid, to_uint8

_HERE = Path(__file__).parent


class LiveFigure(anywidget.AnyWidget):
    """A figure whose mathematics runs in the browser: it follows its controls with a kernel and without one.

    A subclass names its module. Its traits are the controls: set from Python they move, and moved they are set.
    still: a picture file of WebP; the site shows it where the figure cannot run, with ``still_alt`` in its place.
    """

    still = traitlets.Bytes().tag(sync=True)
    still_alt = traitlets.Unicode().tag(sync=True)
    _css = (_HERE / "live.css").read_text("utf-8")

    def __repr__(self) -> str:
        """Without an address in memory or picture data, since notebooks store it."""
        return f"<{type(self).__name__}: live in JupyterLab and on the site>"


class LiveNetwork(LiveFigure):
    """A live figure that runs shipped networks in the page.

    networks: their names, see :func:`ganprior_null.interop.page.page_files`. The site's builder writes their files;
    where there is a kernel the page asks it for them. Weights are never part of the figure's state.
    """

    networks = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self.on_msg(self._answer)
        self._files: dict[str, dict | bytes] = {}

    def _answer(self, _widget, content: dict, _buffers) -> None:
        """{"ask": name} -> {"answer": name} with a value, a buffer or an error."""
        from ...interop.page import page_files

        name = content["ask"]
        try:
            self._files = self._files or page_files(self.networks)
            value = self._files[name]
        except Exception as error:
            self.send({"answer": name, "error": f"{type(error).__name__}: {error}".splitlines()[0]})
            return
        if isinstance(value, bytes):
            self.send({"answer": name}, [value])
        else:
            self.send({"answer": name, "value": value})


def module(*names: str) -> str:
    """The text of a figure's module, with what it shares before it: a widget is one module and can import nothing.

    Without comments and indentation, since every notebook stores it.
    """
    text = "\n".join((_HERE / f"{part}.js").read_text("utf-8") for part in ("shared", *names))
    return re.sub(r"^ *(//.*\n|/\*\*[\s\S]*?\*/\n)?", "", text, flags=re.M)


def sheet(images: Tensor, *, quality: int = 90) -> bytes:
    """(N, 3, H, W) in about [0, 1] -> one WebP file with the images side by side."""
    return encode(grid(images.clamp(0, 1), columns=len(images), pad=0), format="WEBP", quality=quality)


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
