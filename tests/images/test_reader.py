"""The one reader of pictures: nothing that a file says of its picture is ignored, cut, dropped or chosen silently."""

import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from ganprior_null.images import read_pixels

SCENE = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
TURNS = {  # what a viewer does for each value of the orientation tag (EXIF 2.3, 0x0112)
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def png16(path, a):
    """(H, W, C) uint16 -> a PNG of 16 bits per channel, which Pillow cannot write; C = 2 is gray and alpha."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    h, w, c = a.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in a)
    head = struct.pack(">IIBBBBB", w, h, 16, {1: 0, 2: 4, 3: 2, 4: 6}[c], 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix, options", [(".png", {}), (".webp", {"lossless": True}), (".tif", {})])
@pytest.mark.parametrize("orientation", TURNS)
def test_pictures_stand_upright(tmp_path, suffix, options, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(SCENE).save(tmp_path / f"a{suffix}", exif=exif, **options)
    assert np.array_equal(read_pixels(tmp_path / f"a{suffix}"), TURNS[orientation](SCENE))


def test_photographs_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = np.linspace(0, 255, 16 * 24).reshape(16, 24, 1).repeat(3, 2).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", exif=exif, quality=100)
    assert np.abs(read_pixels(tmp_path / "a.jpg").astype(int) - np.rot90(smooth, -1)).max() <= 2  # JPEG's rounding


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_is_refused_not_cut(tmp_path, channels):
    png16(tmp_path / "a.png", np.full((4, 4, channels), 65535, np.uint16))
    with pytest.raises(ValueError, match=r"a.png has more than 8 bits per channel \(16"):
        read_pixels(tmp_path / "a.png")


@pytest.mark.parametrize(
    "content", [b"P6 2 1 65535\n" + bytes(12), b"P5 2 1 1023\n" + bytes(4), b"P3 1 1 256\n1 2 3\n"]
)
def test_deep_netpbm_is_refused_and_a_shallow_one_read(tmp_path, content):
    (tmp_path / "a.ppm").write_bytes(content)
    with pytest.raises(ValueError, match="a.ppm has more than 8 bits"):
        read_pixels(tmp_path / "a.ppm")
    (tmp_path / "b.ppm").write_bytes(b"P6 1 1 255\n\1\2\3")
    assert read_pixels(tmp_path / "b.ppm").tolist() == [[[1, 2, 3]]]


def test_16_bit_colour_tiff_is_refused(tmp_path):
    tifffile = pytest.importorskip("tifffile")  # comes with scikit-image
    tifffile.imwrite(tmp_path / "a.tif", SCENE.astype(np.uint16) * 257, photometric="rgb")
    with pytest.raises(ValueError, match=r"a.tif has more than 8 bits per channel \(16"):
        read_pixels(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", SCENE[..., 0].astype(np.int8))
    with pytest.raises(ValueError, match="a.tif has signed or floating-point samples"):
        read_pixels(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "a.tif", SCENE, photometric="rgb")  # the control
    assert np.array_equal(read_pixels(tmp_path / "a.tif"), SCENE)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_what_transparency_hides_becomes_white_with_a_word(tmp_path, suffix):
    alpha = np.full((12, 20, 1), 255, np.uint8)
    Image.fromarray(np.dstack([SCENE, alpha])).save(tmp_path / f"a{suffix}", lossless=True, exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an opaque channel needs no word
        assert np.array_equal(read_pixels(tmp_path / f"a{suffix}"), SCENE)
    alpha[0, 0], expected = 0, SCENE.copy()
    expected[0, 0] = 255
    Image.fromarray(np.dstack([SCENE, alpha])).save(tmp_path / f"a{suffix}", lossless=True, exact=True)
    with pytest.warns(UserWarning, match=rf"a{suffix} has transparent pixels \(0.417 %\): laid over white"):
        assert np.array_equal(read_pixels(tmp_path / f"a{suffix}"), expected)


@pytest.mark.parametrize("mode, suffix", [("L", ".png"), ("P", ".png"), ("P", ".gif")])
def test_a_transparent_colour_becomes_white_where_it_is_used(tmp_path, mode, suffix):
    levels = Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).convert(mode)
    expected = np.array(levels.convert("RGB"))
    levels.save(tmp_path / f"b{suffix}", transparency=200)
    assert np.array_equal(read_pixels(tmp_path / f"b{suffix}"), expected)
    expected[0, 7] = 255
    levels.save(tmp_path / f"a{suffix}", transparency=7)
    with pytest.warns(UserWarning, match="transparent pixels"):
        assert np.array_equal(read_pixels(tmp_path / f"a{suffix}"), expected)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_further_frames_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(SCENE), Image.fromarray(255 - SCENE), Image.fromarray(SCENE // 2)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=f"a{suffix} has 3 frames"):
        read_pixels(tmp_path / f"a{suffix}")


def test_the_first_of_a_multi_picture_photograph_is_read_with_a_word(tmp_path):
    Image.fromarray(SCENE).save(
        tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))]
    )
    with pytest.warns(UserWarning, match="a.jpg has 2 frames; the first"):
        assert read_pixels(tmp_path / "a.jpg").shape == SCENE.shape


def test_colour_profiles_are_said_not_applied(tmp_path):
    def save(profile):
        Image.fromarray(SCENE).save(tmp_path / "a.png", icc_profile=profile)
        return tmp_path / "a.png"

    for profile in (ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), b"damaged"):
        with pytest.warns(UserWarning, match="the colour profile .* is not applied"):
            assert np.array_equal(read_pixels(save(profile)), SCENE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the control: sRGB needs no word
        read_pixels(save(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()))
        read_pixels(save(None))


def test_tiff_with_impossible_tags_is_named(tmp_path):
    Image.fromarray(SCENE).save(tmp_path / "a.tif")
    whole = (tmp_path / "a.tif").read_bytes()
    at = struct.unpack("<I", whole[4:8])[0]
    refused = 0
    for k in range(struct.unpack("<H", whole[at : at + 2])[0]):
        for value in (0, 1 << 31, (1 << 32) - 1):
            changed, entry = bytearray(whole), at + 2 + 12 * k
            changed[entry + 2 : entry + 4], changed[entry + 8 : entry + 12] = (
                struct.pack("<H", 4),
                struct.pack("<I", value),
            )
            (tmp_path / "b.tif").write_bytes(changed)
            try:
                with warnings.catch_warnings(action="ignore"):
                    read_pixels(tmp_path / "b.tif")
            except ValueError as error:
                assert str(error).startswith(f"{tmp_path / 'b.tif'} ")
                refused += 1
    assert refused > 5


def test_a_picture_above_pillows_limit_is_named(tmp_path, monkeypatch):
    Image.fromarray(SCENE).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="a.png is too large to be read as one picture"):
        read_pixels(tmp_path / "a.png")
