"""One judge of restored images: what every log, table and report of the project means by its names.

"PSNR", "SSIM", "MS-SSIM" and "identity" compare the 8-bit file with the truth, "fd_features64" all files with all
truths; "PSNR(LR)" says how well A gives back y from the answer before that step, "PSNR(LR) 8 bit" from the file, and
"LR reproduced" is the share of y's values that the file gives back exactly, as an 8-bit file of A x would hold them.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import as_file, to_uint8
from ..layers import FeatureNet64
from ..metrics import (
    FEWEST_IMAGES,
    comb_of,
    comb_power,
    consistency_db,
    embeddings,
    fd_of_embeddings,
    ms_ssim,
    psnr,
    ssim,
)
from ..operators import AveragePool, LinearOperator
from ..operators.check import check_finite, check_image
from ..restorers import enforce_consistency

NEARNESS = {"PSNR": psnr, "SSIM": ssim, "MS-SSIM": ms_ssim}  # of the file to the truth
AFTER = ("PSNR", "SSIM")  # what a run's log says of the corrected answers
EXACT = 200.0  # dB, for 8-bit files that give y back exactly: infinity is no JSON


def judge(
    answers: Tensor,
    truths: Tensor,
    y: Tensor,
    A: LinearOperator,
    features: FeatureNet64 | None,
    *,
    kept: Tensor | None = None,
) -> dict[str, float]:
    """One row for answers (N, 3, H, W) to y (N, 3, h, w) = A truths: means over images, and the distance of the sets.

    features: what identity and fd_features64 see with; None leaves both out, and so do too few images the distance.
    kept: the files (N, 3, H, W), uint8, where they are rounded in another way than to nearest. Raises what
    :func:`judge_each` raises.
    """
    return Judgement(A, features).add(answers, truths, y, kept=kept).row()


class Judgement:
    """:func:`judge` of images that come some at a time; of these only figures and features are held.

    nearness: those of NEARNESS that are computed.
    """

    def __init__(self, A: LinearOperator, features: FeatureNet64 | None, nearness: Iterable[str] = NEARNESS):
        self.A, self.features, self.nearness = A, features, nearness
        self._rows: list[dict[str, Tensor]] = []
        self._seen: tuple[list[Tensor], list[Tensor]] = ([], [])  # features of the answers' files, of the truths

    def add(self, answers: Tensor, truths: Tensor, y: Tensor, *, kept: Tensor | None = None) -> "Judgement":
        """Take note of some images. Raises as :func:`judge_each`."""
        check_answers(answers, truths, y, self.A)
        file = _file(answers, kept)
        row = {name: NEARNESS[name](file, truths) for name in self.nearness}
        if self.features is not None:
            z, z_truth = embeddings(file, self.features), embeddings(truths, self.features)
            row["identity"] = F.cosine_similarity(z, z_truth, dim=1)
            self._seen[0].append(z)
            self._seen[1].append(z_truth)
        self._rows.append(row | consistency(answers, y, self.A, file))
        return self

    def each(self) -> dict[str, Tensor]:
        """The row of each image so far, (N,) float64."""
        return joined(self._rows)

    def row(self) -> dict[str, float]:
        """The row of all images so far."""
        row = {name: float(value.mean()) for name, value in self.each().items()}
        if sum(map(len, self._seen[0])) >= FEWEST_IMAGES:
            row["fd_features64"] = fd_of_embeddings(*map(torch.cat, self._seen))
        return row


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """{name: (N, ...)} of each part -> those of all images, in order."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def judge_each(
    answers: Tensor,
    truths: Tensor,
    y: Tensor,
    A: LinearOperator,
    features: FeatureNet64 | None,
    *,
    kept: Tensor | None = None,
) -> dict[str, Tensor]:
    """The row of each image, (N,) float64, arguments as :func:`judge`.

    Raises ValueError for images of unequal number or size, truths and y outside [0, 1], NaN and infinity, and y that is
    not of the shape that A makes of the answers.
    """
    return Judgement(A, features).add(answers, truths, y, kept=kept).each()


def consistency(answers: Tensor, y: Tensor, A: LinearOperator, file: Tensor) -> dict[str, Tensor]:
    """The part of the row that needs no truth; file: the answers as 8-bit files hold them, in [0, 1]."""
    same = to_uint8(A(file.double())) == to_uint8(y)
    return {
        "PSNR(LR)": consistency_db(A, answers, y).clamp_max(EXACT),
        "PSNR(LR) 8 bit": consistency_db(A, file, y).clamp_max(EXACT),
        "LR reproduced": same.flatten(1).double().mean(1),
    }


def check_answers(answers: Tensor, truths: Tensor, y: Tensor, A: LinearOperator) -> None:
    """Raise ValueError, with the shapes or the range found, for images that cannot be judged against one another."""
    for name, images in (("answers", answers), ("truths", truths), ("y", y)):
        check_image(images, name)
        check_finite(images, name)
    if answers.shape != truths.shape or len(y) != len(truths):
        shapes = ", ".join(str(tuple(images.shape)) for images in (answers, truths, y))
        raise ValueError(f"answers, truths and y must be equal in number, the first two in size; got {shapes}")
    for name, images in (("truths", truths), ("y", y)):
        if images.numel() and (images.min() < 0 or images.max() > 1):
            raise ValueError(f"{name} must be in [0, 1], got {float(images.min()):.3g} ... {float(images.max()):.3g}")
    made = A(answers[:1].double()).shape[1:]
    if made != y.shape[1:]:
        raise ValueError(f"A makes {tuple(made)} of the answers, y is {tuple(y.shape[1:])}")


def raw_each(
    x_r: Tensor, x_hat: Tensor, y: Tensor, A_true: LinearOperator, A: LinearOperator | None
) -> dict[str, Tensor]:
    """For each image what only the floats tell, (N, ...), which :func:`raw_figures` then makes figures of."""
    values = {
        "PSNR(LR) raw": consistency_db(A_true, x_r, y),
        "steps": block_steps(x_hat, x_hat.shape[-1] // y.shape[-1]),
    }
    if not any(side % 32 for side in x_hat.shape[-2:]):  # smaller ones of test runs have no frequencies to spare
        values["power"] = comb_power(as_file(x_hat))
    if A is not None:
        values["PSNR(LR) enforced"] = consistency_db(A, x_hat, y)
    return values


def raw_figures(each: dict[str, Tensor]) -> dict[str, float]:
    """How far the network's own answer x_r is from y, and how blocky x_hat is, from :func:`raw_each` of all images.

    "PSNR(LR) enforced" is under the operator A that x_hat was put into the null space of; missing without one.
    """
    values = {"PSNR(LR) raw": float(each["PSNR(LR) raw"].mean()), "blockiness": blockiness_of(each["steps"])}
    if "power" in each:
        values["comb"] = comb_of(each["power"].mean(0))
    if "PSNR(LR) enforced" in each:
        values["PSNR(LR) enforced"] = float(each["PSNR(LR) enforced"].mean())
    return values


def corrections(factor: int, A_true: LinearOperator) -> dict[str, LinearOperator]:
    """The operators whose null space answers are put into after training: the control of PD in training."""
    return {"PD": AveragePool(factor), "exact": A_true}


def after_training(corrected: dict[str, Judgement]) -> dict[str, float]:
    """{correction: the judgement of a network's own answers x_r, corrected by it} -> the figures of a run's log.

    A network trained with PD has to beat "PSNR, PD after" of one trained without it for the training to be worth it.
    """
    rows = {name: judgement.row() for name, judgement in corrected.items()}
    shown = (*AFTER, "fd_features64")
    return {f"{key}, {name} after": row[key] for name, row in rows.items() for key in shown if key in row}


def baselines(y: Tensor, A_true: LinearOperator, mean_image: Tensor) -> dict[str, Tensor]:
    """{name: answers (N, 3, H, W)} to y (N, 3, h, w) = A_true x for nothing; mean_image: (3, H, W), of other x."""
    size = mean_image.shape[-2:]
    up = F.interpolate(y, size, mode="bicubic")
    pd = AveragePool(size[-1] // y.shape[-1])
    return {
        "bicubic": up,
        "bicubic + PD": enforce_consistency(up, y, pd),
        "bicubic + exact": enforce_consistency(up, y, A_true),
        "A⁺y": A_true.pinv(y),
        "mean image + PD": enforce_consistency(mean_image.expand(len(y), -1, -1, -1), y, pd),
    }


def blockiness(x: Tensor, factor: int) -> float:
    """Mean |difference| of neighbours across borders of factor x factor blocks over that within them, both axes.

    About 1 for x (N, C, H, W) without blocks.
    """
    return blockiness_of(block_steps(x, factor))


def block_steps(x: Tensor, factor: int) -> Tensor:
    """(N, 2, 2) float64: for each image and axis the mean |difference| across borders of blocks, and within them."""
    found = []
    for axis in (-2, -1):
        steps = x.diff(dim=axis).abs().double().transpose(axis, -1)  # (N, C, H, W - 1)
        border = torch.arange(1, x.shape[axis]) % factor == 0
        found.append(torch.stack([steps[..., some].mean((1, 2, 3)) for some in (border, ~border)], 1))
    return torch.stack(found, 1)


def blockiness_of(steps: Tensor) -> float:
    """:func:`blockiness` from the :func:`block_steps` of all images."""
    across, within = steps.mean(0).unbind(1)
    return float((across / within).mean())


def _file(answers: Tensor, kept: Tensor | None) -> Tensor:
    return as_file(answers) if kept is None else kept.float() / 255
