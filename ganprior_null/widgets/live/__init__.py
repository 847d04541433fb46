"""Live figures: their mathematics runs in the browser, so that they work on a published page without a kernel."""

from .codes import LiveCodes as LiveCodes
from .compare import LiveCompare as LiveCompare
from .kernel import LiveKernel as LiveKernel
from .matrix import LiveMatrix as LiveMatrix
from .pdn import LivePDN as LivePDN
from .pooling import LivePD as LivePD
from .prior import LivePrior as LivePrior
from .pulse import LivePulse as LivePulse
from .restorers import LiveRestorers as LiveRestorers
from .walk import LiveWalk as LiveWalk
