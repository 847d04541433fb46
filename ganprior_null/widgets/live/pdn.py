"""Many consistent answers to the reader's own picture: PDN runs in the page."""

import traitlets
from torch import Tensor

from .answers import answers
from .base import LiveNetwork, encode, module, sheet


class LivePDN(LiveNetwork):
    """x_r = PDN(y, z) for codes z and those between them, and x_hat after PD, in float64 in the browser; y = A x.

    restorer: the name of a shipped PDN. picture: (3, H, W) or (1, 3, H, W) in [0, 1], its middle is used; default a
    portrait. count: codes, drawn with ``seed``; as ``codes``, (count, D) float32 bytes, they can be set.

    Raises ValueError for an unknown restorer, one that takes no code, and fewer than two codes.
    """

    _esm = module("blocks", "network", "pdn")
    picture = traitlets.Bytes().tag(sync=True)  # lossless WebP
    codes = traitlets.Bytes().tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    factor = traitlets.Int().tag(sync=True)
    count = traitlets.Int().tag(sync=True)
    turn = traitlets.Float(1.0, min=1).tag(sync=True)  # 1 at the first code, 2 at the second

    def __init__(self, restorer: str = "pdn-faces-8x", picture: Tensor | None = None, *, count: int = 5, seed: int = 0):
        if count < 2:
            raise ValueError(f"need at least two codes, got {count}")
        found = answers([restorer], picture, codes=count, seed=seed)
        if len(found.x_r) != count:
            raise ValueError(f"{restorer} takes no code z, so it has one answer only; a PDN has many")
        super().__init__(
            networks=[restorer],
            network=restorer,
            picture=encode(found.x, format="WEBP", quality=100, lossless=True),
            codes=found.z.numpy().tobytes(),
            side=found.x.shape[-1],
            factor=found.factor,
            count=count,
            still=sheet(found.x_r),
            still_alt=f"{count} answers of PDN to the same measurement, before PD",
        )
