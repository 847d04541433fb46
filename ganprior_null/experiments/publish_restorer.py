"""A finished restorer run -> the files that ship: weights in half precision, its sheet of answers, a model card."""

from pathlib import Path

from ..restorers.restorer import EnlargingRestorer, Restorer
from ..storage import check_outputs, sole_writer, write
from ..training.origin import commit_of
from ..training.record import read_params
from ..training.restore import FURTHER
from ..weights import save_restorer
from ..weights.course import PATIENCE, restorer_files
from .publish import LICENSE, parameter_count
from .runs import read_run
from .trained import load_trained

NULL_SPACES = {
    "none": "none: nothing makes its answers consistent",
    "pd": "PD: the null space of average pooling, in training and in use",
    "exact": "the null space of the operator that made y, in training and in use",
}
FIGURES = ("PSNR", "SSIM", "MS-SSIM", "fd_features64", "PSNR(LR) raw", "PSNR(LR)", "PSNR(LR) 8 bit")

SEAMS = """
**Seen in the sheet.** In the lower row, steps of colour along the borders of y's pixels: blockiness {blockiness:.2f},
where photographs have about 1. PD keeps means of blocks, and what {downsampler} reduction leaves are no means. The
operator that made y, in PD's place, asks for no such steps (lesson 03).
"""

CARD = """# {name}

{title}: images of {in_size} x {in_size} pixels to {out_size} x {out_size} ({parameters} parameters, {built}),
{around}. In half precision. Beside it a sheet of its answers to held-out images it never saw: upper row before the
null space, lower row after (nothing chosen; the images themselves are not distributed).

    python -m ganprior_null restore --model {name} --out restored y.png
    python -m ganprior_null restore --model {name} --out restored-photograph --downsample photograph.jpg

The images must be framed as the sheet shows: one {subject} that fills the square.
{seams}
| | |
|---|---|
| null space | {told_null_space} |
| y was made by | {downsampler}, {factor}x, rounded to 8 bits |
| training images | {data}: {training_images}, {margin} pixels cut from every side, mirrored at random |
| steps, batch | {steps}, {global_batch} |
| weights of the losses | {losses} |
| held to y | x_r, with weight {range_weight} on the mean square of A x_r - y |
| adversary, answers | {adversary}; answers by {average} |
| seed, precision, torch | {seed}, {precision}, {torch} |
| commit | {commit} |
{figures}

PSNR, SSIM, MS-SSIM, fd_features64 and "PSNR(LR) 8 bit" are of 8-bit images, over at most {test_images} held-out
images. fd_features64 is a Frechet distance of this project's own small feature network: no FID, and not comparable.

**Meant for** this course and for experiments on small images. **Not for** finding out who a person is, or what a thing
looked like: all but the {in_size} x {in_size} pixels of y is the network's invention.

**Licence.** {license}
"""


def is_restorer(run: Path) -> bool:
    """Whether a folder holds a ``train restorer``."""
    params = run / "params.json"
    return params.is_file() and read_params(params).get("experiment") == "restorer"


def publish_restorer(run: Path, name: str, out: Path, *, overwrite: bool = False) -> Path:
    """Write NAME.safetensors (two files if one would be too large), NAME.webp and NAME.md to ``out``; the card's path.

    run: the folder of a finished ``train restorer``, its checkpoint included. Raises what ``load_trained`` raises, and
    FileExistsError unless overwrite.
    """
    answers, sheet, card = run / "sheet.webp", out / f"{name}.webp", out / f"{name}.md"
    files = [*restorer_files(out, name), sheet, card]
    check_outputs(files, inputs=[answers], overwrite=overwrite)
    trained, final = load_trained(run), read_run(run).final
    restorer, params = trained.network, trained.params
    network, sizes = restorer.network, {"in_size": restorer.in_size, "out_size": restorer.out_size}
    figures = {key: final[key] for key in FIGURES if key in final}
    text = CARD.format(
        name=name,
        title=network.title,
        parameters=parameter_count(network),
        built=built(restorer, params),
        around=f"around the prior `{params['prior']}`"
        if hasattr(network, "bank")
        else f"without a prior; its adversary began as that of `{params['prior']}`",
        losses=losses(params),
        adversary=f"joins at step {params['gan_from']}" if params["gan_weight"] else "none",
        told_null_space=NULL_SPACES[params["null_space"]],
        subject=params["prior"].rstrip("0123456789").removesuffix("s"),
        license=LICENSE,
        commit=commit_of(run),
        average=f"the moving average of the weights, half-life {half} images"
        if (half := params["ema_images"])
        else "the last weights",
        seams=seams(params, final),
        figures="\n".join(f"| {key} | {value:.3f} |" for key, value in figures.items()),
        **params,
        **sizes,
    )
    with sole_writer(out, files, overwrite=overwrite, patience=PATIENCE):
        save_restorer(out, name, restorer, {"license": LICENSE, **params, **sizes, **figures})
        write(sheet, answers.read_bytes())
        return write(card, text)


def built(restorer: Restorer, params: dict) -> str:
    """What stands before the generator."""
    if isinstance(restorer, EnlargingRestorer):
        side = restorer.network.in_size
        return f"which sees them enlarged to {side} x {side}"
    return f"{params['rrdb_blocks']} RRDB blocks of {params['rrdb_channels']} channels"


def seams(params: dict, final: dict) -> str:
    """What PD leaves behind where y is not pooled, with the measure of it; empty where nothing is, or was measured."""
    if params["null_space"] != "pd" or params["downsampler"] == "average" or "blockiness" not in final:
        return ""
    return SEAMS.format(blockiness=final["blockiness"], downsampler=params["downsampler"])


def losses(params: dict) -> str:
    """The weights of the recipe's losses, those that single systems have only where they are."""
    told = [f"pixel ({params['pixel']}) {params['pixel_weight']}", f"perceptual {params['perceptual_weight']}"]
    told += [f"adversarial {params['gan_weight']}"]
    told += [f"{name.removesuffix('_weight').replace('_', ' ')} {params[name]}" for name in FURTHER if name in params]
    return ", ".join(told)
