"""The lesson's panel in a real JupyterLab, in a real browser: it appears, follows the keyboard, keeps the focus."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"
SECONDS = 90  # for a starting server, or a kernel that imports torch, on a busy machine; each takes a few


@pytest.fixture(scope="module")
def lab(chromium, tmp_path_factory):
    """The address of a JupyterLab of our own that shows a copy of the lesson."""
    if not os.environ.get("CI"):
        pytest.importorskip("jupyterlab")
    home = tmp_path_factory.mktemp("lab")
    shutil.copy(NOTEBOOK, home)
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
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command += ["--LabApp.expose_app_in_browser=True"]
    environment = os.environ | {"GANPRIOR_PROFILE": "smoke"} | {key: str(home / name) for key, name in folders.items()}
    with (home / "log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/api", server)
            yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}"
        finally:
            server.terminate()  # its kernels go with it


@pytest.fixture
def page(lab, chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(SECONDS * 1000)
        page.goto(lab)
        yield page
        browser.close()


def test_a_key_on_the_slider_changes_the_picture_and_keeps_the_focus(page):
    page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'")
    page.evaluate("window.jupyterapp.commands.execute('runmenu:run-all')")
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


def _write(path: Path, settings: dict) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(settings))


def _wait_for(address: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        assert server.poll() is None, "JupyterLab ended before it answered"
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"JupyterLab did not answer within {SECONDS} s")
