"""A page without a kernel shows a panel as its last picture, and no dead controls or finished progress bars."""

import nbformat.v4 as v4
import pytest

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


def lesson(text: str, models: dict):
    view = v4.new_output("display_data", {VIEW: {"model_id": "m"}, "text/plain": text})
    cell = v4.new_code_cell("panel(...)", outputs=[view], execution_count=1)
    return v4.new_notebook(cells=[cell], metadata={"widgets": {STATE: {"state": models}}})


@pytest.mark.parametrize("text", ["  0%|          | 0/20 [00:00<?, ?it/s]", "Table 1:   0%|          | 0/20 [00:00<?]"])
def test_progress_bars_are_dropped(builder, text):
    page = lesson(text, {"m": {"state": {}, "model_name": "HBoxModel"}})
    builder.still_widgets(page)
    assert page.cells[0].outputs == [] and "widgets" not in page.metadata


def test_a_panel_becomes_its_picture_and_caption(builder):
    models = {
        "m": {"state": {"children": ["IPY_MODEL_p", "IPY_MODEL_c", "IPY_MODEL_s"]}, "model_name": "VBoxModel"},
        "p": {"state": {}, "model_name": "ImageModel", "buffers": [{"path": ["value"], "data": "iVBORw0KGgo="}]},
        "c": {"state": {"value": "<b>24.1 dB</b>"}, "model_name": "HTMLModel"},
        "s": {"state": {"description": "factor", "disabled": False}, "model_name": "IntSliderModel"},
    }
    page = lesson("VBox(children=(Image(), HTML(), IntSlider()))", models)
    builder.still_widgets(page)
    html = page.cells[0].outputs[0].data["text/html"]
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in html and "<b>24.1 dB</b>" in html
    assert "factor" not in html and VIEW not in page.cells[0].outputs[0].data
    assert "are live in JupyterLab" in html


def test_a_picture_promises_no_controls(builder):
    page = lesson("Image()", {"m": {"state": {}, "model_name": "ImageModel", "buffers": []}})
    builder.still_widgets(page)
    assert "JupyterLab" not in page.cells[0].outputs[0].data["text/html"]


def test_a_widget_that_brings_its_own_program_stays(builder):
    """Behind its picture, which its program takes away; and a word for those whose browser runs none."""
    state = {"_esm": "export default {}", "still_alt": "a <face>"}
    buffers = [{"path": ["still"], "data": "UklGRg==\n", "encoding": "base64"}]
    page = lesson("NullSpace()", {"m": {"state": state, "buffers": buffers, "model_name": "AnyModel"}})
    builder.still_widgets(page)
    still, live = (output.data for output in page.cells[0].outputs)
    assert 'alt="a &lt;face&gt;" src="data:image/webp;base64,UklGRg=="' in still["text/html"]
    assert "This figure is live where JavaScript runs." in still["text/html"]
    assert VIEW in live and "widgets" in page.metadata
