"""A release is tagged only when nothing stands against it; the archive holds the site, the checksums are right."""

import hashlib
import importlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from ganprior_null import __version__ as VERSION

BOOK = Path(__file__).resolve().parents[1] / "book"


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def release(tmp_path, monkeypatch):
    """book/release.py, in a repository of its own in which everything is ready."""
    monkeypatch.syspath_prepend(str(BOOK))
    module = importlib.import_module("release")
    root = tmp_path / "repository"
    root.mkdir()
    (root / "CITATION.cff").write_text(f"cff-version: 1.2.0\nversion: {VERSION}\n")
    (root / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION}, 2026-01-31\n\n- All.\n")
    git(root, "init", "-q")
    git(root, "config", "user.name", "a")
    git(root, "config", "user.email", "a@example.org")
    git(root, "add", ".")
    git(root, "commit", "-qm", "ready")
    monkeypatch.setattr(module, "ROOT", root)
    return module


@pytest.fixture
def build(tmp_path) -> Path:
    folder = tmp_path / "build"
    (folder / "site").mkdir(parents=True)
    (folder / "site" / "index.html").write_text('<a href="#here" id="here"></a>')
    (folder / "ganprior-null.pdf").write_bytes(b"%PDF-1.4")
    return folder


def test_a_release_is_archived_summed_and_tagged(release, build):
    release.release(build)
    assert git(release.ROOT, "tag", "--list") == f"v{VERSION}"
    out = build / "release"
    with tarfile.open(out / f"ganprior-null-{VERSION}-site.tar.gz") as archive:
        assert f"ganprior-null-{VERSION}/index.html" in archive.getnames()
    sums = dict(line.split("  ")[::-1] for line in (out / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in out.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest


def changelog_without_date(root, build):
    (root / "CHANGELOG.md").write_text(f"## {VERSION}, unreleased\n")
    git(root, "commit", "-qam", "no date")


def other_version(root, build):
    (root / "CITATION.cff").write_text("version: 9.9.9\n")
    git(root, "commit", "-qam", "other")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (changelog_without_date, "CHANGELOG.md says no dated version"),
        (other_version, "CITATION.cff says 9.9.9"),
        (lambda root, build: (root / "new.txt").write_text("x"), "1 files are not committed"),
        (lambda root, build: git(root, "tag", f"v{VERSION}"), f"v{VERSION} exists"),
        (lambda root, build: (build / "ganprior-null.pdf").unlink(), "is missing: make course pdf"),
        (lambda root, build: (build / "site" / "index.html").write_text('<a href="none.html"></a>'), "broken links"),
    ],
    ids=["no date", "other version", "uncommitted", "tagged before", "no PDF", "broken link"],
)
def test_what_stands_against_a_release_is_said_and_nothing_tagged(release, build, spoil, message):
    spoil(release.ROOT, build)
    before = git(release.ROOT, "tag", "--list")
    with pytest.raises((RuntimeError, OSError), match=message):
        release.release(build)
    assert git(release.ROOT, "tag", "--list") == before and not (build / "release").exists()
