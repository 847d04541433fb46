"""How near two images are, per image, and how near two sets of images are; all in float64."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import FeatureNet64
from .layers.features import EMBEDDING
from .operators import LinearOperator
from .operators.check import check_finite, check_floating, check_image

FEWEST_IMAGES = EMBEDDING + 1  # that fd_features64 needs for a covariance of full rank
AT_ONCE = 64  # images that a feature network sees at a time
_SIGMA, _HALF = 1.5, 5  # of SSIM's Gaussian window, which reaches _HALF pixels to each side
_C1, _C2 = 0.01**2, 0.03**2  # of SSIM, for a peak of 1
_MS_SSIM_BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # five scales (Wang et al. 2003)


def psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, peak 1: (N, C, H, W) twice -> (N,) float64; infinite for equal images.

    >>> psnr(torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.5))
    tensor([6.0206], dtype=torch.float64)
    """
    x, reference = _pair(x, reference)
    return -10 * (x - reference).square().flatten(1).mean(1).log10()


def ssim(x: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), 11 x 11 Gaussian window of sigma 1.5: -> (N,) float64 in [-1, 1].

    The mean takes in a mirrored border, where Wang's program and scikit-image leave out the 5 pixels at each side that
    the window does not fit: figures of small images differ from theirs in the third decimal.

    Raises ValueError for images smaller than the window.

    >>> x = torch.rand(2, 3, 32, 32)
    >>> ssim(x, x)
    tensor([1., 1.], dtype=torch.float64)
    """
    check_image(x, "x")
    x, reference = _pair(x, reference)
    if min(x.shape[-2:]) < 2 * _HALF + 1:
        raise ValueError(f"SSIM needs images of at least 11 x 11 pixels, got {x.shape[-2]} x {x.shape[-1]}")
    return _each(lambda *images: _similarity(*images)[0], x, reference)


def ms_ssim(x: Tensor, reference: Tensor) -> Tensor:
    """Multi-scale SSIM (Wang et al. 2003): -> (N,) float64. Five scales from 161 pixels up.

    On smaller images the scales that fit are used, their weights made to sum to 1 (64 pixels: three scales); such
    figures compare with one another, not with published ones. The coarsest scale takes in a mirrored border, as
    :func:`ssim` does, where Wang's program leaves the border out at every scale.

    >>> x = torch.rand(2, 3, 64, 64)
    >>> ms_ssim(x, x)
    tensor([1., 1.], dtype=torch.float64)
    """
    check_image(x, "x")
    x, reference = _pair(x, reference)
    side = min(x.shape[-2:])
    if side < 2 * _HALF + 1:
        raise ValueError(f"MS-SSIM needs images of at least 11 x 11 pixels, got {x.shape[-2]} x {x.shape[-1]}")
    scales = min(5, 1 + int(math.log2((side - 1) / (2 * _HALF))))
    betas = torch.tensor(_MS_SSIM_BETAS[:scales], dtype=x.dtype, device=x.device)

    def measure(x: Tensor, reference: Tensor) -> Tensor:
        terms = []
        for _ in range(scales):
            whole, contrast = _similarity(x, reference)
            terms.append(contrast)
            x, reference = F.avg_pool2d(x, 2), F.avg_pool2d(reference, 2)
        # luminance counts at the coarsest scale; a power of a negative term is no number
        return (torch.stack([*terms[:-1], whole]).relu() ** (betas / betas.sum())).prod()

    return _each(measure, x, reference)


def _similarity(x: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """(mean of the SSIM map, mean of its contrast and structure where the window fits), of two images (C, H, W)."""
    x, reference = (F.pad(image, (_HALF,) * 4, mode="reflect") for image in (x, reference))
    products = [x, reference, x * x, reference * reference, x * reference]
    mean_x, mean_r, square_x, square_r, product = _windowed(torch.stack(products))
    variances = (square_x - mean_x**2).clamp(min=0) + (square_r - mean_r**2).clamp(min=0)
    contrast = (2 * (product - mean_x * mean_r) + _C2) / (variances + _C2)
    luminance = (2 * mean_x * mean_r + _C1) / (mean_x**2 + mean_r**2 + _C1)
    return (luminance * contrast).mean(), contrast[..., _HALF:-_HALF, _HALF:-_HALF].mean()


def _windowed(x: Tensor) -> Tensor:
    """Means under SSIM's window: (..., H, W) -> (..., H - 10, W - 10).

    A sum of shifted images: PyTorch's convolution of float64 takes 20 to 70 times as long.
    """
    taps = torch.exp(-0.5 * (torch.arange(-_HALF, _HALF + 1, dtype=torch.float64) / _SIGMA) ** 2)
    first, *others = (taps / taps.sum()).tolist()
    for axis in (-2, -1):
        fits = x.shape[axis] - 2 * _HALF
        mean = x.narrow(axis, 0, fits) * first
        for i, tap in enumerate(others, 1):
            mean.add_(x.narrow(axis, i, fits), alpha=tap)
        x = mean
    return x


def consistency_db(A: LinearOperator, x: Tensor, y: Tensor) -> Tensor:
    """PSNR(y, A x) in dB, per image, A evaluated in float64: the "PSNR(LR)" of the paper. Infinite when exact.

    Float64 matters: a float32 sum of 64 pixels errs more than the method does (notebook 02).

    >>> A, y = AveragePool(4), torch.rand(1, 3, 8, 8)
    >>> float(consistency_db(A, A.pinv(y), y)) > 140
    True
    """
    check_floating(x, "x")  # double() would hide 8-bit levels
    return psnr(A(x.double()), y)


def comb(x: Tensor, *, period: int = 8) -> float:
    """How much of a grid is in x (N, C, H, W): the energy of its pixel steps at the multiples of 1/period cycles per
    pixel over that at the frequencies beside them, mean of the ratios over the multiples and both axes.

    About 1 for photographs. A texture that repeats every ``period``, period / 2, ... pixels, as transposed convolutions
    and pixel shuffles leave it, raises the figure; blocks, whose steps sum to nothing over a block, lower it.
    Raises ValueError for NaN and infinity, and for sides that are no multiple of 4 period: then the multiples have no
    frequencies beside them.
    """
    return comb_of(comb_power(x, period=period).mean(0), period=period)


def comb_power(x: Tensor, *, period: int = 8) -> Tensor:
    """(N, 2, F) float64: for each image (N, C, H, W) and axis the power spectrum of its pixel steps, what
    :func:`comb_of` reads; axes of unequal length are not taken together. Raises as :func:`comb`.
    """
    check_image(x, "x")
    if any(side % (4 * period) for side in x.shape[-2:]):
        raise ValueError(f"the sides must be multiples of {4 * period}, got {x.shape[-2]} x {x.shape[-1]}")
    check_finite(x, "x")
    powers = []
    for axis in (-2, -1):
        lines = x.double().transpose(axis, -1)
        lines = lines.diff(dim=-1, append=lines[..., :1])  # natural spectra fall steeply: the steps' is flat
        powers.append(torch.fft.rfft(lines).abs().square().mean((1, 2)))
    longest = max(power.shape[-1] for power in powers)
    # the shorter axis is filled up with NaN, so that comb_of can tell how long it is
    return torch.stack([F.pad(power, (0, longest - power.shape[-1]), value=torch.nan) for power in powers], 1)


def comb_of(power: Tensor, *, period: int = 8) -> float:
    """:func:`comb` from the mean (2, F) over images of :func:`comb_power`."""
    ratios = []
    for spectrum in power:
        spectrum = spectrum[~spectrum.isnan()]  # (size / 2 + 1,)
        size = 2 * len(spectrum) - 2
        spectrum = torch.cat([spectrum, spectrum[-2:-1]])  # a real signal's spectrum is even about its last frequency
        teeth = torch.arange(size // period, size // 2 + 1, size // period)
        ratios.append(2 * spectrum[teeth] / (spectrum[teeth - 1] + spectrum[teeth + 1]))
    return float(torch.cat(ratios).mean())


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and unbiased covariance (D, D) of the features of ``count`` images, float64."""

    mean: Tensor
    covariance: Tensor
    count: int


def fd_features64(x: Tensor, reference: Tensor, network: FeatureNet64) -> float:
    """Fréchet distance of two sets of images, (N, 3, H, W) and (M, 3, H, W), in the features of this project's network.

    It is no FID and cannot be compared with one: another network, trained on 64-pixel faces, cats and buildings. Like
    every Fréchet distance it grows as N and M shrink: compare figures of equal counts, and hold a generator's against
    :func:`split_half_distance`. Raises TypeError for another network, ValueError for sets that leave a covariance of
    the 128 features short of full rank: 129 images each are the least.

    >>> network, x = weights.load_features64(), torch.rand(129, 3, 32, 32)
    >>> abs(metrics.fd_features64(x, x, network)) < 1e-6
    True
    """
    if not isinstance(network, FeatureNet64):
        raise TypeError(f"fd_features64 is defined by a FeatureNet64, got a {type(network).__name__}")
    return _distance(_full_rank(feature_moments(x, network)), _full_rank(feature_moments(reference, network)))


def fid(x: Tensor, reference: Tensor, network: nn.Module, *, rank_deficient: bool = False) -> float:
    """Fréchet Inception distance (Heusel et al. 2017) of two sets of images (N, 3, H, W) in [0, 1].

    network: what :func:`ganprior_null.weights.load_inception` returns; images are rounded to 8 bits in it, as the
    published protocol has it. rank_deficient: accept fewer than 2049 images, as papers that report 100 do; the figure
    is then biased upwards. Raises TypeError for a FeatureNet64, ValueError for too few images.
    """
    if isinstance(network, FeatureNet64):
        raise TypeError("a distance in FeatureNet64's features is no FID; call fd_features64")
    moments = feature_moments(x, network), feature_moments(reference, network)
    return _distance(*moments) if rank_deficient else _distance(*map(_full_rank, moments))


def split_half_distance(images: Tensor, network: FeatureNet64, *, seed: int) -> float:
    """fd_features64 between two random disjoint halves of one set (N, 3, H, W): what a perfect generator would get.

    Raises ValueError below 258 images, two halves of 129.
    """
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    half = len(images) // 2
    return fd_features64(images[order[:half]], images[order[half : 2 * half]], network)


def feature_moments(x: Tensor, network: nn.Module) -> Moments:
    """Moments of network(x), (N, D), over images (N, 3, H, W), ``AT_ONCE`` at a time. Raises ValueError below two."""
    check_image(x, "x")
    if len(x) < 2:
        raise ValueError(f"a covariance needs at least 2 images, got {len(x)}")
    return moments_of(embeddings(x, network))


def moments_of(features: Tensor) -> Moments:
    """Moments of features (N, D), N at least 2."""
    total = products = torch.zeros((), dtype=torch.float64, device=features.device)
    for some in features.split(AT_ONCE):
        total, products = total + some.sum(0), products + some.T @ some
    mean = total / len(features)
    return Moments(mean, (products - len(features) * torch.outer(mean, mean)) / (len(features) - 1), len(features))


def fd_of_embeddings(features: Tensor, reference: Tensor) -> float:
    """:func:`fd_features64` from the :func:`embeddings` (N, 128) and (M, 128) that a FeatureNet64 made of two sets."""
    return _distance(_full_rank(moments_of(features)), _full_rank(moments_of(reference)))


def frechet_distance(mean1: Tensor, covariance1: Tensor, mean2: Tensor, covariance2: Tensor) -> float:
    r""":math:`\|\mu_1-\mu_2\|^2 + \mathrm{tr}(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2})` in float64.

    The distance of two normal distributions (Fréchet 1957; Dowson and Landau 1982). The product under the root is
    symmetric, so its eigenvalues are real; those that rounding puts below zero are zero.
    """
    mean1, covariance1, mean2, covariance2 = (t.double() for t in (mean1, covariance1, mean2, covariance2))
    values, vectors = torch.linalg.eigh(covariance1)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ covariance2 @ root).clamp_min(0).sqrt().sum()
    spread = covariance1.trace() + covariance2.trace() - 2 * overlap
    return float((mean1 - mean2).square().sum() + spread)


def cosine_similarity(x: Tensor, reference: Tensor, network: nn.Module) -> Tensor:
    """Cosine of the angle between the embeddings of two images, (N, 3, H, W) twice -> (N,) float64 in [-1, 1].

    With FeatureNet64, trained to tell people apart, a rough measure of identity at 64 pixels; its model card says how
    good, and :func:`identity` with dlib's network is a far better one.
    """
    z, z_reference = _pair_embeddings(x, reference, network)
    return F.cosine_similarity(z, z_reference, dim=1)


class Identity(NamedTuple):
    """What :func:`identity` measures of each image, (N,) float64 both.

    >>> x = torch.rand(3, 3, 64, 64)
    >>> metrics.identity(x, x, weights.load_features64()).cosine.shape
    torch.Size([3])
    """

    cosine: Tensor  # in [-1, 1]: near 0 for somebody else, 1 for the same features
    rank: Tensor  # of the right person among all: 1 is the nearest, half the number of people is chance


def identity(x: Tensor, x_hat: Tensor, network: nn.Module, *, people: Sequence[str] | None = None) -> Identity:
    """Is x_hat the person in x? Cosine of centred features, and rank among everybody in x; (N, 3, H, W) twice.

    Centred: the mean feature of x, of these N faces, is subtracted from both. A network that knows people by distance,
    as dlib's does, gives all faces a large common part, and a plain cosine of strangers is then near 1.

    network: images in [0, 1] -> (N, D), such as :func:`ganprior_null.weights.load_dlib_faces`. people: who is in each
    image; a person is as near to x_hat as the nearest photograph, so that another one of the right person is not held
    against x_hat. None: every image is another person. Ties count half. Raises ValueError for fewer than two people,
    for images of other shapes, NaN and infinity, and for names that are not one to an image.

    >>> x = torch.rand(3, 3, 64, 64)
    >>> metrics.identity(x, x, weights.load_features64()).rank
    tensor([1., 1., 1.], dtype=torch.float64)
    """
    who: Sequence = range(len(x)) if people is None else people
    if len(who) != len(x):
        raise ValueError(f"people must name one for each image: {len(who)} names for {len(x)} images")
    return identity_of_features(*_pair_embeddings(x, x_hat, network), who)


def identity_of_features(z: Tensor, z_hat: Tensor, people: Sequence) -> Identity:
    """:func:`identity` of features (N, D) of the truths and of the answers."""
    number = numbered(people)
    if (count := int(number.max()) + 1 if len(number) else 0) < 2:
        raise ValueError(f"identity needs at least 2 people, whose mean is nobody, got {count}")
    cosines = centred(z_hat, z) @ centred(z, z).T  # (N, N): answers by truths
    nearest = cosines.new_full((len(z), count), -math.inf)
    nearest.scatter_reduce_(1, number.expand(len(z), -1), cosines, "amax")  # (N, people)
    own = nearest.gather(1, number[:, None])
    rank = 1 + (nearest > own).sum(1) + ((nearest == own).sum(1) - 1) / 2
    return Identity(cosines.diagonal().clone(), rank.double())


def centred(z: Tensor, others: Tensor) -> Tensor:
    """z (N, D) less the mean of others, each of length 1: inner products of these are centred cosines; float64."""
    return F.normalize(z.double() - others.double().mean(0), dim=1)


def numbered(people: Sequence) -> Tensor:
    """(N,) int64: who is who, counted from 0 in the order of first appearance."""
    numbers = {person: i for i, person in enumerate(dict.fromkeys(people))}
    return torch.tensor([numbers[person] for person in people], dtype=torch.int64)


@torch.no_grad()
def embeddings(x: Tensor, network: nn.Module) -> Tensor:
    """network(x), (N, D) float64, of images (N, 3, H, W), ``AT_ONCE`` at a time, in the network's own precision."""
    like = next(network.parameters(), x) if isinstance(network, nn.Module) else x  # a network may have none
    return torch.cat([check_finite(network(some.to(like)), "the features").double() for some in x.split(AT_ONCE)])


def _pair_embeddings(x: Tensor, reference: Tensor, network: nn.Module) -> tuple[Tensor, Tensor]:
    """The embeddings of two sets of images, checked."""
    x, reference = _pair(x, reference)
    return embeddings(x, network), embeddings(reference, network)


def _full_rank(moments: Moments) -> Moments:
    width = len(moments.mean)
    if moments.count <= width:
        raise ValueError(
            f"a covariance of {width} features needs more than {width} images, got {moments.count}: its rank would be "
            f"at most {moments.count - 1}"
        )
    return moments


def _distance(one: Moments, other: Moments) -> float:
    return frechet_distance(one.mean, one.covariance, other.mean, other.covariance)


def _each(measure: Callable[[Tensor, Tensor], Tensor], x: Tensor, reference: Tensor) -> Tensor:
    """measure((C, H, W), (C, H, W)), a number, for each image -> (N,): one at a time stays in the cache."""
    values = [measure(a, b) for a, b in zip(x, reference, strict=True)]
    return torch.stack(values) if values else x.new_empty(0)


def _pair(x: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    check = check_floating if x.ndim == 2 else check_image  # flat measurements (N, m) of Matrix: a row of pixels each
    check(x, "x")
    check(reference, "reference")
    if x.shape != reference.shape:
        raise ValueError(f"the images differ in shape: {tuple(x.shape)} and {tuple(reference.shape)}")
    return check_finite(x.double(), "x"), check_finite(reference.double(), "reference")
