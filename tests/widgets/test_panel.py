"""A panel follows its controls, quickly, and says what went wrong."""

import io
import time

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null import AveragePool, enforce_consistency
from ganprior_null.widgets import panel


def parts(box):
    """controls, labels, picture, caption"""
    row, labels, picture, caption = box.children
    return row.children, labels, picture, caption


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.value)))


def slider(value=0.5):
    return ipywidgets.FloatSlider(value=value, min=0, max=1, description="level")


def test_the_picture_and_the_caption_follow_the_control():
    box = panel(lambda level: (torch.full((3, 256, 256), level), f"level {level}"), level=slider())
    (control,), _, picture, caption = parts(box)
    assert (pixels(picture) == 128).all() and "level 0.5" in caption.value
    control.value = 1.0
    assert (pixels(picture) == 255).all() and "level 1.0" in caption.value
    assert picture.tooltip is None  # ipywidgets 8.1 would show an error in place of the picture


def test_a_small_picture_is_enlarged_by_repeated_pixels():
    x = torch.rand(3, 64, 64)
    _, _, picture, _ = parts(panel(lambda: (x, "")))
    shown = pixels(picture)
    assert shown.shape == (512, 512, 3)
    once = (x * 255).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(shown, once.repeat(8, 0).repeat(8, 1))


def test_several_pictures_stand_side_by_side_under_their_labels():
    x, y = torch.rand(1, 3, 256, 256), torch.rand(1, 1, 32, 32)
    _, labels, picture, _ = parts(panel(lambda: ({"x": x, "y < 1": y}, "")))
    shown = pixels(picture)
    assert shown.shape == (260, 518, 3)  # two of 256, 2 pixels of white around each
    np.testing.assert_array_equal(shown[2:258, 2:258], (x[0] * 255).round().byte().permute(1, 2, 0).numpy())
    gray = (y[0, 0] * 255).round().byte().numpy().repeat(8, 0).repeat(8, 1)
    np.testing.assert_array_equal(shown[2:258, 260:516], np.stack([gray] * 3, -1))
    assert ">x<" in labels.value and "y &lt; 1" in labels.value


def test_an_error_while_drawing_is_one_line_in_the_caption_and_goes_away():
    def draw(level):
        if level > 0.9:
            raise ValueError("level is too high:\n<b>0.9</b> at most")
        return torch.full((3, 8, 8), level), "fine"

    box = panel(draw, level=slider())
    (control,), _, picture, caption = parts(box)
    before = picture.value
    control.value = 1.0
    assert 'role="alert"' in caption.value and "ValueError: level is too high" in caption.value
    assert "<b>" not in caption.value and picture.value == before
    control.value = 0.4
    assert 'role="status"' in caption.value and "fine" in caption.value and picture.value != before


def test_the_first_draw_raises_so_that_a_broken_lesson_does_not_pass():
    with pytest.raises(ValueError, match="C = 1 or 3"):
        panel(lambda: (torch.rand(7, 8, 8), ""))


def test_a_control_must_have_a_value():
    with pytest.raises(TypeError, match="control 'level' must be an ipywidgets control.*0.5"):
        panel(lambda level: (torch.rand(3, 8, 8), ""), level=0.5)


def test_neither_interact_nor_output_is_used():
    """Both stall notebook runners now and then."""
    box = panel(lambda level: (torch.rand(3, 8, 8), ""), level=slider())
    kinds = {type(w) for w in (box, *box.children, *box.children[0].children)}
    assert ipywidgets.Output not in kinds


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_an_update_at_256_pixels_is_quick(one_thread):
    """A panel adds little to what its picture costs: 10 ms for drawing and encoding where this was written.

    Processor time of one thread, the best of ten: on a busy machine several threads wait for one another.
    """
    A = AveragePool(8)
    x, other = (torch.nn.functional.interpolate(torch.rand(1, 3, 32, 32), 256, mode="bicubic") for _ in range(2))

    def draw(level):
        return {"x_r": other, "x_hat": enforce_consistency(level * other, A(x), A)}, "another picture made consistent"

    def by_hand(level):
        for image in draw(level)[0].values():
            Image.fromarray((255 * image[0].clamp(0, 1)).byte().movedim(0, -1).numpy()).save(io.BytesIO(), "PNG")

    (control,), *_ = parts(panel(draw, level=slider()))

    def seconds(update) -> float:
        taken = []
        for level in np.linspace(0, 1, 10):
            start = time.process_time()
            update(float(level))
            taken.append(time.process_time() - start)
        return min(taken)

    plain = seconds(by_hand)
    assert seconds(lambda level: setattr(control, "value", level)) < 4 * plain
    assert seconds(lambda level: [by_hand(level) for _ in range(5)]) > 4 * plain  # the control
