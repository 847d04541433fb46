"""CEM (Bahat & Michaeli 2020), the consistency module that PD is compared with in Table 1."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .check import check_factor, check_finite, check_kernel, check_sides, check_size, in_finer_dtype
from .resample import cubic

MAGNITUDE_BOUND = 0.01  # smallest gain of s^2 A A^T that is inverted as it is
BORDER_TOLERANCE = 1e-3  # an LR pixel is invalid where a constant image is off by more
ENERGY_LEFT_OUT = 1e-6  # the inverse filter is cut where its response to a constant is off by less
FFT_MARGIN = 18  # LR pixels of zeros on either side of s^2 A A^T before it is inverted


def cem_kernel(factor: int) -> Tensor:
    """The kernel CEM assumes when it is given none: OpenCV's cubic (a = -0.75), stretched by the factor.

    (4 s, 4 s) for even s, (4 s - 1, 4 s - 1) for odd. MATLAB, PIL and antialiased torch have a = -0.5: judged by one of
    these, CEM's results reach 42 to 43 dB where its own kernel gives 116 to 126 (claim B6).
    """
    taps = 4 * check_factor(factor) - factor % 2
    t = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / factor
    weights = cubic(t, a=-0.75)
    weights = weights / weights.sum()
    return weights[:, None] * weights


class CEM(nn.Module):
    r"""(x_r, y) -> :math:`x_r + A^\top g * (y - A x_r)`, g a finite filter that stands for :math:`(A A^\top)^{-1}`.

    A blurs with ``kernel`` and keeps every s-th pixel, in the orientation and sampling phase of
    :class:`~ganprior_null.BlurDownsample`, but borders repeat the outermost pixel. :math:`s^2 A A^\top` is a filter on
    the LR grid; g inverts it in Fourier space (gains below 0.01 raised to 0.01) on its support and 18 zeros around it,
    and is then cut to the taps that matter. Away from the border this is the pseudo-inverse up to that cut; near it, it
    is not. Hence ``margin``, in LR pixels: with ``pad`` (their evaluation mode) both images are extended by it and the
    result is cropped; without (their training mode) the border of the result is inconsistent. The kernel is used as
    given: their re-centring by the centre of mass and crop to 99 % of the energy are for the caller to do, and to see.

    Values are those of the published code; the work is a third of it (one upscaling of the residual, not two of the
    parts, and a downscaling that skips the pixels it would drop).

    kernel: (k, k); factor: s; size: HR side or (H, W). Raises ValueError as BlurDownsample does.

    >>> cem = CEM(torch.ones(4, 4) / 16, 4, 64)
    >>> x_r, y = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 16, 16)
    >>> cem(x_r, y).shape
    torch.Size([1, 3, 64, 64])
    """

    kernel: Tensor
    inverse: Tensor

    def __init__(self, kernel: Tensor, factor: int, size: int | tuple[int, int], *, pad: bool = True):
        super().__init__()
        self.factor, self.size, self.pad = check_factor(factor), check_size(size), pad
        if any(side % factor for side in self.size):
            raise ValueError(f"factor {factor} must divide the image sides, got {self.size[0]} x {self.size[1]}")
        kernel = check_kernel(kernel)
        if kernel.shape[0] != kernel.shape[1] or kernel.shape[0] > min(self.size):
            raise ValueError(f"CEM needs a square kernel no larger than the image, got {tuple(kernel.shape)}")
        self.lr_size = (self.size[0] // factor, self.size[1] // factor)
        inverse = _invert(kernel, factor)
        self.margin = 2 * _kernel_border(kernel, factor) + _filter_border(inverse, BORDER_TOLERANCE)
        self.register_buffer("kernel", kernel, persistent=False)
        self.register_buffer("inverse", inverse, persistent=False)

    def forward(self, x_r: Tensor, y: Tensor) -> Tensor:
        """(N, C, H, W), (N, C, H/s, W/s) -> (N, C, H, W)."""
        x_r = in_finer_dtype(x_r, y)
        check_sides(x_r, "x_r", self.size)
        check_sides(y, "y", self.lr_size)
        if y.shape[:2] != x_r.shape[:2]:  # their difference would broadcast
            expected = (*x_r.shape[:2], *self.lr_size)
            raise ValueError(f"y has shape {tuple(y.shape)}, but A maps x_r of shape {tuple(x_r.shape)} to {expected}")
        m = self.margin if self.pad else 0
        x, y = _repeat_border(x_r, m * self.factor, m * self.factor), _repeat_border(y, m, m)
        x = x + self.upscale(self.filter(check_finite(y - self.downscale(x), "y - A x_r")))
        m = m * self.factor
        return x[..., m : x.shape[-2] - m, m : x.shape[-1] - m]

    def downscale(self, x: Tensor) -> Tensor:
        """A x: (N, C, H, W) -> (N, C, H/s, W/s), any size that s divides; borders repeat the outermost pixel."""
        first = (self.factor - len(self.kernel)) // 2  # HR pixel under the first weight, for LR pixel 0
        padded = _repeat_border(x, max(-first, 0), max(first + len(self.kernel) - self.factor, 0))
        return _correlate(padded[..., max(first, 0) :, max(first, 0) :], self.kernel, self.factor)

    def filter(self, y: Tensor) -> Tensor:
        """g * y: (N, C, h, w) -> the same shape."""
        return _correlate(_repeat_border(y, *[len(self.inverse) // 2] * 2), self.inverse)

    def upscale(self, y: Tensor) -> Tensor:
        """s^2 A^T y, but for the border: (N, C, h, w) -> (N, C, s h, s w).

        LR pixels are put on a grid of zeros, at the phase that keeps an odd kernel's centre on them; the border of that
        grid is repeated, zeros and all, as the published code does.
        """
        s, k = self.factor, len(self.kernel)
        phase = s - s // 2 - 1
        grid = y.new_zeros(*y.shape[:2], y.shape[2], s, y.shape[3], s)
        grid[:, :, :, phase, :, phase] = y
        before = k + (s - k) // 2 - 1 - phase  # so that output pixel 0 sees every LR pixel whose window holds it
        padded = _repeat_border(grid.reshape(*y.shape[:2], s * y.shape[2], s * y.shape[3]), before, k - 1 - before)
        return _correlate(padded, self.kernel.flip(0, 1)) * s**2


def _invert(kernel: Tensor, factor: int) -> Tensor:
    """The LR filter g, (2 m + 1, 2 m + 1)."""
    reach = len(kernel) // factor
    padded = F.pad(kernel, [factor * reach] * 4)[None, None]
    gram = F.conv2d(padded, kernel[None, None], stride=factor)[0, 0] * factor**2  # s^2 A A^T, (2 reach + 1)^2 taps
    centred = F.pad(gram, [FFT_MARGIN] * 4)
    gain = torch.fft.fft2(torch.fft.ifftshift(centred)).real  # an autocorrelation: real and not negative
    inverse = torch.fft.fftshift(torch.fft.ifft2(1 / gain.clamp_min(MAGNITUDE_BOUND)).real)
    drop = len(inverse) // 2 - _filter_border(inverse, ENERGY_LEFT_OUT)
    return inverse[drop : len(inverse) - drop, drop : len(inverse) - drop].contiguous()


def _filter_border(taps: Tensor, tolerance: float) -> int:
    """How many pixels from a border of zeros a filter's response to a constant is off by more than ``tolerance``."""
    return max(_invalid(taps.sum(axis).cumsum(0)[len(taps) // 2 :], tolerance) for axis in (0, 1))


def _kernel_border(kernel: Tensor, factor: int) -> int:
    """The same for A, in LR pixels, from either end of both axes: the share of the weights that is inside the image."""
    k, first = len(kernel), (factor - len(kernel)) // 2
    steps = torch.arange(k) * factor
    borders = []
    for marginal in (kernel.sum(0), kernel.sum(1)):
        for weights, inside in ((marginal.flip(0), k + first), (marginal, factor - first)):  # taps of LR pixel 0, -1
            share = weights.cumsum(0)[(inside + steps - 1).clamp_max(k - 1)]
            borders.append(_invalid(share, BORDER_TOLERANCE))
    return max(borders)


def _invalid(response: Tensor, tolerance: float) -> int:
    ratio = response / response[-1]
    off = torch.minimum(ratio, 1 / ratio) < 1 - tolerance  # a negative ratio is off, too
    return int(off.nonzero().max()) + 1 if off.any() else 0


def _repeat_border(x: Tensor, before: int, after: int) -> Tensor:
    return F.pad(x, (before, after, before, after), mode="replicate")


def _correlate(x: Tensor, weights: Tensor, stride: int = 1) -> Tensor:
    """Every channel with the same weights, no padding."""
    channels = x.shape[1]
    return F.conv2d(x, weights.to(x).expand(channels, 1, *weights.shape), stride=stride, groups=channels)
