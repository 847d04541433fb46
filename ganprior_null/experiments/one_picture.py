"""SinGAN on photographs, each the only picture that its networks see: raw, with PD, with the exact operator.

What learning from y alone is worth, without a prior and without data. A SinGAN sees patches of 11 pixels, so it has no
answer to faces of 4 x 4 or 8 x 8. The command ``evaluate singan``.
"""

import dataclasses
from pathlib import Path
from time import monotonic

import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from ..data import photograph
from ..data.crops import square
from ..images import save_image
from ..operators import LinearOperator, Resize
from ..profiles import OnePicture
from ..restorers import enforce_consistency, singan
from ..restorers.singan import LAYERS
from ..storage import write_json
from ..training.origin import code_state, note_origin
from ..training.record import Run
from .evaluation import measure
from .figures import sheet
from .judge import corrections, judge

SMALLEST = 2 * LAYERS + 1  # pixels of y


def evaluate_singan(out: Path, names: list[str], this: OnePicture) -> dict[str, dict[str, float]]:
    """{answer: row of :func:`judge`}, means over those of :data:`~ganprior_null.data.PHOTOGRAPHS` that are named.

    Leaves ``metrics.jsonl`` (a line for each photograph and answer), ``summary.json``, and for each photograph a sheet
    NAME.webp: y, the answers, the truth. A photograph that the folder holds is not trained on again. Raises ValueError
    for an unknown name and for options that no SinGAN can be trained with.
    """
    A = checked_operator(this)
    pictures = {name: square(photograph(name), this.size) for name in names}
    run, start, code = Run(out, dataclasses.asdict(this)), monotonic(), code_state()
    with run.held():
        done = {line["photograph"] for line in run.history()}
        for name in tqdm([name for name in names if name not in done], desc="SinGAN", unit="photograph"):
            x = pictures[name]
            y = measure(A, x)
            answers = answers_to(y, A, this)
            save_image(sheet(y, *answers.values(), x), run.path / f"{name}.webp")
            rows = {answer: judge(x_hat, x, y, A, None) for answer, x_hat in answers.items()}
            for answer, row in rows.items():
                run.log(len(run.history()), {"photograph": name, "answer": answer} | row)
            note_origin(run.path, 1, monotonic() - start, code)
        found = means(run.history())
        write_json(run.path / "summary.json", found)
    return found


def checked_operator(this: OnePicture) -> LinearOperator:
    """Antialiased bicubic downsampling of the square HR image. Raises ValueError for what no SinGAN can answer."""
    if this.steps < 1:
        raise ValueError(f"steps must be at least 1, got {this.steps}")
    if this.factor < 2 or this.size % this.factor:
        raise ValueError(f"factor must be at least 2 and divide the size {this.size}, got {this.factor}")
    if this.size // this.factor < SMALLEST:
        raise ValueError(
            f"SinGAN sees patches of {SMALLEST} pixels: size must be at least {SMALLEST * this.factor} at factor "
            f"{this.factor}, got {this.size}"
        )
    return Resize((this.size, this.size), this.factor)


def answers_to(y: Tensor, A: LinearOperator, this: OnePicture) -> dict[str, Tensor]:
    """{answer: x_hat (1, 3, H, W)}: interpolation and SinGAN, each as it is and in the null spaces of PD and of A."""
    up = F.interpolate(y, (this.size, this.size), mode="bicubic")
    raw = {"bicubic": up, "SinGAN": singan(y, this.factor, steps=this.steps, seed=this.seed).x}
    after = corrections(this.factor, A)
    answers = {}
    for name, x_r in raw.items():
        answers[name] = x_r
        answers |= {f"{name} + {which}": enforce_consistency(x_r, y, each) for which, each in after.items()}
    return answers


def means(lines: list[dict]) -> dict[str, dict[str, float]]:
    """{answer: the mean over photographs of each figure}, from the lines of ``metrics.jsonl``."""
    groups: dict[str, list[dict]] = {}
    for line in lines:
        groups.setdefault(line["answer"], []).append(line)
    figures = [key for key, value in lines[0].items() if isinstance(value, float)]
    return {
        answer: {key: sum(line[key] for line in own) / len(own) for key in figures} for answer, own in groups.items()
    }
