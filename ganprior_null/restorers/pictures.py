"""A published network on a picture of any size, consistent with it as an 8-bit file: y in, file out."""

from typing import NamedTuple

from torch import Tensor

from ..checks import height_width
from ..images import dykstra_box, from_uint8, to_uint8, to_uint8_consistent
from ..images.eight_bit import levels_of
from ..metrics import consistency_db
from ..networks import enlarge
from ..networks.stages import Staged
from ..operators import AveragePool, LinearOperator
from .identify import downsampler, identify_downsampler
from .noise import enforce_noisy
from .null_space import enforce_consistency
from .tiles import map_tiles

ASKED = 128  # pixels of y, the side of the centre that is asked which downsampler made it
ROUNDS = 40  # of projections in turn; beside black and white ten were enough
STEP = 1.9  # times the projection's step: below 2 it converges, and faster
CLEAR = 1.0  # dB by which another operator must explain y better before it is worth a word


class Restored(NamedTuple):
    """A picture restored: what a file holds, what it was made of, and what was noticed.

    >>> network, y = networks.load_network("bicubic-x4"), torch.full((1, 3, 16, 16), 0.4)
    >>> restorers.restore_picture(network, y, "average").A
    AveragePool(factor=4)
    """

    image: Tensor  # (1, 3, s h, s w), multiples of 1/255
    x_r: Tensor  # the network's own answer
    A: LinearOperator
    warnings: list[str]


def restore_picture(
    network: Staged, y: Tensor, operator: str | LinearOperator = "auto", *, noise: float | str | None = None,
    memory_gb: float = 1.5, progress: bool = False,
) -> Restored:  # fmt: skip
    """y (1, 3, h, w) in [0, 1], any size -> an 8-bit picture, network.factor times larger, of which A makes y again.

    network: of :func:`~ganprior_null.networks.load_network`. operator: what made y, a name of ``identify.NAMES``, an
    operator of ours, or "auto": the network's own answer is asked, which tells as far as its authors knew. noise: the
    standard deviation of white noise in y, or "auto", estimated; y is then followed only as far as it can be trusted.
    Raises TypeError for an operator that is none; ValueError for an unknown name, an operator that does not make y's
    size out of the result's, a y that is no RGB picture or, for averages, none of 8 bits, and as :func:`check_noise`.

    >>> network, y = networks.load_network("bicubic-x4"), torch.full((1, 3, 16, 16), 0.4)
    >>> found = restorers.restore_picture(network, y, "average")
    >>> torch.equal(images.to_uint8(found.A(found.image)), images.to_uint8(y))
    True
    """
    if isinstance(operator, str) and operator != "auto":
        downsampler(operator, (1, 1), (1, 1))  # an unknown name is refused before the work
    if not isinstance(operator, str | LinearOperator):
        raise TypeError(f"operator must be a name or an operator of ours, got {type(operator).__name__}")
    check_noise(noise)
    if (operator == "average" or isinstance(operator, AveragePool)) and not noise:
        levels_of(y)  # no 8 bits: refused now, not when the network has run
    x_r, warnings = enlarge(network, y, memory_gb=memory_gb, progress=progress), []
    if isinstance(operator, LinearOperator):
        A = operator
    else:
        name = best_guess(x_r, y, network.factor) if operator == "auto" else operator
        A = downsampler(name, height_width(x_r), height_width(y))
        if operator != "auto":
            warnings += misfit(repr(name), A, x_r, y, network.factor)
    if noise is None or noise == 0:
        return Restored(consistent_file(x_r, y, A), x_r, A, warnings)
    softened = enforce_noisy(x_r, y, A, None if isinstance(noise, str) else noise)
    warnings.append(
        f"noise of {255 * float(softened.sigma):.1f} grey levels: y is followed to {100 * float(softened.kappa):.0f} %"
    )
    return Restored(from_uint8(to_uint8(softened.image)), x_r, A, warnings)


def check_noise(noise: float | str | None) -> None:
    """Raise ValueError unless it is the standard deviation of noise in a picture in [0, 1], "auto" or None."""
    if noise is not None and noise != "auto" and (isinstance(noise, str) or not 0 <= noise < 1):
        raise ValueError(
            f"noise must be a standard deviation from 0 to 1 (grey levels are 1/255), or auto, got {noise!r}"
        )


def best_guess(x_r: Tensor, y: Tensor, factor: int) -> str:
    """The named downsampler under which the centre of x_r comes nearest to y."""
    h, w = y.shape[-2:]
    rows, columns = (slice((n - min(n, ASKED)) // 2, (n + min(n, ASKED)) // 2) for n in (h, w))
    high, wide = (slice(factor * part.start, factor * part.stop) for part in (rows, columns))
    return identify_downsampler(x_r[..., high, wide], y[..., rows, columns]).name


def misfit(what: str, A: LinearOperator, x_r: Tensor, y: Tensor, factor: int) -> list[str]:
    """A line for people where another downsampler makes much more of y out of x_r than A, which they chose."""
    best = best_guess(x_r, y, factor)
    other = downsampler(best, height_width(x_r), height_width(y))
    ours, theirs = (float(consistency_db(operator, x_r, y)) for operator in (A, other))
    if theirs <= ours + CLEAR:
        return []
    return [
        f"{what} fits this y badly: with it the network reproduces y to {ours:.1f} dB, with {best!r} to {theirs:.1f} dB"
    ]


def consistent_file(x_r: Tensor, y: Tensor, A: LinearOperator) -> Tensor:
    """What an 8-bit file will hold, (N, 3, H, W) in [0, 1], of which A makes y again: exactly for PD, else to 8 bits.

    For an operator whose pixels overlap: near the nearest consistent image in the box, then on by projections in turn,
    until the rounded image gives y back, or ROUNDS are over: not every 8-bit y can be made of an image in [0, 1].
    """
    if isinstance(A, AveragePool):
        return map_tiles(lambda x, part: from_uint8(to_uint8_consistent(x, part, A.factor)), x_r, y, A.factor)
    x = dykstra_box(x_r, lambda v: enforce_consistency(v, y, A))
    for _ in range(ROUNDS):
        file = from_uint8(to_uint8(x))
        if (to_uint8(A(file)) == to_uint8(y)).all():
            break
        x = (x + STEP * A.pinv(y - A(x))).clamp(0, 1)
    return file
