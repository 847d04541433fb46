"""python -m ganprior_null ..."""

import io
import sys
import warnings

from .cli import main

warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # people have no use for our lines of code
if isinstance(sys.stdout, io.TextIOWrapper):  # a program may have put something else in its place
    sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does: no name of a file can stop a command
sys.exit(main())
