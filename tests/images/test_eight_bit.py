"""to_uint8_consistent: block sums exact in integers, nearest possible, for any x."""

import itertools

import numpy as np
import pytest
import torch

from ganprior_null import AveragePool, project_box, to_uint8_consistent
from ganprior_null.images import from_uint8, load_image, to_uint8
from ganprior_null.images.box import to_blocks


def eight_bit_y(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def noisy(*shape, spread=0.5, seed=1):
    return 0.5 + spread * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def block_sums(q, factor):
    return to_blocks(q.long(), factor).sum(-1)


def reproduced(x8, y8, factor):
    """Share of LR pixels that come back when the file is pooled and rounded, what a user of the file sees."""
    return (to_uint8(AveragePool(factor)(from_uint8(x8).double())) == y8).double().mean().item()


INPUTS = {
    "near": lambda: noisy(2, 3, 16, 24, spread=0.05),
    "noisy": lambda: noisy(2, 3, 16, 24, spread=0.5),
    "N(0, 100)": lambda: noisy(2, 3, 16, 24, spread=100.0),
    "1e30": lambda: noisy(2, 3, 16, 24, spread=1e30),
    "8-bit": lambda: from_uint8(eight_bit_y(2, 3, 16, 24, seed=2)),
    "constant": lambda: torch.full((2, 3, 16, 24), 0.2),
    "black": lambda: torch.zeros(2, 3, 16, 24),
    "float64": lambda: noisy(2, 3, 16, 24).double(),
    "bfloat16": lambda: noisy(2, 3, 16, 24).bfloat16(),
}


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("case", INPUTS)
def test_block_sums_are_exact_integers_for_any_input(case, factor):
    y8 = eight_bit_y(2, 3, 16 // factor, 24 // factor)
    y8[0, 0, 0, 0], y8[0, 0, 0, -1] = 0, 255
    x = INPUTS[case]()
    q = to_uint8_consistent(x, y8, factor)
    assert q.dtype == torch.uint8 and q.shape == x.shape
    assert torch.equal(block_sums(q, factor), factor**2 * y8.long())
    z = 255 * project_box(x.double(), y8.double() / 255, factor)
    assert (q - z).abs().max() < 1 + 1e-9  # one of the two neighbours


def test_ordinary_rounding_fails_the_same_check():
    y8 = eight_bit_y(2, 3, 2, 3)
    rounded = to_uint8(AveragePool(8).enforce(noisy(2, 3, 16, 24), from_uint8(y8)))
    assert not torch.equal(block_sums(rounded, 8), 64 * y8.long())


def test_float_and_uint8_y_agree():
    y8, x = eight_bit_y(1, 3, 4, 4), noisy(1, 3, 16, 16)
    q = to_uint8_consistent(x, y8, 4)
    assert torch.equal(to_uint8_consistent(x, from_uint8(y8), 4), q)
    assert torch.equal(to_uint8_consistent(x, y8.double() / 255, 4), q)


@pytest.mark.parametrize("seed", range(8))
def test_no_consistent_8_bit_image_is_nearer_by_brute_force(seed):
    """All 2 x 2 blocks of integers within 5 levels of z: none with the right sum is nearer, to z or to x itself."""
    x = noisy(1, 1, 2, 2, spread=(0.01, 0.3, 1.0)[seed % 3], seed=seed).double()
    y8 = eight_bit_y(1, 1, 1, 1, seed=seed) if seed % 2 else torch.full((1, 1, 1, 1), 3, dtype=torch.uint8)
    z = 255 * project_box(x, y8.double() / 255, 2).flatten()
    q = to_uint8_consistent(x, y8, 2).flatten().double()
    ranges = [range(max(0, int(v) - 5), min(255, int(v) + 5) + 1) for v in z]
    candidates = torch.tensor([c for c in itertools.product(*ranges) if sum(c) == 4 * int(y8)], dtype=torch.float64)
    assert len(candidates) > 1  # else there is no choice to get wrong
    for target in (z, 255 * x.flatten()):
        distances = (candidates - target).square().sum(1)
        assert (q - target).square().sum() <= distances.min() * (1 + 1e-12)


def test_ties_are_spread_over_the_block():
    """In a flat 8-bit block all pixels lack the same part: the 16 of 64 that go up must not fill two rows."""
    x = torch.full((1, 1, 8, 8), 100 / 255, dtype=torch.float64)
    x[..., 0, 0] = 84 / 255  # so that 16 / 64 of a level is missing
    q = to_uint8_consistent(x, torch.full((1, 1, 1, 1), 100, dtype=torch.uint8), 8)[0, 0]
    up = (q == 101) | (q == 85)
    assert up.sum() == 16 and up.sum(0).max() <= 3 and up.sum(1).max() <= 3


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (lambda x, y: (x, from_uint8(y) + 1e-3, 4), ValueError, "48 of 48 values are no multiples of 1/255"),
        (lambda x, y: (x, torch.full((1, 3, 4, 4), 256 / 255), 4), ValueError, r"outside \[0, 1\]"),
        (lambda x, y: (x, torch.full((1, 3, 4, 4), float("nan")), 4), ValueError, "y holds .* NaN"),
        (lambda x, y: (x * float("inf"), y, 4), ValueError, "the image holds .* NaN or infinite"),
        (lambda x, y: (x, y.int(), 4), TypeError, "uint8, or floating point"),
        (lambda x, y: (x.byte(), y, 4), TypeError, "from_uint8"),
        (lambda x, y: (x, y, 8), ValueError, r"has \(1, 3, 2, 2\) block means"),
        (lambda x, y: (x, y, 3), ValueError, "multiples of factor 3"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        to_uint8_consistent(*arguments(noisy(1, 3, 16, 16), eight_bit_y(1, 3, 4, 4)))


def test_clamp_and_round_lose_an_early_prediction_box_and_exact_rounding_keep_it():
    """Appendix B without the published images: a smooth picture plus N(0, 0.3)."""
    ramp = torch.linspace(0, 1, 16 * 24).reshape(1, 1, 16, 24).expand(1, 3, 16, 24)
    y8 = to_uint8(ramp)
    x_r = torch.nn.functional.interpolate(ramp, scale_factor=8) + noisy(1, 3, 128, 192, spread=0.3) - 0.5
    plain = to_uint8(AveragePool(8).enforce(x_r, from_uint8(y8)))
    assert reproduced(plain, y8, 8) < 0.5
    assert reproduced(to_uint8_consistent(x_r, y8, 8), y8, 8) == 1


@pytest.mark.parametrize("name", ["00001", "00006"])
def test_published_results_plus_noise(shared, name):
    """Panini 16x plus N(0, 0.3), a stand-in for early training: PD, clamp, 8 bits against box and exact rounding."""
    folder = shared / "data/panini_16x"
    y8 = to_uint8(load_image(folder / f"SR/{name}.png"))
    x_r = load_image(folder / f"SR_result/{name}.png")
    x_r = x_r + 0.3 * torch.randn(x_r.shape, generator=torch.Generator().manual_seed(int(name)))
    plain = to_uint8(AveragePool(16).enforce(x_r, from_uint8(y8)))
    assert reproduced(plain, y8, 16) < 0.10
    q = to_uint8_consistent(x_r, y8, 16)
    assert reproduced(q, y8, 16) == 1
    assert torch.equal(block_sums(q, 16), 256 * y8.long())


def test_parity_vector(shared):
    """The stored prototype breaks ties by raster order, so compare what the rule fixes: sums and distance."""
    stored = np.load(shared / "parity/ops/box_projection.npz")
    x, y8, z = torch.from_numpy(stored["x"]), torch.from_numpy(stored["Y8"]).byte(), torch.from_numpy(stored["z"])
    theirs = torch.from_numpy(stored["q_largest_remainder"])
    q = to_uint8_consistent(x, y8, 4)
    assert torch.equal(block_sums(q, 4), block_sums(theirs, 4))
    assert abs((q - 255 * z).norm() - (theirs - 255 * z).norm()) < 1e-9
