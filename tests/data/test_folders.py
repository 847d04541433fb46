"""Folders of images: everything wrong in one message, and a split that stays."""

import os
import unicodedata

import pytest
import torch

from ganprior_null.data import load_folder, split
from ganprior_null.data.image_sets import all_of
from ganprior_null.data.sides import open_images
from ganprior_null.data.stores import open_store
from ganprior_null.images import from_uint8, load_image, save_image, to_uint8


def load_folder_uint8(path, size, skip_broken=False):
    images, names = open_images(open_store(path), size, margin=0, skip_broken=skip_broken)
    return all_of(images), names


@pytest.fixture
def folder(tmp_path):
    for i, (h, w) in enumerate([(40, 60), (64, 32), (48, 48)]):
        x = torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(i))
        save_image(x, tmp_path / f"{i}.png")
    return tmp_path


def test_images_of_one_size_come_sorted_by_name(tmp_path):
    levels = {"b.png": 51, "a.png": 102, "c.jpg": 153}
    for name, level in levels.items():
        save_image(torch.full((1, 3, 8, 8), level / 255), tmp_path / name)
    x, names = load_folder(tmp_path)
    assert names == ["a.png", "b.png", "c.jpg"] and x.shape == (3, 3, 8, 8)
    assert torch.allclose(x[:2, 0, 0, 0] * 255, torch.tensor([102.0, 51.0]))


def test_size_takes_the_centred_square(folder):
    x, names = load_folder(folder, 32)
    assert x.shape == (3, 3, 32, 32) and names == ["0.png", "1.png", "2.png"]
    assert torch.equal(x[1:2], load_image(folder / "1.png")[:, :, 16:48])  # 64 x 32 needs no shrinking
    assert x.min() >= 0 and x.max() <= 1


def test_shrinking_averages_what_a_plain_subsampling_would_alias(tmp_path):
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2  # the finest chequerboard
    save_image(board.float().expand(1, 3, 64, 64), tmp_path / "board.png")
    x, _ = load_folder(tmp_path, 16)
    assert (x[..., 1:-1, 1:-1] - 0.5).abs().max() < 1e-3


def test_unequal_sides_need_a_size(folder):
    with pytest.raises(ValueError, match=r"unequal sides.*0.png \(40 x 60\).*1.png \(64 x 32\).*give size"):
        load_folder(folder)


def test_images_are_never_enlarged(folder):
    with pytest.raises(ValueError, match=r"2 smaller than size 48: 0.png \(40 x 60\), 1.png \(64 x 32\)"):
        load_folder(folder, 48)


def test_broken_files_are_named_together_and_skipped_on_request(folder):
    (folder / "bad.png").write_bytes(b"no image")
    (folder / "worse.jpg").write_bytes(b"")
    both = r"2 unreadable: bad.png is not a readable image \(.*\); worse.jpg is not a readable image \(.*\)"
    advice = "repair or remove them, or leave them out with --skip-broken .skip_broken=True."
    with pytest.raises(ValueError, match=f"{both}; {advice}$"):
        load_folder(folder, 32)
    with pytest.warns(UserWarning, match=f"{both}; left out$"):
        x, names = load_folder(folder, 32, skip_broken=True)
    assert names == ["0.png", "1.png", "2.png"] and len(x) == 3


def test_three_of_a_thousand_broken_in_three_ways_are_one_error(tmp_path):
    """As links, so that a thousand files cost nothing."""
    save_image(torch.zeros(1, 3, 4, 4), tmp_path / "one.png")
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(997):
        (folder / f"{i:03}.png").symlink_to(tmp_path / "one.png")
    (folder / "cut.png").write_bytes((tmp_path / "one.png").read_bytes()[:40])
    (folder / "dangling.png").symlink_to("nowhere")
    (folder / "folder.png").mkdir()
    with pytest.raises(ValueError) as caught:
        load_folder_uint8(folder, 4)
    text = str(caught.value)
    assert "3 unreadable: " in text and "\n" not in text
    assert all(name in text for name in ("cut.png is not", "dangling.png", "folder.png")), text
    with pytest.warns(UserWarning, match="3 unreadable: .*; left out$"):
        assert len(load_folder_uint8(folder, 4, skip_broken=True)[1]) == 997


def test_nothing_but_broken_files_is_an_error_all_the_same(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(
        ValueError, match=r"1 unreadable: bad.png is not a readable image \(.*\)$"
    ):  # leaving them out would leave nothing
        load_folder(tmp_path, 32, skip_broken=True)


def test_images_are_rounded_one_by_one_to_what_they_are_rounded_to_together(folder):
    (folder / "10.png").write_bytes(b"no image")  # second by name: the place of those behind it moves
    for size in (32, 24):
        with pytest.warns(UserWarning, match="left out"):
            x, names = load_folder(folder, size, skip_broken=True)
        with pytest.warns(UserWarning, match="left out"):
            rounded, same = load_folder_uint8(folder, size, skip_broken=True)
        assert same == names == ["0.png", "1.png", "2.png"] and torch.equal(rounded, to_uint8(x))
    assert not torch.equal(from_uint8(rounded), x)  # the control: shrunk images are between the 8-bit levels
    with pytest.raises(ValueError, match="1 unreadable: 10.png is .*; repair"):
        load_folder_uint8(folder, 32)
    (folder / "10.png").unlink()
    with pytest.raises(ValueError, match="2 smaller than size 48: 0.png"):
        load_folder_uint8(folder, 48)


def test_bad_paths_and_sizes(tmp_path):
    with pytest.raises(NotADirectoryError):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no images"):
        load_folder(tmp_path)
    with pytest.raises(ValueError, match="size must be an integer"):
        load_folder(tmp_path, 64.0)


NAMES = [f"{i:04}.png" for i in range(2000)]


def test_split_is_a_partition_of_about_the_fraction():
    train, test = split(NAMES, 0.2)
    assert sorted(train + test) == list(range(2000))
    assert 330 < len(test) < 470  # 400 expected, standard deviation 18


def test_split_is_pinned():
    # printf ganprior-null/c | sha256sum begins with 32 1d, of g with 4f cc: below 0.33 = 54 7a; the others lie above
    assert split(list("abcdefgh"), 0.33).test == [2, 6]


def test_any_name_is_split_and_its_unicode_form_does_not_matter():
    names = [f"caf\u00e9{i}" for i in range(200)]
    assert split([unicodedata.normalize("NFD", name) for name in names]) == split(names)
    split([os.fsdecode(b"\xe9%d" % i) for i in range(200)])  # bytes that are no UTF-8


def test_a_name_keeps_its_side_when_others_come_or_go():
    test = {NAMES[i] for i in split(NAMES).test}
    fewer = NAMES[::3]
    assert {fewer[i] for i in split(fewer).test} == test & set(fewer)


def test_a_person_is_on_one_side_only():
    people = [f"person {i % 150}" for i in range(2000)]

    def shared_people(sides):
        return {people[i] for i in sides.train} & {people[i] for i in sides.test}

    assert not shared_people(split(NAMES, 0.2, people=people))
    assert shared_people(split(NAMES, 0.2))  # splitting by image would not do


@pytest.mark.parametrize("fraction", [0, 1, -0.1, float("nan")])
def test_fractions_outside_the_interval_are_refused(fraction):
    with pytest.raises(ValueError, match="fraction must be between"):
        split(NAMES, fraction)


def test_unusable_splits_are_refused():
    with pytest.raises(ValueError, match="2000 names but 1 people"):
        split(NAMES, people=["x"])
    with pytest.raises(ValueError, match="1 images to train and 0 to test"):
        split(["a"], 0.01)
