"""The shipped photographs: no network, always the same, refused when asked for more than they hold."""

import socket

import pytest
import torch

from ganprior_null.data import PHOTOGRAPHS, photograph, photographs, portrait
from ganprior_null.data.photos import LARGEST
from ganprior_null.images import from_signed
from ganprior_null.weights import load_prior


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError("a shipped photograph must not need the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_every_photograph_loads_whole_in_colour():
    for name in PHOTOGRAPHS:
        x = photograph(name)
        assert x.shape[:2] == (1, 3) and min(x.shape[-2:]) >= LARGEST
        assert 0 <= x.min() < x.max() <= 1
        assert not torch.equal(x[:, 0], x[:, 2])
    assert min(min(photograph(name).shape[-2:]) for name in PHOTOGRAPHS) == LARGEST


@pytest.mark.parametrize("size", [16, 64, 300])
def test_crops_are_in_range_repeat_and_do_not_depend_on_count(size):
    x = photographs(size, 20)
    assert x.shape == (20, 3, size, size) and x.dtype == torch.float32
    assert x.min() >= 0 and x.max() <= 1
    assert torch.equal(photographs(size), x[: len(PHOTOGRAPHS)])
    assert torch.equal(photographs(size, 3), x[:3])
    distance = torch.cdist(x.flatten(1), x.flatten(1)) + torch.eye(20) * 1e3
    assert distance.min() > 0.01 * size, "all twenty are different pictures"


def test_the_first_crops_are_centred():
    x = photographs(LARGEST)[PHOTOGRAPHS.index("chelsea")]  # 451 x 300: nothing to shrink at this size
    whole = photograph("chelsea")[0]
    assert torch.equal(x, whole[:, :, 76:376])
    half = photographs(256)[PHOTOGRAPHS.index("astronaut")]  # 512 x 512
    assert half.mean() == pytest.approx(photograph("astronaut").mean().item(), abs=2e-3)


@pytest.mark.parametrize("size", [301, 1024])
def test_sizes_beyond_the_photographs_name_the_largest(size):
    with pytest.raises(ValueError, match="largest is 300"):
        photographs(size)


@pytest.mark.parametrize("arguments", [{"size": 0}, {"size": 64.0}, {"count": 0}, {"count": 2.5}, {"count": True}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer"):
        photographs(**{"size": 64, **arguments})


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match="did you mean 'astronaut'"):
        photograph("astronaut.png")


def likeness(x, mean):
    """Correlation of the inner parts, where eyes, nose and mouth lie, in gray."""
    inner = [image.mean((0, 1))[14:58, 12:52].flatten() for image in (x, mean)]
    return torch.corrcoef(torch.stack(inner))[0, 1].item()


def test_the_portrait_is_framed_as_the_prior_learnt_faces():
    G, _ = load_prior("faces64")
    codes = torch.randn(64, G.style_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean = from_signed(G(G.mapping(codes))).mean(0, keepdim=True)
    x = portrait(64)
    assert x.shape == (1, 3, 64, 64) and x.min() >= 0 and x.max() <= 1
    moved = [x.roll(shift, (2, 3)) for shift in ((6, 0), (-6, 0), (0, 6), (0, -6))]
    assert likeness(x, mean) > 0.4
    assert max(likeness(each, mean) for each in moved) < 0.35
    with pytest.raises(ValueError, match="size must be an integer of at least 1 pixel, got 0"):
        portrait(0)
