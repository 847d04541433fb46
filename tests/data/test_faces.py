"""Procedural faces: addressed by seed and index, the same at every size, with factors that act where they should."""

import dataclasses
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ganprior_null.data import FaceFactors, face_factors, faces, render
from ganprior_null.metrics import psnr

drawing = sys.modules["ganprior_null.data.faces"]  # the module; the package gives its name to the function
FIELDS = [field.name for field in dataclasses.fields(FaceFactors)]


@pytest.mark.parametrize("size", [16, 33, 64, 200])
def test_faces_are_colour_images_in_range_and_repeat(size):
    x = faces(4, size, seed=3)
    assert x.shape == (4, 3, size, size) and x.dtype == torch.float32
    assert x.min() >= 0 and x.max() <= 1
    assert torch.equal(x, faces(4, size, seed=3))
    assert not torch.equal(x, faces(4, size, seed=4))
    assert (x[:, 0] - x[:, 2]).abs().mean() > 0.05  # gray images would have equal channels


@pytest.mark.parametrize("size", [33, 64])
def test_a_face_depends_on_seed_and_index_alone(size):
    many = faces(70, size, seed=5)  # more than one batch of the renderer
    assert torch.equal(faces(3, size, seed=5), many[:3])
    assert torch.equal(render(face_factors(2, seed=5, start=61), size), many[61:63])
    assert not torch.equal(many[61], many[62])


def test_two_sizes_show_the_same_face():
    factors = face_factors(32, seed=7)
    small = F.avg_pool2d(render(factors, 256), 4)
    # edges count as straight and texture is averaged to leading order: within 3 % of the range, rms
    assert psnr(small, render(factors, 64)).min() > 30
    assert psnr(small, render(face_factors(32, seed=8), 64)).max() < 20  # another face is not the same face


def test_no_part_is_cut_off_by_its_window(monkeypatch):
    factors, layers = face_factors(200, seed=9), drawing.LAYERS
    x = render(factors, 32)
    monkeypatch.setattr(drawing, "LAYERS", [(layer, -9.0, 9.0) for layer, _, _ in layers])
    assert torch.equal(render(factors, 32), x)
    monkeypatch.setattr(drawing, "LAYERS", [(layer, low, min(high, 0.1)) for layer, low, high in layers])
    assert not torch.equal(render(factors, 32), x)


def test_what_lay_in_the_memory_does_not_show_through():
    torch.use_deterministic_algorithms(True)  # fills uninitialised tensors with NaN
    try:
        assert torch.empty(1).isnan().all()
        assert faces(2, 64).isfinite().all()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("name", FIELDS)
def test_every_factor_is_seen(name):
    factors = face_factors(24, seed=1)
    of_others = {name: getattr(factors, name).roll(1, 0)}
    assert not torch.equal(render(dataclasses.replace(factors, **of_others), 64), render(factors, 64))


def changed(factors: FaceFactors, size: int = 128, **factor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which pixels a factor changes, (N, size, size), and their place (u, v) on the head, worked out anew."""
    mask = (render(dataclasses.replace(factors, **factor), size) - render(factors, size)).abs().amax(1) > 0
    centres = (torch.arange(size) + 0.5) / size * 2 - 1
    place = torch.complex(centres[None, None, :].expand(1, size, size), centres[None, :, None].expand(1, size, size))
    centre = torch.view_as_complex(factors.shift)[:, None, None]
    head = (place - centre) / factors.scale[:, None, None] * torch.exp(-1j * factors.tilt)[:, None, None]
    return mask, head.real, head.imag


def test_teeth_colour_changes_the_mouth_and_only_an_open_one():
    factors = face_factors(100, seed=2)
    mask, u, v = changed(factors, teeth_colour=1 - factors.teeth_colour)
    opened = factors.mouth_open > 0
    assert 20 < opened.sum() < 80
    assert torch.equal(mask.flatten(1).any(1), opened)
    mouth = (u.abs() < 0.33) & (v > 0.25) & (v < 0.60)  # yaw and nod move it by at most 0.11 and 0.09
    assert not (mask & ~mouth).any()
    lips, u, v = changed(factors, lip_colour=1 - factors.lip_colour)
    assert (lips & ~mask).any(), "the mouth is more than its teeth"


def test_eye_colour_changes_both_eyes_and_nothing_else():
    factors = face_factors(100, seed=2)
    mask, u, v = changed(factors, eye_colour=1 - factors.eye_colour)
    eyes = (u.abs() < 0.45) & (v.abs() < 0.20)
    middle = 0.1 * factors.yaw[:, None, None]  # between the eyes, about
    assert not (mask & ~eyes).any()
    seen = [(mask & side).flatten(1).any(1).float().mean() for side in (u < middle, u > middle)]
    assert min(seen) > 0.9  # a long side parting may hide one eye
    skin, u, v = changed(factors, skin_colour=1 - factors.skin_colour)
    assert (skin & ~eyes).any(), "the box must be able to fail"


def test_factors_are_frozen_and_can_be_selected():
    factors = face_factors(5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        factors.yaw = factors.yaw
    some = factors.map(lambda t: t[1:3])
    assert len(some) == 2 and torch.equal(some.light, factors.light[1:3])
    assert torch.allclose(factors.light.norm(dim=1), torch.ones(5), atol=1e-6)


@pytest.mark.parametrize("size", [15, 1025, 0, -64, 64.0, True, "64", None])
def test_bad_sizes_are_refused(size):
    with pytest.raises(ValueError, match="size must be an integer from 16 to 1024"):
        faces(1, size)


@pytest.mark.parametrize(
    "arguments", [{"count": 0}, {"count": 2.0}, {"count": True}, {"seed": -1}, {"seed": 1.5}, {"start": -1}]
)
def test_bad_addresses_are_refused(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer"):
        face_factors(**{"count": 1, **arguments})


class Made(TorchDispatchMode):
    """Counts the numbers made inside, and notes the bytes of the largest tensor but the result (it comes first)."""

    def __init__(self):
        super().__init__()
        self.result, self.bytes, self.numbers = None, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers += made.numel()
            storage = made.untyped_storage()
            if self.result is None:
                self.result = storage.data_ptr()
            if storage.data_ptr() != self.result:  # views of the result are not new
                self.bytes = max(self.bytes, storage.nbytes())
        return made


def test_the_work_for_a_face_is_bounded():
    """About 350 numbers for each of the result, a quarter of a second for 64 faces; a clock would judge the machine."""
    with Made() as made:
        result = render(face_factors(64), 64)
    assert made.numbers < 400 * result.numel()


def largest(count: int, size: int) -> int:
    factors = face_factors(count)
    with Made() as made:
        render(factors, size)
    return made.bytes


def test_the_memory_beyond_the_result_does_not_grow(monkeypatch):
    colour_plane = 3 * 4 * drawing.PIXELS_AT_ONCE  # bytes
    assert largest(2, 1024) == largest(40, 64) == colour_plane
    monkeypatch.setattr(drawing, "PIXELS_AT_ONCE", 2**21)
    assert largest(2, 1024) > 10 * colour_plane
