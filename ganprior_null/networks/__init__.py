"""Published super-resolution networks as backbones: y (N, 3, h, w) in [0, 1] -> x_r, any h, w.

Their weights lie in packages of other people, or in a checkpoint of the user's; nothing of them is shipped here.
"""

from .known import Known as Known
from .known import available as available
from .known import is_network as is_network
from .known import load_network as load_network
from .stages import enlarge as enlarge
from .super_resolver import SuperResolver as SuperResolver
