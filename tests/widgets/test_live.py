"""Live figures on Python's side: their controls are traits, and lessons hold the program of today."""

from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import torch
import traitlets

from ganprior_null.widgets.live import LiveCompare, LiveKernel, LiveMatrix, LivePD, LivePDN, LiveRestorers, LiveWalk

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]*.ipynb"))
STATE = "application/vnd.jupyter.widget-state+json"


def programs(notebook: Path) -> list[dict]:
    """The saved states of a notebook's live figures."""
    saved = nbformat.read(notebook, as_version=4).metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    return [model["state"] for model in saved.values() if "_esm" in model["state"]]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_lesson_holds_the_program_of_today(notebook):
    for state in programs(notebook):
        module, name = state["_anywidget_id"].rsplit(".", 1)
        figure = getattr(import_module(module), name)
        for key in ("_esm", "_css"):
            assert state[key] == getattr(figure, key), f"run: make notebooks NB={notebook.stem[:2]}"


def test_lessons_have_live_figures():
    assert {path.stem[:2] for path in NOTEBOOKS if programs(path)} >= {"00", "01"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LivePD(torch.rand(3, 100, 96)), "multiples of 16, 256 at most, got (100, 96)"),
        (lambda: LivePD(torch.rand(3, 512, 512)), "multiples of 16, 256 at most, got (512, 512)"),
        (lambda: LivePD(torch.rand(1, 32, 32)), "must be (3, H, W) or (1, 3, H, W), got (1, 32, 32)"),
        (lambda: LiveKernel(torch.rand(3, 16, 32)), "from 32 to 128, got (16, 32)"),
        (lambda: LiveCompare({"a": torch.rand(3, 8, 8)}, {"a": ""}), "need two pictures or more, of one size"),
        (lambda: LivePD(networks=["pdn-faces-8"]), "no weights named 'pdn-faces-8'"),
        (lambda: LiveRestorers([]), "takes restorers of one size, got none"),
        (lambda: LivePDN("panini-pd-faces-8x"), "panini-pd-faces-8x takes no code z"),
        (lambda: LivePDN(count=1), "need at least two codes, got 1"),
        (lambda: LiveCompare({"a": torch.rand(3, 8, 8)}, {"a": ""}), "need two pictures or more, of one size"),
        (lambda: LiveWalk(None, None, count=1), "count must be at least 2"),
        (lambda: LiveWalk(None, None, psis=()), "at least one psi"),
    ],
    ids=[
        "no multiple of 16",
        "too large",
        "gray",
        "smaller than the kernel",
        "one picture",
        "no such network",
        "no network",
        "no code",
        "one code",
        "one picture",
        "one sample",
        "no psi",
    ],
)
def test_bad_input_is_one_clear_error(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("figure", "key", "value"),
    [
        (LivePD, "factor", 3),
        (LivePD, "backbone", "magic"),
        (LivePD, "strength", 2.1),
        (LiveKernel, "eccentricity", 1.0),
        (LiveMatrix, "x", [1.0]),
    ],
)
def test_a_control_out_of_range_is_refused(figure, key, value):
    part = figure()
    before = getattr(part, key)
    with pytest.raises(traitlets.TraitError):
        setattr(part, key, value)
    assert getattr(part, key) == before


def test_no_weights_are_in_a_figures_state():
    """The largest value of any trait is a picture: weights come when the reader asks, from the site or from Python."""
    figure = LivePDN()
    assert max(len(value) for value in figure.get_state().values() if isinstance(value, (bytes, memoryview))) < 50_000
    sent = []
    figure.send = lambda content, buffers=None: sent.append((content, buffers))
    for name in ("pdn-faces-8x", "pdn-faces-8x-0", "program", "nothing"):
        figure._answer(figure, {"ask": name}, [])
    (graph, _), (_, (part,)), (program, _), (none, _) = sent
    assert graph["value"]["inputs"].keys() == {"y", "z"} and len(part) == graph["value"]["part"]
    assert "onmessage" in program["value"]["worker"] and none == {"answer": "nothing", "error": "KeyError: 'nothing'"}


def test_what_a_notebook_prints_of_it_is_the_same_in_every_run():
    assert repr(LiveMatrix()) == repr(LiveMatrix()) == "<LiveMatrix: live in JupyterLab and on the site>"
