"""Adaptive augmentation: the published numbers, exact laws of the resampling, derivatives of both orders, resume."""

import math

import numpy as np
import pytest
import torch

from ganprior_null.training import step_generator
from ganprior_null.training.augment import AdaptiveProbability, _Sample, augment, draw_transforms, recolour, warp

EYE3, EYE4 = torch.eye(3, dtype=torch.float64), torch.eye(4, dtype=torch.float64)


@pytest.fixture
def vectors(shared):
    return np.load(shared / "parity" / "sg2_ada.npz")


def test_the_published_trajectory_of_p(vectors):
    ada = AdaptiveProbability(target=0.6, images=2000, every=8)
    for scores, p, r in zip(torch.from_numpy(vectors["preds"]), vectors["p"], vectors["r_t"], strict=True):
        ada.update(float(scores.sign().sum()), len(scores))
        assert ada.p == pytest.approx(p, abs=1e-9) and ada.r == pytest.approx(r, abs=1e-9)
    assert vectors["p"].max() > 0.05 and ada.p == 0.0  # it went up and came down again


def test_published_images_with_given_matrices(vectors):
    """Tolerance of the stored vectors: 1e-4 (their float32 against float64)."""
    x, back, colour, both, moved, coloured = (
        torch.from_numpy(vectors[k]) for k in ("img", "G", "C", "augmented", "affine_only", "color_only")
    )
    torch.testing.assert_close(warp(x, back), moved, rtol=0, atol=1e-4)
    torch.testing.assert_close(recolour(x, colour), coloured, rtol=0, atol=1e-4)
    torch.testing.assert_close(augment(x, back, colour), both, rtol=0, atol=1e-4)
    assert (warp(x, torch.linalg.inv(back)) - moved).abs().max() > 0.1  # the other direction is another map


def test_whole_pixels_are_moved_and_mirrored_exactly():
    """The wavelet filter is orthonormal: what lands on the grid is not resampled (12 digits of taps: 1e-9)."""
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp(x, EYE3.expand(2, 3, 3)), x, rtol=0, atol=1e-9)
    back = EYE3.repeat(2, 1, 1)
    back[0, 0, 2], back[1, 1, 2] = 2, -3
    moved = warp(x, back)
    torch.testing.assert_close(moved[0], torch.cat([x[0, :, :, 2:], x[0, :, :, 5:7].flip(-1)], -1), rtol=0, atol=1e-9)
    torch.testing.assert_close(moved[1], torch.cat([x[1, :, 1:4].flip(-2), x[1, :, :5]], -2), rtol=0, atol=1e-9)
    back[0, 0, 2] = 2.5  # the control: half a pixel further is another image
    assert (warp(x, back)[0] - moved[0]).abs().max() > 0.1


def test_a_quarter_turn_turns():
    """The centre of sym6 lies a little off, which a turn shows: a tenth of a pixel at the steepest slope, 0.25."""
    rows, columns = torch.meshgrid(*(torch.arange(16, dtype=torch.float64),) * 2, indexing="ij")
    x = torch.exp(-((rows - 5) ** 2 + (columns - 9) ** 2) / 12).expand(1, 3, 16, 16)
    quarter = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]], dtype=torch.float64)  # rows run downwards
    torch.testing.assert_close(warp(x, quarter), x.rot90(1, (2, 3)), rtol=0, atol=0.025)
    assert (warp(x, quarter) - x.rot90(-1, (2, 3))).abs().max() > 0.5


def test_first_and_second_derivatives():
    back, colour = draw_transforms(1.0, 1, 4, torch.Generator().manual_seed(3))
    x = torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, back, colour), x)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, back, colour).sin(), x)


def test_r1_goes_through_the_augmentation():
    """For D(x) = <c, x>^2 / 2 after a linear T, the penalty |grad|^2 has a gradient known in closed form."""
    back, colour = draw_transforms(1.0, 1, 6, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(0)
    x, c = (torch.rand(1, 3, 6, 6, dtype=torch.float64, generator=generator) for _ in range(2))
    x.requires_grad_()
    inner = (augment(x, back, colour) * c).sum()
    (grad,) = torch.autograd.grad(inner.square() / 2, x, create_graph=True)
    (second,) = torch.autograd.grad(grad.square().sum(), x)
    (row,) = torch.autograd.grad((augment(x, back, colour) * c).sum(), x)  # T' c
    torch.testing.assert_close(second, 2 * inner.detach() * row.square().sum() * row)
    assert row.abs().max() > 0.1


def test_transforms_are_drawn_with_probability_p():
    def draw(p, count=4000):
        return draw_transforms(p, count, 64, torch.Generator().manual_seed(0))

    back, colour = draw(0.0)
    assert torch.equal(back, EYE3.expand_as(back)) and torch.equal(colour, EYE4.expand_as(colour))
    for p in (0.2, 1.0):
        back, colour = draw(p)
        # a flip shows in the sign of the determinant: p/2, within four standard deviations (0.03)
        assert float((back[:, :2, :2].det() < 0).double().mean()) == pytest.approx(p / 2, abs=0.03)
        gray = torch.full((3,), 1 / math.sqrt(3), dtype=torch.float64)  # a luma flip turns the gray axis round
        assert float(((colour[:, :3, :3] @ gray) @ gray < 0).double().mean()) == pytest.approx(p / 2, abs=0.03)
        untouched = (back == EYE3).flatten(1).all(1).double().mean()
        assert (untouched > 0.2) if p == 0.2 else (untouched == 0)
    assert not torch.equal(back[0], back[1])
    again, _ = draw_transforms(1.0, 4000, 64, step_generator(0, 7, "augment"))
    assert torch.equal(again, draw_transforms(1.0, 4000, 64, step_generator(0, 7, "augment"))[0])
    assert not torch.equal(again, draw_transforms(1.0, 4000, 64, step_generator(0, 8, "augment"))[0])


def test_all_four_quarter_turns_occur(monkeypatch):
    """With every other transform off, the turns are the four quarter turns, each as often as the others."""
    from ganprior_null.training import augment as module

    kept = module._Draw.sometimes
    calls = []

    def only_the_second(self, matrices, p=None):
        calls.append(None)
        return kept(self, matrices, 1.0 if len(calls) == 2 else 0.0)

    monkeypatch.setattr(module._Draw, "sometimes", only_the_second)
    back, _ = draw_transforms(1.0, 4000, 64, torch.Generator().manual_seed(0))
    quarters = (torch.atan2(back[:, 1, 0], back[:, 0, 0]) / (math.pi / 2)).round().long() % 4
    counts = torch.bincount(quarters, minlength=4)
    assert ((counts > 850) & (counts < 1150)).all()  # 1000 each, four standard deviations are 110


def test_hue_and_saturation_keep_gray():
    _, colour = draw_transforms(1.0, 50, 64, torch.Generator().manual_seed(0))
    gray = torch.linspace(-1, 1, 5, dtype=torch.float64).expand(50, 3, 1, 5)
    out = recolour(gray, colour)
    torch.testing.assert_close(out[:, :1].expand_as(out), out)
    red = torch.tensor([1.0, 0, 0], dtype=torch.float64).view(1, 3, 1, 1).expand(50, 3, 1, 1)
    assert recolour(red, colour).std(1).min() > 0.01  # a colour stays one


@pytest.mark.parametrize("wrong", [{"target": 0.0}, {"target": 1.5}, {"images": 0}, {"every": 0}])
def test_a_controller_that_cannot_work_is_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        AdaptiveProbability(**{"target": 0.6, "images": 1000, "every": 4} | wrong)


def test_resampling_under_transforms():
    x, v = (torch.randn(3, 2, 1, 5, 4, dtype=torch.float64) for _ in range(2))
    places = 1.6 * torch.rand(2, 3, 2, 2, dtype=torch.float64) - 0.8
    sample = lambda x: _Sample.apply(x, places)  # noqa: E731
    assert torch.equal(torch.func.vmap(sample)(x), torch.stack([sample(image) for image in x]))
    _, tangent = torch.func.jvp(sample, (x[0],), (v[0],))
    torch.testing.assert_close(tangent, sample(v[0]), rtol=0, atol=1e-14)
    reverse = torch.func.jacrev(sample)(x[0])
    torch.testing.assert_close(reverse, torch.func.jacfwd(sample)(x[0]), rtol=0, atol=1e-14)
    torch.testing.assert_close((reverse * v[0]).sum((-1, -2, -3, -4)), sample(v[0]), rtol=0, atol=1e-14)
    leaf = x[0].clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: sample(x).sin(), leaf, check_fwd_over_rev=True)
