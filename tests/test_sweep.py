"""The sweep is a table of known runs, and Snakemake turns it into one job for each, started again where it stopped."""

import importlib.util
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ganprior_null.lessons.run import check_parameters, read_value

ROOT = Path(__file__).resolve().parents[1]
TABLES = [ROOT / "workflow" / "runs.yaml", ROOT / "workflow" / "smoke.yaml"]
USUAL = "07_glean_panini"
LESSON = ROOT / "notebooks" / f"{USUAL}.ipynb"

needs_snakemake = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None,
    reason="snakemake is not installed; it is in the extras dev and sweep",
)


def plan(folder, *words):
    """The commands that Snakemake would run in a folder of its own; none is started."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow" / "Snakefile", "--dry-run"]
    command += ["--cores", "1", "--printshellcmds", "--directory", folder, *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return [line for line in (done.stdout + done.stderr).splitlines() if "ganprior_null run" in line]


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_every_line_is_parameters_of_the_lesson(table):
    for name, line in yaml.safe_load(table.read_text("utf-8")).items():
        given = {key: value for key, value in line.items() if key not in ("seeds", "lesson")}
        lesson = ROOT / "notebooks" / f"{line.get('lesson', USUAL)}.ipynb"
        check_parameters(lesson, given | {"seed": line["seeds"][0], "retrain": True})
        assert given.get("data", "drawn") in name and f"{given.get('factor', 8)}x" in name


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


@needs_snakemake
def test_a_dry_run_plans_one_job_for_each_seed(tmp_path):
    jobs = plan(tmp_path, "--config", "profile=smoke")
    table = yaml.safe_load(TABLES[0].read_text("utf-8"))
    assert len(jobs) == sum(len(line["seeds"]) for line in table.values())
    (beta,) = [job for job in jobs if "faces-16x-glean-beta3-seed0" in job.split("--out")[1]]
    assert "--profile smoke" in beta and "-p retrain True" in beta and "-p factor 16" in beta
    assert "07_glean_panini.ipynb" in beta
    (pdn,) = [job for job in jobs if "faces-8x-degraded-pdn-seed1" in job.split("--out")[1]]
    assert "08_pdn.ipynb" in pdn and "-p degraded True" in pdn and "lesson" not in pdn.split("--out")[1]
    given = shlex.split(beta)
    assert read_value(given[given.index("changes") + 1]) == {"gan_weight": 0.001}  # as our command line reads it


@needs_snakemake
def test_what_is_done_is_not_planned_again(tmp_path):
    (tmp_path / "table.yaml").write_text("a: {seeds: [0, 1]}\n")
    done = tmp_path / "build" / "sweep" / "smoke" / "a-seed0" / LESSON.name
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    table = f"table={tmp_path / 'table.yaml'}"
    (job,) = plan(tmp_path, "--rerun-triggers", "mtime", "--config", "profile=smoke", table)
    assert "/a-seed1 " in job


@pytest.mark.parametrize("name", ["local", "slurm", "kubernetes"])
def test_every_executor_has_a_profile_that_names_it(name):
    profile = yaml.safe_load((ROOT / "workflow" / "profiles" / name / "config.yaml").read_text("utf-8"))
    assert profile["executor"] == name and profile["rerun-incomplete"]
