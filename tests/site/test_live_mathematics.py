"""What the live figures compute in the browser is what the package computes, in float64, on random input."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, BlurDownsample, Matrix, enforce_consistency
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.widgets.live import LiveKernel, LiveMatrix, LivePD, LiveWalk
from ganprior_null.widgets.live.walk import codes, contact_sheet

# sums of at most a few thousand products of order 1 in float64: rounding stays a thousand times below
CLOSE = {"rtol": 1e-9, "atol": 1e-9}

CALL = """async ([text, name, values]) => {
    const plain = (v) => v instanceof Float64Array ? [...v] : Array.isArray(v) ? v.map(plain)
        : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, w]) => [k, plain(w)])) : v;
    const typed = (v) => v && v.data ? { ...v, data: Float64Array.from(v.data) }
        : v && v.weights ? { ...v, weights: Float64Array.from(v.weights) } : v;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    return plain((await import(address))[name](...values.map(typed)));
}"""


@pytest.fixture(scope="module")
def call(browser):
    """call(figure class, exported function, *arguments) in a page without a network."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    yield lambda figure, name, *values: page.evaluate(CALL, [figure._esm, name, list(values)])
    context.close()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def uniform(*shape, generator) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=generator)


def image(x: torch.Tensor) -> dict:
    """(1, C, H, W) -> the form of an image in JavaScript."""
    _, c, h, w = x.shape
    return {"data": x.flatten().tolist(), "c": c, "h": h, "w": w}


def tensor(v: dict) -> torch.Tensor:
    return torch.tensor(v["data"], dtype=torch.float64).reshape(1, v["c"], v["h"], v["w"])


@pytest.mark.parametrize("factor", [2, 4, 8, 16])
def test_pooling_and_its_pseudo_inverse(call, generator, factor):
    x = uniform(1, 3, 32, 48, generator=generator)
    A = AveragePool(factor)
    torch.testing.assert_close(tensor(call(LivePD, "pool", image(x), factor)), A(x), **CLOSE)
    torch.testing.assert_close(tensor(call(LivePD, "repeat", image(A(x)), factor)), A.pinv(A(x)), **CLOSE)


def test_a_wrong_program_is_noticed(call, generator):
    class Wrong:
        _esm = LivePD._esm.replace("data[i] / (s * s)", "data[i] / (s * s + 1e-6)")

    x = uniform(1, 3, 32, 48, generator=generator)
    assert not torch.allclose(tensor(call(Wrong, "pool", image(x), 2)), AveragePool(2)(x), **CLOSE)


def test_consistency(call, generator):
    x, x_r = uniform(2, 1, 3, 32, 48, generator=generator)
    A = AveragePool(8)
    once = tensor(call(LivePD, "combine", image(A(x)), image(x_r), 8, 1))
    torch.testing.assert_close(once, enforce_consistency(x_r, A(x), A), **CLOSE)
    half = tensor(call(LivePD, "combine", image(A(x)), image(x_r), 8, 0.5))
    torch.testing.assert_close(half, A.pinv(A(x)) + 0.5 * A.project_null(x_r), **CLOSE)
    assert (half - once).abs().max() > 0.1  # the comparison can tell them apart


def test_bicubic(call, generator):
    for shape, size in (((6, 4), (48, 32)), ((64, 64), (80, 16)), ((1, 2), (16, 32))):
        y = uniform(1, 3, *shape, generator=generator)
        ours = tensor(call(LivePD, "bicubic", image(y), *size))
        torch.testing.assert_close(ours, F.interpolate(y, size, mode="bicubic"), **CLOSE)


def test_eight_bits(call, generator):
    halves = (torch.arange(255, dtype=torch.float64) + 0.5) / 255  # where rounding up and rounding to even differ
    x = torch.cat([halves, uniform(1000, generator=generator) * 3 - 1]).reshape(1, 1, 1, -1)
    theirs = from_uint8(to_uint8(x)).double()
    ours = tensor(call(LivePD, "toEightBits", image(x)))
    assert (255 * ours - 255 * theirs).abs().max() < 1e-4  # from_uint8 answers in float32; a level is 1


def test_noise_is_uniform_and_follows_its_seed(call):
    shape = {"c": 3, "h": 64, "w": 64}
    first, again, other = (tensor(call(LivePD, "noise", shape, seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() < 1
    n = first.numel()
    assert abs(first.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5  # five standard errors


def test_gap(call, generator):
    a, b = uniform(2, 1, 3, 5, 7, generator=generator)
    found = call(LivePD, "gap", image(a), image(b))
    assert found["largest"] == pytest.approx(float((a - b).abs().max()), rel=1e-12)
    assert found["meanSquare"] == pytest.approx(float((a - b).square().mean()), rel=1e-12)


def matrices(generator):
    """Random rows; and of rank 1 and 0, on the grid on which the reader moves them."""
    yield from (torch.randn(rows, 2, dtype=torch.float64, generator=generator) for rows in (1, 2) for _ in range(20))
    for _ in range(50):
        a, b, c = (torch.randint(-38, 39, (3,), generator=generator) / 20).tolist()
        yield torch.tensor([[a, b], [c * a, c * b]], dtype=torch.float64)
        row = torch.randint(-12, 13, (2,), generator=generator)
        yield torch.stack([row, 3 * row]).double() * 0.05
    yield torch.zeros(1, 2)
    yield torch.zeros(2, 2)
    yield torch.tensor([[0.0, 0.0], [0.3, -0.1]])


def test_matrix(call, generator):
    ranks = set()
    for matrix in matrices(generator):
        A = Matrix(matrix)
        x = torch.randn(1, 2, dtype=torch.float64, generator=generator)
        rows = A.matrix.tolist()
        assert call(LiveMatrix, "rank", rows) == A.rank
        ranks.add(A.rank)
        found = call(LiveMatrix, "decompose", rows, x[0].tolist())
        close = {"rtol": 1e-9, "atol": 1e-9 * max(1, float(A.inverse.norm()))}
        inverse = torch.tensor(call(LiveMatrix, "pinv", rows), dtype=torch.float64)
        torch.testing.assert_close(inverse, A.inverse, **close)
        for key, expected in (("y", A(x)), ("range", A.project_range(x)), ("nullPart", A.project_null(x))):
            torch.testing.assert_close(torch.tensor([found[key]], dtype=torch.float64), expected, **close)
    assert ranks == {0, 1, 2}


def gaussian_path(width, angle, eccentricity, motion, side):
    """The kernel as its formula says, summed over shifts of the Gaussian's density."""
    turn, across = np.deg2rad(angle), width * np.sqrt(1 - eccentricity**2)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    precision = axes.T @ np.diag([1 / width**2, 1 / across**2]) @ axes
    row, column = np.mgrid[:side, :side] - (side - 1) / 2
    weights = np.zeros((side, side))
    for shift in np.linspace(-motion / 2, motion / 2, 33):
        d = np.stack([column, -row], -1) - shift * axes[0]
        weights += np.exp(-0.5 * np.einsum("ija,ab,ijb->ij", d, precision, d)) / (2 * np.pi * width * across) / 33
    return weights


@pytest.mark.parametrize("settings", [(1.5, 30, 0.8, 0), (0.4, 0, 0, 0), (4, 135, 0.95, 16), (2, 70, 0.5, 7)])
def test_kernel(call, settings):
    found = call(LiveKernel, "kernel", *settings, 24)
    expected = gaussian_path(*settings, 24)
    weights = np.reshape(found["weights"], (24, 24))
    np.testing.assert_allclose(found["sum"], expected.sum(), rtol=1e-9)
    np.testing.assert_allclose(weights, expected / expected.sum(), atol=1e-9)
    assert abs(weights.sum() - 1) < 1e-12


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("side", [7, 24])
def test_blur(call, generator, factor, side):
    x, k = uniform(1, 3, 32, 48, generator=generator), uniform(side, side, generator=generator)
    k /= k.sum()
    A = BlurDownsample(k, factor, (32, 48), rtol=1e-13)  # no frequency cut: the plain blur
    kernel = {"weights": k.flatten().tolist(), "side": side}
    torch.testing.assert_close(tensor(call(LiveKernel, "blurDownsample", image(x), kernel, factor)), A(x), **CLOSE)


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("wide", [False, True])
def test_the_pseudo_inverse_of_a_blur(call, generator, factor, wide):
    """Also of one so wide that frequencies are cut: which, and how many, is the package's choice."""
    k = torch.tensor(gaussian_path(4 if wide else 1, 30, 0.5, 0, 24))
    k /= k.sum()
    A = BlurDownsample(k, factor, (32, 48))
    y = A(uniform(1, 3, 32, 48, generator=generator))
    kernel = {"weights": k.flatten().tolist(), "side": 24}

    class Both:
        _esm = f"""{LiveKernel._esm}
            export function both(k, s, y) {{
                const A = spectrum(k, s, y.h, y.w);
                return {{ x: pinv(y, A, s), kept: A.kept, condition: A.condition }};
            }}"""

    found = call(Both, "both", kernel, factor, image(y))
    assert found["kept"] == pytest.approx(A.kept) and (A.kept < 1) == (wide and factor == 2)
    torch.testing.assert_close(tensor(found["x"]), A.pinv(y), rtol=1e-6, atol=1e-6)  # rounding, 1e4 times
    singular = A.spectrum.abs().square().sum(0).sqrt()
    assert found["condition"] == pytest.approx(float(singular.max() / singular[singular > 0].min()), rel=1e-6)


def test_walk_finds_its_tile(call):
    """A sheet that a stand-in generator paints with its own code: the tile at a place holds the code of that place."""

    class Stand(torch.nn.Module):
        size, style_dim = 8, 3
        mapping = staticmethod(lambda z: z)

        def forward(self, w):
            return (w / 20)[..., None, None].expand(-1, -1, 8, 8)  # colours, within [-1, 1]

    count, psis, w_mean = 5, (0.5, 1.0), torch.tensor([1.0, 2.0, 3.0])
    sheet = contact_sheet(Stand(), w_mean, codes(3, count, seed=4), psis)
    z0, z1, z2 = torch.randn(3, 3, generator=torch.Generator().manual_seed(4))
    for level, psi in enumerate(psis):
        for across, down, a, b in ((0, 0, -1.5, 1.5), (0.5, 0.5, 0, 0), (0.99, 0.3, 1.5, 0.75), (1, 1, 1.5, -1.5)):
            place = call(LiveWalk, "nearest", across, down, count)
            corner = call(LiveWalk, "tile", level, place["row"], place["column"], count, 8)
            w = w_mean + psi * (z0 + a * z1 + b * z2 - w_mean)
            tile = sheet[:, corner["top"] : corner["top"] + 8, corner["left"] : corner["left"] + 8]
            torch.testing.assert_close(tile, ((w / 20 + 1) / 2)[:, None, None].expand(3, 8, 8))
