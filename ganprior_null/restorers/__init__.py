"""Restorers y -> x_hat; null-space consistency is a wrapper around any of them, never a flag inside one."""

from .null_space import NullSpace as NullSpace
from .null_space import enforce_consistency as enforce_consistency
