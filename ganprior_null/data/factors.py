"""What a procedural face is made of, and the seeded stream that faces are drawn from."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

DRAWS = 96  # uniform numbers set aside for a face; a multiple of 4, what one step of Philox's counter yields

HAIR_STYLES = ("cropped", "side part", "centre part", "fringe", "curly", "bun", "shaved")

# palettes run from one end to the other; colours between neighbours occur
SKIN = ("#fadec9", "#f2c7a8", "#e0ab85", "#c28a63", "#946347", "#614030")
HAIR = ("#1a1417", "#33211a", "#57331f", "#854021", "#ad804a", "#e0bd7a", "#bdbaba")
EYES = ("#3d2417", "#663d1f", "#80662b", "#4d7845", "#4580a8", "#738c99")
LIPS = ("#cc6b6b", "#b83342")
TEETH = ("#fcfaf5", "#f5edd9", "#e6d1a3")
FRAMES = ("#121214", "#5c331f", "#99292e", "#b8a880")


@dataclass(frozen=True)
class FaceFactors:
    """What a batch of N faces is made of; lengths are in half image sides, x to the right, y down.

    ``dataclasses.replace(factors, teeth_colour=...)`` changes one factor and leaves the rest of the face alone.
    """

    shift: Tensor  # (N, 2) centre of the head
    scale: Tensor  # (N,) size of the head, about 1
    tilt: Tensor  # (N,) radians, clockwise
    yaw: Tensor  # (N,) -1 looks to the left of the image, 1 to the right
    nod: Tensor  # (N,) -1 up, 1 down
    light: Tensor  # (N, 3) unit vector towards the light; z towards the viewer
    background: Tensor  # (N, 2, 3) the two colours of the gradient
    background_angle: Tensor  # (N,) radians
    clothes_colour: Tensor  # (N, 3)
    neckline: Tensor  # (N,) 0 round, 1 a V
    stripes: Tensor  # (N,) strength of the stripes of the clothes, 0 = plain
    skin_colour: Tensor  # (N, 3)
    face_width: Tensor  # (N,) about 1
    jaw_width: Tensor  # (N,) about 1
    blush: Tensor  # (N,) 0..1
    freckles: Tensor  # (N,) 0..1, 0 = none
    hair_style: Tensor  # (N,) int64, index into HAIR_STYLES
    hair_colour: Tensor  # (N, 3)
    hair_length: Tensor  # (N,) y where the hair ends
    hair_volume: Tensor  # (N,) thickness over the skull
    hair_wave: Tensor  # (N,) 0 straight, 1 wavy
    parting: Tensor  # (N,) x of the parting
    eye_colour: Tensor  # (N, 3) of both irises
    eye_size: Tensor  # (N,) about 1
    eye_spacing: Tensor  # (N,) x of the right pupil
    eye_open: Tensor  # (N,) about 1
    eye_slant: Tensor  # (N,) slope of the eye axis, positive: outer corner higher
    gaze: Tensor  # (N, 2) -1..1, where the irises point
    brow_height: Tensor  # (N,) distance from the eye
    brow_angle: Tensor  # (N,) slope, positive: outer end higher
    brow_thickness: Tensor  # (N,) half thickness
    nose_width: Tensor  # (N,) about 1
    nose_length: Tensor  # (N,) y of the tip
    mouth_width: Tensor  # (N,) half width
    mouth_open: Tensor  # (N,) height of the opening, 0 = closed
    smile: Tensor  # (N,) how far the corners rise
    lip_fullness: Tensor  # (N,) about 1
    lip_colour: Tensor  # (N, 3)
    teeth_colour: Tensor  # (N, 3), seen when the mouth is open
    beard: Tensor  # (N,) 0..1, 0 = none
    glasses: Tensor  # (N,) 0 or 1
    glasses_colour: Tensor  # (N, 3)
    glasses_round: Tensor  # (N,) 0 rectangular, 1 round
    earrings: Tensor  # (N,) 0 or 1

    def __len__(self) -> int:
        return len(self.scale)

    def map(self, change: Callable[[Tensor], Tensor]) -> "FaceFactors":
        """Apply one function to every tensor: ``factors.map(lambda t: t[:4])``, ``factors.map(Tensor.cuda)``."""
        return FaceFactors(*(change(getattr(self, field.name)) for field in dataclasses.fields(self)))


def face_factors(count: int, seed: int = 0, start: int = 0) -> FaceFactors:
    """Factors of faces start, ..., start + count - 1 of a seed. Raises ValueError as ``faces`` does."""
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("start", start, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    # row i of an endless table of uniform numbers: the counter-based generator starts at any row at no cost
    table = np.random.Generator(np.random.Philox(key=seed, counter=start * DRAWS // 4)).random((count, DRAWS))
    return _Sampler(torch.from_numpy(table)).factors()


class _Sampler:
    """Turns the columns of a table of uniform numbers into factors, one after the other: new factors go last."""

    def __init__(self, table: Tensor):
        self.columns = iter(table.T)

    def between(self, low: float, high: float) -> Tensor:
        return low + (high - low) * next(self.columns)

    def about(self, mean: float, spread: float) -> Tensor:
        """Bell-shaped in mean -/+ spread: the sum of two uniform numbers."""
        return mean + spread * (next(self.columns) + next(self.columns) - 1)

    def chance(self, p: float | Tensor) -> Tensor:
        return (next(self.columns) < p).double()

    def along(self, palette: tuple[str, ...], where: Tensor) -> Tensor:
        """Colour at ``where`` in [0, 1] along a palette, between neighbours."""
        colours = torch.tensor([list(bytes.fromhex(code[1:])) for code in palette], dtype=torch.float64) / 255
        at = where.clamp(0, 1) * (len(palette) - 1)
        low = at.long().clamp_max(len(palette) - 2)
        return torch.lerp(colours[low], colours[low + 1], (at - low)[:, None])

    def colour(self, saturation: Tensor, value: Tensor) -> Tensor:
        """Any hue."""
        hue = next(self.columns)
        third = torch.tensor([0.0, 1 / 3, 2 / 3], dtype=torch.float64)
        wheel = (6 * (hue[:, None] - third).remainder(1) - 3).abs().sub(1).clamp(0, 1)
        return value[:, None] * (1 - saturation[:, None] * (1 - wheel))

    def factors(self) -> FaceFactors:
        """One draw after the other, in an order that is fixed for good: another order gives other faces."""
        depth = self.between(0, 1)  # of the skin; dark skin rarely goes with fair hair or pale eyes
        dark = 1 + 2.5 * depth
        style = self.between(0, len(HAIR_STYLES) - 0.5).long()  # few are shaved
        long_hair = self.chance(0.55) * ((style >= 1) & (style <= 3))
        skin, hair = self.along(SKIN, depth), self.along(HAIR, self.between(0, 1) ** dark)
        opened = self.chance(0.55)
        light_x, light_y = self.between(-0.75, 0.75), self.between(-0.8, -0.1)
        light = torch.stack([light_x, light_y, (1 - 0.55 * light_x**2 - 0.55 * light_y**2).sqrt()], -1)
        back = self.colour(self.between(0.1, 0.55), self.between(0.45, 0.95))
        volume = torch.where(style == 4, self.between(0.09, 0.22), self.between(0.04, 0.10))
        volume = torch.where(style == 0, 0.6 * volume, volume)
        short = self.between(-0.12, 0.12)
        values = self._scene(light / light.norm(dim=-1, keepdim=True), back)
        values |= self._head(skin) | self._hair(hair, style, long_hair, short, volume) | self._eyes_and_nose(dark)
        values |= self._mouth(skin, opened) | self._extras(long_hair)
        return FaceFactors(**{k: v if v.dtype == torch.int64 else v.float() for k, v in values.items()})

    def _scene(self, light: Tensor, back: Tensor) -> dict[str, Tensor]:
        def blend(other: Tensor) -> Tensor:
            return torch.stack([back, 0.6 * back + 0.4 * other], 1)

        return dict(
            shift=torch.stack([self.about(0, 0.07), self.about(-0.03, 0.05)], -1),
            scale=self.about(1.06, 0.07),
            tilt=self.about(0, 0.14),
            yaw=self.about(0, 1),
            nod=self.about(0, 0.8),
            light=light,
            background=blend(self.colour(self.between(0.1, 0.5), self.between(0.4, 0.9))),
            background_angle=self.between(0, 6.283),
            clothes_colour=self.colour(self.between(0.1, 0.75), self.between(0.25, 0.95)),
            neckline=self.chance(0.4),
            stripes=self.chance(0.25),
        )

    def _head(self, skin: Tensor) -> dict[str, Tensor]:
        return dict(
            skin_colour=skin,
            face_width=self.about(1.0, 0.07),
            jaw_width=self.about(1.0, 0.10),
            blush=self.between(0.1, 0.8),
            freckles=self.chance(0.2) * self.between(0.4, 1),
        )

    def _hair(self, colour: Tensor, style: Tensor, long: Tensor, short: Tensor, volume: Tensor) -> dict[str, Tensor]:
        return dict(
            hair_style=style,
            hair_colour=colour,
            hair_length=torch.where(long > 0, self.between(0.35, 1.3), short),
            hair_volume=volume,
            hair_wave=self.between(0, 1),
            parting=self.between(-0.24, 0.24),
        )

    def _eyes_and_nose(self, dark: Tensor) -> dict[str, Tensor]:
        return dict(
            eye_colour=self.along(EYES, self.between(0, 1) ** dark),
            eye_size=self.about(1.18, 0.12),
            eye_spacing=self.about(0.198, 0.016),
            eye_open=self.about(1.0, 0.3),
            eye_slant=self.about(0.05, 0.15),
            gaze=torch.stack([self.about(0, 1), self.about(0, 0.7)], -1),
            brow_height=self.about(0.135, 0.025),
            brow_angle=self.about(0.08, 0.22),
            brow_thickness=self.between(0.010, 0.022),
            nose_width=self.about(1.0, 0.22),
            nose_length=self.about(0.235, 0.025),
        )

    def _mouth(self, skin: Tensor, opened: Tensor) -> dict[str, Tensor]:
        return dict(
            mouth_width=self.about(0.165, 0.03),
            mouth_open=opened * self.between(0.03, 0.12),
            smile=self.between(-0.005, 0.06) + 0.02 * opened,
            lip_fullness=self.about(1.0, 0.3),
            lip_colour=0.55 * skin + 0.45 * self.along(LIPS, self.between(0, 1)),
            teeth_colour=self.along(TEETH, self.between(0, 1)),
        )

    def _extras(self, long_hair: Tensor) -> dict[str, Tensor]:
        return dict(
            beard=self.chance(0.25 * (1 - long_hair)) * self.between(0.3, 0.95),
            glasses=self.chance(0.25),
            glasses_colour=self.along(FRAMES, self.between(0, 1)),
            glasses_round=self.chance(0.5),
            earrings=self.chance(0.25),
        )
