"""Pooling-based decomposition of the reader's own picture."""

from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor

from ...data import faces, portrait
from ...operators import AveragePool
from ...profiles import did_you_mean
from ...restorers import enforce_consistency
from .answers import answers
from .base import LiveNetwork, encode, module, sheet

_SIDE = 128  # of the first picture
PLAIN = ("bicubic", "nearest", "noise", "another face")  # backbones that need no weights


class LivePD(LiveNetwork):
    r""":math:`\hat x = A^\dagger y + \lambda (I - A^\dagger A) x_r` for block means, in float64, in the browser.

    picture: the one shown first, (3, H, W) or (1, 3, H, W) in [0, 1], sides multiples of 16 and at most 256; default a
    portrait. networks: names of shipped restorers that can be the backbone too, of one size; their answers to the first
    picture are stored, others are made in the page. backbone: one of those or of :data:`PLAIN`, default the first. The
    reader's own pictures are read by the browser and reach neither a server nor Python.
    """

    _esm = module("blocks", "network", "pooling")
    picture = traitlets.Bytes().tag(sync=True)  # JPEG
    other = traitlets.Bytes().tag(sync=True)  # JPEG, what the backbone "another face" answers
    answers = traitlets.Bytes().tag(sync=True)  # WebP: the networks' x_r, side by side
    code = traitlets.Bytes().tag(sync=True)  # float32: z, for a network that takes one
    side = traitlets.Int().tag(sync=True)  # of the networks' answers
    network_factor = traitlets.Int().tag(sync=True)
    factor = traitlets.Enum((2, 4, 8, 16), 8).tag(sync=True)
    backbone = traitlets.Unicode().tag(sync=True)
    strength = traitlets.Float(1.0, min=0, max=2).tag(sync=True)
    eight_bits = traitlets.Bool(False).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)

    def __init__(self, picture: Tensor | None = None, *, networks: Sequence[str] = (), **traits):
        picture = portrait(_SIDE) if picture is None else picture
        if any(side % 16 or not 16 <= side <= 256 for side in picture.shape[-2:]):
            raise ValueError(f"sides must be multiples of 16, 256 at most, got {tuple(picture.shape[-2:])}")
        traits = {"backbone": [*networks, *PLAIN][0]} | network_traits(networks, picture) | traits
        other = encode(faces(1, 64, seed=0))
        super().__init__(networks=list(networks), picture=encode(picture), other=other, **traits)

    @traitlets.validate("backbone")
    def _known(self, proposal):
        known = [*self.networks, *PLAIN]
        if proposal.value not in known:
            raise traitlets.TraitError(f"unknown backbone {proposal.value!r}{did_you_mean(proposal.value, known)}")
        return proposal.value


def network_traits(networks: Sequence[str], picture: Tensor) -> dict:
    """The traits that say what these restorers make of the picture; none for none."""
    if not networks:
        return {}
    found = answers(networks, picture)
    A, x_r = AveragePool(found.factor), found.x_r[:1]
    return {
        "answers": sheet(found.x_r),
        "code": found.z.numpy().tobytes(),
        "side": found.x.shape[-1],
        "network_factor": found.factor,
        "still": sheet(torch.cat([found.x, A.pinv(found.y), x_r, enforce_consistency(x_r, found.y, A)])),
        "still_alt": f"A face, its block means y, what {networks[0]} makes of them, and the same after PD",
    }
