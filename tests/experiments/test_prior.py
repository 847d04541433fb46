"""The factory: what a prior is trained on."""

import pytest
import torch

from ganprior_null.data import load_pack
from ganprior_null.experiments.prior import flipped_batches, training_images


def test_drawn_faces_without_a_folder():
    x = training_images(None, 16, drawn=5)
    assert x.shape == (5, 3, 16, 16) and x.dtype == torch.uint8


def test_a_pack_gives_its_training_people_cropped(shared):
    folder = shared / "data" / "faces_color64"
    whole, cropped = training_images(folder, 64), training_images(folder, 64, margin=6)
    assert whole.shape == cropped.shape and 0.8 < len(whole) / len(load_pack(folder).images) < 1
    centre = torch.nn.functional.interpolate(whole[:8, :, 6:58, 6:58].float(), (64, 64), mode="bicubic")
    assert (cropped[:8].float() - centre).abs().mean() < 1  # gray levels
    assert (whole[:8].float() - centre).abs().mean() > 5
    with pytest.raises(ValueError, match="margin must leave something of 64 pixels, got 32"):
        training_images(folder, 64, margin=32)


def test_batches_are_addressed_mirrored_by_halves_and_signed():
    ramp = torch.arange(8, dtype=torch.uint8).expand(1, 3, 8, 8) * 36  # brighter to the right
    images_at = flipped_batches(ramp, 64, seed=0)
    x = images_at(3)
    assert torch.equal(x, images_at(3)) and not torch.equal(x, images_at(4))
    mirrored = x[:, 0, 0, 0] > x[:, 0, 0, -1]
    assert 16 < int(mirrored.sum()) < 48
    assert float(x.min()) == -1.0 and 0.97 < float(x.max()) < 1.0
