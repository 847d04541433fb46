"""KernelGAN's two networks: a deep *linear* generator, which is a blur kernel, and a discriminator of small patches."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FILTERS = (7, 5, 3, 1, 1, 1)  # receptive field 7 + 4 + 2 = 13: the kernel's side
RECEPTIVE = 7  # pixels of a patch that the discriminator judges


class DeepLinearGenerator(nn.Module):
    r"""Convolutions without bias and activation, channel by channel: (N, C, H, W) -> (N, C, H/2 - 6, W/2 - 6).

    Six linear layers are one linear layer: :math:`G(x) = (x \star k)\downarrow_s`, with the kernel k the composition of
    the filters. The parameters are the six filters, and that is what makes the descent prefer simple kernels
    (Bell-Kligler et al. 2019, Section 3); how G(x) is computed is free. ``forward`` composes k, (13, 13), and
    correlates once: the same numbers and the same gradients as ``stacked``, the six convolutions one by one, in a
    small part of the time. No padding; ``filters=(13,)`` is the single layer that the paper compares with.

    ``weights`` are the (out, in, side, side) filters, first to last, drawn normal with Xavier's spread times ``gain``.
    Raises ValueError for filters that are not odd.
    """

    def __init__(self, filters: tuple[int, ...] = FILTERS, channels: int = 64, *, factor: int = 2, gain: float = 0.1):
        super().__init__()
        if not filters or any(side < 1 or side % 2 == 0 for side in filters):
            raise ValueError(f"filters must be odd sides, first layer to last, got {filters}")
        widths = [1] + [channels] * (len(filters) - 1) + [1]
        shapes = [(b, a, side, side) for a, b, side in zip(widths, widths[1:], filters, strict=False)]
        self.factor = factor
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(shape)) for shape in shapes)
        for w in self.weights:
            nn.init.xavier_normal_(w, gain)

    def kernel(self) -> Tensor:
        """k (13, 13), differentiable: a picture of the weights under one LR pixel, as ``conv2d`` takes it.

        Composed from the last layer down: one channel times 64, never 64 times 64.
        """
        k = self.weights[-1]  # (1, 64, 1, 1)
        for w in reversed(self.weights[:-1]):
            k = F.conv_transpose2d(k, w)  # full convolution, summed over the channels between
        return k[0, 0]

    def forward(self, x: Tensor) -> Tensor:
        """G(x) by one correlation with k."""
        return correlate(x, self.kernel(), self.factor)

    def stacked(self, x: Tensor) -> Tensor:
        """G(x) layer by layer; the stride sits in the last one."""
        n, c = x.shape[:2]
        h = x.flatten(0, 1)[:, None]  # (N C, 1, H, W)
        for w in self.weights[:-1]:
            h = F.conv2d(h, w)
        return F.conv2d(h, self.weights[-1], stride=self.factor).unflatten(0, (n, c))[:, :, 0]


class PatchDiscriminator(nn.Module):
    """Is each 7 x 7 patch from the image or from G? (N, 3, H, W) in [-1, 1] -> (N, 1, H - 6, W - 6) in (0, 1).

    A 7 x 7 convolution, then ``hidden`` times 1 x 1 with batch norm and ReLU, then 1 x 1 and a sigmoid; no stride, no
    padding. That is a small perceptron on patches, and is computed as one: matrices times rows of patches. Every
    matrix is divided by its largest singular value (spectral norm; Miyato et al. 2018), followed by one power
    iteration a call while training. Batch norm uses the statistics of the batch, always.
    """

    def __init__(self, channels: int = 64, hidden: int = 5, in_channels: int = 3):
        super().__init__()
        n = in_channels * RECEPTIVE**2
        self.first = _matrices(1, channels, n)
        self.hidden = _matrices(hidden, channels, channels)
        self.last = _matrices(1, 1, channels)
        self.first_bias = nn.Parameter(torch.zeros(channels))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden, channels))
        self.last_bias = nn.Parameter(torch.zeros(1))
        self.scale = nn.Parameter(1 + 0.02 * torch.randn(hidden, channels))
        self.shift = nn.Parameter(torch.zeros(hidden, channels))
        for name in ("first", "hidden", "last"):
            w = getattr(self, name)
            self.register_buffer(f"{name}_u", F.normalize(torch.randn(w.shape[:2]), dim=1))
            for _ in range(15):
                self._normalised(name)

    def forward(self, *batches: Tensor) -> tuple[Tensor, ...] | Tensor:
        """One map per batch; several batches share the division by the singular values, and no statistics."""
        first, hidden, last = (self._normalised(name) for name in ("first", "hidden", "last"))
        maps = []
        for x in batches:
            (n, _, h, w), edge = x.shape, RECEPTIVE - 1
            rows = F.unfold(x, RECEPTIVE).transpose(1, 2).flatten(0, 1)  # (N L, 3 * 49), L patches per image
            rows = F.linear(rows, first[0], self.first_bias)
            for i in range(len(hidden)):
                rows = F.linear(rows, hidden[i], self.hidden_bias[i])
                rows = F.batch_norm(rows, None, None, self.scale[i], self.shift[i], training=True).relu()
            maps.append(F.linear(rows, last[0], self.last_bias).sigmoid().reshape(n, 1, h - edge, w - edge))
        return maps[0] if len(maps) == 1 else tuple(maps)

    def _normalised(self, name: str) -> Tensor:
        """(L, out, in) matrices divided by their largest singular values u^T W v."""
        w, u = getattr(self, name), getattr(self, f"{name}_u")
        with torch.no_grad():
            v = F.normalize((u[:, None] @ w)[:, 0], dim=1)  # (L, in)
            if self.training:
                u.copy_(F.normalize((w @ v[..., None])[..., 0], dim=1))
            u = u.clone()  # the graph keeps it; the next call writes over the buffer
        return w / (u[:, None] @ w @ v[..., None])


def correlate(x: Tensor, k: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) correlated with one kernel (kh, kw), every factor-th position, no padding."""
    n, c = x.shape[:2]
    return F.conv2d(x.flatten(0, 1)[:, None], k[None, None], stride=factor).unflatten(0, (n, c))[:, :, 0]


def _matrices(count: int, rows: int, columns: int) -> nn.Parameter:
    w = torch.empty(count, rows, columns)
    for one in w:
        nn.init.xavier_normal_(one)
    return nn.Parameter(w)
