"""A walk through samples of a prior, computed beforehand."""

import torch
import traitlets
from torch import Tensor

from ...images import from_signed, grid
from ...priors import StyleGAN2, truncate
from .base import LiveFigure, encode, module

REACH = 1.5  # how far the square reaches along z1 and z2
QUALITY = 50  # of the sheet: enough for 64 pixels, and three levels of 49 samples stay below 90 kB


class LiveWalk(LiveFigure):
    """count x count samples G(w(z0 + a z1 + b z2)) for each truncation psi, on one sheet; the reader walks in (a, b).

    Nothing is blended: each picture shown is a sample. generator and w_mean: a prior, as ``load_prior`` returns it.
    seed: of the three codes z0, z1, z2. psis: the truncations to choose from.

    Raises ValueError for a count below 2 or no psi.
    """

    _esm = module("walk")
    sheet = traitlets.Bytes().tag(sync=True)  # WebP: a level of count x count tiles for each psi, one below the other
    count = traitlets.Int().tag(sync=True)
    side = traitlets.Int().tag(sync=True)
    psis = traitlets.List(traitlets.Float()).tag(sync=True)
    reach = traitlets.Float(REACH).tag(sync=True)
    psi = traitlets.Float().tag(sync=True)
    column = traitlets.Int().tag(sync=True)
    row = traitlets.Int().tag(sync=True)

    def __init__(
        self,
        generator: StyleGAN2,
        w_mean: Tensor,
        *,
        count: int = 9,
        psis: tuple[float, ...] = (0.4, 0.7, 1.0),
        seed: int = 0,
    ):
        if count < 2 or not psis:
            raise ValueError(f"count must be at least 2, with at least one psi, got {count} and {psis}")
        z = codes(generator.style_dim, count, seed)
        sheet = encode(contact_sheet(generator, w_mean, z, psis), format="WEBP", quality=QUALITY)
        place = {"psi": psis[len(psis) // 2], "column": count // 2, "row": count // 2}
        super().__init__(sheet=sheet, count=count, side=generator.size, psis=list(psis), **place)


def codes(style_dim: int, count: int, seed: int) -> Tensor:
    """The codes of the square, row by row from the top: (count^2, D); a grows to the right, b upwards."""
    z0, z1, z2 = torch.randn(3, style_dim, generator=torch.Generator().manual_seed(seed))
    steps = torch.linspace(-REACH, REACH, count)
    b, a = torch.meshgrid(steps.flip(0), steps, indexing="ij")
    return z0 + a.reshape(-1, 1) * z1 + b.reshape(-1, 1) * z2


@torch.no_grad()
def contact_sheet(generator: StyleGAN2, w_mean: Tensor, z: Tensor, psis: tuple[float, ...]) -> Tensor:
    """(count^2, D) -> (3, levels count side, count side): the samples of each psi, one square below the other."""
    w = generator.mapping(z)
    count = round(len(z) ** 0.5)
    samples = [from_signed(generator(truncate(part, w_mean, psi))) for psi in psis for part in w.split(count)]
    return grid(torch.cat(samples).clamp(0, 1), columns=count, pad=0)
