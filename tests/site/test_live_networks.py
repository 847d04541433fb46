"""Networks in the page: as PyTorch computes them, from a folder with a space in its name and the network cut off.

They also fail kindly: whatever is missing or dies, one message says so and the stored pictures stay.
"""

import functools
import http.server
import io
import re
import threading
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image

from ganprior_null import AveragePool, consistency_db, enforce_consistency
from ganprior_null.images import from_uint8
from ganprior_null.interop.page import export
from ganprior_null.interop.page.networks import page_network
from ganprior_null.weights import shipped_restorers
from ganprior_null.widgets.live import LivePDN, LivePrior, LivePulse, LiveRestorers

from .test_live_figures import figure, pixels, readout, slide
from .test_live_mathematics import CALL

RESTORERS = shipped_restorers(8)
NETWORKS = ["faces64", "faces64-search-8x", *RESTORERS]
PATIENCE = 240_000  # milliseconds, on a busy machine; a network loads in a few seconds
pytestmark = pytest.mark.timeout(900)

RUN = """async ([text, folder, name, inputs]) => {
    const { Network } = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
    const network = new Network({ folder }, name);
    let [parts, took] = [0, []];
    const start = performance.now();
    await network.load(() => parts++);
    for (let k = 0; k < 3; k++) {
        const before = performance.now();
        var outputs = await network.run(inputs);
        took.push(performance.now() - (k ? before : start));
    }
    network.close();
    return { outputs: Object.fromEntries(Object.entries(outputs).map(([k, v]) => [k, [...v]])), parts, took };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a space in its name that holds an empty page and the files of every network."""
    folder = tmp_path_factory.mktemp("some folder")
    export(NETWORKS, folder / "networks")
    (folder / "page.html").write_text("<!DOCTYPE html><html lang=en><title>empty</title>", "utf-8")
    return folder


@pytest.fixture(scope="module")
def served(folder):
    """The same under a sub-path of a server of this machine."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Silent, directory=folder.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{quote(folder.name)}"
        server.shutdown()


def flat(inputs: dict) -> dict:
    return {key: value.flatten().tolist() for key, value in inputs.items()}


def in_page(browser, address: str, name: str, inputs: dict) -> dict:
    """What the network of this name makes of the inputs in a page: {outputs, parts, took}."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/page.html")
    found = page.evaluate(RUN, [LivePrior._esm, f"{address}/networks/", name, flat(inputs)])
    page.close()
    return found


def check(name: str, found: dict) -> None:
    """Every pixel within 5e-3, about one level of 255; the gradient within a thousandth of its largest value."""
    network = page_network(name)
    with torch.no_grad():
        wanted = network.module(*network.inputs.values())
    for key, want in zip(network.outputs, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        off = (torch.tensor(found["outputs"][key]) - want.flatten()).abs().max()
        assert off < (1e-3 * want.abs().max() if key == "gradient" else 5e-3), key


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_the_page_is_pytorchs(browser, folder, name, capsys):
    found = in_page(browser, folder.as_uri(), name, page_network(name).inputs)
    check(name, found)
    first, *others = found["took"]
    with capsys.disabled():
        print(f"\n{name}: {found['parts']} files; loaded and run in {first:.0f} ms, then {min(others):.0f} ms a pass")


def test_it_is_the_same_under_a_sub_path_of_a_server(browser, served):
    check("faces64", in_page(browser, served, "faces64", page_network("faces64").inputs))


def test_a_wrong_network_would_be_noticed(browser, folder):
    inputs = page_network("faces64").inputs | {"psi": torch.tensor([0.75])}
    with pytest.raises(AssertionError, match="x"):
        check("faces64", in_page(browser, folder.as_uri(), "faces64", inputs))


@pytest.fixture(scope="module")
def site(live_site):
    return live_site([LivePrior(), LivePDN()])


@pytest.fixture(scope="module")
def restorers_site(live_site):
    return live_site([LiveRestorers(RESTORERS)])


@pytest.fixture(scope="module")
def search_site(live_site):
    return live_site([LivePulse()])


@pytest.fixture
def opened(browser):
    """opened(site, script run before the page's) -> its page on a phone, without a network; errors fail at the end."""
    contexts, wrong = [], []

    def opened(site, before=""):
        context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        if before:
            page.add_init_script(before)
        page.on("request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((site / "live.html").as_uri())
        page.wait_for_function("document.querySelectorAll('.live canvas').length > 0")
        return page

    opened.wrong = wrong
    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def start(part):
    part.get_by_role("button", name=re.compile("Run the network|Try again")).click()


def says(page, part, text: str) -> str:
    """The read-out once it holds the text."""
    element = part.locator(".live-readout").element_handle()
    page.wait_for_function("([e, text]) => e.textContent.includes(text)", arg=[element, text])
    return readout(part)


def told(page, part) -> str:
    """What the line for errors says once it says something."""
    notice = part.locator(".live-notice")
    page.wait_for_function("e => e.textContent", arg=notice.element_handle())
    return notice.inner_text()


def test_two_figures_at_once(opened, site):
    """The walk shows what PyTorch makes of its settings; PDN's read-out is what PyTorch and float64 say."""
    page = opened(site)
    walk, many = figure(page, 0), figure(page, 1)
    assert "2.7 MB" in walk.get_by_role("button", name="Run the network").inner_text()
    start(walk)
    start(many)
    says(page, walk, "One sample takes")
    text = says(page, many, "One pass takes")
    assert float(text.split("answers: ")[1].split(",")[0]) < 1e-14

    module = page_network("pdn-faces-8x").module
    live = LivePDN()
    x = torch.tensor(np.array(Image.open(io.BytesIO(live.picture)).convert("RGB"))).movedim(-1, 0)[None]
    A, z = AveragePool(live.factor), torch.frombuffer(bytearray(live.codes), dtype=torch.float32).view(live.count, -1)
    x, y = from_uint8(x).double(), A(from_uint8(x).double())
    with torch.no_grad():
        x_r = torch.cat([module(y.float(), code[None]) for code in z]).double()
    assert float(text.split("x_r: ")[1].split(" dB")[0]) == pytest.approx(
        float(consistency_db(A, x_r[:1], y)), abs=0.06
    )
    x_hat = enforce_consistency(x_r, y.expand(live.count, -1, -1, -1), A)
    shown = torch.tensor(pixels(many.locator("canvas").nth(3))[..., :3] / 255.0).movedim(-1, 0)
    assert (shown - x_hat[0].clamp(0, 1)).abs().max() < 0.51 / 255 + 5e-3

    said = readout(walk)
    slide(walk, "psi", 0.2)()
    slide(walk, "crossover", 3)()  # while it computes
    assert says(page, walk, "ψ = 0.2") != said
    text = says(page, walk, "layers 0 to 2 from A, 7 from B")
    codes = torch.frombuffer(bytearray(LivePrior().codes), dtype=torch.float32).view(4, -1)
    with torch.no_grad():
        second = (torch.arange(10) >= 3).float()
        sample = page_network("faces64").module(codes[[0, 3]], second, torch.tensor([0.2]), torch.tensor([1.0]))
    shown = torch.tensor(pixels(walk.locator("canvas").nth(1))[..., :3] / 255.0).movedim(-1, 0)
    assert (shown - sample[0].clamp(0, 1)).abs().max() < 0.51 / 255 + 5e-3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_walk_is_dragged_and_moved_by_keys(opened, site):
    page = opened(site)
    walk = figure(page, 0)
    start(walk)
    says(page, walk, "One sample takes")
    point = walk.locator("[data-handle=walk]")
    point.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    says(page, walk, "(0.10) z1 + (0.50) z2")
    svg = walk.locator("svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "text => !document.querySelector('.live-readout').textContent.includes(text)", arg="(0.10) z1"
    )
    a, b = map(float, re.findall(r"\((-?[\d.]+)\)", readout(walk)))
    assert (a, b) == pytest.approx((-0.75, 0), abs=0.03)  # a pixel of 176


def own(mode: str, size: tuple, kind: str, **options) -> bytes:
    """A picture file."""
    file = io.BytesIO()
    Image.new(mode, size, options.pop("colour", 60)).save(file, kind, **options)
    return file.getvalue()


def quarter_turn() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_the_readers_own_picture(opened, site):
    """Turned, transparent, of 16 bits, animated or huge, it is taken; what is no picture, or tiny, changes nothing."""
    page = opened(site)
    many = figure(page, 1)
    start(many)
    says(page, many, "One pass takes")
    chooser, notice = many.locator("input[type=file]"), many.locator(".live-notice")
    for name, content, size in (
        ("turned", own("RGB", (90, 70), "JPEG", exif=quarter_turn()), (70, 90)),
        ("transparent", own("RGBA", (64, 64), "PNG", colour=(9, 9, 200, 90)), (64, 64)),
        ("16-bit", own("I;16", (80, 70), "PNG", colour=40_000), (80, 70)),
        ("animated", own("P", (70, 90), "GIF", save_all=True, append_images=[Image.new("P", (70, 90), 9)]), (70, 90)),
        ("huge", own("L", (6000, 5000), "PNG"), (6000, 5000)),
    ):
        before = readout(many)
        chooser.set_input_files({"name": name, "mimeType": "", "buffer": content})
        page.wait_for_function("([e, name]) => e.textContent.startsWith(name)", arg=[notice.element_handle(), name])
        transparent = "; transparent parts laid over white" if name == "transparent" else ""
        assert notice.inner_text() == f"{name}: {size[0]} x {size[1]} pixels; computed with 64 x 64{transparent}."
        element = many.locator(".live-readout").element_handle()
        page.wait_for_function("([e, before]) => e.textContent !== before", arg=[element, before])
        assert float(readout(many).split("answers: ")[1].split(",")[0]) < 1e-14
    page.wait_for_timeout(1000)  # what was under way is done
    text = readout(many)
    for name, content, message in (
        ("text.png", b"no image", "text.png is no picture that this browser"),
        ("empty.png", b"", "empty.png is no picture that this browser"),
        ("tiny.png", own("L", (20, 90), "PNG"), "The picture has 20 x 90 pixels; it takes 64 x 64 or more."),
    ):
        chooser.set_input_files({"name": name, "mimeType": "image/png", "buffer": content})
        page.wait_for_function("([e, text]) => e.textContent.startsWith(text)", arg=[notice.element_handle(), message])
        assert notice.inner_text().endswith("The picture is the one before.") and readout(many) == text


FAULTS = {
    "no WebAssembly SIMD": ("WebAssembly.validate = () => false", "this browser has no WebAssembly SIMD"),
    "no worker": (
        "globalThis.Worker = class { constructor() { throw new Error('no workers here') } }",
        "no workers here",
    ),
    "a worker that dies": (
        "const Real = Worker; globalThis.Worker = class extends Real {"
        " postMessage(m, t) { if (m.inputs) this.dispatchEvent(new ErrorEvent('error', { message: 'it died' }));"
        " else super.postMessage(m, t); } }",
        "it died",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_browser_that_cannot_run_it_shows_the_stored_pictures(opened, site, fault):
    script, message = FAULTS[fault]
    page = opened(site, script)
    walk = figure(page, 0)
    before = [pixels(canvas) for canvas in walk.locator("canvas").all()]
    assert all(shown.std() > 5 for shown in before)
    start(walk)
    said = told(page, walk)
    assert message in said and said.endswith("The pictures are those stored with the page.")
    after = [pixels(canvas) for canvas in walk.locator("canvas").all()]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
    assert walk.locator("[data-key=psi]").is_disabled() and walk.get_by_role("button", name="Try again").is_enabled()


@pytest.mark.parametrize("how", ["missing", "cut off", "too short", "no graph"])
def test_weights_that_do_not_arrive_are_one_message(opened, site, how):
    networks = site / "_static" / "networks"
    path = networks / ("faces64.js" if how == "no graph" else "faces64-1.js")
    whole = path.read_text("utf-8")
    try:
        if how in ("missing", "no graph"):
            path.unlink()
        else:
            path.write_text(whole[:5000] if how == "cut off" else whole[:5000] + '";', "utf-8")
        page = opened(site)
        walk = figure(page, 0)
        if how != "no graph":
            start(walk)
        said = told(page, walk)
        wanted = (
            "the weights faces64 are damaged" if how == "too short" else f"the file {path.name} is missing or damaged"
        )
        assert wanted in said
        opened.wrong.clear()  # a script that is cut off is an error of the page, too
    finally:
        path.write_text(whole, "utf-8")
    if how == "missing":  # it arrives after all
        start(walk)
        says(page, walk, "One sample takes")


def test_without_javascript_the_stored_picture_stays(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "live.html").as_uri())
    assert page.locator("img.live-still").count() == 2
    assert page.locator("img.live-still").first.evaluate("e => e.naturalWidth") > 100
    assert page.locator("noscript p").all_inner_texts() == ["This figure is live where JavaScript runs."] * 2
    context.close()


def test_with_javascript_the_figure_takes_its_place(opened, site):
    page = opened(site)
    page.wait_for_function("document.querySelectorAll('img.live-still').length === 0")


def test_restorers_on_a_picture(opened, restorers_site):
    page = opened(restorers_site)
    part = figure(page, 0)
    start(part)
    says(page, part, "A pass takes")
    table = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in part.locator("tbody tr").all()
    }
    assert set(table) >= {"A⁺y", "bicubic", "bicubic + PD"}
    for name in RESTORERS:
        assert float(table[f"{name} + PD"][1]) < 1e-14 < 1e-3 < float(table[name][1])


# mulberry32: a page draws its starts itself, and a search of 30 steps arrived from only half of six of them
SEEDED = """
let a = 0;
Math.random = () => {
  let t = (a += 0x6d2b79f5);
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
"""


def test_a_search_reaches_the_eps_that_it_states(opened, search_site):
    """A picture that the prior itself made is within reach; the read-out is held against the pixels shown."""
    page = opened(search_site, SEEDED)
    part = figure(page, 0)
    start(part)
    says(page, part, "step 1,")
    with torch.no_grad():
        network = page_network("faces64")
        x = network.module(network.inputs["z"], torch.zeros(10), torch.tensor([0.5]), torch.tensor([1.0]))
    file = io.BytesIO()
    Image.fromarray((255 * x[0].clamp(0, 1)).byte().movedim(0, -1).numpy()).save(file, "PNG")
    part.locator("input[type=file]").set_input_files({"name": "own.png", "mimeType": "", "buffer": file.getvalue()})
    says(page, part, "The search is over.")
    text = readout(part)
    sphere, free = text.split(". any norm: ")
    for line, canvas in ((sphere, 2), (free, 4)):
        error = float(line.split("best mean square ")[1].split(",")[0])
        shown = torch.tensor(pixels(part.locator("canvas").nth(canvas))[..., :3] / 255.0).movedim(-1, 0)[None]
        measured = float((AveragePool(8)(shown) - AveragePool(8)(from_uint8(to_bytes(x)).double())).square().mean())
        assert measured == pytest.approx(error, rel=0.2, abs=2e-4)  # the screen clamps
        assert ("has not reached eps" in line) == (error > 2e-3)
        assert float(re.search(r"\|A x̂ − y\| = ([\d.]+e?-?\d*)", line)[1]) < 1e-14
    assert "reached eps = 0.002" in sphere and "has not reached" not in sphere
    assert abs(float(sphere.split("|z| is ")[1].split(" ")[0]) - 1) < 0.06  # of a sample: sqrt(1280) give or take


def to_bytes(x: torch.Tensor) -> torch.Tensor:
    return (255 * x.clamp(0, 1)).byte()


def test_the_searchs_step_is_pytorchs_adam(browser):
    """Ten steps with made-up gradients, on the sphere and off it, against the package's own."""
    from ganprior_null.restorers.inversion.search import SCHEDULES, Samples

    generator = torch.Generator().manual_seed(0)
    z, gradients = torch.randn(1, 3, 4, generator=generator), torch.randn(10, 1, 3, 4, generator=generator)
    page = browser.new_page()
    for spherical in (True, False):
        samples = Samples([z], [spherical])
        for step, g in enumerate(gradients):
            rate = 0.4 * SCHEDULES["linear1cycledrop"](step, 10)
            samples.step((100 * g * samples.variables[0]).sum((1, 2)), rate)
        program = f"{LivePulse._esm}\nexport function run(z, gradients, spherical) {{" + (
            "const s = new Search(z, 3, spherical);"
            "gradients.forEach((gradient, t) => s.step({ error: [1], gradient, x: [] }, 0.4 * schedule(t, 10)));"
            "return [...s.z]; }"
        )
        found = page.evaluate(CALL, [program, "run", [z.flatten().tolist(), gradients.flatten(1).tolist(), spherical]])
        torch.testing.assert_close(torch.tensor(found), samples.variables[0].detach().flatten(), rtol=1e-4, atol=1e-5)
    page.close()
