"""The walk through the answers to one y: its pictures are consistent files, and the browser measures it right."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null import AveragePool, enforce_consistency
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.widgets.live import LiveCodes
from ganprior_null.widgets.live.codes import between

from .test_live_figures import changes, figure, pixels, readout, slide
from .test_live_mathematics import CALL

FACTOR, SIDE = 4, 16
A = AveragePool(FACTOR)


def answer(y, z):
    """A picture whose null space turns with the code."""
    waves = torch.linspace(0, 9, SIDE * SIDE).view(1, 1, SIDE, SIDE)
    x_r = 0.5 + 0.5 * torch.sin(waves * z[:, :1, None, None] + z[:, 1:2, None, None]).expand(-1, 3, -1, -1)
    return enforce_consistency(x_r, y, A)


@pytest.fixture(scope="module")
def live():
    generator = torch.Generator().manual_seed(0)
    y, z = torch.rand(1, 3, 4, 4, generator=generator), torch.randn(3, 8, generator=generator)
    return LiveCodes(answer, y, z, steps=4)


def stored(data: bytes) -> torch.Tensor:
    """A picture file -> uint8 (3, H, W)."""
    return torch.tensor(np.array(Image.open(io.BytesIO(data)).convert("RGB"))).movedim(-1, 0)


def test_every_stored_picture_has_the_block_means_of_y_exactly(live):
    y, sheet = stored(live.measurement), stored(live.sheet)
    tiles = sheet.unflatten(-1, (9, SIDE)).movedim(2, 0)  # (3 - 1) codes of 4 steps, and the last
    sums = tiles.double().unflatten(-1, (4, FACTOR)).unflatten(-3, (4, FACTOR)).sum((-1, -3))
    assert torch.equal(sums, (FACTOR**2 * y.double()).expand(9, -1, -1, -1))
    assert (tiles[0] != tiles[4]).any() and (tiles[0] != tiles[1]).any()


def test_the_way_between_codes_keeps_to_the_great_circle():
    z = torch.randn(2, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    way = between(z, 6)
    torch.testing.assert_close(way[[0, -1]], z)
    u = way / way.norm(dim=1, keepdim=True)
    angles = (u[1:] * u[:-1]).sum(1).arccos()
    torch.testing.assert_close(angles, angles[:1].expand(6))  # even steps
    torch.testing.assert_close(way.norm(dim=1).diff(), (z.norm(dim=1).diff() / 6).expand(6))


@pytest.mark.parametrize(
    ("y", "z", "steps"), [((2, 3, 4, 4), (3, 8), 2), ((1, 3, 4, 4), (1, 8), 2), ((1, 3, 4, 4), (3, 8), 0)]
)
def test_what_makes_no_walk_is_refused(y, z, steps):
    with pytest.raises(ValueError, match="need one y, at least two codes and one step"):
        LiveCodes(answer, torch.rand(y), torch.randn(z), steps=steps)


def test_the_browser_measures_as_the_package_does(browser):
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randint(256, (2, 1, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    y = to_uint8(A(from_uint8(a)))
    y[0, 0, 0, 0] += 3
    page = browser.new_page()

    def call(name, *values):
        return page.evaluate(CALL, [LiveCodes._esm, name, list(values)])

    def rgba(x):
        return torch.cat([x[0], torch.full_like(x[0, :1], 255)]).movedim(0, -1).flatten().tolist()

    missed = call("consistency", call("blockSums", rgba(a), SIDE, FACTOR), rgba(y), FACTOR)
    off = (A(a.double()) - y.double()).abs()  # levels; exact, as sums of integers
    assert missed["worst"] == pytest.approx(float(off.max())) and missed["worst"] > 2
    assert missed["missed"] == int((off > 0).sum()) and missed["count"] == off.numel()
    d = a.double() - b.double()
    got = call("apart", rgba(a), rgba(b), SIDE, FACTOR)
    assert got["range"] == pytest.approx(float(A.project_range(d).square().mean().sqrt()))
    assert got["null"] == pytest.approx(float(A.project_null(d).square().mean().sqrt()))
    page.close()


def test_it_follows_its_slider_on_a_page_without_a_kernel(browser, live_site, live):
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((live_site([live]) / "live.html").as_uri())
    page.wait_for_function("document.querySelector('.live-readout')?.textContent")
    part = figure(page, 0)
    assert readout(part).startswith("at z 1: 48 of 48 values of y are met exactly, max |A x - y| = 0.000 levels")
    y, large = (pixels(part.locator("canvas").nth(i))[..., :3] for i in (0, 1))
    assert (y == stored(live.measurement).movedim(0, -1).numpy()).all()
    assert (large == stored(live.sheet)[..., :SIDE].movedim(0, -1).numpy()).all()
    for place, name in ((1.25, "between z 1 and z 2"), (2, "at z 2"), (3, "at z 3")):
        text, seen = changes(page, part, slide(part, "place", place))
        assert text.startswith(f"{name}: 48 of 48") and "0.00 levels in the range" in text
        assert seen == [False, True, True, True]
    large = pixels(part.locator("canvas").nth(1))[..., :3]
    assert (large == stored(live.sheet)[..., -SIDE:].movedim(0, -1).numpy()).all()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
    assert wrong == []
