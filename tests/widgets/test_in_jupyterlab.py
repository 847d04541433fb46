"""In a real JupyterLab, in a real browser: a lesson's panel follows the keyboard, a live figure talks with Python."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import pytest

from ..conftest import PATIENCE

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"
IDLE = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
LIVE = """
import ipywidgets
from ganprior_null.widgets.live import LivePD

figure, heard = LivePD(), ipywidgets.Label()


def answer(change):
    heard.value = f"Python heard of factor {change.new}"
    figure.strength = 0.25


figure.observe(answer, "factor")
ipywidgets.VBox([figure, heard])
"""

NETWORK = """
import ipywidgets
from ganprior_null.widgets.live import LivePrior

figure, heard = LivePrior(), ipywidgets.Label()
figure.observe(lambda change: setattr(heard, "value", f"Python heard of psi {change.new}"), "psi")
ipywidgets.VBox([figure, heard])
"""

QUIZ = """
from ganprior_null.widgets import quiz

quiz("01")
"""


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """The address of a JupyterLab of our own that holds a copy of the lesson, and a notebook with a live figure."""
    if not os.environ.get("CI"):
        pytest.importorskip("jupyterlab")
    home = tmp_path_factory.mktemp("lab")
    shutil.copy(NOTEBOOK, home)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)"}}
    for name, cell in (("live", LIVE), ("network", NETWORK), ("quiz", QUIZ)):
        nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell)], metadata=kernel), home / f"{name}.ipynb")
    settings = home / "settings" / "@jupyterlab"
    _write(settings / "notebook-extension" / "tracker.jupyterlab-settings", {"windowingMode": "none"})
    _write(settings / "apputils-extension" / "notification.jupyterlab-settings", {"fetchNews": "false"})
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "spaces",
        "JUPYTER_RUNTIME_DIR": "run",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={home}"]
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token="]
    command += ["--LabApp.expose_app_in_browser=True"]
    environment = os.environ | {"GANPRIOR_PROFILE": "smoke"} | {key: str(home / name) for key, name in folders.items()}
    with (home / "log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        try:
            port = _port(home / "run" / f"jpserver-{server.pid}.json", server)  # another one, if that was taken
            yield f"http://127.0.0.1:{port}/lab/tree"
        finally:
            server.terminate()  # its kernels go with it


@pytest.fixture
def page(lab, chromium, request):
    """The notebook named by the test's parameter, its cells run."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{lab}/{request.param}?reset")  # without the notebook of the test before
        page.wait_for_function(IDLE)
        page.evaluate("window.jupyterapp.commands.execute('runmenu:run-all')")
        yield page
        browser.close()


@pytest.mark.parametrize("page", [NOTEBOOK.name], indirect=True)
def test_a_key_on_the_slider_changes_the_picture_and_keeps_the_focus(page):
    picture, caption = page.locator(".widget-image"), page.locator(".jupyter-widgets [role=status]")
    picture.wait_for()
    slider = page.locator(".noUi-handle")
    slider.scroll_into_view_if_needed()
    slider.focus()
    before, said = picture.get_attribute("src"), caption.inner_text()
    assert "PSNR(LR)" in said

    page.keyboard.press("End")
    page.wait_for_function("src => document.querySelector('.widget-image').src !== src", arg=before)
    page.wait_for_function("t => document.querySelector('.jupyter-widgets [role=status]').innerText !== t", arg=said)
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert slider.evaluate("handle => handle === document.activeElement")  # the next key goes to the slider, too
    assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0


@pytest.mark.parametrize("page", ["quiz.ipynb"], indirect=True)
def test_a_quiz_checks_an_answer(page):
    box = page.locator("form.quiz fieldset").nth(1)  # its choices are formulas
    box.locator("mjx-container").first.wait_for()
    box.locator("input").first.check()
    box.get_by_role("button", name="Check").click()
    assert box.locator(".quiz-said li:visible strong").inner_text() in ("Right:", "Not so:")
    assert "tried" in page.inner_text(".quiz-score")


@pytest.mark.parametrize("page", ["live.ipynb"], indirect=True)
def test_a_live_figure_tells_python_and_listens(page):
    readout = page.locator(".live-readout")
    readout.wait_for()
    assert "max |A x̂ − y|" in readout.inner_text()
    page.locator(".live [data-key=factor]").select_option("4")
    page.get_by_text("Python heard of factor 4").wait_for()  # the browser's change reached Python
    page.wait_for_function("document.querySelector('.live [data-key=strength]').value === '0.25'")  # and Python's us


@pytest.mark.parametrize("page", ["network.ipynb"], indirect=True)
def test_a_network_comes_from_python_and_runs_in_the_page(page):
    page.get_by_role("button", name="MB from Python").click()
    page.get_by_text("One sample takes").wait_for()
    page.locator(".live [data-key=psi]").fill("0.2")
    page.get_by_text("Python heard of psi 0.2").wait_for()
    page.get_by_text("ψ = 0.2").wait_for()


def _write(path: Path, settings: dict) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(settings))


def _port(file: Path, server: subprocess.Popen) -> int:
    """Where the server listens, as it writes when it does."""
    end = time.monotonic() + PATIENCE
    while not (file.exists() and file.read_text().rstrip().endswith("}")):
        assert server.poll() is None and time.monotonic() < end, "JupyterLab did not start"
        time.sleep(0.2)
    return json.loads(file.read_text())["port"]
