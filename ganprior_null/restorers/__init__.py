"""Restorers y -> x_hat; null-space consistency is a wrapper around any of them, never a flag inside one."""

from .degradation import DegradationEncoder as DegradationEncoder
from .degradation import MomentumContrast as MomentumContrast
from .glean import GLEAN as GLEAN
from .glean import GLEANNetwork as GLEANNetwork
from .identify import Identified as Identified
from .identify import identify_downsampler as identify_downsampler
from .noise import NoisyResult as NoisyResult
from .noise import enforce_noisy as enforce_noisy
from .noise import estimate_sigma as estimate_sigma
from .null_space import NullSpace as NullSpace
from .null_space import enforce_consistency as enforce_consistency
from .panini import Panini as Panini
from .panini import PaniniMFR as PaniniMFR
from .panini import PaniniMFRNetwork as PaniniMFRNetwork
from .panini import PaniniNetwork as PaniniNetwork
from .pdn import PDN as PDN
from .pdn import PDNNetwork as PDNNetwork
from .restorer import Restorer as Restorer
from .tiles import Tile as Tile
from .tiles import map_tiles as map_tiles
from .tiles import tiles as tiles
