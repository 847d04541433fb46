"""Nobody is on both sides; packs and folders are split the same way each time."""

import pytest
import torch
import torch.nn.functional as F

from ganprior_null.data import faces, load_sides
from ganprior_null.data.image_sets import AT_ONCE, crop
from ganprior_null.images import save_image, to_uint8


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


def test_a_broken_file_moves_nobody(folder):
    whole = load_sides(folder, 16)
    (folder / "05x.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="1 unreadable: 05x.png"):
        load_sides(folder, 16)
    with pytest.warns(UserWarning, match="1 unreadable: 05x.png is not .*; left out"):
        without = load_sides(folder, 16, skip_broken=True)
    assert without[2:] == whole[2:]
    assert torch.equal(without.training, whole.training) and torch.equal(without.held_out, whole.held_out)


def test_images_enlarged_some_at_a_time_are_those_enlarged_together():
    x = to_uint8(faces(2 * AT_ONCE + 3, 24))
    together = F.interpolate(x[..., 4:20, 4:20].float() / 255, (24, 24), mode="bicubic", antialias=True)
    assert torch.equal(crop(x, 24, 4), to_uint8(together))


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
