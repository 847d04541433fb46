"""Make a release of what was built: ``python book/release.py build/laptop``. Nothing is sent anywhere.

Checked first: nothing is uncommitted, the version is the same everywhere and was not released before, every link of the
site leads somewhere. Then the site becomes an archive beside the PDF, with checksums, and the commit gets its tag.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from links import broken_links

from ganprior_null import __version__

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path, help="a folder that make course and make pdf wrote")
    try:
        release(parser.parse_args().build)
    except (OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def release(build: Path) -> None:
    """Raises RuntimeError for what stands against a release, FileNotFoundError for what was not built."""
    tag = f"v{__version__}"
    if faults := [*versions(ROOT, __version__), *repository(ROOT, tag)]:
        raise RuntimeError("; ".join(faults))
    site, pdf = build / "site", build / "ganprior-null.pdf"
    for built in (site / "index.html", pdf):
        if not built.is_file():
            raise FileNotFoundError(f"{built} is missing: make course pdf")
    wrong, checked = broken_links(site)
    if wrong:
        raise RuntimeError("broken links:\n" + "\n".join(wrong))
    print(f"{checked} links lead somewhere")
    out = build / "release"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    name = f"ganprior-null-{__version__}"
    with tarfile.open(out / f"{name}-site.tar.gz", "w:gz") as archive:
        archive.add(site, arcname=name)
    shutil.copy(pdf, out / f"{name}.pdf")
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("\n".join(sums) + "\n", "utf-8")
    git(ROOT, "tag", "-a", tag, "-m", f"ganprior-null {__version__}")
    print(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")
    print(f"tagged {tag}; to publish: git push origin {tag}, and copy {out} to where readers find it")


def versions(root: Path, version: str) -> list[str]:
    """Files that speak of another version than the package."""
    found = {
        "CITATION.cff": re.search(r"(?m)^version: (\S+)", (root / "CITATION.cff").read_text("utf-8")),
        "CHANGELOG.md": re.search(r"(?m)^## (\S+), \d{4}-\d\d-\d\d$", (root / "CHANGELOG.md").read_text("utf-8")),
    }
    said = {name: match[1] if match else "no dated version" for name, match in found.items()}
    return [f"{name} says {text}, the package {version}" for name, text in said.items() if text != version]


def repository(root: Path, tag: str) -> list[str]:
    """What in the repository stands against a tag."""
    faults = []
    if changed := git(root, "status", "--porcelain"):
        faults.append(f"{len(changed.splitlines())} files are not committed")
    if git(root, "tag", "--list", tag):
        faults.append(f"{tag} exists; raise __version__ in ganprior_null/__init__.py")
    return faults


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
