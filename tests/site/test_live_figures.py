"""Each live figure reacts to its controls on a built page, without a kernel and with the network cut off."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null import AveragePool
from ganprior_null.images import from_uint8
from ganprior_null.widgets.live import LiveCompare, LiveKernel, LiveMatrix, LivePD, LiveWalk


class TinyPrior(torch.nn.Module):
    """A generator of flat colours, so that the walk needs no weights."""

    size, style_dim = 16, 3

    def mapping(self, z):
        return z.tanh()

    def forward(self, w):
        return w[..., None, None].expand(-1, -1, 16, 16)


@pytest.fixture(scope="module")
def address(live_site):
    walk = LiveWalk(TinyPrior(), torch.zeros(3), count=3, psis=(0.5, 1.0))
    compare = LiveCompare({"black": torch.zeros(3, 8, 16), "white": torch.ones(3, 8, 16)}, {"black": "0", "white": "1"})
    return (live_site([LivePD(), LiveMatrix(), LiveKernel(), walk, compare]) / "live.html").as_uri()


@pytest.fixture
def page(browser, address):
    """The page on a phone, offline; errors and requests to elsewhere fail the test at its end."""
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page, wrong = context.new_page(), []
    page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or wrong.append(r.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    page.goto(address)
    page.wait_for_function("document.querySelectorAll('.live-readout').length === 5")
    page.wait_for_function("[...document.querySelectorAll('.live-readout')].every(e => e.textContent)")
    yield page
    context.close()
    assert wrong == []


def figure(page, number):
    return page.locator(".live").nth(number)


def pixels(canvas) -> np.ndarray:
    """(H, W, 4) uint8: what a canvas shows."""
    png = canvas.evaluate("c => c.toDataURL().split(',')[1]")
    return np.array(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA"))


def readout(part) -> str:
    return part.locator(".live-readout").inner_text()


def changes(page, part, act) -> tuple[str, list[bool]]:
    """Do act(); the new read-out, and which canvases show something else than before."""
    before, said = [pixels(c) for c in part.locator("canvas").all()], readout(part)
    act()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = [pixels(c) for c in part.locator("canvas").all()]
    assert readout(part) != said
    return readout(part), [a.shape != b.shape or bool((a != b).any()) for a, b in zip(before, after, strict=True)]


def slide(part, key, value):
    return lambda: part.locator(f"[data-key={key}]").fill(str(value))


def gap(text) -> float:
    """max |A x_hat - y| out of the read-out."""
    return float(text.split("y| = ")[1].split(". ")[0])


def test_pd_shows_what_python_computes(page):
    x, y, *_ = (pixels(c)[..., :3] for c in figure(page, 0).locator("canvas").all())
    x = from_uint8(torch.tensor(x).movedim(-1, 0)[None])
    pooled = AveragePool(8)(x)[0].movedim(0, -1) * 255
    assert y.shape == (16, 16, 3) and np.abs(y - pooled.numpy()).max() < 0.51  # half a level of rounding


def test_pd_follows_each_control_and_stays_consistent(page):
    part = figure(page, 0)
    for act, moved in (
        (lambda: part.locator("[data-key=factor]").select_option("4"), [False, True, True, True]),
        (lambda: part.locator("[data-key=backbone]").select_option("noise"), [False, False, True, True]),
        (slide(part, "strength", 0.5), [False, False, False, True]),
        (lambda: part.locator("[data-key=backbone]").select_option("another face"), [False, False, True, True]),
    ):
        text, seen = changes(page, part, act)
        assert seen[:4] == moved and seen[5]  # the fifth is A x_hat, which is y to within a rounding
        assert gap(text) < 1e-14
    assert gap(changes(page, part, lambda: part.locator("[data-key=eight_bits]").check())[0]) > 1e-5


def test_a_slider_follows_the_keyboard(page):
    part = figure(page, 0)
    part.locator("[data-key=strength]").focus()
    text, _ = changes(page, part, lambda: page.keyboard.press("ArrowRight"))
    assert part.locator("label", has_text="strength").locator("output").inner_text() == "1.05"
    assert gap(text) < 1e-14


def file(name, mode, size, colour, kind="PNG") -> dict:
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, kind)
    return {"name": name, "mimeType": "image/png", "buffer": stream.getvalue()}


def choose(page, upload) -> str:
    """Choose a file in the first figure; what is said about it."""
    notice = figure(page, 0).locator(".live-notice")
    before = notice.text_content()
    figure(page, 0).locator("input[type=file]").set_input_files(upload)
    page.wait_for_function(
        "([element, before]) => element.textContent !== before", arg=[notice.element_handle(), before]
    )
    return notice.inner_text()


def test_the_readers_own_picture(page):
    said = choose(page, file("own.png", "RGB", (100, 70), (255, 0, 0)))
    assert said == "own.png: 100 x 70 pixels; computed with 96 x 64."
    x, y, _, x_hat, again, _ = (pixels(c) for c in figure(page, 0).locator("canvas").all())
    assert np.abs(again.astype(int) - y).max() <= 1
    assert x.shape == (64, 96, 4) and y.shape == (8, 12, 4) and x_hat.shape == (64, 96, 4)
    assert (x == [255, 0, 0, 255]).all() and gap(readout(figure(page, 0))) < 1e-14


@pytest.mark.parametrize(
    ("upload", "message"),
    [
        ({"name": "a.txt", "mimeType": "text/plain", "buffer": b"no image"}, "a.txt is no picture that this browser"),
        (file("dot.png", "RGB", (1, 1), 0), "The picture has 1 x 1 pixels; it takes 16 x 16 or more"),
        (file("strip.png", "RGB", (9000, 20), 0), "The picture has 9000 x 20 pixels; it takes 16 x 16 or more"),
    ],
    ids=["no image", "one pixel", "a strip"],
)
def test_a_bad_file_is_one_message_and_changes_nothing(page, upload, message):
    before, text = pixels(figure(page, 0).locator("canvas").first), readout(figure(page, 0))
    said = choose(page, upload)
    assert said.startswith(message) and said.endswith("The picture is the one before.")
    assert (pixels(figure(page, 0).locator("canvas").first) == before).all() and readout(figure(page, 0)) == text


def test_fifty_megapixels_are_scaled_down_first(page):
    said = choose(page, file("large.png", "L", (8000, 6250), 90))
    assert said == (
        "large.png: 8000 x 6250 pixels; scaled down so that the longer side has 256; computed with 256 x 192."
    )
    shown = pixels(figure(page, 0).locator("canvas").first)
    assert shown.shape == (192, 256, 4) and (shown[..., :3] == 90).all()


def test_the_picture_chosen_last_is_the_one_shown(page):
    """However long the one before takes to decode."""
    chooser = figure(page, 0).locator("input[type=file]")
    chooser.set_input_files(file("large.png", "L", (8000, 6250), 90))
    chooser.set_input_files(file("small.png", "RGB", (32, 32), (255, 0, 0)))
    notice = figure(page, 0).locator(".live-notice")
    page.wait_for_function("e => e.textContent.startsWith('small.png')", arg=notice.element_handle())
    page.wait_for_timeout(3000)  # the large one is ready by now
    assert notice.inner_text().startswith("small.png")
    assert pixels(figure(page, 0).locator("canvas").first).shape == (32, 32, 4)


def test_transparency_is_laid_over_white(page):
    said = choose(page, file("clear.png", "RGBA", (32, 32), (0, 0, 255, 51)))
    assert said.endswith("transparent parts laid over white.")
    assert (pixels(figure(page, 0).locator("canvas").first) == [204, 204, 255, 255]).all()  # 1/5 blue, 4/5 white


def test_the_address_holds_the_settings(page, address):
    """A link shows what its sender saw; what no control takes is left out; reset goes back to the stored picture."""
    page.goto(f"{address}?factor=4&strength=9&backbone=noise&eight_bits=true&seed=1")
    page.wait_for_function("document.querySelector('.live-readout')?.textContent")
    part = figure(page, 0)
    values = {key: part.locator(f"[data-key={key}]").input_value() for key in ("factor", "strength", "backbone")}
    assert values == {"factor": "4", "strength": "2", "backbone": "noise"}
    assert part.locator("[data-key=eight_bits]").is_checked()
    changes(page, part, lambda: part.locator("[data-key=factor]").select_option("16"))
    assert "factor=16" in page.url
    choose(page, file("own.png", "RGB", (100, 70), (255, 0, 0)))
    changes(page, part, part.get_by_role("button", name="reset").click)
    assert part.locator("[data-key=factor]").input_value() == "8" and pixels(part.locator("canvas").first).std() > 20
    page.goto(f"{address}?factor=3&backbone=magic")
    page.wait_for_function("document.querySelector('.live-readout')?.textContent")
    assert figure(page, 0).locator("[data-key=factor]").input_value() == "8"
    assert figure(page, 0).locator("[data-key=backbone]").input_value() == "bicubic"


def test_the_result_can_be_saved(page):
    part = figure(page, 0)
    with page.expect_download() as download:
        part.get_by_role("button", name="save x̂").click()
    saved = np.array(Image.open(download.value.path()).convert("RGB"))
    assert (saved == pixels(part.locator("canvas").nth(3))[..., :3]).all()


def test_before_and_after_share_a_line(page):
    part = figure(page, 0)
    changes(page, part, lambda: part.locator("[data-key=backbone]").select_option("noise"))
    x_r, x_hat = (pixels(part.locator("canvas").nth(i)) for i in (2, 3))
    line, canvas = part.locator(".live-compare input"), part.locator(".live-compare canvas")

    def shows(before: int, after: int):
        """Columns left of ``before`` are x_r's, those from ``after`` on x_hat's."""
        shown = pixels(canvas)[2::4, 2::4].astype(float)  # drawn four times as large, smoothly
        for columns, own, other in ((slice(before), x_r, x_hat), (slice(after, None), x_hat, x_r)):
            if shown[:, columns].size:
                to_own, to_other = (np.abs(shown - picture)[:, columns].mean() for picture in (own, other))
                assert to_own < to_other / 2

    for value, before, after in (("0", 0, 2), ("100", 126, 128), ("50", 60, 70)):
        line.fill(value)
        shows(before, after)
    with pytest.raises(AssertionError):
        shows(0, 2)


def test_a_swipe_over_a_figure_scrolls(page):
    """Only what is dragged keeps a finger; and it is large enough for one."""
    held = page.evaluate(
        """() => [...document.querySelectorAll('.live *')].filter(e => getComputedStyle(e).touchAction === 'none')
            .filter(e => e.getClientRects().length).map(e => e.closest('[data-handle]'))
            .map(e => e && e.getBoundingClientRect())
            .map(box => box && Math.min(box.width, box.height))"""
    )
    assert held and all(side and side >= 43 for side in held)


def test_matrix_moves_by_keys(page):
    part = figure(page, 1)
    point = part.locator("[data-handle=x]")
    assert "x = (1.00, 0.50) = range part (0.75, 0.75) + null part (0.25, -0.25)" in readout(part)
    point.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    page.wait_for_function("document.querySelectorAll('.live-readout')[1].textContent.includes('x = (0.95, 0.75)')")
    assert "A x = (0.85), A (null part) = (0.00)" in readout(part)
    assert point.get_attribute("aria-valuetext") == "(0.95, 0.75)"


def test_matrix_moves_by_mouse(page):
    part = figure(page, 1)
    point, svg = part.locator("[data-handle=x] circle").last, part.locator("svg").first
    svg.scroll_into_view_if_needed()
    box, frame = point.bounding_box(), svg.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    up = frame["height"] * (1 / 2 - 105 / 320)
    page.mouse.move(frame["x"] + frame["width"] / 2, frame["y"] + up, steps=4)  # (0, 1)
    page.mouse.up()
    page.wait_for_function("document.querySelectorAll('.live-readout')[1].textContent.includes('x = (0.00, 1.00)')")
    assert "range part (0.50, 0.50) + null part (-0.50, 0.50)" in readout(part)


def test_matrix_keeps_x_hat_consistent(page):
    """x_r moves x_hat; x_hat moved stays consistent; y moved takes x and x_hat along."""
    part = figure(page, 1)
    assert "x_r = (0.10, 0.60) has A x_r = (0.35); x̂ = (0.50, 1.00), the consistent point" in readout(part)
    grays = [pixels(canvas)[0, :, 0].tolist() for canvas in part.locator("canvas").all()]
    assert np.abs(np.array(grays) - [[255, 127.5], [25.5, 153], [127.5, 255]]).max() < 1
    for handle, key, said in (
        ("x_r", "ArrowLeft", "x_r = (0.05, 0.60)"),
        ("x_r", "ArrowDown", "x_r = (0.05, 0.55) has A x_r = (0.30); x̂ = (0.50, 1.00)"),
        ("x̂", "Shift+ArrowUp", "x̂ = (0.38, 1.13)"),
        ("x̂", "ArrowUp", "the consistent point nearest to it, has A x̂ = (0.75)"),
        ("y", "Shift+ArrowLeft", "has A x̂ = (0.50)"),
    ):
        part.locator(f"[data-handle='{handle}']").focus()
        page.keyboard.press(key)
        page.wait_for_function(
            "said => document.querySelectorAll('.live-readout')[1].textContent.includes(said)", arg=said, timeout=60_000
        )


def test_matrix_keeps_y_while_x_moves(page):
    part = figure(page, 1)
    part.get_by_label("keep y while x moves").check()
    part.locator("[data-handle=x]").focus()
    page.keyboard.press("Shift+ArrowUp")  # straight up, half of it along the line; without the tick A x is (0.88)
    page.wait_for_function("document.querySelectorAll('.live-readout')[1].textContent.includes('x = (0.88, 0.63)')")
    assert "A x = (0.75), A (null part) = (0.00)" in readout(part)


def test_matrix_second_row(page):
    part = figure(page, 1)
    part.get_by_label("a second row").check()
    part.locator("[data-handle='row 2']").wait_for()  # what is not drawn yet takes no focus
    assert "rank 1. x" in readout(part)
    part.locator("[data-handle='row 2']").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("document.querySelectorAll('.live-readout')[1].textContent.includes('rank 2')")
    assert "null part (0.00, 0.00)" in readout(part)


def test_kernel_follows_each_control(page):
    part = figure(page, 2)
    for key, value in (("width", 3), ("angle", 90), ("eccentricity", 0), ("motion", 10)):
        text, seen = changes(page, part, slide(part, key, value))
        assert seen == [True, False, True, True, True, True], key
        assert text.startswith("The weights sum to 1.000000")
    _, seen = changes(page, part, lambda: part.locator("[data-key=factor]").select_option("8"))
    assert seen == [False, False, False, True, True, True]
    assert "of the largest singular value; their condition is" in readout(part)


def test_walk_follows_keys_mouse_and_truncation(page):
    part = figure(page, 3)
    square = part.locator("[data-handle=walk]")
    square.focus()
    text, _ = changes(page, part, lambda: page.keyboard.press("ArrowRight"))
    assert text.startswith("z = z0 + (1.50) z1 + (0.00) z2, psi = 1.")
    at_right = pixels(part.locator("canvas").nth(1))
    square.scroll_into_view_if_needed()
    box = square.bounding_box()
    text, _ = changes(page, part, lambda: page.mouse.click(box["x"] + 5, box["y"] + 5))
    assert text.startswith("z = z0 + (-1.50) z1 + (1.50) z2")
    assert (pixels(part.locator("canvas").nth(1)) != at_right).any()
    _, seen = changes(page, part, lambda: part.locator("[data-key=psi]").select_option("0.5"))
    assert seen == [True, True]


def test_everything_has_a_name_and_fits_a_phone(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('.live :is(input, select, canvas, svg, [role=slider])')]
            .filter(e => !(e.labels?.length || e.getAttribute('aria-label'))).map(e => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator(".live-readout[aria-live=polite]").count() == 5


def test_a_widget_that_cannot_start_says_so(browser, live_site, monkeypatch):
    monkeypatch.setattr(LiveMatrix, "_esm", "export default {render() { throw new Error('no luck') }}")
    page = browser.new_page()
    page.goto((live_site([LiveMatrix()]) / "live.html").as_uri())
    page.get_by_text("This figure needs a newer browser (no luck).").wait_for()
    page.close()


def test_the_line_between_two_pictures_moves(page):
    part = figure(page, 4)
    canvas = part.locator("canvas")
    said, _ = changes(page, part, lambda: part.locator("[data-key=left]").select_option("white"))
    assert said == "Left: white, 1. Right: white, 1."
    part.locator("[data-key=left]").select_option("black")
    _ = page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    slide(part, "cut", 0.25)()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shown = pixels(canvas)[0, :, 0]
    assert (shown[:3] < 20).all() and (shown[6:] > 235).all()  # the orange line is around pixel 4
    box = canvas.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 5)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert (pixels(canvas)[0, :10, 0] < 20).all()
