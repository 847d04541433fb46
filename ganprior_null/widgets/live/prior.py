"""A walk through a prior that runs in the page: z by dragging, truncation, noise and style mixing."""

import torch
import traitlets

from ...images import from_signed
from ...priors import truncate
from ...weights import load_prior
from .base import LiveNetwork, module, sheet

REACH = 1.5  # how far the square reaches along z1 and z2


class LivePrior(LiveNetwork):
    """G(w) of a shipped prior, w = psi-truncated codes of two people: z0 + a z1 + b z2, and another by layers.

    prior: its name, "faces64". seed: of the four codes. Set from Python or moved by the reader: a, b, psi, noise
    (factor of the stored maps), crossover (layers that the first person steers) and ``codes``, (4, D) float32 as bytes.

    Raises ValueError for an unknown prior.
    """

    _esm = module("network", "prior")
    codes = traitlets.Bytes().tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    layers = traitlets.Int().tag(sync=True)
    reach = traitlets.Float(REACH).tag(sync=True)
    a = traitlets.Float(0.0, min=-REACH, max=REACH).tag(sync=True)
    b = traitlets.Float(0.0, min=-REACH, max=REACH).tag(sync=True)
    psi = traitlets.Float(0.7, min=0, max=1.5).tag(sync=True)
    noise = traitlets.Float(1.0, min=0, max=3).tag(sync=True)
    crossover = traitlets.Int(min=0).tag(sync=True)

    def __init__(self, prior: str = "faces64", *, seed: int = 0):
        generator, w_mean = load_prior(prior)
        z = torch.randn(4, generator.style_dim, generator=torch.Generator().manual_seed(seed))
        w_a, w_b = generator.mapping(z[[0, 3]]).split(1)
        crossover = generator.latents // 2
        mixed = torch.cat([generator.spread(w_a), generator.mix(w_a, w_b, crossover), generator.spread(w_b)])
        with torch.no_grad():
            samples = from_signed(generator(truncate(mixed, w_mean, LivePrior.psi.default_value)))
        super().__init__(
            networks=[prior],
            network=prior,
            codes=z.numpy().tobytes(),
            side=generator.size,
            layers=generator.latents,
            crossover=crossover,
            still=sheet(samples),
            still_alt="Three samples of the prior: person A, coarse layers from A with fine ones from B, and person B",
        )
