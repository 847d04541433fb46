"""python -m ganprior_null ..."""

import sys

from .cli import main

sys.exit(main())
