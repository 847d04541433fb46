"""Where lesson 06 imports from until it is next executed: see :mod:`.inversion.latents`."""

from .inversion.latents import draw_starts as draw_starts
