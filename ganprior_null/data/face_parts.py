"""The parts of a procedural face: each yields pairs (coverage, colour) that are painted one over the other.

Coverage is (n, 1, rows, columns) in [0, 1]; colour broadcasts to (n, 3, rows, columns). Lengths are in half image
sides. Every colour is a product or a mixture of colours in [0, 1], so that nothing has to be clamped afterwards.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .face_plane import Plane, bump, ellipse, head_outline, length, lit, rgb, shaded, smooth_max, soft

Layer = Iterator[tuple[Tensor, Tensor]]

# the hairline of each style: height at the parting, slope and curvature beside it, one-sidedness, raggedness
HAIRLINES = (
    (-0.40, 0.00, 0.90, 0.0, 0.010),  # cropped
    (-0.44, 0.26, 0.25, 1.0, 0.006),  # side part
    (-0.45, 0.16, 1.30, 0.0, 0.004),  # centre part
    (-0.18, 0.00, -0.20, 0.0, 0.012),  # fringe
    (-0.38, 0.00, 0.90, 0.0, 0.022),  # curly
    (-0.45, 0.00, 0.85, 0.0, 0.003),  # bun
    (-0.44, 0.00, 0.80, 0.0, 0.000),  # shaved
)
CURLY, BUN, SHAVED = 4, 5, 6


def background(at: Plane, face) -> Layer:
    cos, sin = face.background_angle.cos(), face.background_angle.sin()
    along = (cos * at.x + sin * at.y) / 2.83 + 0.5
    yield torch.ones_like(along), face.background[:, 0]
    yield along, face.background[:, 1]
    yield 0.30 * bump(at.x + 0.9 * cos, at.y + 0.9 * sin, 0.8, 0.8), rgb(at.x, 1, 1, 1)


def back_hair(at: Plane, face) -> Layer:
    """The hair behind head and neck, and a bun on top."""
    yield (face.hair_style != SHAVED) * at.inside(_hair_outline(at, face) - 0.012), 0.60 * face.hair_colour
    u, v = at.u - face.parting / 3, at.v + 0.76
    swirl = 0.80 + 0.14 * at.ripple(70 * length(u, v - 0.05) + 3 * u, 70) - 0.5 * v
    yield (face.hair_style == BUN) * at.inside(ellipse(u, v, 0.22, 0.17)), face.hair_colour * swirl.clamp(0.4, 1)


def body(at: Plane, face) -> Layer:
    """Neck, shoulders, clothes; they follow the head's place but not its tilt."""
    x, y = at.x - face.shift[:, :1], at.y - face.shift[:, 1:]
    width = (0.20 + 0.06 * (face.jaw_width - 1) + 0.9 * (y - 0.72).clamp_min(0) ** 2) * face.scale
    neck = torch.maximum(x.abs() - width, 0.3 - y)
    tone = 0.86 - 0.32 * soft(y - 0.70 * face.scale, 0.05) + 0.5 * (x * face.light[:, :1]).clamp(-0.2, 0.2)
    yield at.inside(neck), shaded(face.skin_colour, tone.clamp(0, 1))
    collar = ellipse(x, y - 0.73, 0.27, 0.17 + 0.10 * face.neckline) + 0.35 * face.neckline * (x.abs() - 0.08)
    cloth = at.inside(smooth_max(0.80 + 0.34 * x**2 - y, -collar, 0.02))
    fold = 0.88 + 0.06 * torch.sin(5 * x + 3 * y) + 0.3 * (x * face.light[:, :1]).clamp(-0.2, 0.2)
    stripes = 0.14 * face.stripes * at.ripple(42 * (y - 0.34 * x**2), 42)
    yield cloth, face.clothes_colour * (fold + stripes).clamp(0, 1)
    yield cloth * at.stroke(collar - 0.02, 0.018), 0.70 * face.clothes_colour


def ears(at: Plane, face) -> Layer:
    v = at.v - 0.05
    u = (at.u + 0.045 * face.yaw).abs() - 0.465 * face.face_width + 0.2 * v  # a turned head hides its far ear
    yield at.inside(ellipse(u, v, 0.085, 0.135)), shaded(face.skin_colour, 0.84)
    yield 0.7 * soft(ellipse(u, v + 0.01, 0.045, 0.085), 0.012), shaded(face.skin_colour, 0.62)
    yield face.earrings * at.inside(length(u - 0.03, v - 0.135) - 0.028), rgb(u, 0.90, 0.74, 0.36)
    yield face.earrings * at.inside(length(u - 0.022, v - 0.126) - 0.010), rgb(u, 1, 1, 1)


def head(at: Plane, face) -> Layer:
    d = head_outline(at, face)
    rim = torch.exp(d.clamp_max(0) / 0.07)  # near the outline the skin turns away from the viewer
    yield at.inside(d), shaded(face.skin_colour, (lit(at, face) - 0.10 * rim).clamp(0, 1))
    yield 0.55 * face.blush * bump(at.s.abs() - 0.25, at.t - 0.22, 0.12, 0.09), face.skin_colour * rgb(d, 1, 0.6, 0.58)
    yield 0.16 * bump(at.s - 0.2 * face.light[:, :1], at.t + 0.30, 0.22, 0.14), rgb(d, 1, 1, 1)
    dots = at.ripple(61 * at.s + 5 * at.t, 61) * at.ripple(57 * at.t + 9 * at.s, 57)
    where = bump(at.s.abs() - 0.17, at.t - 0.17, 0.15, 0.09)
    yield 0.9 * face.freckles * where * (1.6 * dots - 0.5).clamp_min(0), shaded(face.skin_colour, 0.62)


def beard(at: Plane, face) -> Layer:
    cheeks = 0.20 + 0.6 * (0.42 - at.s.abs()).clamp_min(0) - at.t
    around_mouth = ellipse(at.s, at.t - 0.405, face.mouth_width + 0.03, 0.055 + face.mouth_open)
    moustache = ellipse(at.s, at.t - 0.335, face.mouth_width + 0.05, 0.045)
    chin = smooth_max(smooth_max(cheeks, -around_mouth, 0.03), head_outline(at, face), 0.01)
    hairs = 0.90 + 0.10 * at.ripple(150 * at.s + 9 * at.t, 150) * at.ripple(70 * at.t + 40 * at.s, 80)
    yield face.beard * soft(torch.minimum(chin, moustache), 0.014), 0.80 * face.hair_colour * hairs


def nose(at: Plane, face) -> Layer:
    s, t, width = at.s, at.t - face.nose_length, face.nose_width
    away = -face.light[:, :1].sign()
    dark, gleam = shaded(face.skin_colour, 0.52), 0.45 + 0.55 * face.skin_colour
    yield 0.26 * bump(s - 0.050 * away, t + 0.13, 0.030, 0.13), dark
    yield 0.22 * bump(s + 0.008 * away, t + 0.13, 0.020, 0.12), gleam
    yield 0.26 * bump(s, t - 0.050, 0.075 * width, 0.024), dark
    wing = ellipse(s.abs() - 0.060 * width, t + 0.002, 0.030, 0.036)
    yield 0.45 * at.stroke(wing, 0.007) * soft(0.060 * width - s.abs(), 0.010) * soft(-0.010 - t, 0.01), dark
    inner = s.abs() - 0.034 * width
    yield 0.75 * at.inside(ellipse(inner, t - 0.024 - 0.1 * inner, 0.019, 0.010)), shaded(face.skin_colour, 0.30)
    yield 0.55 * bump(s + 0.012 * away, t + 0.016, 0.028, 0.022), gleam


def eyes(at: Plane, face) -> Layer:
    """Both at once: the plane is folded along the middle of the face; only gaze and light know left from right."""
    w, h, side = 0.105 * face.eye_size, face.eye_size * face.eye_open, at.s.sign()
    x = at.s.abs() - face.eye_spacing
    y = at.t + face.eye_slant * x
    arch, steep = 1 - (x / w) ** 2, (1 + (1.1 * x / w) ** 2).sqrt()
    upper = (-0.062 * h * arch - y) / steep  # negative below the upper lid
    lower = (y - 0.036 * h * arch) / steep  # negative above the lower lid
    ball = at.inside(torch.maximum(upper, lower))
    socket = 0.42 * bump(x + 0.01, y + 0.015, 1.35 * w, 0.085)
    yield socket, shaded(face.skin_colour, 0.66)
    yield ball, rgb(x, 0.98, 0.98, 0.97)
    for coverage, colour in _iris(at, face, x - 0.030 * side * face.gaze[:, :1], y + 0.010 - 0.016 * face.gaze[:, 1:]):
        yield ball * coverage, colour
    yield 0.30 * ball * soft(-upper - 0.014, 0.010), rgb(x, 0.10, 0.08, 0.08)  # the shadow of the lid
    towards = side * face.light[:, :1].sign()
    yield ball * at.inside(length(x - 0.020 * towards, y + 0.026) - 0.016 * face.eye_size), rgb(x, 1, 1, 1)
    for coverage, colour in _lids(at, face, x, y, upper, lower):
        yield coverage, colour


def _iris(at: Plane, face, x: Tensor, y: Tensor) -> Layer:
    radius = 0.058 * face.eye_size
    r = length(x, y)
    fibres = 0.12 * at.ripple(9 * x / (r + 0.01), 9 / (r + 0.01))
    yield at.inside(r - radius), face.eye_colour * (0.84 + 0.35 * y / radius + fibres).clamp(0, 1)
    yield 0.70 * at.stroke(r - radius, 0.009), 0.30 * face.eye_colour
    yield at.inside(r - 0.40 * radius), rgb(x, 0.03, 0.03, 0.03)


def _lids(at: Plane, face, x: Tensor, y: Tensor, upper: Tensor, lower: Tensor) -> Layer:
    w = 0.105 * face.eye_size
    reach = soft(x.abs() - 1.02 * w, 0.006)
    black = torch.minimum(0.30 * face.hair_colour, shaded(face.skin_colour, 0.4))
    yield 0.95 * reach * at.stroke(upper, 0.012 + 0.006 * (x / w).clamp(-1, 1)), black
    outer = x - w
    lash = (y + 0.020 + 0.55 * outer).abs() - 0.010 + 0.3 * outer.clamp_min(0)
    yield 0.8 * at.inside(torch.maximum(lash, (x - 1.08 * w).abs() - 0.022)), black
    yield 0.45 * reach * at.stroke(lower, 0.005), shaded(face.skin_colour, 0.5)
    yield 0.50 * reach * at.stroke(upper - 0.030, 0.005), shaded(face.skin_colour, 0.5)


def brows(at: Plane, face) -> Layer:
    x = at.s.abs() - face.eye_spacing - 0.005
    along = (x / 0.135).clamp(-1, 1)
    d = at.t + face.brow_height + face.brow_angle * x - 0.032 * along**2
    taper = (1 - 0.35 * along) * (1 - (along**2) ** 3)
    hairs = 0.62 + 0.08 * at.ripple(160 * x + 80 * d, 180)
    yield 0.88 * at.stroke(d, face.brow_thickness * taper), face.hair_colour * hairs


def mouth(at: Plane, face) -> Layer:
    """Lips, the opening between them, tongue, upper teeth. A closed mouth has an opening of height 0."""
    s, w, full, gape = at.s, face.mouth_width, face.lip_fullness, face.mouth_open
    along = (s / w).clamp(-1.3, 1.3)
    arch = 1 - along**2
    y = at.t - 0.400 + face.smile * (along**2 - 0.5)  # 0 on the line between closed lips
    bow = 1 + 0.3 * bump(along.abs() - 0.28, along, 0.22, 9) - 0.35 * bump(along, along, 0.2, 0.2)
    rise, drop = 0.12 * gape * arch, 0.88 * gape * arch * (1 + 0.6 * along**2)
    above, below = -0.034 * full * bow * arch - rise - y, y - 0.048 * full * arch - drop
    under = y - 0.88 * gape
    yield 0.30 * bump(s, under - 0.085 * full, 0.6 * w, 0.020), shaded(face.skin_colour, 0.55)
    yield at.inside(torch.maximum(above, below)), face.lip_colour * (0.97 - 0.16 * soft(y, 0.01))
    yield 0.30 * bump(s + 0.02, under - 0.025 * full, 0.30 * w, 0.010), rgb(s, 1, 1, 1)
    hole = (gape > 0) * at.inside(torch.maximum(-rise - y, y - drop))
    yield hole, rgb(s, 0.27, 0.08, 0.09)
    yield 0.9 * hole * at.inside(ellipse(s, under, 0.55 * w, 0.42 * gape + 0.001)), rgb(s, 0.80, 0.40, 0.42)
    teeth = hole * at.inside(y + rise - 0.60 * gape.clamp_max(0.09) * (1 - 0.2 * along**2))
    yield teeth, face.teeth_colour * (0.96 + 0.04 * at.ripple(150 * s + 1.57, 150) - 0.10 * along**2)
    ends = soft(along.abs() - 1.02, 0.02)
    yield 0.80 * (gape == 0) * ends * at.stroke(y, 0.006), 0.38 * face.lip_colour
    yield 0.40 * soft(length(s.abs() - 1.02 * w, y) - 0.014, 0.006), shaded(face.skin_colour, 0.45)


def hair(at: Plane, face) -> Layer:
    """The hair in front: its solid, less the opening in which the face is seen."""
    top, slope, curve, sided, ragged = at.x.new_tensor(HAIRLINES)[face.hair_style].unbind(-1)
    x = at.u - face.parting * (0.2 + 0.8 * sided + 0.5 * (slope > 0))
    sweep = 1 - 0.9 * sided * face.parting.sign() * x.sign()  # a side parting sends the hair to the far side
    ragged = ragged * torch.sin(31 * at.u + 2 * torch.sin(17 * at.u))
    line = top + slope * sweep * x.abs() + curve * x**2 + ragged
    narrow = 0.44 * face.face_width - 0.16 * (at.v - 0.10).clamp(0, 0.6)
    opening = smooth_max(line - at.v, at.u.abs() - narrow, 0.05)
    skull, full = head_outline(at, face), face.hair_style != SHAVED
    d = smooth_max(_hair_outline(at, face), -opening, 0.012)
    yield full * 0.30 * soft(d - 0.02, 0.025) * at.inside(skull), shaded(face.skin_colour, 0.45)
    stubble = soft(torch.maximum(torch.maximum(skull, -opening - 0.02), at.v - 0.02), 0.010)
    yield (~full) * 0.42 * stubble, 0.7 * face.hair_colour
    yield full * at.inside(d), _hair_colour(at, face)


def glasses(at: Plane, face) -> Layer:
    thick = 0.011
    x, y = at.s.abs() - face.eye_spacing - 0.005, at.t - 0.012
    box = length((x.abs() - 0.100).clamp_min(0), (y.abs() - 0.060).clamp_min(0)) - 0.055
    rim = box + face.glasses_round * (length(x, y) - 0.155 - box)
    lens = face.glasses * at.inside(rim)
    yield 0.06 * lens, rgb(x, 1, 1, 1)
    yield 0.16 * lens * soft((0.8 * x - y - 0.135).abs() - 0.016, 0.005), rgb(x, 1, 1, 1)
    bridge = torch.maximum((y + 0.03 - 1.2 * at.s**2).abs() - thick, at.s.abs() - face.eye_spacing + 0.145)
    temple = torch.maximum(torch.maximum((y + 0.02).abs() - thick, (at.u.abs() - 0.41).abs() - 0.06), -rim)
    frame = at.stroke(rim, thick) + at.inside(torch.minimum(bridge, temple))
    yield face.glasses * frame.clamp(0, 1), face.glasses_colour


def _hair_outline(at: Plane, face) -> Tensor:
    """Half an ellipse over the skull that falls straight down to hair_length."""
    v = at.v + 0.10
    below = v.clamp_min(0)
    flare = 1 + below * ((0.22 * face.hair_length).clamp(-0.1, 0.2) - 0.06)
    u = at.u / flare + 0.02 * face.hair_wave * torch.sin(9 * at.v) * below
    # short hair lies close to the temples, long hair keeps its volume
    near = ((0.05 - at.v) / 0.35).clamp(0.1, 1).maximum((face.hair_length > 0.3).float())
    d = ellipse(u, v.clamp_max(0), 0.465 * face.face_width + face.hair_volume * near, 0.54 + 1.1 * face.hair_volume)
    d = d + (face.hair_style == CURLY) * 0.020 * torch.sin(21 * at.u) * torch.sin(19 * at.v + 1)
    return smooth_max(d, at.v - face.hair_length, 0.08)


def _hair_colour(at: Plane, face) -> Tensor:
    """Strands that run from the parting, or curls, and a band of light over the crown."""
    u, v = at.u - face.parting, at.v + 0.72
    r = length(u, v).clamp_min(0.05)
    angle = u / r + 0.05 * face.hair_wave * torch.sin(11 * v)
    strands = sum(a * at.ripple(f * angle + f, f / r) for a, f in ((0.09, 17), (0.07, 41), (0.06, 83)))
    curls = at.ripple(34 * at.u + 3 * torch.sin(15 * at.v), 40) * at.ripple(31 * at.v, 31)
    texture = torch.where(face.hair_style == CURLY, 0.3 * strands + 0.16 * curls, strands)
    band = bump(at.u - 0.3 * face.light[:, :1], length(at.u, at.v + 0.05) - 0.60, 0.38, 0.07)
    gloss = (0.30 * band * (1 + 2.5 * texture)).clamp(0, 0.6)
    matt = face.hair_colour * (0.74 + 0.22 * lit(at, face) + texture).clamp(0.2, 1)
    return torch.lerp(matt, 0.5 + 0.5 * face.hair_colour, gloss)


# from back to front, each with the heights v of the head between which it may leave paint
LAYERS = (
    (background, -9.0, 9.0),
    (back_hair, -1.1, 9.0),
    (body, 0.2, 9.0),
    (ears, -0.15, 0.3),
    (head, -0.65, 0.65),
    (beard, 0.05, 0.65),
    (nose, -0.25, 0.35),
    (eyes, -0.20, 0.20),
    (brows, -0.32, 0.10),
    (mouth, 0.22, 0.62),
    (hair, -1.1, 9.0),
    (glasses, -0.20, 0.22),
)
