"""Restorers y -> x_hat; null-space consistency is a wrapper around any of them, never a flag inside one."""

from .identify import Identified as Identified
from .identify import identify_downsampler as identify_downsampler
from .noise import NoisyResult as NoisyResult
from .noise import enforce_noisy as enforce_noisy
from .noise import estimate_sigma as estimate_sigma
from .null_space import NullSpace as NullSpace
from .null_space import enforce_consistency as enforce_consistency
from .tiles import Tile as Tile
from .tiles import map_tiles as map_tiles
from .tiles import tiles as tiles
