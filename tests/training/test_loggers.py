"""Curves in other programs' forms hold what the JSON lines hold; a run without them needs none of their packages."""

import csv
import fcntl
import importlib.util
import os
import sys
from types import SimpleNamespace

import pytest

from ganprior_null.cli import main
from ganprior_null.training import Run
from ganprior_null.training.loggers import check_loggers

LINES = [(1, {"D": 2.0}), (2, {"D": 1.5}), (2, {"PSNR": 20.0})]


def logged(folder, *names, lines=LINES):
    run = Run(folder, {"lr": 0.1}, loggers=names)
    for step, scalars in lines:
        run.log(step, scalars)
    return run


def test_csv_has_every_line(tmp_path):
    run = logged(tmp_path, "csv")
    (file,) = tmp_path.glob("csv/*/metrics.csv")
    rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file.open())]
    assert [(row.get("D"), row.get("PSNR")) for row in rows] == [(2.0, None), (1.5, None), (None, 20.0)]
    assert [entry["step"] for entry in run.history()] == [row["step"] for row in rows]


def test_tensorboard_has_every_line_and_forgets_what_is_told_anew(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is in the extra loggers"
    )
    logged(tmp_path, "tensorboard")
    logged(tmp_path, "tensorboard", lines=[(2, {"D": 1.25}), (3, {"D": 1.0})])  # the run went on from step 1
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("D")] == [(1, 2.0), (2, 1.25), (3, 1.0)]


def test_weights_and_biases_is_told_every_line_of_one_run(tmp_path, monkeypatch):
    told, began = [], []
    run = SimpleNamespace(log=lambda values, step: told.append((step, values)))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **about: began.append(about) or run))
    logged(tmp_path, "wandb")
    logged(tmp_path, "wandb", lines=[(3, {"D": 1.0})])
    assert told == [*LINES, (3, {"D": 1.0})]
    assert began[0]["id"] == began[1]["id"] and began[0]["config"] == {"lr": 0.1}
    logged(tmp_path / "other", "wandb", lines=[(1, {})])
    assert began[2]["id"] != began[0]["id"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_one_clear_line_before_anything_is_written(tmp_path, monkeypatch, capsys, name):
    monkeypatch.setattr(
        "ganprior_null.training.loggers.find_spec",
        lambda package: None if package == name else importlib.util.find_spec,
    )
    words = ["train", "prior", "--profile", "smoke", "--out", str(tmp_path / "run"), "--logger", name]
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert said == f"error: the logger {name} needs a package that is not installed: pip install {name}"
    assert not (tmp_path / "run").exists()


def test_an_unknown_logger_is_refused():
    with pytest.raises(ValueError, match="a logger is one of tensorboard, csv, wandb, got 'tensorbord'"):
        check_loggers(["csv", "tensorbord"])
    assert check_loggers(["csv", "csv"]) == ("csv",)


def test_two_programs_do_not_train_in_one_folder(tmp_path, capsys):
    words = ["train", "prior", "--profile", "smoke", "--out", str(tmp_path / "run"), "--precision", "32-true"]
    assert main([*words, "--logger", "csv"]) == 0
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert list(tmp_path.glob("run/csv/*/metrics.csv"))
    holder = os.open(tmp_path / "run", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert main(words) == 2
    os.close(holder)
    assert f"another process is writing to {tmp_path / 'run'}" in capsys.readouterr().err
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert main(words) == 0  # the control: free again
