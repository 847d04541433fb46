"""Imports go down only, and using the package loads nothing that only the course needs."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COURSE_ONLY = {"matplotlib", "lightning", "lightning_fabric", "pytorch_lightning", "IPython", "ipykernel", "ipywidgets"}
COURSE_ONLY |= {"jupyter_client", "jupyter_core", "nbformat", "papermill", "anywidget", "deepinv"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    command = [Path(sysconfig.get_path("scripts"), "lint-imports"), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_imports_go_down_only():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [("operators/base.py", "from ..restorers import null_space"), ("metrics.py", "from . import widgets")],
)
def test_an_import_that_goes_up_is_noticed(tmp_path, module, line):
    shutil.copytree(ROOT / "ganprior_null", tmp_path / "ganprior_null")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "ganprior_null" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1 and "BROKEN" in done.stdout


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    program = f"import json, sys; {statement}; print(json.dumps(sorted(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return {name.split(".")[0] for name in json.loads(output)}


def test_importing_the_package_loads_nothing_of_the_course():
    modules = loaded_by("import ganprior_null")
    assert "torch" in modules
    assert not modules & COURSE_ONLY


def test_what_the_course_loads_would_be_noticed():
    assert {"matplotlib", "ipywidgets"} <= loaded_by("import ganprior_null.widgets") & COURSE_ONLY


def share_of_torch(modules: str) -> float:
    """Processor time that an import takes in a fresh interpreter over that of torch before it; the least of three."""
    program = (
        "from time import process_time as now\nstart = now()\nimport torch\nmiddle = now()\n"
        f"import {modules}\nprint((now() - middle) / (middle - start))"
    )
    command = [sys.executable, "-c", program]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3))


def test_the_package_is_imported_at_once():
    """A sixth of torch's time, 0.2 s beside 1.0 s; scipy's filters at the head of one file made it more than half."""
    assert share_of_torch("ganprior_null") < 0.4
    assert share_of_torch("ganprior_null, matplotlib.pyplot, scipy.stats, skimage.data") > 0.4  # the control
