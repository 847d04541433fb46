"""show draws what it is given, at any size, and refuses the rest with one clear error."""

import base64
import io
import re

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null.images import to_uint8
from ganprior_null.widgets import figures, plot, show


@pytest.fixture(autouse=True)
def drawn(monkeypatch) -> list:
    """The figures that were shown."""
    shown, display = [], figures._display
    monkeypatch.setattr(figures, "_display", lambda figure: (shown.append(figure), display(figure)))
    return shown


@pytest.fixture
def outputs(monkeypatch) -> list:
    """What the notebook is given."""
    given = []
    monkeypatch.setattr(figures, "display", given.append)
    return given


def axes_with_images(drawn):
    return [ax for ax in drawn[-1].axes if ax.images]


def test_images_of_unlike_sizes_and_gray_share_a_row(drawn):
    assert show([torch.rand(3, 8, 8), torch.rand(1, 3, 64, 64), torch.rand(1, 32, 32)], ["y", "x", "gray"]) is None
    axes = axes_with_images(drawn)
    assert [ax.get_title() for ax in axes] == ["y", "x", "gray"]
    assert len({round(ax.get_position().height, 3) for ax in axes}) == 1  # equally high
    assert not any(ax.axison for ax in drawn[-1].axes)


def test_pixels_are_those_of_the_image(drawn):
    x = 2 * torch.rand(2, 3, 16, 16) - 0.5  # half of it outside [0, 1]: clamped for the screen
    show(x)
    for ax, image in zip(axes_with_images(drawn), x, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), to_uint8(image).permute(1, 2, 0).numpy())


def test_gray_is_not_stretched_to_its_own_range(drawn):
    show([torch.full((1, 4, 4), 0.5)])
    assert axes_with_images(drawn)[0].images[0].get_clim() == (0, 255)


def test_small_images_keep_their_pixels_and_large_ones_are_antialiased(drawn):
    show([torch.rand(3, 16, 16), torch.rand(3, 64, 64)])
    assert [ax.images[0].get_interpolation() for ax in axes_with_images(drawn)] == ["none", "none"]
    show([torch.rand(3, 16, 16), torch.rand(3, 600, 600)])
    assert [ax.images[0].get_interpolation() for ax in axes_with_images(drawn)] == ["nearest", "antialiased"]


def test_small_images_lie_in_an_svg_with_the_pixels_they_have(outputs):
    y, x = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.full((3, 64, 64), 0.3)
    show([y, x], ["y", "x"])
    images = re.findall(r'data:image/webp;base64,([^"]+)"[^>]*?style="([^"]*)"', outputs[0].data)
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data, _ in images]
    assert [picture.size for picture in pictures] == [(8, 8), (64, 64)]
    stored = to_uint8(y).permute(1, 2, 0).numpy()  # the few numbers of a measurement, without loss
    np.testing.assert_array_equal(np.asarray(pictures[0]), stored)
    assert [style for _, style in images] == ["image-rendering:pixelated", ""]
    assert "image/png" not in outputs[0].data


def test_columns_wrap(drawn):
    show(torch.rand(5, 3, 8, 8), columns=2)
    assert len(drawn[-1].axes) == 6 and len(axes_with_images(drawn)) == 5


def test_zoom_shows_the_same_part_of_images_of_unlike_sizes(drawn):
    x = torch.rand(1, 3, 32, 32)
    y = torch.nn.functional.avg_pool2d(x, 4)
    show([x, y], zoom=(0.25, 0.5, 0.25))
    zoomed = axes_with_images(drawn)[2:]
    assert [ax.get_xlim() for ax in zoomed] == [(15.5, 23.5), (3.5, 5.5)]  # half a pixel: imshow centres them
    assert [ax.get_ylim() for ax in zoomed] == [(15.5, 7.5), (3.5, 1.5)]
    assert [ax.images[0].get_interpolation() for ax in zoomed] == ["none", "none"]


def test_no_figure_is_wider_than_the_column(drawn, outputs):
    show(torch.rand(6, 3, 264, 264), height=2.4)
    assert drawn[-1].get_figwidth() == pytest.approx(figures.WIDTH)
    show(torch.rand(2, 3, 264, 264), height=1.5)
    assert drawn[-1].get_figwidth() == pytest.approx(3)
    for output, inches in zip(outputs, (8, 3), strict=True):
        pixels, said = output._repr_jpeg_()
        assert said["width"] == 96 * inches  # on a page; the file has twice as many
        assert pixels
    with pytest.raises(ValueError, match="at most the column, 8.0 inches, got 9"), plot(width=9):
        pass


def test_curves_are_drawn_as_svg_the_same_each_time(outputs):
    for _ in range(2):
        with plot(1, 2, height=2) as (left, right):
            left.plot([0, 1], [0, 1])
            right.hist([0, 0, 1])
    first, second = (output.data for output in outputs)
    assert first == second and first.startswith("<svg") and "576pt" in first  # 8 inches
    assert mpl.rcParams["svg.hashsalt"] is None  # the look is ours while we draw


def test_a_plot_of_pictures_is_one_and_a_broken_one_is_not_shown(outputs):
    with plot() as ax:
        ax.imshow(np.zeros((300, 300)))
    assert outputs[0].format == "jpeg"
    with pytest.raises(ZeroDivisionError), plot() as ax:
        1 / 0  # noqa: B018
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (torch.rand(2, 5, 8, 8), {}, r"C = 1 or 3, got \(5, 8, 8\)"),
        ([torch.rand(2, 3, 8, 8)], {}, r"got \(2, 3, 8, 8\)"),
        ([], {}, "no image"),
        (torch.rand(2, 3, 8, 8), {"titles": ["one"]}, "2 images need as many titles, got 1"),
        (torch.rand(2, 3, 8, 8), {"zoom": (0.9, 0, 0.2)}, r"inside the image.*\(0.9, 0, 0.2\)"),
        (torch.full((1, 3, 8, 8), torch.nan), {}, "NaN"),
    ],
)
def test_bad_input(images, options, message):
    with pytest.raises(ValueError, match=message):
        show(images, **options)
