"""Fixtures for every test. Results of a test never land in data/results or build/results."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files beside the checkout (tables, tensors, image packs); few machines have it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no folder of reference files at {folder}")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """A browser to open pages with. Its absence skips a test, except in continuous integration."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail("no chromium on this machine: .ci/run installs it, so that this test is never skipped")
    pytest.skip("no chromium on this machine; on Debian and Ubuntu: sudo apt-get install chromium")


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    """Claims and weights of a test go to its own folder; the caller's weights and choice of profile have no say."""
    monkeypatch.setenv("GANPRIOR_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("GANPRIOR_WEIGHTS", str(tmp_path / "own-weights"))
    monkeypatch.delenv("GANPRIOR_PROFILE", raising=False)
