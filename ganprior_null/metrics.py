"""How near two images are, per image; torchmetrics does the arithmetic, in float64.

torchmetrics is imported inside the functions: it pulls plotting libraries when they are there, and ``import
ganprior_null`` should stay quick.
"""

import math

import torch
from torch import Tensor

from .operators import LinearOperator
from .operators.check import check_finite, check_image

_MS_SSIM_BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # five scales (Wang et al. 2003)


def psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, peak 1: (N, C, H, W) twice -> (N,) float64; infinite for equal images."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    x, reference = _pair(x, reference)
    return torch.stack([peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in zip(x, reference, strict=True)])


def ssim(x: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), 11 x 11 Gaussian window of sigma 1.5: -> (N,) float64 in [-1, 1].

    Raises ValueError for images smaller than the window.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    x, reference = _pair(x, reference)
    if min(x.shape[-2:]) < 11:
        raise ValueError(f"SSIM needs images of at least 11 x 11 pixels, got {x.shape[-2]} x {x.shape[-1]}")
    value = structural_similarity_index_measure(x, reference, data_range=1.0, reduction="none")
    return value.reshape(-1)


def ms_ssim(x: Tensor, reference: Tensor) -> Tensor:
    """Multi-scale SSIM (Wang et al. 2003): -> (N,) float64. Five scales from 161 pixels up.

    On smaller images the scales that fit are used, their weights made to sum to 1 (64 pixels: three scales); such
    figures compare with one another, not with published ones.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    x, reference = _pair(x, reference)
    side = min(x.shape[-2:])
    if side < 11:
        raise ValueError(f"MS-SSIM needs images of at least 11 x 11 pixels, got {x.shape[-2]} x {x.shape[-1]}")
    scales = min(5, 1 + int(math.log2((side - 1) / 10)))
    betas = tuple(beta / sum(_MS_SSIM_BETAS[:scales]) for beta in _MS_SSIM_BETAS[:scales])
    value = [
        measure(a[None], b[None], data_range=1.0, betas=betas, normalize="relu")
        for a, b in zip(x, reference, strict=True)
    ]
    return torch.stack(value)


def consistency_db(A: LinearOperator, x: Tensor, y: Tensor) -> Tensor:
    """PSNR(y, A x) in dB, per image, A evaluated in float64: the "PSNR(LR)" of the paper. Infinite when exact.

    Float64 matters: a float32 sum of 64 pixels errs more than the method does (notebook 02).
    """
    return psnr(A(x.double()), y)


def _pair(x: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 2:  # flat measurements (N, m) of Matrix count as one row of pixels each
        check_image(x, "x")
        check_image(reference, "reference")
    if x.shape != reference.shape:
        raise ValueError(f"the images differ in shape: {tuple(x.shape)} and {tuple(reference.shape)}")
    return check_finite(x.double(), "x"), check_finite(reference.double(), "reference")
