"""Networks in tiles: the same picture as in one piece, with the memory of a tile."""

import pytest
import torch

from ganprior_null.networks import SuperResolver, enlarge, load_network, stages
from ganprior_null.networks.rrdbnet import RRDBNet
from ganprior_null.networks.span import SPAN
from ganprior_null.networks.srvgg import SRVGG

# network, sizes, and how much larger than at the start of a training its kernels are
SMALL = {"rrdbnet": (RRDBNet, (8, 2), 3), "span": (SPAN, (8,), 2), "srvgg": (SRVGG, (8, 4), 1)}


def network(name):
    """Random weights, so large that every pixel within reach tells."""
    torch.manual_seed(0)
    build, sizes, larger = SMALL[name]
    made = SuperResolver(build(*sizes), 4).double().eval().requires_grad_(False)
    for parameter in made.parameters():
        parameter.mul_(larger if parameter.ndim == 4 else 1)
    return made


@pytest.fixture
def y():
    return torch.rand(1, 3, 70, 90, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", [*SMALL, "bicubic"])
def test_tiles_equal_the_whole(name, y):
    net = load_network("bicubic-x4") if name == "bicubic" else network(name)
    whole = net(y)
    torch.testing.assert_close(enlarge(net, y), whole, rtol=0, atol=1e-11 * whole.abs().max())
    torch.testing.assert_close(enlarge(net, y, memory_gb=1e-9), whole, rtol=0, atol=1e-11 * whole.abs().max())


@pytest.mark.parametrize("name", SMALL)
def test_a_reach_too_short_is_noticed(name, y):
    net = network(name)
    short = [stage._replace(reach=max(stage.reach - 1, 0)) for stage in net.stages()]
    net.stages = lambda: short
    assert (enlarge(net, y, memory_gb=1e-9) - net(y)).abs().max() > 1e-9 * net(y).abs().max()


def test_real_weights_in_tiles():
    net = load_network("realesrgan-video-x4")
    y = torch.rand(1, 3, 60, 50, generator=torch.Generator().manual_seed(1))
    assert (enlarge(net, y, memory_gb=0.005) - net(y)).abs().max() < 2e-5  # the rounding of float32


def test_tiles_get_smaller_where_memory_ends(y, capsys):
    def scarce(v):
        if v.shape[-1] > 40:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return 2 * v

    class Scarce(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def stages(self):
            return [stages.Stage(self.function, 1, 0, 1)]

    torch.testing.assert_close(enlarge(Scarce(scarce), y), 2 * y)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "too little memory for tiles of 90 pixels: going on with 45" and len(said) == 2

    def primitive(v):  # what oneDNN says when its kernel finds no memory
        if v.shape[-1] > 40:
            raise RuntimeError("could not create a primitive")
        return 2 * v

    torch.testing.assert_close(enlarge(Scarce(primitive), y), 2 * y)
    assert "going on with 45" in capsys.readouterr().out

    def never(v):
        raise RuntimeError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        enlarge(Scarce(never), y)

    def broken(v):
        raise RuntimeError("another fault")

    with pytest.raises(RuntimeError, match="another fault"):
        enlarge(Scarce(broken), y)


@pytest.mark.parametrize("factor", [4, 8, 16])
def test_an_esrgan_of_any_factor_is_whole_in_tiles(y, factor):
    torch.manual_seed(0)
    net = RRDBNet(4, 1, factor=factor).double().eval().requires_grad_(False)
    small = y[..., :20, :24]
    for memory in (1.5, 1e-9):
        torch.testing.assert_close(enlarge(net, small, memory_gb=memory), net(small), rtol=0, atol=1e-11)


def test_a_network_that_folds_y_or_lies_about_its_factor_is_refused(y):
    with pytest.raises(ValueError, match=r"RRDBNet of factor 2 folds y first and runs only whole: call network\(y\)"):
        enlarge(RRDBNet(4, 1, factor=2), y.float())
    liar = network("srvgg")
    told = [stage._replace(factor=2 * stage.factor) for stage in liar.stages()]
    liar.stages = lambda: told
    with pytest.raises(ValueError, match="of .* pixels, not .* times as many a side, as its stages say"):
        enlarge(liar, y)


def test_what_enlarge_makes_can_be_learnt_from_and_written_to(y):
    x_r = enlarge(load_network("bicubic-x4"), y)
    x_r.mul_(1.0)
    weight = torch.ones(3, 3, 1, 1, dtype=x_r.dtype, requires_grad=True)
    torch.nn.functional.conv2d(x_r, weight).mean().backward()
    assert weight.grad is not None


def test_one_picture_at_a_time(y):
    with pytest.raises(ValueError, match="one picture at a time"):
        enlarge(network("srvgg"), torch.cat([y, y]))
