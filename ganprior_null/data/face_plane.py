"""Where the pixels of a face lie, and the shapes that its parts are cut from.

A shape is a signed distance d, negative inside; its coverage of a pixel is that of a straight edge through it, so that
every size shows the same face. All planes are (n, 1, rows, columns).
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Plane:
    """Coordinates of the pixels for each face, in half image sides: x to the right, y down."""

    pixel: float  # width of a pixel
    x: Tensor  # of the image, (1, 1, 1, columns)
    y: Tensor  # of the image, (1, 1, rows, 1)
    u: Tensor  # of the head: shifted, scaled, tilted
    v: Tensor
    s: Tensor  # of the features, which yaw and nod turn; 0 between the eyes
    t: Tensor

    @classmethod
    def of(cls, face, size: int, first_row: int, rows: int) -> "Plane":
        """The strip of ``rows`` rows from ``first_row`` on."""
        across = (torch.arange(size, device=face.scale.device) + 0.5) * (2 / size) - 1
        x, y = across[None, None, None, :], across[None, None, first_row : first_row + rows, None]
        dx, dy = (x - face.shift[:, :1]) / face.scale, (y - face.shift[:, 1:]) / face.scale
        # the sine of few angles in float64: rounded, it does not depend on the place of a face in the batch
        cos, sin = face.tilt.double().cos().float(), face.tilt.double().sin().float()
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        # a ball that turns moves its middle most and its outline not at all
        front = (1 - (u / 0.5) ** 2 - (v / 0.75) ** 2).clamp_min(0)
        return cls(2 / size, x, y, u, v, u - 0.11 * face.yaw * front, v - 0.09 * face.nod * front)

    def rows(self, face, low: float, high: float) -> slice:
        """The rows in which any face of the batch has low < v < high, with room for tilt, yaw and nod."""
        ends = face.shift[:, 1:] + face.scale * torch.tensor([low, high], device=face.scale.device)
        room = face.scale * (0.6 * face.tilt.abs() + 0.09 * face.nod.abs()) + self.pixel
        top, bottom = float((ends - room).min()), float((ends + room).max())
        return slice(int((self.y < top).sum()), int((self.y <= bottom).sum()))

    def crop(self, rows: slice) -> "Plane":
        cut = (plane[:, :, rows] for plane in (self.y, self.u, self.v, self.s, self.t))
        return Plane(self.pixel, self.x, *cut)

    def inside(self, d: Tensor) -> Tensor:
        """Coverage of {d < 0}."""
        return (0.5 - d / self.pixel).clamp(0, 1)

    def stroke(self, d: Tensor, half: Tensor | float) -> Tensor:
        """Coverage of a line of half thickness ``half`` along d = 0: thinner than a pixel, it grows faint."""
        return self.inside(d - half) - self.inside(d + half)

    def ripple(self, phase: Tensor, density: Tensor | float) -> Tensor:
        """sin(phase) averaged over a pixel, to leading order; ``density`` is the gradient of the phase."""
        return phase.sin() / (1 + (density * self.pixel) ** 2 / 48) ** 2


def length(x: Tensor, y: Tensor) -> Tensor:
    return (x * x + y * y).sqrt()  # several times faster than torch.hypot, and nothing here can overflow


def ellipse(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """Distance to an ellipse about the origin, to first order at its outline (f over the length of its gradient)."""
    k = length(x / rx, y / ry)
    return k * (k - 1) / length(x / (rx * rx), y / (ry * ry)).clamp_min(1e-6)


def smooth_max(a: Tensor, b: Tensor, width: float) -> Tensor:
    """max(a, b), the corner rounded over ``width``: the intersection of two shapes."""
    return (a + b + ((a - b) ** 2 + width**2).sqrt()) / 2


def bump(x: Tensor, y: Tensor, rx: Tensor | float, ry: Tensor | float) -> Tensor:
    """Soft light or shade: nearly exp(-(x/rx)^2 - (y/ry)^2), but 0 from two radii on."""
    near = (1 - (x / (2 * rx)) ** 2 - (y / (2 * ry)) ** 2).clamp_min(0)
    return (near * near) ** 2


def soft(d: Tensor, width: float) -> Tensor:
    """{d < 0} with a blurred edge: 1 before -3 widths, 0 from 3 widths on."""
    ramp = (0.5 - d / (6 * width)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def rgb(like: Tensor, red: float, green: float, blue: float) -> Tensor:
    return like.new_tensor([red, green, blue])[None, :, None, None]


def shaded(colour: Tensor, shade: Tensor | float) -> Tensor:
    """colour times shade in [0, 1]; shadows of skin turn a little redder."""
    return colour * (1 - (1 - shade) * rgb(colour, 0.80, 1.0, 1.08))


def lit(at: Plane, face) -> Tensor:
    """Lambert's law on the head taken for an ellipsoid: 0.4..1."""
    nx, ny = at.u / 0.60, (at.v + 0.02) / 0.85
    nz = (1 - nx**2 - ny**2).clamp_min(0.04).sqrt()
    lx, ly, lz = face.light.split(1, dim=1)
    return 0.62 + 0.38 * (nx * lx + ny * ly + nz * lz).clamp(-0.6, 1)


def head_outline(at: Plane, face) -> Tensor:
    skull = ellipse(at.u, at.v + 0.10, 0.46 * face.face_width, 0.52)
    jaw = ellipse(at.u, at.v - 0.20, 0.385 * face.face_width * face.jaw_width, 0.42)
    return -smooth_max(-skull, -jaw, 0.12)
