"""Tiles of pooling have no seams: the result is the whole image's, bit for bit, with the memory of a tile."""

import pytest
import torch

from ganprior_null import AveragePool, enforce_consistency, project_box, to_uint8_consistent
from ganprior_null.images import to_uint8
from ganprior_null.restorers import map_tiles, tiles

FUNCTIONS = {
    "PD": lambda s: lambda x, y: enforce_consistency(x, y, AveragePool(s)),
    "box": lambda s: lambda x, y: project_box(x, y, s),
    "8 bits": lambda s: lambda x, y: to_uint8_consistent(x, to_uint8(y), s),
}


def pair(factor, height=144, width=240, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    y = torch.rand(1, 3, height // factor, width // factor, generator=generator, dtype=dtype)
    return torch.randn(1, 3, height, width, generator=generator, dtype=dtype), y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1, 2, 3, 8, 16])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_bit_equal_to_the_whole_image(name, factor, dtype):
    function = FUNCTIONS[name](factor)
    x_r, y = pair(factor, dtype=dtype)
    whole = function(x_r, y)
    for tile in (1, 150):
        result = map_tiles(function, x_r, y, factor, tile=tile)
        assert result.dtype == whole.dtype
        assert torch.equal(result, whole)


def test_a_function_that_mixes_blocks_would_show_its_seams():
    x_r, y = pair(8)

    def blur(x, y):
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1)

    assert not torch.equal(map_tiles(blur, x_r, y, 8, tile=64), blur(x_r, y))


@pytest.mark.parametrize("factor, tile", [(1, 64), (8, 64), (3, 200), (16, 1), (80, 100)])
def test_tiles_cover_every_pixel_once(factor, tile):
    height, width = 240, 480
    seen = torch.zeros(height, width, dtype=torch.int)
    seen_lr = torch.zeros(height // factor, width // factor, dtype=torch.int)
    for cut in tiles(height, width, factor, tile=tile):
        seen[*cut.hr] += 1
        seen_lr[*cut.lr] += 1
        for fine, coarse in zip(cut.hr, cut.lr, strict=True):
            assert (fine.start, fine.stop) == (factor * coarse.start, factor * coarse.stop)
    assert (seen == 1).all() and (seen_lr == 1).all()


def test_files_larger_than_a_tile_in_place(tmp_path):
    x_r, y = pair(8)
    path = tmp_path / "x_r.bin"
    path.write_bytes(x_r.numpy().tobytes())
    on_disk = torch.from_file(str(path), shared=True, size=x_r.numel()).view(x_r.shape)
    largest = 0

    def function(x, y):
        nonlocal largest
        largest = max(largest, x.numel())
        return enforce_consistency(x, y, AveragePool(8))

    assert map_tiles(function, on_disk, y, 8, out=on_disk, tile=64) is on_disk
    assert largest == 3 * 64 * 64
    written = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.float32).view(x_r.shape)
    assert torch.equal(written, enforce_consistency(x_r, y, AveragePool(8)))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x, y: {"factor": 7}, "factor 7 must divide the image sides, got 144 x 240"),
        (lambda x, y: {"factor": 0}, "factor 0"),
        (lambda x, y: {"tile": 0}, "at least 1 pixel, got 0"),
        (lambda x, y: {"y": y[..., 1:]}, r"y has shape \(1, 3, 18, 29\), but .* needs \(1, 3, 18, 30\)"),
        (lambda x, y: {"out": x[:, :1]}, r"out has shape \(1, 1, 144, 240\)"),
    ],
)
def test_bad_input_stops_before_the_first_tile(change, message):
    x_r, y = pair(8)
    arguments = {"x_r": x_r, "y": y, "factor": 8} | change(x_r, y)

    def function(x, y):
        raise AssertionError("called")

    with pytest.raises(ValueError, match=message):
        map_tiles(function, **arguments)
