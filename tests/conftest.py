"""For every test: its own random numbers, any order by ``--shuffle``, results that never land in data or build."""

import os
import random
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300  # seconds for what a browser or a server does in one, on an idle machine


def pytest_addoption(parser):
    parser.addoption("--shuffle", metavar="SEED", help="run files, and tests within a file, in the order of this seed")


def pytest_collection_modifyitems(config, items):
    """A file stays together, as it shares fixtures; sorted by checksums, the order is the same in every process.

    Those of this folder start whole programs and take longest: they come first, so that none is left to run alone.
    """
    items.sort(key=lambda item: item.path.parent != ROOT / "tests")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))
    if (seed := config.getoption("shuffle")) is not None:
        items.sort(key=lambda item: [_number(f"{seed} {name}") for name in (item.nodeid.split("::")[0], item.nodeid)])


def pytest_fixture_setup(fixturedef, request):
    """A fixture of several tests draws the same whichever of them comes first."""
    _seed(f"{request.node.nodeid} {fixturedef.argname}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """What a test draws without a generator is its own affair, whatever ran before it in this process."""
    _seed(item.nodeid)


def _number(text: str) -> int:
    return zlib.crc32(text.encode())


def _seed(name: str) -> None:
    number = _number(name)
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


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
    monkeypatch.setenv("GANPRIOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANPRIOR_PROFILE", raising=False)
    monkeypatch.delenv("GANPRIOR_CALLER", raising=False)


@pytest.fixture
def tiny_prior(own_results) -> str:
    """A prior of one's own by name, of 64 pixels and eight channels: a restorer around it is trained in seconds."""
    from ganprior_null import weights
    from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator

    folder, channels = weights.new_weights_folder("tiny"), {2**i: 8 for i in range(2, 7)}
    generator = StyleGAN2(64, 8, 2, channels).state_dict() | {"latent_avg": torch.zeros(8)}
    weights.save_weights(folder / "tiny.safetensors", generator, {})
    weights.save_weights(
        folder / "tiny.discriminator.safetensors", StyleGAN2Discriminator(64, channels).state_dict(), {}
    )
    return "tiny"
