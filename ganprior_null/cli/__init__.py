"""The command line: ganprior-null {run,train,evaluate,restore,enforce,convert,publish,weights,report,preflight}."""

import argparse
import sys

from .course import add_preflight, add_report, add_run
from .evaluate import add_evaluate
from .files import add_convert, add_enforce, add_publish, add_weights
from .restore import add_restore
from .train import add_train


def main(arguments: list[str] | None = None) -> int:
    """Parse and run one command; bad input is one line on stderr and exit status 2, never a traceback.

    Status 75, by convention "try again", is that of a training run which a signal stopped: whoever started it must not
    take it for finished.
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.command(options)
    except (ValueError, TypeError, OSError, RuntimeError, ArithmeticError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: this needs {error.name}: pip install 'ganprior-null[course]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ganprior-null", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in (
        add_run,
        add_train,
        add_evaluate,
        add_restore,
        add_enforce,
        add_convert,
        add_publish,
        add_weights,
        add_report,
        add_preflight,
    ):
        add(commands)
    return parser
