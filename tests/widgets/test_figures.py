"""show draws what it is given, at any size, and refuses the rest with one clear error."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from ganprior_null.images import to_uint8
from ganprior_null.widgets import show


def axes_with_images():
    return [ax for ax in plt.gcf().axes if ax.images]


def test_images_of_unlike_sizes_and_gray_share_a_row():
    assert show([torch.rand(3, 8, 8), torch.rand(1, 3, 64, 64), torch.rand(1, 32, 32)], ["y", "x", "gray"]) is None
    axes = axes_with_images()
    assert [ax.get_title() for ax in axes] == ["y", "x", "gray"]
    assert len({round(ax.get_position().height, 3) for ax in axes}) == 1  # equally high
    assert not any(ax.axison for ax in plt.gcf().axes)
    assert plt.gcf().dpi == 100


def test_pixels_are_those_of_the_image():
    x = 2 * torch.rand(2, 3, 16, 16) - 0.5  # half of it outside [0, 1]: clamped for the screen
    show(x)
    for ax, image in zip(axes_with_images(), x, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), to_uint8(image).permute(1, 2, 0).numpy())


def test_gray_is_not_stretched_to_its_own_range():
    show([torch.full((1, 4, 4), 0.5)])
    assert axes_with_images()[0].images[0].get_clim() == (0, 255)


def test_tiny_images_keep_their_pixels_and_large_ones_are_antialiased():
    show([torch.rand(3, 16, 16), torch.rand(3, 300, 300)])
    assert [ax.images[0].get_interpolation() for ax in axes_with_images()] == ["nearest", "antialiased"]


def test_columns_wrap():
    show(torch.rand(5, 3, 8, 8), columns=2)
    assert len(plt.gcf().axes) == 6 and len(axes_with_images()) == 5


def test_zoom_shows_the_same_part_of_images_of_unlike_sizes():
    x = torch.rand(1, 3, 32, 32)
    y = torch.nn.functional.avg_pool2d(x, 4)
    show([x, y], zoom=(0.25, 0.5, 0.25))
    zoomed = axes_with_images()[2:]
    assert [ax.get_xlim() for ax in zoomed] == [(15.5, 23.5), (3.5, 5.5)]  # half a pixel: imshow centres them
    assert [ax.get_ylim() for ax in zoomed] == [(15.5, 7.5), (3.5, 1.5)]
    assert [ax.images[0].get_interpolation() for ax in zoomed] == ["nearest", "nearest"]


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
