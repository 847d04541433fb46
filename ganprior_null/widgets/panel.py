"""Controls beside a picture that follows them: ipywidgets, ``observe`` and ``widgets.Image``.

Neither ``interact`` nor ``Output``: in an executed notebook they stall about one run in thirty (measured).
"""

import html
from collections.abc import Callable

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import grid, png_bytes
from .figures import as_pictures

_WIDTH = 512  # pixels that a small picture is enlarged to, about
_PAD = 2


def panel(draw: Callable, **controls: widgets.ValueWidget) -> widgets.VBox:
    """Controls, a picture, a caption: ``draw(**values) -> (images, caption)`` runs again whenever a control moves.

    images: one image, a list of them (side by side), or a dict whose keys are put over the images; (C, H, W) or
    (1, C, H, W) in [0, 1]. Images of unlike sizes are repeated up to the largest, small ones up to about 512 pixels.
    caption: plain text, also what a screen reader announces (an ipywidgets image takes no alternative text, and a
    tooltip breaks its view).

    The first draw raises what it raises. Later an error is shown as one line in the caption, over the last picture.
    Raises TypeError for a control without a value.
    """
    for name, control in controls.items():
        if not isinstance(control, widgets.ValueWidget):
            raise TypeError(f"control {name!r} must be an ipywidgets control with a value, got {control!r}")
    labels, picture, caption = widgets.HTML(), widgets.Image(format="png"), widgets.HTML()
    picture.layout.align_self = "flex-start"  # a box would stretch it
    picture.layout.max_width = "100%"

    def update(_change=None, *, first: bool = False) -> None:
        try:
            images, text = draw(**{name: control.value for name, control in controls.items()})
            sheet = _sheet(list(images.values()) if isinstance(images, dict) else images)
            picture.value = png_bytes(sheet)
        except Exception as error:
            if first:
                raise
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            caption.value = _line(f"{text} (the picture is the one before)", role="alert")
            return
        labels.value = _labels(list(images), sheet.shape[-1]) if isinstance(images, dict) else ""
        caption.value = _line(text, role="status")

    update(first=True)
    for control in controls.values():
        if hasattr(control, "style") and hasattr(control.style, "description_width"):
            control.style.description_width = "initial"  # long names are not cut
        control.observe(update, names="value")
    row = widgets.Box(list(controls.values()), layout=widgets.Layout(flex_flow="row wrap", grid_gap="0 16px"))
    return widgets.VBox([row, labels, picture, caption])


def _sheet(images: Tensor | list[Tensor]) -> Tensor:
    """Images of any sizes -> one (C, H, W) sheet in a row, each enlarged by repeated pixels to the largest."""
    pictures = as_pictures(images)
    height, width = max(p.shape[1] for p in pictures), max(p.shape[2] for p in pictures)
    factor = max(1, round(_WIDTH / (width * len(pictures))))
    colour = max(p.shape[0] for p in pictures)
    size = (height * factor, width * factor)
    cells = [F.interpolate(p[None].expand(1, colour, -1, -1), size=size, mode="nearest-exact") for p in pictures]
    return grid(torch.cat(cells), columns=len(cells), pad=_PAD) if len(cells) > 1 else cells[0][0]


def _labels(names: list[str], width: int) -> str:
    """One name over each of equally wide images."""
    cells = "".join(f'<div style="flex:1 1 0; text-align:center">{html.escape(str(name))}</div>' for name in names)
    return f'<div style="display:flex; width:{width}px; max-width:100%; line-height:1.3">{cells}</div>'


def _line(text: str, *, role: str) -> str:
    """The caption as an element that screen readers announce; an error is marked by its role, not by colour alone."""
    colour = "color:var(--jp-error-color1, #b00020)" if role == "alert" else ""
    return f'<div role="{role}" aria-live="polite" style="line-height:1.4; {colour}">{html.escape(text)}</div>'
