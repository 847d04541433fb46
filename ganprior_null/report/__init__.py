"""Claims: what the paper says, what we measured, and the verdict. Lessons :func:`record`; all are read here.

``ganprior-null report`` and the last lesson print the table.
"""

import re
import sys
from pathlib import Path

from .. import places
from ..lessons.source import code_hash as code_hash
from ..lessons.source import measures as measures
from ..lessons.source import section as section
from ..places import ROOT as ROOT
from ..places import result_folders as result_folders
from ..places import results_folder as results_folder
from .claims import Claim as Claim
from .claims import Measurement as Measurement
from .claims import controlled as controlled
from .claims import holds as holds
from .claims import load_claims as load_claims
from .claims import ours as ours
from .claims import verdict as verdict
from .measured import measurements as measurements
from .measured import read_measurement as read_measurement
from .measured import record as record
from .runs import profile_of as profile_of
from .table import rows as rows
from .text import anchor_of as anchor_of
from .text import as_json as as_json
from .text import as_markdown as as_markdown
from .text import as_summary as as_summary
from .text import as_text as as_text


class OutsideCheckout(FileNotFoundError):
    """The stored runs are no part of an installation. A notebook shows the message alone: who opened a lesson in the
    wrong place is not helped by where the package noticed.
    """

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def __getattr__(name: str):
    """``COMMITTED``, the folder of the stored runs; OutsideCheckout, which says what to do, where it is not.

    A lesson that was started as a program ends with that line.
    """
    if name != "COMMITTED":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if places.COMMITTED.is_dir():
        return places.COMMITTED
    message = (
        "the stored runs that this reads are no part of an installation: open it in a clone of the repository "
        f"(there is no {places.COMMITTED})"
    )
    program = Path(getattr(sys.modules["__main__"], "__file__", None) or "").name
    if re.fullmatch(r"\d\d_\w+\.py", program):
        raise SystemExit(f"{program}: {message}")
    raise OutsideCheckout(message)
