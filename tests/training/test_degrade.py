"""Degraded ground truth: the right share of the images, always the same ones in the same way, and visibly."""

import pytest
import torch

from ganprior_null.data import faces
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.training.degrade import NOISE, degrade


@pytest.fixture(scope="module")
def clean():
    return to_uint8(faces(64, 32))


def touched(a, b):
    return (a != b).flatten(1).any(1)


def test_half_of_the_images_are_degraded_and_the_others_left_alone(clean):
    share = touched(degrade(clean), clean).float().mean()
    assert 0.25 < share < 0.75  # four standard deviations of a fair coin over 64 throws
    assert touched(degrade(clean, share=1.0), clean).all() and not touched(degrade(clean, share=0.0), clean).any()


def test_image_and_seed_decide_what_happens(clean):
    found = degrade(clean)
    assert torch.equal(found, degrade(clean)) and torch.equal(found[:5], degrade(clean[:5]))
    assert touched(found, degrade(clean, seed=1)).any()


def test_the_noise_outlives_the_jpeg_file():
    grey = torch.full((16, 3, 32, 32), 128, dtype=torch.uint8)
    spread = from_uint8(degrade(grey, share=1.0)).flatten(1).std(1)
    assert (0.2 * NOISE[0] < spread).all() and (spread < 1.1 * NOISE[1]).all()  # JPEG takes away, it does not add


def test_fine_detail_is_blurred_away():
    stripes = (torch.arange(32) % 2 * 255).to(torch.uint8).expand(16, 3, 32, 32)
    contrast = from_uint8(degrade(stripes, share=1.0)).diff(dim=-1).abs().mean((1, 2, 3))
    assert (contrast < 0.6).all()  # 1 before; sampled taps of a Gaussian of 0.5 pixels leave 0.574 of it


def test_the_input_stays_as_it_was(clean):
    before = clean.clone()
    degrade(clean, share=1.0)
    assert torch.equal(before, clean)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_outside_its_range_is_refused(clean, share):
    with pytest.raises(ValueError, match=f"share must be between 0 and 1, got {share}"):
        degrade(clean, share=share)
