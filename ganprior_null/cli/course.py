"""Commands on the course itself: run, report."""

from pathlib import Path

from .. import report
from ..lessons.run import read_value, run
from .options import add_overwrite


def add_run(commands) -> None:
    this = commands.add_parser("run", help="execute lessons with papermill, parameters checked first")
    this.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="an .ipynb file of notebooks/")
    this.add_argument(
        "--profile", help="smoke | laptop | night | gpu | paper | paper-text (else GANPRIOR_PROFILE, else laptop)"
    )
    this.add_argument("--out", type=Path, default=Path("build/notebooks"), help="folder for the executed notebooks")
    this.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter")
    add_overwrite(this)
    this.set_defaults(command=_run)


def _run(options) -> None:
    parameters = {name: read_value(text) for name, text in options.p}
    done = run(
        options.notebooks,
        options.out,
        profile=options.profile,
        parameters=parameters,
        overwrite=options.overwrite,
    )
    print(*done, sep="\n")


def add_report(commands) -> None:
    this = commands.add_parser("report", help="every claim: the paper's number, ours, the verdict")
    this.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    this.add_argument("--full", action="store_true", help="as text: every claim, its numbers and files")
    this.set_defaults(command=_report)


def _report(options) -> None:
    as_text = report.as_text if options.full else report.as_summary
    write = {"text": as_text, "markdown": report.as_markdown, "json": report.as_json}
    print(write[options.format](report.rows()))
