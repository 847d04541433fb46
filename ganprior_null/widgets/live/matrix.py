"""Range and null part of a point in the plane."""

import traitlets

from .base import LiveFigure, module

_POINT = traitlets.List(traitlets.Float(), minlen=2, maxlen=2)


class LiveMatrix(LiveFigure):
    """x = range part + null part under a 1 x 2 or 2 x 2 matrix, and x_hat, the point with y = A x nearest to x_r.

    All are dragged, or moved by arrow keys; x, x_r and x_hat are drawn as two gray pixels, too.
    """

    _esm = module("matrix")
    matrix = traitlets.List(_POINT, [[0.5, 0.5]], minlen=1, maxlen=2).tag(sync=True)  # its rows
    x = traitlets.List(traitlets.Float(), [1.0, 0.5], minlen=2, maxlen=2).tag(sync=True)
    x_r = traitlets.List(traitlets.Float(), [0.1, 0.6], minlen=2, maxlen=2).tag(sync=True)
