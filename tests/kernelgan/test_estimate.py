"""estimate_kernel end to end: conventions, determinism, what it says of itself, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from ganprior_null import BlurDownsample, NullSpace, estimate_kernel, psnr
from ganprior_null.data import photograph, photographs
from ganprior_null.kernelgan import (
    PUBLISHED,
    REPAIRED,
    Recipe,
    bicubic_kernel,
    estimate_kernels,
    gaussian_kernel,
    kernel_error,
    matched_gaussian,
    post_process,
)
from ganprior_null.operators import sampling_phase

QUICK = replace(REPAIRED, steps=20, starts=1, crops=2, start="bicubic")


@pytest.fixture(scope="module")
def blurred():
    """A photograph and its LR image under a long Gaussian that leans."""
    k = gaussian_kernel((3.6, 0.8), 0.6)
    x = photograph("astronaut")
    return x, BlurDownsample(k, 2, tuple(x.shape[-2:]))(x), k


@pytest.fixture(scope="module")
def estimate(blurred):
    return estimate_kernel(blurred[1][0], 2, recipe=replace(REPAIRED, steps=100, starts=2), progress=False)


def test_a_known_kernel_comes_back_in_the_convention_of_the_operator(blurred, estimate):
    """Nearer the truth than half of what bicubic misses; its mirror image, the wrong convention, is not."""
    x, y, truth = blurred
    usual = kernel_error(post_process(bicubic_kernel()), truth).l1
    assert kernel_error(estimate.kernel, truth).l1 < 0.5 * usual
    assert kernel_error(estimate.kernel.flip(0), truth).l1 > 0.5 * usual
    # the LR pixels sit where average pooling puts them
    assert max(abs(v) for v in sampling_phase(BlurDownsample(estimate.kernel, 2, 64), 64)) < 0.02
    assert max(abs(v) for v in sampling_phase(BlurDownsample(estimate.kernel_x4, 4, 64), 64)) < 0.05


def test_kernels_sum_to_one(estimate):
    assert estimate.kernel.shape == (13, 13) and estimate.kernel_x4.shape == (25, 25)
    assert abs(float(estimate.kernel.sum()) - 1) < 1e-3
    assert abs(float(estimate.kernel_x4.sum()) - 1) < 1e-3
    assert 0 < estimate.apart < 2


def test_blind_restoration_beats_the_bicubic_assumption(blurred, estimate):
    x, y, _ = blurred
    size = tuple(x.shape[-2:])

    def upsample(y):
        return torch.nn.functional.interpolate(y, size, mode="bicubic")

    found = NullSpace(upsample, estimate.operator(size))(y)
    assumed = NullSpace(upsample, BlurDownsample(bicubic_kernel(), 2, size))(y)
    assert float(psnr(found, x)) > float(psnr(assumed, x)) + 0.5


def test_same_seed_same_kernel_and_the_global_generator_is_left_alone(small_photo):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (estimate_kernel(small_photo, seed=3, recipe=QUICK, progress=False) for _ in range(2))
    assert torch.equal(one.kernel, two.kernel)
    assert torch.equal(torch.get_rng_state(), before)
    other = estimate_kernel(small_photo, seed=4, recipe=QUICK, progress=False)
    assert not torch.equal(one.kernel, other.kernel)


def test_history_holds_kernels_and_losses(small_photo):
    seen = []
    made = estimate_kernel(small_photo, steps=70, recipe=QUICK, progress=False, watch=seen.append)
    assert [shot.step for shot in made.history] == [50, 70]
    assert all(a is b for a, b in zip(seen, made.history, strict=True))
    assert made.history[0].kernel.shape == (13, 13)
    assert 0 < made.history[0].generator < 1 and 0 < made.history[0].discriminator < 1
    assert not torch.equal(made.history[0].kernel, made.history[1].kernel)


def test_an_unfinished_run_says_so(small_photo):
    made = estimate_kernel(small_photo, recipe=QUICK, progress=False)
    assert not made.converged and "still moves" in made.reason


def test_the_published_programs_silent_failure_is_said_aloud(small_photo):
    """Its penalties come on at step 400 at the earliest; until then the kernel's sum is whatever it is."""
    made = estimate_kernel(small_photo, steps=3, compatible=True, progress=False)
    assert not made.converged and "penalties never came on" in made.reason


def test_compatible_is_the_published_recipe(small_photo):
    a = estimate_kernel(small_photo, steps=3, compatible=True, progress=False)
    (b,) = estimate_kernels(small_photo, 2, [0], recipe=replace(PUBLISHED, steps=3), progress=False)
    assert torch.equal(a.kernel, b.kernel)


def test_the_published_noise_accumulates_in_its_own_copy(small_photo):
    from ganprior_null.kernelgan.duel import Duel

    kept = small_photo.clone()
    duel = Duel(small_photo, replace(PUBLISHED, steps=3, channels=8), [0])
    for _ in range(3):
        duel.step()
    assert torch.equal(small_photo, kept)
    assert not torch.equal(duel.crops[0].image, kept)
    ours = Duel(small_photo, replace(QUICK, channels=8), [0], bicubic_kernel())
    ours.step()
    assert torch.equal(ours.crops[0].image, kept)


def test_ctrl_c_gives_the_kernel_so_far(small_photo):
    def press(shot):
        raise KeyboardInterrupt

    made = estimate_kernel(small_photo, steps=500, recipe=QUICK, progress=False, watch=press)
    assert made.stopped and not made.converged
    assert "stopped by hand after 50 steps" in made.reason
    assert abs(float(made.kernel.sum()) - 1) < 1e-3


def test_a_search_that_diverges_says_so_and_leaves_a_kernel(small_photo):
    recipe = replace(QUICK, lr=1e30)
    (made,) = estimate_kernels(small_photo, 2, [0], recipe=recipe, progress=False)
    assert not made.converged and "diverged" in made.reason
    assert made.kernel.isfinite().all()


def test_gray_is_taken_three_times_and_alpha_is_dropped(small_photo):
    gray = small_photo.mean(0, keepdim=True)
    one = estimate_kernel(gray, recipe=QUICK, progress=False)
    three = estimate_kernel(gray.expand(3, -1, -1), recipe=QUICK, progress=False)
    assert torch.equal(one.kernel, three.kernel)
    rgba = torch.cat([small_photo, torch.ones_like(gray)])
    with pytest.warns(UserWarning, match="alpha channel is dropped"):
        with_alpha = estimate_kernel(rgba, recipe=QUICK, progress=False)
    assert torch.equal(with_alpha.kernel, estimate_kernel(small_photo, recipe=QUICK, progress=False).kernel)


def bad(change):
    image = photographs(96, 1)[0]
    return change(image)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (lambda x: x[None], ValueError, r"\(C, H, W\).*got shape \(1, 3, 96, 96\)"),
        (lambda x: x[:2], ValueError, r"C = 3.*got shape \(2, 96, 96\)"),
        (lambda x: (255 * x).to(torch.uint8), TypeError, "uint8"),
        (lambda x: 255 * x, ValueError, r"\[0, 1\], got values from"),
        (lambda x: x[:, :60], ValueError, r"at least 62 pixels.*\(60, 96\)"),
        (lambda x: torch.full_like(x, 0.5), ValueError, r"constant \(0.5\)"),
        (lambda x: x.clone().index_fill_(1, torch.tensor([3]), float("nan")), ValueError, "288 NaN"),
    ],
)
def test_bad_images_are_refused(image, error, message):
    with pytest.raises(error, match=message):
        estimate_kernel(bad(image), recipe=QUICK, progress=False)


@pytest.mark.parametrize("recipe", [QUICK, REPAIRED])
def test_an_image_flat_but_for_its_border_is_refused(recipe):
    image = torch.full((3, 96, 96), 0.5)
    image[:, :10] = image[:, -10:] = 0
    with pytest.raises(ValueError, match=r"constant \(0.5\) but for its border"):
        estimate_kernel(image, recipe=recipe, progress=False)
    with pytest.raises(ValueError, match=r"constant \(0.5\): it tells nothing"):
        matched_gaussian(image[:, 10:-10])


@pytest.mark.parametrize("scale", [1, 3, 8, 2.5, True, "2"])
def test_other_scales_are_refused(small_photo, scale):
    with pytest.raises(ValueError, match="scale must be 2 or 4, got"):
        estimate_kernel(small_photo, scale, recipe=QUICK, progress=False)


@pytest.mark.parametrize("steps", [0, -1, 1.5, True])
def test_steps_are_a_positive_integer(small_photo, steps):
    with pytest.raises(ValueError, match="steps must be an integer of at least 1"):
        estimate_kernel(small_photo, steps=steps, progress=False)


def test_unknown_start_is_refused(small_photo):
    with pytest.raises(ValueError, match="start must be one of matched, bicubic, small, got 'random'"):
        estimate_kernel(small_photo, recipe=Recipe(start="random"), progress=False)


def test_compatible_takes_no_other_recipe(small_photo):
    with pytest.raises(ValueError, match="give one or the other"):
        estimate_kernel(small_photo, compatible=True, recipe=QUICK, progress=False)


def test_4x_applies_the_same_kernel_twice(small_photo):
    two, four = (estimate_kernel(small_photo, scale, recipe=QUICK, progress=False) for scale in (2, 4))
    assert torch.equal(two.kernel, four.kernel)
    assert four.operator(96).factor == 4 and two.operator(96).factor == 2
