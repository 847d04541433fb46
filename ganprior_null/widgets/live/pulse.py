"""PULSE on the reader's own picture, step by step in the page, on the sphere and with any norm; then PD."""

import torch
import traitlets
from torch import Tensor

from ...data import portrait
from ...images import from_uint8, to_uint8
from ...operators import AveragePool
from ...restorers import pulse
from ...weights import load_prior
from .answers import middle
from .base import LiveNetwork, encode, module, sheet


class LivePulse(LiveNetwork):
    """Two searches of a shipped prior for x with A x near y, the page's own gradients, A being block means.

    As :func:`~ganprior_null.restorers.pulse` with noise="fixed", but for the noise maps, which are the stored ones.
    picture: (3, H, W) or (1, 3, H, W) in [0, 1], its middle is used; default a portrait. steps: of each search at most;
    eps: the mean square of A x - y that counts as reached.

    Raises ValueError for an unknown prior.
    """

    _esm = module("blocks", "network", "pulse")
    picture = traitlets.Bytes().tag(sync=True)  # lossless WebP
    network = traitlets.Unicode().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    factor = traitlets.Int().tag(sync=True)
    layers = traitlets.Int().tag(sync=True)
    steps = traitlets.Int(100, min=1).tag(sync=True)
    eps = traitlets.Float(2e-3).tag(sync=True)

    def __init__(self, prior: str = "faces64", picture: Tensor | None = None, *, factor: int = 8, steps: int = 100):
        generator, _ = load_prior(prior)
        side, A = generator.size, AveragePool(factor)
        x = from_uint8(to_uint8(middle(portrait(side) if picture is None else picture, side)))
        found = [
            pulse(generator, A(x), A, steps=steps, space=space, noise="fixed", progress=False).images
            for space in ("sphere", "free")
        ]
        super().__init__(
            networks=[f"{prior}-search-{factor}x"],
            network=f"{prior}-search-{factor}x",
            picture=encode(x, format="WEBP", quality=100, lossless=True),
            side=side,
            factor=factor,
            layers=generator.latents,
            steps=steps,
            still=sheet(torch.cat(found)),
            still_alt="What two searches of the prior found for one small picture, on the sphere and with any norm",
        )
