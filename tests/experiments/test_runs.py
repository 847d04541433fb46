"""Stored runs are read, grouped by their parameters, and compared step by step; what is broken is named in one line."""

import json
import math

import pytest

from ganprior_null.experiments import runs

STEPS = (0, 100, 200, 300, 400)


def write(folder, name, psnr, *, steps=400, seed=0, **params):
    """A run whose PSNR at each evaluation is given, losses between them, as ``train restorer`` leaves it."""
    path = folder / name
    path.mkdir(parents=True)
    about = {"steps": steps, "eval_every": 100, "seed": seed, "model": "glean", "torch": "2", "machine": "a"}
    about |= {"profile": "laptop"} | params
    (path / "params.json").write_text(json.dumps(about))
    lines = []
    for step, level in zip(STEPS, psnr, strict=False):
        lines += [{"step": step, "pixel": 0.1}, {"step": step, "PSNR": level, "blockiness": 2 - step / 400}]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_run_is_its_parameters_and_its_evaluations(tmp_path):
    run = runs.read_run(write(tmp_path / "restorers", "a", [10, 11, 12, 13, 14]))
    assert run.name == "restorers/a" and run.final["PSNR"] == 14
    assert run.curve("blockiness") == ([*STEPS], [2, 1.75, 1.5, 1.25, 1])
    assert run.params["degraded"] is False  # an option younger than the run has its default


def test_broken_and_unfinished_runs_are_named_and_the_others_stay(tmp_path):
    write(tmp_path, "whole", [10, 11, 12, 13, 14])
    write(tmp_path, "stopped", [10, 11, 12])
    write(tmp_path, "cut", [10, 11, 12, 13, 14])
    (tmp_path / "cut" / "metrics.jsonl").write_text('{"step": 0, "PS')
    write(tmp_path, "empty", [])
    write(tmp_path, "no-params", [10, 11, 12, 13, 14])
    (tmp_path / "no-params" / "params.json").unlink()
    write(tmp_path, "other", [10, 11, 12, 13, 14])
    (tmp_path / "other" / "params.json").write_text("[1]")
    (tmp_path / "a file").write_text("")
    found, wrong = runs.read_runs(tmp_path, tmp_path / "nowhere")
    assert [run.path.name for run in found] == ["whole"]
    told = "\n".join(wrong)
    assert len(wrong) == 5 == len(told.splitlines())
    assert "stopped is not finished: evaluated up to step 200 of 400" in told
    assert "cut is damaged, in metrics.jsonl (" in told and "other is damaged, in params.json (" in told
    assert "no-params is no complete run: params.json is missing" in told
    assert "empty is not finished: evaluated up to step None of 400" in told


def test_a_new_run_hides_the_committed_one_unless_it_is_broken(tmp_path):
    write(tmp_path / "old", "a", [10, 11, 12, 13, 14])
    write(tmp_path / "old", "b", [10, 11, 12, 13, 14])
    write(tmp_path / "new", "a", [10, 11, 12, 13, 20])
    write(tmp_path / "new", "b", [10, 11])
    found, wrong = runs.read_runs(tmp_path / "old", tmp_path / "new")
    assert [run.final["PSNR"] for run in found] == [20, 14]
    assert len(wrong) == 1 and wrong[0].startswith("b is not finished")


def test_runs_are_chosen_by_parameters_not_by_name(tmp_path):
    write(tmp_path, "glean-misnamed", [10] * 5, model="panini")
    write(tmp_path, "x", [10] * 5, model="glean", factor=16)
    found, _ = runs.read_runs(tmp_path)
    assert [run.path.name for run in runs.choose(found, model="panini")] == ["glean-misnamed"]
    assert [run.path.name for run in runs.choose(found, model="glean", factor=16)] == ["x"]
    assert runs.choose(found, model="glean", factor=8) == []
    with pytest.raises(ValueError, match="no run has a parameter 'modle'; did you mean 'model'?"):
        runs.choose(found, modle="glean")


def test_a_mean_is_over_seeds_and_over_nothing_else(tmp_path):
    write(tmp_path, "0", [0, 0, 0, 0, 20.0])
    write(tmp_path, "1", [0, 0, 0, 0, 21.0], seed=1, machine="b", torch="3")
    write(tmp_path, "2", [0, 0, 0, 0, 90.0], gan_weight=1e-3)
    found, _ = runs.read_runs(tmp_path)
    assert runs.grouped(found) == [found[:2], found[2:]]
    both = runs.mean(found[:2], "PSNR")
    assert both == runs.Mean(20.5, 1.0, [0, 1]) and both.text() == "20.50 ± 0.50" and both.text(0) == "20 ± 0"
    assert runs.mean(found[:1], "PSNR").text(3) == "20.000"
    assert runs.mean([], "PSNR") is None
    with pytest.raises(ValueError, match="differ in more than their seeds: gan_weight"):
        runs.mean(found, "PSNR")
    with pytest.raises(ValueError, match="no 'PSMR'; did you mean 'PSNR'?"):
        runs.mean(found[:2], "PSMR")


def test_runs_are_paired_by_seed(tmp_path):
    for seed in (0, 1):
        write(tmp_path, f"none-{seed}", [0] * 5, seed=seed)
    for seed in (1, 2):
        write(tmp_path, f"pd-{seed}", [0] * 5, seed=seed)
    found, _ = runs.read_runs(tmp_path)
    assert [(a.path.name, b.path.name) for a, b in runs.pairs_of(found[:2], found[2:])] == [("none-1", "pd-1")]


def test_the_speedup_is_measured_at_what_the_run_without_ends_with(tmp_path):
    slow = runs.read_run(write(tmp_path, "slow", [10, 12, 14, 16, 18]))
    fast = runs.read_run(write(tmp_path, "fast", [10, 18, 20, 21, 22]))
    steep = runs.read_run(write(tmp_path, "steep", [10, 26, 27, 28, 29]))
    at_once = runs.read_run(write(tmp_path, "at once", [19, 20, 21, 22, 23]))
    worse = runs.read_run(write(tmp_path, "worse", [10, 11, 12, 13, 17.9]))
    early = runs.read_run(write(tmp_path, "early", [10, 18, 19, 19, 18]))  # as good as its end after 100 steps
    assert runs.speedup(slow, slow) == 1
    assert runs.speedup(slow, fast) == 4
    assert math.isclose(runs.speedup(slow, steep), 8)  # half-way to 26 after 50 steps
    assert runs.speedup(slow, at_once) == 4  # a lower bound: the first evaluation after step 0
    assert runs.speedup(slow, worse) == 0
    assert runs.speedup(early, fast) == 1
    repaired = slow._replace(history=[{**entry, "after": entry["PSNR"] + 3} for entry in slow.history])
    assert math.isclose(runs.speedup(repaired, fast, "after", "PSNR"), 4 / 3)  # 21 dB after 400 and after 300 steps
    assert runs.ahead(slow, fast) == (4, 5) and runs.ahead(fast, slow) == (0, 5)


def test_a_reader_of_long_runs_is_shown_no_short_ones():
    assert runs.deciding_profiles("laptop") == ("night", "laptop")
    assert runs.deciding_profiles("paper") == ("paper",)


def test_a_figure_that_is_no_number_is_refused(tmp_path):
    run = runs.read_run(write(tmp_path, "nan", [10, 11, 12, 13, math.nan]))
    with pytest.raises(ValueError, match="step 400: PSNR is nan"):
        runs.mean([run], "PSNR")


def test_a_damaged_result_is_named_in_one_line(tmp_path):
    (tmp_path / "whole.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    assert runs.read_json(tmp_path / "whole.jsonl") == [{"a": 1}, {"a": 2}]
    (tmp_path / "cut.json").write_text('{"a": 1')
    with pytest.raises(ValueError, match=rf"{tmp_path.name}/cut.json is damaged .*make that run again"):
        runs.read_json(tmp_path / "cut.json")
