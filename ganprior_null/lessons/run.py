"""Run lessons with papermill, after their parameters have been checked: papermill alone runs happily with a typo."""

import ast
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ..names import unformatted
from ..places import commit
from ..profiles import did_you_mean, profile_name
from ..storage import check_outputs, check_writable
from .record import RunRecord, record_path, sha256, versions, write_record

CELL_TIMEOUT = 3600  # seconds, of a lesson that does not train: a stuck kernel would wait for ever
Kinds = type | tuple[type, ...]
_TYPES: dict[str, Kinds] = {"int": int, "float": (int, float), "str": str, "bool": bool, "list": list, "dict": dict}


def read_value(text: str):
    """The Python value that a command-line word stands for: 8, 0.5, True, [1, 2]; anything else is a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text, text)


def check_parameters(notebook: Path, given: dict) -> None:
    """Compare parameters with the notebook's cell tagged ``parameters``; nothing is run.

    Raises FileNotFoundError for no notebook, ValueError listing every unknown name and every wrong type.
    """
    import papermill

    if notebook.suffix != ".ipynb":
        raise ValueError(f"a notebook to run ends in .ipynb, got {notebook}")
    if not notebook.is_file():
        raise FileNotFoundError(f"no such notebook: {notebook}")
    known = papermill.inspect_notebook(unformatted(notebook))
    wrong = []
    for name, value in given.items():
        if name not in known:
            wrong.append(f"unknown parameter {name!r}{did_you_mean(name, known)}")
            continue
        default = ast.literal_eval(known[name]["default"])
        declared = known[name]["inferred_type_name"].strip("\"'")
        wanted = _TYPES.get(declared, type(default))
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            wrong.append(f"{name} must be {declared} (default {default!r}), got {value!r}")
    if wrong:
        raise ValueError(f"{notebook.name}: " + "; ".join(wrong))


def run(
    notebooks: list[Path],
    out: Path,
    *,
    profile: str | None = None,
    parameters: dict | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Execute notebooks into ``out``, in order, with a progress bar each; returns the executed files.

    Beside each lies ``NAME.run.json``, which says what was run, with what, and for how long.
    All parameters of all notebooks are checked before the first kernel starts. A notebook that fails is left as
    ``NAME.failed.ipynb`` beside the results, to be opened; its former result, if any, stays as it was.
    A lesson that trains (``retrain``) has no limit of time. SIGTERM goes on to the kernel, where a training run stops
    after its step and saves; the lesson then ends as one that failed, and started again it goes on from there.
    Raises ValueError and OSError for bad input, FileExistsError for results that are there, unless overwrite, and
    RuntimeError for a cell that failed.
    """
    profile = profile_name(profile)
    parameters = dict(parameters or {})
    for notebook in notebooks:
        check_parameters(notebook, parameters)
    targets = [out / notebook.name for notebook in notebooks]
    results = [file for target in targets for file in (target, record_path(target))]
    check_outputs([*results, *map(_failed, targets)], inputs=notebooks, overwrite=True)  # no name twice
    check_outputs(results, overwrite=overwrite)
    check_writable(out)
    os.environ["GANPRIOR_PROFILE"] = profile  # inherited by the kernels, as is the folder that paths start from
    os.environ["GANPRIOR_CALLER"] = os.getcwd()
    done = []
    for count, notebook in enumerate(notebooks, 1):
        print(f"[{count}/{len(notebooks)}] {notebook.stem} ({profile})", flush=True)
        done.append(_run_one(notebook, out / notebook.name, profile, parameters))
    return done


def _failed(target: Path) -> Path:
    """Where a notebook is left of which a cell failed."""
    return target.with_suffix(".failed.ipynb")


def _run_one(notebook: Path, target: Path, profile: str, parameters: dict) -> Path:
    """Execute a notebook and write the record of its run beside what came out."""
    source, code, began = sha256(notebook), commit(), time.monotonic()  # first: files may change while it runs
    _execute(notebook, target, parameters)
    seconds = round(time.monotonic() - began, 1)
    made = sha256(target)
    write_record(target, RunRecord(notebook.name, source, made, profile, parameters, versions(), code, seconds))
    return target


def _execute(notebook: Path, target: Path, parameters: dict) -> None:
    import papermill

    part = target.with_name(f".{os.getpid()}.part.ipynb")  # other processes may run the same notebook
    try:
        with _kernel_is_told():
            papermill.execute_notebook(
                unformatted(notebook),
                unformatted(part),  # becomes the target only when every cell has run
                parameters=parameters,
                cwd=str(notebook.parent),
                execution_timeout=None if parameters.get("retrain") else CELL_TIMEOUT,
                log_output=False,
                extra_arguments=["--IPKernelApp.log_level=40"],  # else it warns that the kernel listens on this machine
            )
        os.replace(part, target)
    except papermill.PapermillExecutionError as error:
        os.replace(part, _failed(target))
        raise RuntimeError(
            f"{notebook.name}, cell {error.exec_count}: {error.ename}: {error.evalue}\n  see {_failed(target)}"
        ) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(target)) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _kernel_is_told() -> Iterator[None]:
    """Pass SIGTERM on to the kernel, which has a process group of its own: a cluster that wants its machine back tells
    only us, and a kernel left behind would keep the GPU.
    """
    import psutil  # here: it comes with ipykernel

    def pass_on(number: int, _frame) -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(number)

    former = signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
