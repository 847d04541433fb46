"""The sweep is a table of known runs, and Snakemake turns it into one job for each, started again where it stopped."""

import contextlib
import fcntl
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from ganprior_null.experiments.restorer import train_restorer
from ganprior_null.lessons.run import check_parameters, read_value
from ganprior_null.profiles import Experiment, restorer

from .conftest import PATIENCE
from .programs import program

ROOT = Path(__file__).resolve().parents[1]
TABLES = sorted((ROOT / "workflow").glob("*.yaml"))
USUAL = "07_glean_panini"
preempted = program("benchmarks/preempted.py")
LESSON = ROOT / "notebooks" / f"{USUAL}.ipynb"

needs_snakemake = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None,
    reason="snakemake is not installed; it is in the extras dev and sweep",
)


def read(table):
    return yaml.safe_load(table.read_text("utf-8"))


def plan(folder, *words):
    """The commands that Snakemake would run in a folder of its own; none is started."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow" / "Snakefile", "--dry-run"]
    command += ["--cores", "1", "--printshellcmds", "--directory", folder, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr + done.stdout
    return [line for line in (done.stdout + done.stderr).splitlines() if "ganprior_null " in line]


def runs_of(jobs):
    return [job for job in jobs if "-p retrain True" in job]


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_line_is_parameters_of_the_lesson(table):
    priors = read(table).get("priors", {})
    for name, line in read(table)["runs"].items():
        given = {key: value for key, value in line.items() if key not in ("seeds", "lesson")}
        lesson = ROOT / "notebooks" / f"{line.get('lesson', USUAL)}.ipynb"
        check_parameters(lesson, given | {"seed": line["seeds"][0], "retrain": True})
        assert given.get("data", "drawn") in name and f"{given.get('factor', 8)}x" in name
        assert given.get("prior", "ffhq1024") in {*priors, "ffhq1024"}


def test_a_misspelt_line_is_noticed():
    with pytest.raises(ValueError, match="unknown parameter 'modle'; did you mean 'model'?"):
        check_parameters(LESSON, {"modle": "glean"})


@needs_snakemake
def test_one_run_of_the_table_can_be_asked_for(tmp_path):
    target = f"build/sweep/smoke/faces-8x-glean-pd-seed1/{USUAL}.ipynb"
    make = subprocess.run(["make", "-n", "sweep", f"ARGS={target}"], cwd=ROOT, capture_output=True, text=True)
    words = shlex.split(make.stdout.replace("\\\n", " "))
    assert words.index(target) < words.index("--config")  # behind it, it would be read as a setting
    (job,) = plan(tmp_path, target, "--config", "profile=smoke")
    assert "-p seed 1" in job and "-p pd True" in job


@pytest.mark.parametrize(("profile", "table"), [("gpu", "gpu"), ("paper", "paper"), ("laptop", "runs")])
def test_a_profile_has_a_table_of_its_own_where_one_is_there(profile, table):
    make = subprocess.run(["make", "-n", "sweep", f"PROFILE={profile}"], cwd=ROOT, capture_output=True, text=True)
    assert f"table=workflow/{table}.yaml" in make.stdout


@needs_snakemake
def test_a_dry_run_plans_one_job_for_each_seed_and_a_report(tmp_path):
    planned = plan(tmp_path, "--config", "profile=smoke")
    jobs = runs_of(planned)
    table = read(ROOT / "workflow" / "runs.yaml")["runs"]
    assert len(jobs) == sum(len(line["seeds"]) for line in table.values())
    (beta,) = [job for job in jobs if "faces-16x-glean-beta3-seed0" in job.split("--out")[1]]
    assert "--profile smoke" in beta and "-p retrain True" in beta and "-p factor 16" in beta
    assert "07_glean_panini.ipynb" in beta
    (pdn,) = [job for job in jobs if "faces-8x-degraded-pdn-seed1" in job.split("--out")[1]]
    assert "08_pdn.ipynb" in pdn and "-p degraded True" in pdn and "lesson" not in pdn.split("--out")[1]
    given = shlex.split(beta)
    assert read_value(given[given.index("changes") + 1]) == {"gan_weight": 0.001}  # as our command line reads it
    (report,) = [job for job in planned if job not in jobs]
    assert f"report --results {os.environ['GANPRIOR_RESULTS']}" in report and "retrain" not in report
    assert "07_glean_panini.ipynb" in report and "08_pdn.ipynb" in report


@needs_snakemake
def test_a_prior_is_trained_once_and_only_if_nobody_has_it(tmp_path, monkeypatch):
    words = ("--rerun-triggers", "mtime", "--config", "profile=gpu", "table=workflow/gpu.yaml")
    monkeypatch.setenv("GANPRIOR_WEIGHTS", str(tmp_path / "weights"))
    (job,) = [job for job in plan(tmp_path, *words) if "train prior" in job]
    assert "--data faces" in job and "&&" in job and f"--out {tmp_path / 'weights'} --overwrite" in job
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "faces256.safetensors").touch()  # as `convert --name faces256` leaves one
    planned = plan(tmp_path, *words)
    assert not [job for job in planned if "train prior" in job] and len(runs_of(planned)) == 5
    assert all("-p prior faces256" in job for job in runs_of(planned))


@needs_snakemake
def test_what_is_done_is_not_planned_again(tmp_path):
    (tmp_path / "table.yaml").write_text("runs:\n  a: {seeds: [0, 1]}\n")
    done = tmp_path / "build" / "sweep" / "smoke" / "a-seed0" / LESSON.name
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    table = f"table={tmp_path / 'table.yaml'}"
    (job,) = runs_of(plan(tmp_path, "--rerun-triggers", "mtime", "--config", "profile=smoke", table))
    assert "/a-seed1 " in job


@pytest.mark.parametrize("name", ["local", "slurm", "kubernetes"])
def test_every_executor_has_a_profile_that_names_it(name):
    profile = read(ROOT / "workflow" / "profiles" / name / "config.yaml")
    assert profile["executor"] == name and profile["rerun-incomplete"] and profile["retries"] and profile["nolock"]
    rules = set(re.findall(r"(?m)^rule (\w+):", (ROOT / "workflow" / "Snakefile").read_text("utf-8")))
    assert set(profile.get("set-resources", {})) <= rules


# --- in earnest: a lesson of seconds, which trains as lesson 07 does ------------------------------------------------

STEPS = 16
CELLS = [
    ("parameters", "profile: str = ''\nseed: int = 0\nretrain: bool = False"),
    (
        "",
        """
from ganprior_null.experiments.launch import find_source, launch
from ganprior_null.profiles import Experiment
from ganprior_null.profiles import profile_name
from ganprior_null.report import results_folder

out = results_folder() / "restorers" / f"drawn-seed{seed}"
if retrain:
    this = Experiment(seed=seed, prior="tiny")
    launch(find_source("", "tiny"), out, this, profile_name(profile), {"steps": STEPS, "eval_every": STEPS})
""".replace("STEPS", str(STEPS)),
    ),
]


@pytest.fixture
def sweep(tmp_path, monkeypatch, tiny_prior):
    """folder -> a started sweep, of one run, in that folder: `make sweep`, which is what the container runs."""
    import nbformat.v4 as v4

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = v4.new_notebook(metadata={"kernelspec": kernel})
    for tag, source in CELLS:
        book.cells.append(v4.new_code_cell(source, metadata={"tags": [tag] if tag else []}))
    (tmp_path / "mini.ipynb").write_text(json.dumps(book))
    (tmp_path / "table.yaml").write_text(f"runs:\n  drawn-8x: {{lesson: {tmp_path / 'mini'}, seeds: [0]}}\n")
    monkeypatch.delenv("GANPRIOR_RESULTS")  # a sweep has its own
    return lambda folder: preempted.start(folder, tmp_path / "table.yaml")


def log_of(folder):
    file = folder / "build" / "sweep" / "smoke" / "results" / "restorers" / "drawn-seed0" / "metrics.jsonl"
    return file.read_text() if file.is_file() else ""


def has_kernel(process):
    import psutil

    for child in preempted.family(process):
        with contextlib.suppress(psutil.Error):  # it may just have ended
            if "ipykernel" in " ".join(child.cmdline()):
                return True
    return False


@needs_snakemake
def test_a_sweep_that_was_preempted_and_killed_ends_as_one_left_alone(tmp_path, sweep):
    """First the machine is taken back (SIGTERM to all, as SLURM does), then everything dies at once (SIGKILL)."""
    alone = tmp_path / "alone"
    assert train_restorer(None, alone, Experiment(prior="tiny"), restorer("smoke", steps=STEPS, eval_every=STEPS))

    killed = tmp_path / "killed"
    first = sweep(killed)
    preempted.wait_for(lambda: log_of(killed), first, PATIENCE)
    preempted.take_back(first)
    assert first.returncode != 0
    assert not (killed / "build" / "sweep" / "smoke" / "report.md").exists()

    second = sweep(killed)
    preempted.wait_for(lambda: has_kernel(second), second, PATIENCE)
    preempted.kill(second)

    third = sweep(killed)
    assert third.wait(timeout=600) == 0, third.communicate()[0]
    assert log_of(killed) == (alone / "metrics.jsonl").read_text()
    assert "| C1 |" in (killed / "build" / "sweep" / "smoke" / "report.md").read_text()


def test_what_does_not_heed_sigterm_is_killed():
    """As a Snakemake that waits for itself would otherwise hang for ever."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "deaf\n"
    preempted.signal_all([process], signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    preempted.take_back(process, grace=0.5)
    assert process.returncode == -signal.SIGKILL


@needs_snakemake
def test_two_sweeps_do_not_share_a_folder(tmp_path, sweep):
    folder = tmp_path / "build" / "sweep" / "smoke"
    folder.mkdir(parents=True)
    holder = os.open(folder, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    refused = sweep(tmp_path)
    said = refused.communicate(timeout=300)[0]
    os.close(holder)
    assert refused.returncode != 0 and "another process is writing to build/sweep/smoke" in said
    assert not list(folder.iterdir()) and "Traceback" not in said


def test_results_that_differ_are_named(tmp_path):
    """The comparison that benchmarks/preempted.py makes, for the whole smoke table killed twice."""
    for side, weight in (("alone", 1.0), ("killed", 1.0 + 1e-7)):
        folder = tmp_path / side / "build" / "sweep" / "smoke"
        for name, tensor in (("a", torch.ones(3)), ("b", torch.tensor(weight))):
            run = folder / "results" / "restorers" / name
            run.mkdir(parents=True)
            (run / "metrics.jsonl").write_text("{}")
            (run / "origin.json").write_text(side)
            torch.save({"step": 4, "network": {"weight": [tensor]}}, run / "last.ckpt")
        (folder / "report.md").write_text("| C1 |")
    sides = tmp_path / "alone", tmp_path / "killed"
    files = [f"results/restorers/{name}/{file}" for name in "ab" for file in ("last.ckpt", "metrics.jsonl")]
    assert preempted.compared(*sides) == (["report.md", *files], ["results/restorers/b/last.ckpt"])
    (sides[1] / "build" / "sweep" / "smoke" / "report.md").unlink()
    assert preempted.compared(*sides)[1] == ["report.md", "results/restorers/b/last.ckpt"]
