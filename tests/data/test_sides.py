"""Nobody is on both sides; packs and folders are split the same way each time."""

import pytest
import torch

from ganprior_null.data import faces, load_sides
from ganprior_null.images import save_image


@pytest.fixture
def folder(tmp_path):
    for i, x in enumerate(faces(40, 32)):
        save_image(x, tmp_path / f"{i:02d}.png")
    return tmp_path


def test_a_folder_is_split_by_name_and_every_image_kept(folder):
    sides = load_sides(folder, 16)
    assert len(sides.training) + len(sides.held_out) == 40 and len(sides.held_out) >= 1
    assert sides.training.shape[1:] == (3, 16, 16) and sides.training.dtype == torch.uint8
    assert not set(sides.training_names) & set(sides.held_out_names)


def test_images_that_join_move_nobody(folder):
    before = set(load_sides(folder, 16).held_out_names)
    for i, x in enumerate(faces(10, 32, seed=1)):
        save_image(x, folder / f"new{i}.png")
    after = set(load_sides(folder, 16).held_out_names)
    assert before <= after and all(name.startswith("new") for name in after - before)


def test_no_person_of_the_faces_is_on_both_sides(shared):
    sides = load_sides(shared / "data" / "faces_color64", 64, margin=6)
    assert not set(sides.training_names) & set(sides.held_out_names)
    assert len(sides.training) == len(sides.training_names) and 400 < len(sides.held_out) < 1000
    # a split by image instead would part people: negative control
    assert len(set(sides.held_out_names)) < len(sides.held_out)


@pytest.mark.parametrize("margin", [-1, 8])
def test_a_margin_that_leaves_nothing_is_refused(folder, margin):
    with pytest.raises(ValueError, match=f"margin must leave something of 16 pixels, got {margin}"):
        load_sides(folder, 16, margin=margin)
