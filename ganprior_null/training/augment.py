"""Adaptive discriminator augmentation: D sees real and generated images through the same random transforms.

Karras et al. 2020b, "Training Generative Adversarial Networks with Limited Data", Sec. 2, 3 and App. B: the set "bgc"
(pixel blitting, general geometry, colour). Each transform is applied with probability p, which follows how often D is
sure of real images, so that a small data set is not learnt by heart.

Geometry and colours are one matrix per image. Everything is linear in the image and written with operations whose
second derivatives exist, because R1 is computed through it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# the 12-tap low-pass filter of the wavelet sym6 (Daubechies 1992, Tab. 8.5); its sum is the square root of 2
SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633,
    0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252,
    -0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
MARGIN = len(SYM6) // 4  # pixels around the result that the last filter reaches


class AdaptiveProbability:
    """The probability p of each transform, led by r = mean sign(D(x)) over real x (Karras et al. 2020b, Eq. 1).

    After every ``every`` batches p goes up where r > target (D overfits) and down elsewhere, at a speed that takes it
    from 0 to 1 in ``images`` real images. A run saves and resumes it as it does a module.
    """

    def __init__(self, *, target: float, images: int, every: int = 4):
        if not 0 < target < 1:
            raise ValueError(f"target must lie between 0 and 1 (published: 0.6), got {target}")
        if images < 1 or every < 1:
            raise ValueError(f"images and every must be at least 1, got {images} and {every}")
        self.target, self.images, self.every = target, images, every
        self.p = 0.0
        self.r = 0.0  # over the last ``every`` batches that are complete
        self._signs, self._seen, self._batches = 0.0, 0, 0

    def update(self, signs: float, count: int) -> None:
        """Take note of one batch of ``count`` real images, whose scores' signs sum to ``signs``."""
        self._signs, self._seen, self._batches = self._signs + signs, self._seen + count, self._batches + 1
        if self._batches == self.every:
            self.r = self._signs / self._seen
            change = self._seen / self.images
            self.p = min(1.0, max(0.0, self.p + (change if self.r > self.target else -change)))
            self._signs, self._seen, self._batches = 0.0, 0, 0

    def state_dict(self) -> dict[str, float]:
        """p, r and the batches since p last moved."""
        return {"p": self.p, "r": self.r, "signs": self._signs, "seen": self._seen, "batches": self._batches}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """The inverse of :meth:`state_dict`."""
        self.p, self.r = state["p"], state["r"]
        self._signs, self._seen, self._batches = state["signs"], int(state["seen"]), int(state["batches"])


def augment(x: Tensor, back: Tensor, colour: Tensor) -> Tensor:
    """x (N, 3, H, W) -> the same shape: geometry ``back`` (N, 3, 3), then ``colour`` (N, 4, 4), one of each per image.

    Their meaning: see :func:`draw_transforms`. Differentiable any number of times with respect to x.
    """
    return recolour(warp(x, back), colour)


def recolour(x: Tensor, colour: Tensor) -> Tensor:
    """x (N, 3, H, W): the affine map ``colour`` (N, 4, 4) of homogeneous RGB at every pixel."""
    colour = colour.to(x)
    return (colour[:, :3, :3] @ x.flatten(2) + colour[:, :3, 3:]).view_as(x)


def warp(x: Tensor, back: Tensor) -> Tensor:
    """x (N, C, H, W): each pixel of the result shows the place ``back`` (N, 3, 3) of x; beyond the edge, x mirrored.

    Resampled without aliasing and almost without blur: mirrored as far as any image of the batch needs, doubled with
    the wavelet filter, bilinear interpolation there, halved with the filter turned round (Karras et al. 2020b, App. B).
    Doubling with its mirror edges, and halving, are one small matrix per axis: on a CPU several times faster than
    filters over 144 taps, and their derivatives are matrices too.
    """
    height, width = x.shape[-2:]
    left, top, right, bottom = mirrored_margins(back, height, width)
    doubled = _double(height, top, bottom).to(x) @ x @ _double(width, left, right).to(x).T
    centre = _shift((left - right) / 2, (top - bottom) / 2) @ back.double().cpu()  # of the mirrored image
    centre = _scale(2, 2) @ centre @ _scale(0.5, 0.5)  # in pixels of the doubled one ...
    centre = _shift(-0.5, -0.5) @ centre @ _shift(0.5, 0.5)  # ... which the filter moved by half of one
    h, w = 2 * (height + 2 * MARGIN), 2 * (width + 2 * MARGIN)
    theta = _scale(2 / doubled.shape[-1], 2 / doubled.shape[-2]) @ centre @ _scale(w / 2, h / 2)
    places = F.affine_grid(theta[:, :2].to(x), [len(x), 1, h, w], align_corners=False)  # in [-1, 1]
    return _halve(height).to(x) @ _Sample.apply(doubled, places) @ _halve(width).to(x).T


def mirrored_margins(back: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom): pixels of mirrored surroundings that a batch looks at; one side shorter at most."""
    x, y = (width - 1) / 2, (height - 1) / 2
    corners = torch.tensor([[-x, x, x, -x], [-y, -y, y, y], [1, 1, 1, 1]], dtype=torch.float64)
    looked_at = back.double().cpu() @ corners  # (N, 3, 4)
    low, high = looked_at[:, :2].amin((0, 2)), looked_at[:, :2].amax((0, 2))
    edge = torch.tensor([x, y], dtype=torch.float64)
    margins = torch.cat([-low, high]) + 2 * MARGIN - edge.repeat(2)
    most = torch.tensor([width - 1, height - 1] * 2, dtype=torch.float64)
    left, top, right, bottom = (int(m) for m in margins.clamp(min=0).minimum(most).ceil())
    return left, top, right, bottom


def draw_transforms(p: float, count: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(back, colour) for ``count`` images of size x size, float64, on the CPU; each transform with probability p.

    back (N, 3, 3): from a pixel of the result to the place in the image that it shows, (x, y, 1) in pixels from the
    centre. colour (N, 4, 4): from (r, g, b, 1) to the new colour, for images in [-1, 1].

    Strengths and order are those of Karras et al. 2020b, App. B. A much-used PyTorch version turns by 0 or 270 degrees
    only and shifts both axes by the same fraction; here as in the paper all four quarter turns occur, and both axes are
    drawn by themselves.
    """
    draw = _Draw(p, count, generator)
    return _geometry(draw, size), _colours(draw)


def _geometry(draw: "_Draw", size: int) -> Tensor:
    """Blitting (flip, quarter turn, whole pixels), then scale, turn, stretch, turn, fractional shift; inverted."""
    sides = (draw.uniform() < 0.5).double() * 2 - 1
    back = draw.sometimes(_scale(sides, torch.ones_like(sides)))
    back = back @ draw.sometimes(_turn((draw.uniform() * 4).floor() * (math.pi / 2)))
    back = back @ draw.sometimes(_shift(*(((draw.uniform() * 2 - 1) * 0.125 * size).round() for _ in range(2))))
    scale = 2 ** (0.2 * draw.normal())
    back = back @ draw.sometimes(_scale(scale, scale))
    half = 1 - math.sqrt(1 - draw.p)  # twice with this probability: turned at all with p
    back = back @ draw.sometimes(_turn((draw.uniform() * 2 - 1) * math.pi), half)
    stretch = 2 ** (0.2 * draw.normal())
    back = back @ draw.sometimes(_scale(stretch, 1 / stretch))
    back = back @ draw.sometimes(_turn((draw.uniform() * 2 - 1) * math.pi), half)
    return back @ draw.sometimes(_shift(*(0.125 * size * draw.normal() for _ in range(2))))


def _colours(draw: "_Draw") -> Tensor:
    """Brightness, contrast, luma flip, hue, saturation: about the gray axis v = (1, 1, 1, 0) / sqrt(3)."""
    eye = torch.eye(4, dtype=torch.float64)
    v = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64) / math.sqrt(3)
    gray, rgb = torch.outer(v, v), torch.diag(torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64))
    offset = torch.outer(torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64), eye[3])
    across = torch.zeros(4, 4, dtype=torch.float64)  # u -> v x u
    across[:3, :3] = torch.linalg.cross(v[:3].expand(3, 3), eye[:3, :3]).T

    colour = draw.sometimes(eye + 0.2 * _column(draw.normal()) * offset)
    colour = draw.sometimes(eye + (2 ** (0.5 * _column(draw.normal())) - 1) * rgb) @ colour
    colour = draw.sometimes(eye - 2 * gray * (_column(draw.uniform()) < 0.5)) @ colour
    angle = _column((draw.uniform() * 2 - 1) * math.pi)  # Rodrigues' formula
    colour = draw.sometimes(eye + angle.sin() * across + (1 - angle.cos()) * (gray - rgb)) @ colour
    return draw.sometimes(eye + (2 ** _column(draw.normal()) - 1) * (rgb - gray)) @ colour


class _Draw:
    """Random numbers for ``count`` images, always the same many whatever p."""

    def __init__(self, p: float, count: int, generator: torch.Generator):
        self.p, self.count, self.generator = p, count, generator

    def uniform(self) -> Tensor:
        return torch.rand(self.count, dtype=torch.float64, generator=self.generator)

    def normal(self) -> Tensor:
        return torch.randn(self.count, dtype=torch.float64, generator=self.generator)

    def sometimes(self, matrices: Tensor, p: float | None = None) -> Tensor:
        """Each of (N, k, k) with probability p, else the identity."""
        chosen = _column(self.uniform() < (self.p if p is None else p))
        return torch.where(chosen, matrices, torch.eye(matrices.shape[-1], dtype=torch.float64))


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]  # (N,) -> (N, 1, 1)


def _rows(*entries) -> Tensor:
    """Nine numbers or (N,) tensors, row by row -> (3, 3) or (N, 3, 3)."""
    entries = torch.broadcast_tensors(*(torch.as_tensor(e, dtype=torch.float64) for e in entries))
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def _shift(x, y) -> Tensor:
    return _rows(1, 0, x, 0, 1, y, 0, 0, 1)


def _scale(x, y) -> Tensor:
    return _rows(x, 0, 0, 0, y, 0, 0, 0, 1)


def _turn(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return _rows(cos, -sin, 0, sin, cos, 0, 0, 0, 1)


def _double(side: int, before: int, after: int) -> Tensor:
    """(2 (before + side + after), side): mirror the surroundings, a zero after each pixel, filter."""
    mirrored = F.pad(torch.eye(side, dtype=torch.float64)[None], (before, after), mode="reflect")[0, :, None]
    taps = torch.tensor(SYM6, dtype=torch.float64)[None, None]
    length = 2 * mirrored.shape[-1]
    return F.conv_transpose1d(mirrored, taps, stride=2)[:, 0, 5 : 5 + length].T


def _halve(side: int) -> Tensor:
    """(side, 2 (side + 2 MARGIN)): filter with the taps turned round, keep every second pixel inside the margins."""
    inside = torch.eye(2 * (side + 2 * MARGIN), dtype=torch.float64)[:, None, 1:-1]
    taps = torch.tensor(SYM6, dtype=torch.float64)[None, None]
    return F.conv1d(inside, taps, stride=2)[:, 0].T


class _Sample(torch.autograd.Function):
    """Bilinear F.grid_sample, zero outside, as the linear map of the image that it is; places get no gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, places):
        return F.grid_sample(x, places, align_corners=False)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, places = inputs
        ctx.save_for_backward(places)
        ctx.save_for_forward(places)
        ctx.side = x.shape[-2:]

    @staticmethod
    def backward(ctx, grad):
        return _Spread.apply(grad, *ctx.saved_tensors, *ctx.side), None

    @staticmethod
    def jvp(ctx, dx, _):
        return _Sample.apply(dx, *ctx.saved_tensors)


class _Spread(torch.autograd.Function):
    """The adjoint of _Sample, which torch offers only without a derivative of its own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad, places, height, width):
        x = grad.new_empty(*grad.shape[:2], height, width)  # only its shape matters
        mask = (True, False)
        return torch.ops.aten.grid_sampler_2d_backward(grad.contiguous(), x, places, 0, 0, False, mask)[0]

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, places, *ctx.side = inputs
        ctx.save_for_backward(places)
        ctx.save_for_forward(places)

    @staticmethod
    def backward(ctx, grad):
        return _Sample.apply(grad, *ctx.saved_tensors), None, None, None

    @staticmethod
    def jvp(ctx, dgrad, *_):
        return _Spread.apply(dgrad, *ctx.saved_tensors, *ctx.side)
