"""What shipped restorers make of a picture: the answers that a live figure shows before its networks are loaded."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data import portrait
from ...images import from_uint8, to_uint8
from ...operators import AveragePool
from ...restorers import PDNNetwork
from ...restorers.bank import PriorNetwork
from ...weights import load_restorer


class Answers(NamedTuple):
    """x_r of every network, and of a PDN by every code; y = A x with block means."""

    x: Tensor  # (1, 3, S, S), of 8 bits
    y: Tensor  # (1, 3, S / factor, S / factor)
    z: Tensor  # (codes, D)
    x_r: Tensor  # (N, 3, S, S)
    factor: int


def middle(picture: Tensor, side: int) -> Tensor:
    """(3, H, W) or (1, 3, H, W) -> (1, 3, side, side): the largest square in the middle, antialiased."""
    picture = picture.reshape(1, *picture.shape[-3:])
    most = min(picture.shape[-2:])
    top, left = ((length - most) // 2 for length in picture.shape[-2:])
    square = picture[..., top : top + most, left : left + most]
    return F.interpolate(square, side, mode="bilinear", antialias=True)


@torch.no_grad()
def answers(networks: Sequence[str], picture: Tensor | None = None, *, codes: int = 1, seed: int = 0) -> Answers:
    """The answers of these shipped restorers to the middle of a picture, (3, H, W) or (1, 3, H, W); default a portrait.

    Raises ValueError for unknown names, for none, and for restorers of unlike sizes.
    """
    restorers = [load_restorer(name) for name in networks]
    sizes = sorted({(restorer.in_size, restorer.out_size) for restorer in restorers})
    if len(sizes) != 1:
        raise ValueError(f"a live figure takes restorers of one size, got {', '.join(networks) or 'none'}: {sizes}")
    small, side = sizes[0]
    x = from_uint8(to_uint8(middle(portrait(side) if picture is None else picture, side)))
    A = AveragePool(side // small)
    y = A(x)
    bank = cast(PriorNetwork, restorers[0].network).bank
    z = torch.randn(codes, bank.style_dim, generator=torch.Generator().manual_seed(seed))
    x_r = [r(y.expand(codes, -1, -1, -1), z) if isinstance(r.network, PDNNetwork) else r(y) for r in restorers]
    return Answers(x, y, z, torch.cat(x_r), A.factor)
