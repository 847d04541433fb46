"""GLEAN and Panini-Net on the reader's picture, before PD and after it: the networks run in the page."""

from collections.abc import Sequence

import traitlets
from torch import Tensor

from .answers import answers
from .base import LiveNetwork, encode, module, sheet


class LiveRestorers(LiveNetwork):
    """x_r of each restorer for y = A x, x_hat after PD, and A^+ y and bicubic beside them, with their errors.

    networks: names of shipped restorers of one size. picture: (3, H, W) or (1, 3, H, W) in [0, 1], its middle is used;
    default a portrait. Raises ValueError for no network, unknown names and unlike sizes.
    """

    _esm = module("blocks", "network", "restorers")
    picture = traitlets.Bytes().tag(sync=True)  # lossless WebP
    code = traitlets.Bytes().tag(sync=True)  # float32: z, for a network that takes one
    side = traitlets.Int().tag(sync=True)
    factor = traitlets.Int().tag(sync=True)

    def __init__(self, networks: Sequence[str], picture: Tensor | None = None):
        found = answers(networks, picture)
        super().__init__(
            networks=list(networks),
            picture=encode(found.x, format="WEBP", quality=100, lossless=True),
            code=found.z.numpy().tobytes(),
            side=found.x.shape[-1],
            factor=found.factor,
            still=sheet(found.x_r),
            still_alt=f"The answers of {' and '.join(networks)} to one small picture, before PD",
        )
