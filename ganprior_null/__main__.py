"""python -m ganprior_null ..."""

import sys
import warnings

from .cli import main

warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # people have no use for our lines of code
sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does: no name of a file can stop a command
sys.exit(main())
