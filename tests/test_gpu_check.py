"""`make gpu-check` runs at its smallest without a GPU, and says that its figures are no measurement."""

import functools
import json
import re
from pathlib import Path

import pytest

from ganprior_null.profiles import Experiment

from .programs import program

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "paper_scale.md"


def test_everything_runs_on_a_processor_and_says_so(monkeypatch, tiny_prior):
    check = program("benchmarks/gpu_check.py")
    monkeypatch.setattr(check, "run_tests", lambda scale: {"status": 0, "said": "none"})  # pytest within pytest
    monkeypatch.setattr(check, "MODELS", ("pdn",))
    monkeypatch.setattr(check, "Experiment", functools.partial(Experiment, prior=tiny_prior))  # lesson 07's, narrow
    monkeypatch.setattr(check, "PRECISIONS", {"float32": "32-true"})
    found = check.measure(check.torch.device("cpu"))
    assert [
        name for name, part in found.items() if isinstance(part, dict) and ("failed" in part or "left out" in part)
    ] == []
    assert set(found["operators"]["ratios"]) == set(check.TABLE) and min(found["operators"]["ratios"].values()) > 0
    assert {row["what"] for row in found["networks"]["rows"]} == {"G", "D", "StyleGAN2, step", "pdn, step"}
    assert all(row["estimated_gb"] > 0 and "measured_gb" not in row for row in found["memory"]["rows"])
    assert found["run"]["finished"] and found["run"]["step"] == found["run"]["steps"]
    text = check.table(json.loads(json.dumps(found)))
    assert "no GPU: a rehearsal, no figures" in text and "| PD |" in text
    monkeypatch.setattr(check, "SECONDS", -1)  # the control: no time for anything
    assert all(
        "left out" in part for part in check.measure(check.torch.device("cpu")).values() if isinstance(part, dict)
    )


def test_the_page_shows_what_is_stored():
    check, files = program("benchmarks/gpu_check.py"), sorted((ROOT / "data" / "results" / "gpu").glob("*.json"))
    (shown,) = re.findall(r"% gpu-check: begin.*?\n(.*?)% gpu-check: end", PAGE.read_text("utf-8"), re.S)
    assert shown.strip() == "\n\n".join(check.table(json.loads(file.read_text())) for file in files)


def test_the_page_shows_the_hours_of_the_evening():
    (shown,) = re.findall(r"% evening: begin.*?\n\n(.*?)\n\n% evening: end", PAGE.read_text("utf-8"), re.S)
    assert shown == program("benchmarks/cost.py").evening()
    assert float(re.findall(r"([\d.]+) h \|$", shown)[-1]) < 8  # an evening


@pytest.mark.parametrize("model", ["glean", "panini", "pdn"])
def test_the_evenings_table_and_its_hours_speak_of_the_same_runs(model):
    import yaml

    cost = program("benchmarks/cost.py")
    lines = yaml.safe_load((ROOT / "workflow" / "gpu.yaml").read_text("utf-8"))["runs"].values()
    count = sum(line.get("model", "pdn") == model for line in lines)
    assert dict(cost.EVENING)[model] == count
