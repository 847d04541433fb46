"""The factory: what a prior is trained on."""

from types import SimpleNamespace

import pytest
import torch

from ganprior_null.data import Held, face_factors, faces, load_pack
from ganprior_null.data.image_sets import Drawn, all_of
from ganprior_null.experiments.prior import flipped_batches, training_images
from ganprior_null.images import to_uint8
from ganprior_null.training.loader import Batches


def test_drawn_faces_without_a_folder():
    x = training_images(None, 16, drawn=5).images
    assert x.held and torch.equal(all_of(x), to_uint8(faces(5, 16)))
    assert torch.equal(Drawn(face_factors(5), 16).__getitems__([3, 1]), all_of(x)[[3, 1]])  # of larger ones: when asked


def test_a_pack_gives_its_training_people_cropped(shared):
    folder = shared / "data" / "faces_color64"
    whole, cropped = (all_of(training_images(folder, 64, margin=margin).images) for margin in (0, 6))
    assert whole.shape == cropped.shape and 0.8 < len(whole) / len(load_pack(folder).images) < 1
    centre = torch.nn.functional.interpolate(whole[:8, :, 6:58, 6:58].float(), (64, 64), mode="bicubic")
    assert (cropped[:8].float() - centre).abs().mean() < 1  # gray levels
    assert (whole[:8].float() - centre).abs().mean() > 5
    with pytest.raises(ValueError, match="margin must leave something of 64 pixels, got 32"):
        training_images(folder, 64, margin=32)


def test_batches_are_addressed_mirrored_by_halves_and_signed():
    ramp = torch.arange(8, dtype=torch.uint8).expand(1, 3, 8, 8) * 36  # brighter to the right
    alone = SimpleNamespace(global_rank=0, world_size=1, device=torch.device("cpu"))
    images_at = flipped_batches(Batches(Held(ramp), 64, seed=0), 64, 0, alone)
    x = images_at(3)
    assert torch.equal(x, images_at(3)) and not torch.equal(x, images_at(4))
    mirrored = x[:, 0, 0, 0] > x[:, 0, 0, -1]
    assert 16 < int(mirrored.sum()) < 48
    assert float(x.min()) == -1.0 and 0.97 < float(x.max()) < 1.0
    second = SimpleNamespace(global_rank=1, world_size=2, device=torch.device("cpu"))
    share = flipped_batches(Batches(Held(ramp), 64, seed=0, rank=1, world=2), 64, 0, second)
    assert torch.equal(share(3), x[1::2])  # a process makes its own share alone
