"""Commands on the course itself: run, report."""

import os
from pathlib import Path

from .. import report
from ..lessons.run import read_value, run
from .options import add_overwrite, add_profile


def add_run(commands) -> None:
    this = commands.add_parser("run", help="execute lessons with papermill, parameters checked first")
    this.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="an .ipynb file of notebooks/")
    add_profile(this)
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
    this.add_argument(
        "--results", type=Path, metavar="DIR", help="of a sweep or of your own runs: build/sweep/gpu/results"
    )
    this.set_defaults(command=_report)


def add_preflight(commands) -> None:
    this = commands.add_parser("preflight", help="what a sweep needs and does not find, before anything is queued")
    this.add_argument("--table", type=Path, required=True, metavar="FILE", help="of runs, such as workflow/gpu.yaml")
    add_profile(this)
    this.add_argument(
        "--gpu-memory", type=float, metavar="GB", help="of the GPU that jobs will have; default: this one's"
    )
    this.add_argument(
        "--precision", default="32-true", help="32-true | bf16-mixed: what memory is estimated for (default 32-true)"
    )
    this.set_defaults(command=_preflight)


def _preflight(options) -> int:
    from ..experiments.preflight import preflight
    from ..profiles import profile_name
    from ..training.runtime import resolve_precision

    profile = profile_name(options.profile)
    results = Path(os.environ.get("GANPRIOR_RESULTS") or Path("build", "sweep", profile, "results"))
    precision = resolve_precision(options.precision)
    found = preflight(options.table, profile, results=results, gpu_memory=options.gpu_memory, precision=precision)
    for finding in found:
        print(f"MISSING {finding.what}: {finding.missing}" if finding.missing else f"ok      {finding.what}")
    missing = sum(bool(finding.missing) for finding in found)
    if missing:
        raise ValueError(f"{options.table} at {profile}: {missing} of {len(found)} things are missing, as said above")
    return 0


def _report(options) -> None:
    if options.results:
        if not options.results.is_dir():
            raise FileNotFoundError(f"no folder of results at {options.results}")
        os.environ["GANPRIOR_RESULTS"] = str(options.results)
    as_text = report.as_text if options.full else report.as_summary
    write = {"text": as_text, "markdown": report.as_markdown, "json": report.as_json}
    print(write[options.format](report.rows()))
