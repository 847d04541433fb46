"""What every operator demands of its input, and the public checks by which readers prove their own operators."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..checks import check_finite, holds


class Penrose(NamedTuple):
    """Relative residuals of the four Moore-Penrose conditions; all four are rounding errors for an exact pinv.

    >>> penrose_residuals(AveragePool(2), (1, 4, 4)).pinv_a_symmetric < 1e-12
    True
    """

    a_pinv_a: float  # A A^+ A = A
    pinv_a_pinv: float  # A^+ A A^+ = A^+
    a_pinv_symmetric: float  # (A A^+)^T = A A^+
    pinv_a_symmetric: float  # (A^+ A)^T = A^+ A


def check_floating(x: Tensor, what: str = "image") -> None:
    """Refuse anything but a floating-point tensor: TypeError."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{what} must be a torch.Tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(
            f"{what} must be floating point in [0, 1], got {x.dtype}; "
            "ganprior_null.images.from_uint8 converts 8-bit images"
        )


def check_image(x: Tensor, what: str = "image") -> None:
    """Refuse what is not a floating-point (N, C, H, W) tensor: TypeError for the dtype, ValueError for the rank."""
    check_floating(x, what)
    if x.ndim != 4:
        raise ValueError(f"{what} must have four axes (N, C, H, W), got shape {tuple(x.shape)}")


def in_finer_dtype(x_r: Tensor, y: Tensor) -> Tensor:
    """x_r in the finer of its and y's dtype: a network may speak bfloat16. TypeError unless both are floating point."""
    check_floating(x_r, "x_r")
    check_floating(y, "y")
    return x_r.to(torch.promote_types(x_r.dtype, y.dtype))


def at_least_single(v: Tensor) -> Tensor:
    """Half precision in float32: there its sums overflow, weights are coarse, and the CPU has no Fourier transform."""
    return v.to(torch.promote_types(v.dtype, torch.float32))


def check_measurement(y: Tensor, Ax: Tensor, x: Tensor) -> None:
    """Refuse a y that does not have the shape of A x: ValueError."""
    if y.shape != Ax.shape:
        raise ValueError(f"y has shape {tuple(y.shape)}, but A maps x_r of shape {tuple(x.shape)} to {tuple(Ax.shape)}")


def check_inplace(x_r: Tensor, y: Tensor) -> None:
    """ValueError when writing the result over x_r would break the gradient, or round it to a coarser dtype than y's."""
    if x_r.requires_grad and torch.is_grad_enabled():
        raise ValueError("inplace=True would overwrite an x_r that requires grad; call it without, or under no_grad")
    if in_finer_dtype(x_r, y).dtype != x_r.dtype:
        raise ValueError(f"inplace=True would round the result to x_r's {x_r.dtype}, y is {y.dtype}; call it without")


def full_precision(v: Tensor) -> torch.autocast:
    """Context in which matrix products keep v's dtype under autocast: rounded to bfloat16, A x = y holds to 55 dB."""
    device = v.device.type
    return torch.autocast(device if torch.amp.is_autocast_available(device) else "cpu", enabled=False)


def check_count(value: int, what: str) -> int:
    """Return value; ValueError unless it is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{what} must be an integer of at least 1, got {value!r}")
    return value


def check_factor(factor: int) -> int:
    """Return factor; ValueError unless it is an integer of at least 1."""
    return check_count(factor, "factor")


def check_size(size: int | tuple[int, int]) -> tuple[int, int]:
    """A side, or (H, W) -> (H, W); ValueError unless both are integers of at least 1."""
    sides = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(sides) != 2 or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in sides):
        raise ValueError(f"size must be a positive integer or a pair (H, W) of them, got {size!r}")
    return sides


def check_sides(v: Tensor, what: str, size: tuple[int, int]) -> None:
    """Refuse what is not an image batch of this (H, W): ValueError."""
    check_image(v, what)
    if v.shape[-2:] != size:
        raise ValueError(f"{what} must be {size[0]} x {size[1]} pixels, got {v.shape[-2]} x {v.shape[-1]}")


def check_kernel(kernel: Tensor) -> Tensor:
    """A blur kernel, as a float64 constant; ValueError unless it is a finite matrix that does not sum to 0."""
    kernel = torch.as_tensor(kernel).detach().double()
    if kernel.ndim != 2 or 0 in kernel.shape:
        raise ValueError(f"a kernel must be a matrix (kh, kw), got shape {tuple(kernel.shape)}")
    check_finite(kernel, "the kernel")
    leaves_brightness = holds(kernel.sum().abs() > 1e-9 * kernel.abs().sum())
    if leaves_brightness is None:
        raise ValueError("a kernel must have values, to be inverted; meta and fake tensors have none")
    if not leaves_brightness:
        raise ValueError("the kernel sums to 0: it would leave nothing of the image's brightness, it is no blur")
    return kernel


def dottest(A, in_shape: tuple[int, ...], *, trials: int = 3, seed: int = 0) -> float:
    r"""Largest relative gap of :math:`\langle A x, y\rangle = \langle x, A^\top y\rangle` over random pairs, float64.

    in_shape: shape of one x without the batch axis, e.g. ``(3, 32, 32)``. An exact adjoint gives about 1e-16, values
    that are not finite give NaN. Raises ValueError when A.adjoint(y) does not have the shape of x, and for trials < 1.

    >>> dottest(AveragePool(4), (3, 16, 16)) < 1e-12
    True
    """
    generator = torch.Generator().manual_seed(seed)
    gaps = []
    for _ in range(check_count(trials, "trials")):
        x = torch.randn(1, *in_shape, dtype=torch.float64, generator=generator)
        Ax = A(x)
        y = torch.randn(Ax.shape, dtype=torch.float64, generator=generator)
        back = A.adjoint(y)
        if back.shape != x.shape:  # their product would broadcast
            raise ValueError(f"A.adjoint(y) has shape {tuple(back.shape)}, but A maps x of shape {tuple(x.shape)} to y")
        gaps.append(((Ax * y).sum() - (x * back).sum()).abs() / (Ax.norm() * y.norm()).clamp_min(1e-300))
    return float(torch.stack(gaps).max())  # NaN, if one is


def as_matrix(A, in_shape: tuple[int, ...], *, batch: int = 256) -> Tensor:
    """The dense float64 matrix (m, n) of A on images of in_shape: column j is A of the j-th unit image, flattened.

    n is the product of in_shape, so keep images small (16 x 16). Columns are computed ``batch`` at a time.

    >>> as_matrix(AveragePool(2), (1, 2, 2))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]], dtype=torch.float64)
    """
    n = 1
    for side in in_shape:
        n *= side
    columns = []
    for start in range(0, n, batch):
        units = torch.zeros(min(batch, n - start), n, dtype=torch.float64)
        units[torch.arange(len(units)), torch.arange(start, start + len(units))] = 1
        columns.append(A(units.reshape(-1, *in_shape)).flatten(1))
    return torch.cat(columns).T


def penrose_residuals(A, in_shape: tuple[int, ...]) -> Penrose:
    """Relative Frobenius residuals of the four Penrose conditions (Penrose 1955), from dense float64 matrices.

    >>> max(penrose_residuals(AveragePool(2), (1, 4, 4))) < 1e-12
    True
    """
    M = as_matrix(A, in_shape)
    out_shape = A(torch.zeros(1, *in_shape, dtype=torch.float64)).shape[1:]
    P = as_matrix(A.pinv, tuple(out_shape))
    MP, PM = M @ P, P @ M

    def gap(a: Tensor, b: Tensor) -> float:
        return float((a - b).norm() / b.norm().clamp_min(1e-300))

    return Penrose(gap(MP @ M, M), gap(PM @ P, P), gap(MP.T, MP), gap(PM.T, PM))
