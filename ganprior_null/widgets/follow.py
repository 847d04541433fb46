"""Curves of a training run that is still going on, drawn from its log."""

import asyncio
import contextlib
import html
import io
import json
from pathlib import Path

import ipywidgets as widgets
from matplotlib.figure import Figure

BLUE = "#0072B2"
COLUMNS = 3


class FollowRun(widgets.VBox):
    """The curves of the run in a folder, renewed as its ``metrics.jsonl`` grows: ``FollowRun("runs/glean-pd")``.

    names: figures to draw, each a key of the log; None: all there are, nine at most. seconds: between two looks at the
    file. The folder need not be there yet, nor the run be one of this machine: only the file is read, so a cell that
    shows it does not keep the kernel from other work. ``close()`` ends it. In a program without an event loop it draws
    once; ``update()`` draws anew.

    Raises ValueError for an interval that is not above 0.
    """

    def __init__(self, folder: str | Path, names: list[str] | None = None, *, seconds: float = 5.0):
        self._task = None
        if not seconds > 0:
            raise ValueError(f"seconds must be above 0, got {seconds}")
        self._log = Path(folder) / "metrics.jsonl"
        self._names = names
        self._picture, self._caption = widgets.Image(format="png"), widgets.HTML()
        self._picture.layout.max_width = "100%"
        self._seen: tuple[int, int] | None = None  # when it was written, and its bytes
        super().__init__([self._picture, self._caption])
        self.update()
        with contextlib.suppress(RuntimeError):  # a program, no notebook
            self._task = asyncio.get_running_loop().create_task(self._watch(seconds))

    def update(self) -> bool:
        """Draw anew if the log changed; whether it did."""
        try:
            found = self._log.stat()
        except OSError:
            self._say(f"waiting for {self._log}")
            return False
        if (seen := (found.st_mtime_ns, found.st_size)) == self._seen:
            return False
        self._seen = seen
        curves = read_curves(self._log)
        shown = [name for name in self._names or curves if name in curves][:9]
        if not shown:
            self._say(f"{self._log} has nothing to draw yet")
            return False
        self._picture.value = draw({name: curves[name] for name in shown})
        last = max(steps[-1] for steps, _ in curves.values())
        newest = ", ".join(f"{name} {curves[name][1][-1]:.4g}" for name in shown)
        self._say(f"step {last:,}: {newest}")
        return True

    def close(self) -> None:
        """Stop following, and remove the widget."""
        if self._task:
            self._task.cancel()
        super().close()

    async def _watch(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self.update()

    def _say(self, text: str) -> None:
        self._caption.value = f'<div role="status" style="line-height:1.4">{html.escape(text)}</div>'


def read_curves(log: Path) -> dict[str, tuple[list[int], list[float]]]:
    """{figure: (steps, values)} of a log, in the order of their first lines; a half-written line is left out."""
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for line in log.read_text("utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            step = entry.pop("step")
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
        for name, value in entry.items():
            if isinstance(value, int | float):
                steps, values = curves.setdefault(name, ([], []))
                steps.append(step)
                values.append(value)
    return curves


def draw(curves: dict[str, tuple[list[int], list[float]]]) -> bytes:
    """A PNG with a small diagram for each curve."""
    rows = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(9, 2 * rows), dpi=100, layout="constrained")  # no pyplot: nothing is shown twice or kept
    for ax, (name, (steps, values)) in zip(
        figure.subplots(rows, COLUMNS, squeeze=False).flat, curves.items(), strict=False
    ):
        ax.plot(steps, values, color=BLUE, linewidth=1.2, marker="." if len(steps) < 20 else None)
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=8)
    for ax in figure.axes[len(curves) :]:
        ax.set_axis_off()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
