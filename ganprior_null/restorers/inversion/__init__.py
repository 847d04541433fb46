"""Restoring by searching the prior for an image that A takes to y: PULSE, mGANprior, DGP, and the search they share."""

from .dgp import dgp as dgp
from .latents import LatentGaussian as LatentGaussian
from .latents import draw_starts as draw_starts
from .latents import fit_gaussian as fit_gaussian
from .mganprior import mganprior as mganprior
from .pulse import PulseResult as PulseResult
from .pulse import pulse as pulse
from .search import SearchOptions as SearchOptions
