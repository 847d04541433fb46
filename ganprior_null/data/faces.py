"""Procedural colour faces: a seeded stream of labelled factors, drawn at any size.

Face i of a seed is the same whatever range it is asked for in, and the same person at every size: the factors are the
face, the renderer only samples it. Nothing is downloaded and nothing resembles a real person.
"""

from operator import itemgetter

from torch import Tensor

from .face_parts import LAYERS
from .face_plane import Plane
from .factors import FaceFactors, face_factors

SIZES = (16, 1024)  # smallest and largest side, pixels
PIXELS_AT_ONCE = 2**16  # planes of 256 kB stay in the cache; 1024-pixel faces are drawn in strips of 64 rows


def faces(count: int, size: int = 64, seed: int = 0) -> Tensor:
    """The first ``count`` faces of a seed: (N, 3, size, size) float32 in [0, 1].

    Raises ValueError for a count below 1, a size outside 16..1024, or a seed that is no natural number.
    """
    return render(face_factors(count, seed), size)


def render(factors: FaceFactors, size: int) -> Tensor:
    """Draw faces: N factors -> (N, 3, size, size) in [0, 1], on the factors' device.

    Edges are anti-aliased by the width of a pixel, so two sizes show the same face. Drawn a few rows at a time: the
    memory needed beyond the result does not grow with count or size. Raises ValueError for a size outside 16..1024.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"size must be an integer from {SIZES[0]} to {SIZES[1]} pixels, got {size!r}")
    images = factors.scale.new_zeros(len(factors), 3, size, size)  # not empty: painting over a NaN leaves a NaN
    rows = min(size, PIXELS_AT_ONCE // size)
    batch = PIXELS_AT_ONCE // (rows * size)
    for first in range(0, len(factors), batch):
        some = factors.map(itemgetter(slice(first, first + batch)))
        for top in range(0, size, rows):
            _paint(images[first : first + batch, :, top : top + rows], some, size, top)
    return images


def _paint(canvas: Tensor, face: FaceFactors, size: int, top: int) -> None:
    """Fill canvas (n, 3, rows, size), which begins at image row ``top``, layer over layer from back to front."""
    face = face.map(lambda t: (t if t.ndim > 1 else t[:, None])[..., None, None])  # (n, channels, 1, 1)
    plane = Plane.of(face, size, top, canvas.shape[2])
    for layer, low, high in LAYERS:
        rows = plane.rows(face, low, high)
        if rows.start < rows.stop:
            for coverage, colour in layer(plane.crop(rows), face):
                canvas[:, :, rows].lerp_(colour, coverage)
