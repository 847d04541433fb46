"""Rows of images and plots in one look for the whole course.

On a page a figure is as wide as the column at most, ``WIDTH`` inches of 96 pixels, so that its labels keep their size.
"""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import PIL.Image
from IPython.display import SVG, Image, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ..images import to_uint8

WIDTH = 8.0  # inches, the column of a page
_SCREEN = 96  # pixels of a page to an inch
_DPI = 2 * _SCREEN  # a fine screen has two where an ordinary one has one
_SMALL = 256  # pixels: pictures up to this side are kept as they are, and whoever looks at the page enlarges them
_FEW = 32  # pixels: what has no more must look like it
_LOOK: dict[Any, Any] = {  # matplotlib's type lists all its keys
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "ganprior-null",  # the same plot, the same bytes
}
_JPEG = {"quality": 85, "optimize": True, "progressive": True}
_IN_SVG = re.compile(
    r'data:image/png;base64,(?P<png>[A-Za-z0-9+/=\s]+)(?P<between>"[^>]*?style=")image-rendering:crisp-edges;'
    r"image-rendering:pixelated"
)
_NOTES = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)  # of an SVG, for people who edit it
_NUMBER = re.compile(r"\d+\.\d{3,}")  # with more digits than anyone can see
_SPACE = re.compile(r"(?<=>)\s+(?=<)|\s+")
_FRAME = "#ff9f1c"  # orange, seen on light and dark images, also by colour-blind readers


@contextmanager
def plot(
    rows: int = 1, columns: int = 1, *, height: float = 2.8, width: float = WIDTH, **layout
) -> Iterator[Axes | np.ndarray]:
    """Axes in the look of the course, shown when the block ends: ``with plot(1, 2) as (left, right):``.

    height: of a row, in inches; width: of all, ``WIDTH`` at most. ``layout`` goes on to ``Figure.subplots``
    (``sharey=True``, ``width_ratios=[2, 1]``). Curves become SVG; where axes hold a picture the figure is one, with
    twice the pixels of a page. Nothing is shown if the block raises. Raises ValueError for a width of more.
    """
    if not 0 < width <= WIDTH:
        raise ValueError(f"width must be at most the column, {WIDTH} inches, got {width}")
    with mpl.rc_context(_LOOK):
        figure = Figure(figsize=(width, rows * height), layout="constrained")
        yield figure.subplots(rows, columns, **layout)
        _display(figure)


def show(
    images: Tensor | list[Tensor],
    titles: list[str] | None = None,
    *,
    columns: int | None = None,
    height: float = 2.4,
    zoom: tuple[float, float, float] | None = None,
) -> None:
    """Images side by side: a list of (C, H, W) or (1, C, H, W), or one (N, C, H, W); C = 1 (gray) or 3, in [0, 1].

    All are drawn equally high (``height`` inches, or less where a row would be wider than ``WIDTH``), so that y lies
    beside x_hat; values outside [0, 1] are clamped for the screen only. ``columns`` defaults to all in one row, six at
    most. ``zoom = (top, left, side)``, in fractions of the image, frames that square and repeats it enlarged in a row
    below.

    Raises ValueError for other shapes, a wrong number of titles, or a zoom that leaves the image.
    """
    pictures = as_pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"{len(pictures)} images need as many titles, got {len(titles)}")
    columns = columns or min(len(pictures), 6)
    layers = 1 if zoom is None else 2
    rows = -(-len(pictures) // columns) * layers
    aspect = max(p.shape[2] / p.shape[1] for p in pictures)
    height = min(height, WIDTH / (columns * aspect))
    size = (columns * height * aspect, rows * height + 0.3 * rows / layers)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for i, picture in enumerate(pictures):
        row, column = i // columns * layers, i % columns
        _draw(axes[row, column], picture, height)
        if titles is not None:
            axes[row, column].set_title(titles[i], fontsize=9)
        if zoom is not None:
            left, top, side = _square(zoom, picture)
            frame = Rectangle((left, top), side, side, fill=False, edgecolor=_FRAME, linewidth=1.2)
            axes[row, column].add_patch(frame)
            _draw(axes[row + 1, column], picture, height * picture.shape[1] / side)
            axes[row + 1, column].set(xlim=(left, left + side), ylim=(top + side, top))
    _display(figure)


def _display(figure: Figure) -> None:
    """Curves as SVG; small pictures inside one; a large picture as JPEG, with its width on a page beside it."""
    images = [image for ax in figure.axes for image in ax.images]
    if any(max(image.get_size()) > _SMALL for image in images):
        width = round(figure.get_figwidth() * _SCREEN)
        pixels = _saved(figure, "jpeg", dpi=_DPI, pil_kwargs=_JPEG)
        display(Image(pixels, format="jpeg", width=width))
        return
    for image in images:
        image.set_interpolation("none")  # each at its own pixels, whatever its size on the page
    with mpl.rc_context({"image.composite_image": False}):
        svg = _saved(figure, "svg", dpi=_DPI, metadata={"Date": None}).decode()
    largest = max((max(image.get_size()) for image in images), default=0)
    few = max(_FEW, largest // 4)  # a measurement beside its picture
    svg = _IN_SVG.sub(lambda image: _as_webp(image["png"], image["between"], few), svg)
    display(SVG(_SPACE.sub(" ", _NUMBER.sub(lambda number: f"{float(number[0]):.5g}", _NOTES.sub("", svg)))))


def _as_webp(png: str, between: str, few: int) -> str:
    """An image of an SVG as WebP, a fifth of the bytes; smooth when enlarged, unless it has ``few`` pixels a side."""
    picture, file = PIL.Image.open(io.BytesIO(base64.b64decode(png))), io.BytesIO()
    few = max(picture.size) <= few
    picture.convert("RGB").save(file, "webp", quality=75, lossless=few, method=6)
    style = "image-rendering:pixelated" if few else ""
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}{between}{style}"


def _saved(figure: Figure, kind: str, **options) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, **options)
    return file.getvalue()


def as_pictures(images: Tensor | list[Tensor]) -> list[Tensor]:
    """(N, C, H, W), one (C, H, W), or a list of (C, H, W) and (1, C, H, W) -> a list of (C, H, W), C = 1 or 3.

    Raises ValueError for anything else, and for no image at all.
    """
    if isinstance(images, Tensor):
        images = images if images.ndim == 4 else [images]
    pictures = [image[0] if image.ndim == 4 and len(image) == 1 else image for image in images]
    for picture in pictures:
        if picture.ndim != 3 or picture.shape[0] not in (1, 3):
            raise ValueError(
                f"an image to show must be (C, H, W) or (1, C, H, W), C = 1 or 3, got {tuple(picture.shape)}"
            )
    if not pictures:
        raise ValueError("there is no image to show")
    return [picture.detach().cpu() for picture in pictures]


def _draw(ax: Axes, picture: Tensor, height: float) -> None:
    pixels = to_uint8(picture).permute(1, 2, 0).numpy()
    # a measurement of few pixels must look like one: no smoothing where a pixel becomes three or more
    interpolation = "nearest" if 3 * pixels.shape[0] <= height * _DPI else "antialiased"
    gray = pixels.shape[2] == 1
    ax.imshow(pixels[..., 0] if gray else pixels, cmap="gray", vmin=0, vmax=255, interpolation=interpolation)


def _square(zoom: tuple[float, float, float], picture: Tensor) -> tuple[float, float, float]:
    """Left, top and side in matplotlib's pixels, whose first begins at -0.5; unrounded, so that y and x_hat agree."""
    top, left, side = zoom
    if min(top, left) < 0 or side <= 0 or max(top, left) + side > 1:
        raise ValueError(f"zoom = (top, left, side) must lie inside the image, as fractions of it, got {zoom}")
    _, h, w = picture.shape
    return left * w - 0.5, top * h - 0.5, side * min(h, w)
