"""The shipped feature network means something: on drawn faces anywhere, on held-out photographs where they are.

Bounds are loose readings of the model card; a network of random weights is the control and must miss them.
"""

import dataclasses

import pytest
import torch

from ganprior_null.data import face_factors, render
from ganprior_null.experiments.feature_checks import (
    damage_distances,
    identity_auc,
    jpeg,
    nearest_centroid_accuracy,
    noisy,
    upscaled,
)
from ganprior_null.experiments.features import LOOK, pack_sides
from ganprior_null.images import from_uint8
from ganprior_null.layers import FeatureNet64
from ganprior_null.losses import perceptual_loss
from ganprior_null.metrics import psnr
from ganprior_null.training.views import blurred
from ganprior_null.weights import load_features64, read_metadata, save_weights, shipped_path

PACKS = ("faces_color64", "cats64", "buildings64")


@pytest.fixture(scope="module")
def trained():
    return load_features64()


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return FeatureNet64().eval()


@pytest.fixture(scope="module")
def drawn():
    """Faces of a seed that training never saw."""
    return render(face_factors(300, seed=12), 64)


def assert_ordered(distances: dict[str, float]) -> None:
    for kind in ("blur", "noise", "upscaled"):
        levels = [value for name, value in distances.items() if name.startswith(kind)]
        assert len(levels) == 3 and distances["none"] < levels[0] < levels[1] < levels[2], (kind, distances)
    # compression was no task of the training: only the coarsest level stands clear, as the card says
    assert distances["none"] < distances["jpeg 15"], distances


def test_distance_to_damaged_drawn_faces_grows_with_the_damage(trained, drawn):
    assert_ordered(damage_distances(drawn, trained))


def test_distance_to_damaged_photographs_grows_with_the_damage(trained, untrained, shared):
    x = from_uint8(pack_sides(shared / "data" / PACKS[0]).held_out)
    distances = damage_distances(x, trained)
    assert_ordered(distances)
    control = damage_distances(x, untrained)
    for name in ("blur 1.0", "noise 0.05", "upscaled 4"):
        above = distances[name] / distances["none"] - 1
        assert above > 2 * (control[name] / control["none"] - 1) > 0, name  # random weights order damage too, weakly


def test_categories_lie_apart(trained, untrained, shared):
    sides = [pack_sides(shared / "data" / name) for name in PACKS]
    training, held_out = [from_uint8(s.training[:300]) for s in sides], [from_uint8(s.held_out) for s in sides]
    assert nearest_centroid_accuracy(training, held_out, trained) > 0.9
    assert nearest_centroid_accuracy(training, held_out, untrained) < 0.8


def test_photographs_of_one_person_lie_near(trained, untrained, shared):
    sides = pack_sides(shared / "data" / PACKS[0])
    x = from_uint8(sides.held_out)
    assert identity_auc(x, sides.held_out_names, trained) > 0.7
    assert identity_auc(x, sides.held_out_names, untrained) < 0.65


def test_two_looks_of_a_drawn_person_lie_near(trained, untrained):
    first, strangers = face_factors(100, seed=12), face_factors(100, seed=13)
    second = dataclasses.replace(first, **{name: getattr(strangers, name) for name in LOOK})
    x, people = torch.cat([render(first, 64), render(second, 64)]), [str(i) for i in range(100)] * 2
    assert identity_auc(x, people, trained) > 0.95
    assert identity_auc(x, people, untrained) < 0.8


def test_auc_counts_pairs():
    class First:
        def __call__(self, x):
            return x.flatten(1)[:, :2]

    angles = torch.tensor([0.0, 0.1, 1.0, 1.4])  # cosines fall with the difference
    x = torch.zeros(4, 3, 2, 2)
    x[:, 0, 0] = torch.stack([angles.cos(), angles.sin()], 1)
    # same: 0.1 and 0.4; different: 1.0, 1.4, 0.9, 1.3: every one farther
    assert identity_auc(x, ["a", "a", "b", "b"], First()) == 1.0
    # same: (0, 2) 1.0 and (1, 3) 1.3; different: 0.1, 1.4, 0.9, 0.4: one of four is farther than each
    assert identity_auc(x, ["a", "b", "a", "b"], First()) == 0.25
    assert identity_auc(x[:1].expand(4, -1, -1, -1), ["a", "a", "b", "b"], First()) == 0.5
    with pytest.raises(ValueError, match="nobody appears twice among the 4 images"):
        identity_auc(x, ["a", "b", "c", "d"], First())


def test_damages_do_what_they_say(drawn):
    x = drawn[:4]
    assert (psnr(jpeg(x, 90), x) > psnr(jpeg(x, 10), x)).all() and (psnr(jpeg(x, 10), x) > 15).all()
    assert abs(float((noisy(x, 0.1) - x).std()) - 0.1) < 0.002
    torch.testing.assert_close(upscaled(torch.ones_like(x), 8), torch.ones_like(x))


def test_the_perceptual_loss_prefers_the_nearer_image(trained, drawn):
    x = drawn[:16]
    for change in (lambda s: blurred(x, x.new_full((16,), s)), lambda s: noisy(x, s / 10)):
        losses = [perceptual_loss(change(s), x, trained).item() for s in (0.5, 1.0, 2.0)]
        assert 0 < losses[0] < losses[1] < losses[2]


def test_the_file_says_where_it_comes_from():
    metadata = read_metadata(shipped_path("features64"))
    assert metadata["experiment"] == "features" and metadata["steps"] > 0 and "commit" in metadata
    card = shipped_path("features64").with_suffix(".md").read_text("utf-8")
    for heading in ("## Training", "## Measured", "## Use", "## Limits", "## Licence"):
        assert heading in card
    assert shipped_path("features64").stat().st_size < 4 * 2**20


def test_another_network_is_refused(tmp_path, trained):
    tensors = trained.state_dict()
    tensors["embed.bias"] = torch.zeros(64)
    save_weights(tmp_path / "other.safetensors", tensors, {})
    with pytest.raises(ValueError, match=r"other.safetensors holds no FeatureNet64: .* mismatched \(such as embed"):
        load_features64(tmp_path / "other.safetensors")
    assert not trained.training and not any(p.requires_grad for p in trained.parameters())
