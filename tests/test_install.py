"""Installed from a wheel, far from a checkout: what needs no lesson works, and nothing is written into the package."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ganprior_null.report import load_claims

ROOT = Path(__file__).resolve().parents[1]
UNTRACKED = (".git", ".venv", "build", "runs", "*.egg-info", "__pycache__", ".*_cache", ".snakemake", "*.ckpt")
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"


def build(kind: str, source: Path, out: Path) -> Path:
    """An sdist or a wheel of a source tree, with the backend that pyproject.toml names; no network."""
    out.mkdir()
    command = [sys.executable, "-c", BUILD.format(kind), str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist, unpacked, of a copy of the checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*UNTRACKED))
    with tarfile.open(build("sdist", folder / "copy", folder / "out")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (root,) = (folder / "unpacked").iterdir()
    return root


@pytest.fixture(scope="module")
def installed(sdist, tmp_path_factory) -> Path:
    """A folder with the wheel's content, made from the sdist and unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(build("wheel", sdist, folder / "out")) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def run(installed, tmp_path):
    """run(words...) -> a finished python of the installed package, in a folder of its own with a home of its own."""
    away = tmp_path / "away"
    away.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GANPRIOR")}
    environment |= {"PYTHONPATH": str(installed), "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("XDG_CACHE_HOME", None)

    def python(*words: str, **more: str) -> subprocess.CompletedProcess:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=away, env=environment | more, capture_output=True, text=True)

    return python


def tracked() -> set[str]:
    """The files of the repository; what git does not know cannot be missing from an sdist."""
    git = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(git, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git checkout: nothing says which files belong to it")
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def test_the_sdist_is_the_repository(sdist):
    missing = sorted(name for name in tracked() if not (sdist / name).is_file())
    assert [name for name in missing if not name.startswith((".github/", ".gitignore"))] == []
    assert ".gitignore" in missing  # the control: what the manifest leaves out is noticed


def test_the_wheel_has_all_of_the_package_and_a_command(installed):
    package = {path.relative_to(ROOT) for path in (ROOT / "ganprior_null").rglob("*") if path.is_file()}
    package = {path for path in package if "__pycache__" not in path.parts}
    assert [str(path) for path in sorted(package) if not (installed / path).is_file()] == []
    (about,) = installed.glob("*.dist-info")
    assert "ganprior-null = ganprior_null.cli:main" in (about / "entry_points.txt").read_text()
    assert not (installed / "tests").exists() and not (installed / "notebooks").exists()


def test_the_readme_a_prior_and_the_report_work_anywhere(run, installed):
    snippet = (ROOT / "README.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    program = f"""{snippet}
import ganprior_null
from ganprior_null.cli import main
from ganprior_null.weights import load_discriminator, load_features64, load_prior, load_restorer
assert ganprior_null.__file__.startswith({str(installed)!r})
load_discriminator("faces64"), load_features64(), load_restorer("panini-pd-faces-8x")
print(load_prior("faces64").generator.size)
main(["report"])
main(["report", "--full"])
"""
    before = listing(installed)
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    claims = len(load_claims())
    assert lines[1:3] == ["64", f"{claims} claims"] and "with a note" not in done.stdout
    assert sum("; paper: " in line for line in lines) == claims and " C1  reproduced: " in done.stdout
    assert listing(installed) == before


def test_pictures_are_made_consistent_and_restored_anywhere(run, installed, tmp_path):
    program = """
import torch
from ganprior_null.cli import main
from ganprior_null.images import save_image
x = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
save_image(x, "sr/a.png")
save_image(torch.nn.functional.avg_pool2d(x, 8), "lr/a.png")
assert main(["enforce", "--lr", "lr", "--sr", "sr", "--out", "consistent"]) == 0
assert main(["restore", "lr/a.png", "--model", "panini-pd-faces-8x", "--out", "restored"]) == 0
"""
    before = listing(installed)
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    away = tmp_path / "away"
    assert (away / "consistent" / "a.png").is_file() and (away / "restored" / "a.png").is_file()
    assert listing(installed) == before


def test_a_lesson_outside_a_checkout_says_in_one_line_what_to_do(run, tmp_path):
    away = tmp_path / "away"
    shutil.copy(ROOT / "notebooks" / "04_kernelgan.py", away)
    wanted = f"open it in a clone of the repository (there is no {away / 'data' / 'results'})\n"
    done = run("04_kernelgan.py")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("04_kernelgan.py: the stored runs ") and done.stderr.endswith(wanted)
    cell = "from ganprior_null.report import COMMITTED"
    shell = "from IPython.core.interactiveshell import InteractiveShell; InteractiveShell().run_cell({!r})"
    shown = run("-c", shell.format(cell)).stdout
    assert shown.startswith("the stored runs ") and shown.endswith(wanted) and shown.count("\n") == 1
    assert "Traceback" in run("-c", shell.format("1 / 0")).stdout  # the control: other errors stay whole
    assert "Traceback" in run("-c", cell).stderr  # as those of a reader's own programs do


def listing(folder: Path) -> dict[str, int]:
    """Every file of a folder and when it was changed."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
