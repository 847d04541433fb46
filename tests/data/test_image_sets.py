"""Images that are decoded when asked for are those in memory, whatever holds them; what is wrong is said at once."""

import io
import json
import tarfile

import pytest
import torch

from ganprior_null.data import faces, load_sides, open_sides, sides
from ganprior_null.data.checked import look_through
from ganprior_null.data.image_sets import Decoded, all_of
from ganprior_null.data.sides import fingerprint
from ganprior_null.data.stores import open_store
from ganprior_null.images import save_image

COUNT = 60


@pytest.fixture
def folder(tmp_path):
    """FFHQ's layout: sub-folders by the thousand, here by ten."""
    for i, x in enumerate(faces(COUNT, 32)):
        save_image(x, tmp_path / "faces" / f"{i // 10:02}000" / f"{i:05}.png")
    return tmp_path / "faces"


@pytest.fixture
def decoded(monkeypatch):
    """As for data larger than memory."""
    monkeypatch.setattr(sides, "HELD", 1000)


def shard(path, folder, names):
    """A tar file as webdataset writes it: images and their captions."""
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.add(folder / name, name)
            caption = tarfile.TarInfo(name.replace(".png", ".txt"))
            caption.size = 5
            archive.addfile(caption, io.BytesIO(b"a man"))


@pytest.fixture
def shards(folder, tmp_path):
    names = open_store(folder).names
    for k in range(3):
        shard(tmp_path / "shards" / f"{k:06}.tar", folder, names[k::3])
    return tmp_path / "shards"


def test_subfolders_are_searched_and_split_by_the_path_from_the_folder_on(folder):
    found = load_sides(folder, 16)
    assert len(found.training) + len(found.held_out) == COUNT
    assert "00000/00001.png" in found.training_names and not set(found.training_names) & set(found.held_out_names)
    (folder / ".hidden").mkdir()
    save_image(torch.zeros(3, 4, 4), folder / ".hidden" / "small.png")  # would be refused
    (folder / "00000" / "loop").symlink_to(folder, target_is_directory=True)
    assert load_sides(folder, 16).training_names == found.training_names


def test_decoded_images_are_those_in_memory(folder, decoded):
    lazy = open_sides(folder, 16, margin=2)
    assert not lazy.training.held
    images = all_of(lazy.training)
    sides.HELD = 10**9
    held = open_sides(folder, 16, margin=2)
    assert held.training.held and torch.equal(images, held.training.images) and lazy[2:] == held[2:]
    assert torch.equal(lazy.training.take([5, 2]).take([1])[0], held.training[2])


def test_shards_hold_the_same_images_under_the_same_names(folder, shards, decoded):
    ours, theirs = open_sides(folder, 16), open_sides(shards, 16)
    assert ours[2:] == theirs[2:] and torch.equal(all_of(ours.training), all_of(theirs.training))
    assert len(open_store(shards / "000001.tar").names) == COUNT // 3


@pytest.mark.parametrize("bytes_left", [40, 512, 700, 1024 + 300, -1024, -512 - 10240])
def test_a_shard_that_is_cut_off_is_refused_before_a_step(shards, bytes_left):
    file = shards / "000002.tar"
    content = file.read_bytes()
    with tarfile.open(file) as archive:
        end = archive.getmembers()[-1].offset_data + 512  # of the last caption
    assert end + 1024 <= len(content)
    file.write_bytes(content[: end + bytes_left] if -1024 < bytes_left < 0 else content[: bytes_left or None][:end])
    with pytest.raises(ValueError, match=r"000002.tar is cut off.*; copy it again"):
        open_sides(shards, 16)


def test_shards_that_cannot_be_read_where_they_lie_are_refused(folder, shards):
    (shards / "000003.tar.gz").write_bytes(b"")
    with pytest.raises(ValueError, match="000003.tar.gz: shards are read where they lie.*decompress it"):
        open_store(shards)
    (shards / "000003.tar.gz").unlink()
    shard(shards / "000003.tar", folder, ["00000/00000.png"])
    with pytest.raises(ValueError, match="00000/00000.png is in 000000.tar and 000003.tar; names must differ"):
        open_store(shards)
    (shards / "000003.tar").unlink()
    save_image(torch.zeros(3, 16, 16), shards / "a.png")
    with pytest.raises(ValueError, match=r"holds images \(a.png, ...\) beside shards"):
        open_store(shards)


def test_a_folder_of_packs_is_no_folder_of_images(tmp_path):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "pack.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds packs \(faces\); name one of them"):
        open_sides(tmp_path, 16)


def test_a_damaged_image_is_named_or_left_out_in_memory_or_not(folder, decoded):
    (folder / "01000" / "00012.png").write_bytes((folder / "01000" / "00012.png").read_bytes()[:200])
    (folder / "02000" / "x.png").write_bytes(b"")
    for held in (1000, 10**9):
        sides.HELD = held
        both = r"2 unreadable: 01000/00012.png is not .*; 02000/x.png is not .*"
        with pytest.raises(ValueError, match=f"{both}; repair or remove them, or leave them out with --skip-broken"):
            open_sides(folder, 16)
        with pytest.warns(UserWarning, match=f"{both}; left out"):
            found = open_sides(folder, 16, skip_broken=True)
        assert len(found.training) + len(found.held_out) == COUNT - 1
        with pytest.raises(ValueError, match="unreadable"):  # what was noted is refused all the same
            open_sides(folder, 16)
        with pytest.raises(ValueError, match="58 |59 smaller than size 48"), pytest.warns(UserWarning):
            open_sides(folder, 48, skip_broken=True)


def test_a_large_folder_is_read_through_once(folder, decoded, monkeypatch, tmp_path):
    looks = []
    monkeypatch.setattr("ganprior_null.data.checked.look_through", lambda *a: looks.append(1) or look_through(*a))
    before = open_sides(folder, 16)
    assert open_sides(folder, 16)[2:] == before[2:] and len(looks) == 1
    (entry,) = (tmp_path / "cache" / "checked").iterdir()
    assert json.loads(entry.read_text()) == {"broken": {}, "small": {}}
    save_image(faces(1, 40)[0], folder / "02000" / "00021.png")  # another file of the name
    open_sides(folder, 16)
    assert len(looks) == 2
    entry.write_text("{")  # damaged: as if it were not there
    open_sides(folder, 24)
    assert len(looks) == 3
    monkeypatch.setenv("GANPRIOR_CACHE", "/proc/nowhere")
    with pytest.warns(UserWarning, match="the next start reads all images again"):
        open_sides(folder, 16)


def test_a_fingerprint_tells_folders_apart(folder):
    before = load_sides(folder, 16)
    same = fingerprint(before.training_names, before.held_out_names)
    (folder / "05000" / "00055.png").rename(folder / "05000" / "00056x.png")
    after = load_sides(folder, 16)
    assert fingerprint(after.training_names, after.held_out_names) != same


def test_an_image_that_is_gone_names_itself(folder, shards):
    for place in (folder, shards):
        store = open_store(place)
        images = Decoded(store, range(COUNT), 16)
        images[0]
        if place is folder:
            (folder / store.names[0]).unlink()
        else:
            shards.rename(shards.with_name("moved"))
        with pytest.raises(ValueError, match="00000/00000.png"):
            images[0]
