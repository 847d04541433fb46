"""identity.json of a finished run: its rows, where the weights come from, and what is refused."""

import json

import pytest

from ganprior_null.cli import main
from ganprior_null.experiments.identity import FIRST, IDENTITY, RANK
from ganprior_null.experiments.trained import load_published
from ganprior_null.places import COMMITTED
from ganprior_null.weights import dlib

SHIPPED = COMMITTED / "restorers" / "night-faces-8x-glean-pd-seed0"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "drawn-16x-glean-none-seed0"
    words = ["train", "restorer", "glean", "--null-space", "none", "--factor", "16", "--profile", "smoke"]
    assert main([*words, "-p", "steps", "1", "-p", "eval_every", "1", "--out", str(folder)]) == 0
    return folder


def test_a_run_gets_its_rows_and_those_that_cost_nothing(run, capsys):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert main(["evaluate", "identity", str(run)]) == 0
    found = json.loads((run / "identity.json").read_text())
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.name != "identity.json"} == before
    assert list(found["corrected"]) == ["raw", "PD", "exact"]
    assert {"bicubic", "bicubic + PD", "mean image + PD"} <= found["baselines"].keys()
    assert found["weights"] == "last.ckpt" and found["people"] == found["images"]  # nobody is drawn twice
    assert found["recognition"] == {"dlib": {}, "features64": {}}
    for row in (*found["corrected"].values(), *found["baselines"].values()):
        assert -1 <= row[IDENTITY] <= 1 <= row[RANK] <= found["people"] and 0 <= row[FIRST] <= 1
    capsys.readouterr()
    assert main(["evaluate", "identity", str(run)]) == 2
    assert "identity.json is there already" in capsys.readouterr().err


def test_weights_that_were_shipped_of_a_run_are_found_by_its_parameters(tmp_path):
    trained, weights = load_published(SHIPPED)
    assert weights == "glean-pd-faces-8x" and trained.step == trained.params["steps"]
    for name in ("params.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    params = json.loads((tmp_path / "params.json").read_text())
    (tmp_path / "params.json").write_text(json.dumps(params | {"seed": 7}))
    with pytest.raises(FileNotFoundError, match="holds no last.ckpt"):  # another seed's are not this run's
        load_published(tmp_path)


def test_stored_identity_was_measured_with_a_network_that_knows_people():
    files = sorted((COMMITTED / "restorers").glob("*/identity.json"))
    assert files
    for file in files:
        found = json.loads(file.read_text("utf-8"))
        known = found["recognition"]
        assert found["margin"] == dlib.MARGIN, file  # another framing makes numbers that cannot be compared
        assert known["dlib"]["AUC"] > 0.98 and known["features64"]["AUC"] < 0.8, file
        assert known["dlib"]["another person"] < 0.05 < known["dlib"]["same person"], file


def test_without_the_package_one_line_says_what_to_install(run, monkeypatch, capsys):
    monkeypatch.setattr(dlib.importlib.util, "find_spec", lambda name: None)
    for words in (["identity", str(run), "--overwrite"],):
        assert main(["evaluate", *words]) == 2
        error = capsys.readouterr().err
        assert "pip install 'ganprior-null[identity]'" in error and error.count("\n") == 1


def test_recognition_needs_named_people(capsys, monkeypatch, tmp_path):
    assert main(["evaluate", "recognition", "--data", "drawn"]) == 2
    assert "nobody is drawn twice" in capsys.readouterr().err
    monkeypatch.setenv("GANPRIOR_DATA", str(tmp_path))
    assert main(["evaluate", "recognition"]) == 2
    assert "no images of faces at" in capsys.readouterr().err


def test_recognition_of_the_pack(shared, monkeypatch, capsys):
    monkeypatch.setenv("GANPRIOR_DATA", str(shared / "data"))
    assert main(["evaluate", "recognition"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["images"] == 726 and found["dlib"]["AUC"] > 0.98 and found["features64"]["AUC"] < 0.8
