"""rosinality/stylegan2-pytorch: our names. Trainer files hold g, d, g_ema, optimisers, args; converted ones g_ema."""

from .rename import Layout

LAYOUT = Layout(
    parts={"generator": ("g_ema.", "generator_ema.", "g.", "generator."), "discriminator": ("d.", "discriminator.")}
)
