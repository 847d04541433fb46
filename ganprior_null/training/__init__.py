"""Training on Lightning Fabric: ``fit`` counts, logs and saves; a step holds the mathematics."""

from .loop import fit as fit
from .record import Run as Run
from .runtime import USUAL as USUAL
from .runtime import Execution as Execution
from .runtime import make_fabric as make_fabric
from .runtime import resolve_precision as resolve_precision
from .stream import batch_indices as batch_indices
from .stream import step_generator as step_generator
