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
    ``members`` generators can stand side by side, (members out, in, side, side), independent of one another: small
    networks cost little more in company. ``forward`` and ``stacked`` are for one.
    Raises ValueError for filters that are not odd.
    """

    def __init__(
        self,
        filters: tuple[int, ...] = FILTERS,
        channels: int = 64,
        *,
        factor: int = 2,
        gain: float = 0.1,
        members: int = 1,
    ):
        super().__init__()
        if not filters or any(side < 1 or side % 2 == 0 for side in filters):
            raise ValueError(f"filters must be odd sides, first layer to last, got {filters}")
        widths = [1] + [channels] * (len(filters) - 1) + [1]
        shapes = [(b, a, side, side) for a, b, side in zip(widths, widths[1:], filters, strict=False)]
        self.factor, self.members = factor, members
        self.weights = nn.ParameterList()
        for shape in shapes:
            drawn = [nn.init.xavier_normal_(torch.empty(shape), gain) for _ in range(members)]
            self.weights.append(nn.Parameter(torch.cat(drawn)))

    def kernels(self) -> Tensor:
        """k of every member, (members, 13, 13), differentiable: pictures of the weights under one LR pixel.

        Composed from the last layer down: one channel times 64, never 64 times 64.
        """
        k = self.weights[-1].flatten(0, 1)[None]  # (1, members 64, 1, 1)
        for w in reversed(self.weights[:-1]):
            k = F.conv_transpose2d(k, w, groups=self.members)  # full convolution, summed over the channels between
        return k[0]

    def kernel(self) -> Tensor:
        """k (13, 13) of a lone generator, as ``conv2d`` takes it."""
        (k,) = self.kernels()
        return k

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
    padding. That is a small perceptron on patches, and is computed as one: matrices times columns of patches. Every
    matrix is divided by its largest singular value (spectral norm; Miyato et al. 2018), followed by one power
    iteration a call while training. Batch norm uses the statistics of the batch, always.

    With ``members`` > 1, independent discriminators side by side: (members, N, 3, H, W) -> (members, N, 1, ...).
    """

    def __init__(self, channels: int = 64, hidden: int = 5, *, members: int = 1):
        super().__init__()
        self.members = members
        sizes = [(channels, 3 * RECEPTIVE**2)] + [(channels, channels)] * hidden + [(1, channels)]
        self.weights = nn.ParameterList(_matrices(members, *size) for size in sizes)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(members, rows, 1)) for rows, _ in sizes)
        self.scale = nn.Parameter(1 + 0.02 * torch.randn(hidden, members * channels))
        self.shift = nn.Parameter(torch.zeros(hidden, members * channels))
        for i, (rows, _) in enumerate(sizes):
            self.register_buffer(f"u{i}", F.normalize(torch.randn(members, 1, rows), dim=-1))
            for _ in range(15):
                self.divided(i)

    def forward(self, *batches: Tensor) -> tuple[Tensor, ...] | Tensor:
        """One map per batch; several batches share the division by the singular values, and no statistics."""
        weights = [self.divided(i) for i in range(len(self.weights))]
        maps = tuple(self._judge(x, weights) for x in batches)
        return maps if len(maps) > 1 else maps[0]

    def _judge(self, x: Tensor, weights: list[Tensor]) -> Tensor:
        (n, _, h, w), m = x.shape[-4:], self.members
        h, w = h - RECEPTIVE + 1, w - RECEPTIVE + 1
        columns = F.unfold(x.reshape(m * n, *x.shape[-3:]), RECEPTIVE)  # (m N, 3 * 49, L), L patches per image
        columns = columns.unflatten(0, (m, n)).transpose(1, 2).flatten(2)  # (m, 3 * 49, N L)
        columns = torch.baddbmm(self.biases[0], weights[0], columns)
        for i in range(1, len(weights) - 1):
            columns = torch.baddbmm(self.biases[i], weights[i], columns)
            flat = columns.flatten(0, 1)[None]  # (1, m 64, N L): one statistic per member and channel
            flat = F.batch_norm(flat, None, None, self.scale[i - 1], self.shift[i - 1], training=True)
            columns = flat.relu().view_as(columns)
        judged = torch.baddbmm(self.biases[-1], weights[-1], columns).sigmoid()  # (m, 1, N L)
        return judged.reshape(*x.shape[:-3], 1, h, w)

    def divided(self, i: int) -> Tensor:
        """Layer i's matrices (m, out, in), divided by their largest singular values u W v."""
        w, u = self.weights[i], getattr(self, f"u{i}")
        with torch.no_grad():
            v = F.normalize(u @ w, dim=-1).mT  # (m, in, 1)
            if self.training:
                u.copy_(F.normalize((w @ v).mT, dim=-1))
            u = u.clone()  # the graph keeps it; the next call writes over the buffer
        return w / (u @ w @ v)


def correlate(x: Tensor, k: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) correlated with one kernel (kh, kw), every factor-th position, no padding."""
    n, c = x.shape[:2]
    return F.conv2d(x.flatten(0, 1)[:, None], k[None, None], stride=factor).unflatten(0, (n, c))[:, :, 0]


def correlate_each(x: Tensor, k: Tensor, factor: int) -> Tensor:
    """(m, N, C, H, W) with m kernels (m, kh, kw), each its own images."""
    m, n, c = x.shape[:3]
    images = x.flatten(1, 2).transpose(0, 1)  # (N C, m, H, W)
    y = F.conv2d(images, k[:, None], stride=factor, groups=m)
    return y.transpose(0, 1).unflatten(1, (n, c))


def _matrices(members: int, rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(torch.stack([nn.init.xavier_normal_(torch.empty(rows, columns)) for _ in range(members)]))
