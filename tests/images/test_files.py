"""Files: what is saved comes back, what cannot be read or written says so, and nothing half written stays."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null.images import from_uint8, list_images, load_image, png_bytes, save_image, to_uint8


def picture(channels=3):
    """Every 8-bit level, exactly."""
    return from_uint8(torch.randperm(256 * channels, generator=torch.Generator().manual_seed(0)).byte()).view(
        1, channels, 16, 16
    )


def files_of(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_files_give_back_every_level(tmp_path, suffix, channels):
    x = picture(channels)
    path = save_image(x, tmp_path / "new" / "folder" / f"a{suffix}")
    assert torch.equal(load_image(path), x.expand(1, 3, 16, 16))
    assert files_of(tmp_path) == sorted(["new", "folder", f"a{suffix}"])


def test_three_axes_and_gradients_will_do(tmp_path):
    x = picture()[0].requires_grad_()
    assert torch.equal(load_image(save_image(x, str(tmp_path / "a.png")))[0], x)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_files_can_be_written_and_read(tmp_path, suffix):
    x = torch.full((1, 3, 16, 16), 0.5)
    assert (load_image(save_image(x, tmp_path / f"a{suffix}")) - x).abs().max() < 0.02


def test_png_bytes_are_the_file():
    x = picture()
    pixels = np.asarray(Image.open(io.BytesIO(png_bytes(x))))
    assert torch.equal(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None], to_uint8(x))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_any_8_bit_mode_is_read_as_rgb(tmp_path, mode):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(levels).convert("RGB").convert(mode)
    image.save(tmp_path / "a.tif")
    expected = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None]
    assert torch.equal(load_image(tmp_path / "a.tif"), from_uint8(expected))


@pytest.mark.parametrize("dtype, mode", [(np.uint16, "I;16"), (np.int32, "I"), (np.float32, "F")])
def test_more_than_8_bits_are_refused_not_clipped(tmp_path, dtype, mode):
    Image.fromarray(np.arange(256).reshape(16, 16).astype(dtype)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=rf"a.tif has more than 8 bits per channel \(\d+, mode {mode}\)"):
        load_image(tmp_path / "a.tif")


def test_a_missing_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")  # would be read for ever
    os.symlink("loop.png", tmp_path / "loop.png")
    os.symlink("nowhere", tmp_path / "dangling.png")
    names = ["none.png", "", "pipe.png", "loop.png", "dangling.png", "long" * 100]
    for path in (*map(tmp_path.joinpath, names), Path("/dev/null")):
        for kind in (FileNotFoundError, ValueError):
            with pytest.raises(kind, match=f"no such image file: {path}"):
                load_image(path)


def broken_files():
    whole = png_bytes(picture())
    return {
        "empty": b"",
        "text": b"not an image",
        "cut in the header": whole[:20],
        "cut in the pixels": whole[: len(whole) // 2],
        "damaged": whole[:100] + bytes(50) + whole[150:],
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_file_is_named(tmp_path, name):
    (tmp_path / "a.png").write_bytes(broken_files()[name])
    with pytest.raises(ValueError, match="a.png is not a readable image"):
        load_image(tmp_path / "a.png")


def nan_picture():
    x = picture()
    x[0, 0, 0, 0] = float("nan")
    return x


@pytest.mark.parametrize(
    "x, name, error, message",
    [
        (nan_picture(), "a.png", ValueError, "NaN or infinite"),
        (picture().expand(2, 3, 16, 16), "a.png", ValueError, r"\(1, C, H, W\) or \(C, H, W\).*got \(2, 3, 16, 16\)"),
        (torch.rand(1, 2, 4, 4), "a.png", ValueError, r"C = 1 or 3, got \(2, 4, 4\)"),
        (torch.rand(4, 4), "a.png", ValueError, r"got \(4, 4\)"),
        (torch.rand(3, 0, 4), "a.jpg", ValueError, r"must have pixels, got shape \(3, 0, 4\)"),
        (torch.rand(1, 1, 70_000), "a.jpg", OSError, "new/a.jpg: 70000 x 1 pixels cannot be written as JPEG"),
        (torch.rand(3, 17_000, 1), "a.webp", OSError, "new/a.webp: 1 x 17000 pixels cannot be .* WEBP .*; .png holds"),
        (to_uint8(picture()), "a.png", TypeError, "got torch.uint8"),
        (picture(), "a.gif", ValueError, r"a.gif: the suffix must be one of .png"),
        (picture(), "a", ValueError, "a: the suffix must be"),
    ],
)
def test_bad_images_and_names_leave_no_file_and_no_folder(tmp_path, x, name, error, message):
    with pytest.raises(error, match=message):
        save_image(x, tmp_path / "new" / name)
    assert files_of(tmp_path) == []


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(NotADirectoryError, match="cannot save a.png: .*file is no folder"):
        save_image(picture(), tmp_path / "file" / "a.png")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_without_permission(tmp_path, monkeypatch):
    def refuse(source, target):  # permissions do not bind root, under whom tests may run
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="Permission denied: .*a.png"):
        save_image(picture(), tmp_path / "a.png")
    assert files_of(tmp_path) == []


def test_a_write_that_breaks_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    old = save_image(picture(), tmp_path / "a.png").read_bytes()

    def full_disk(self, content):
        with self.open("wb") as file:
            file.write(content[:8])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left on device: .*a.png"):
        save_image(1 - picture(), tmp_path / "a.png")
    assert files_of(tmp_path) == ["a.png"] and (tmp_path / "a.png").read_bytes() == old


def test_folders_are_listed_by_name_images_only(tmp_path):
    for name in ("b.png", "a.JPG", "c.webp"):
        save_image(picture(), tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / ".hidden.png").write_bytes(b"")
    save_image(picture(), tmp_path / "below" / "d.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "d.gif")
    with pytest.warns(UserWarning, match="no images by their suffix, left out: notes.txt$"):
        found = list_images(tmp_path)
    assert [path.name for path in found] == ["a.JPG", "b.png", "c.webp", "d.gif"]


def test_folders_without_images(tmp_path):
    with pytest.raises(NotADirectoryError, match="no such folder: .*none"):
        list_images(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(NotADirectoryError, match="notes.txt"):
        list_images(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="holds no images"):
        list_images(tmp_path)
