"""GPEN: rosinality's names around an encoder ecd0, ecd1, ...; published files are bare, trainers' hold g_ema, g, d."""

from .rename import AVERAGED, Layout

LAYOUT = Layout(
    parts={"generator": AVERAGED, "discriminator": ("d.",)},
    names=((r"^ecd(\d+)\.0\.", r"encoder.\1."), (r"^generator\.", "bank.")),
    landmarks={"generator": ("ecd0.0.0.weight",)},
)
