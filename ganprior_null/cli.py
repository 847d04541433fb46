"""The command line: python -m ganprior_null {run,train,evaluate,enforce,convert,report}."""

import argparse
import json
import sys
from pathlib import Path

from . import report
from .runner import read_value, run


def main(arguments: list[str] | None = None) -> int:
    """Parse and run one command; bad input is one line on stderr and exit status 2, never a traceback."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ganprior_null", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_run(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_enforce(commands)
    _add_convert(commands)
    _add_report(commands)
    return parser


def _add_run(commands) -> None:
    this = commands.add_parser("run", help="execute lessons with papermill, parameters checked first")
    this.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="an .ipynb file of notebooks/")
    this.add_argument("--profile", help="smoke | laptop | gpu | paper (default: GANPRIOR_PROFILE, else laptop)")
    this.add_argument("--out", type=Path, default=Path("build/notebooks"), help="folder for the executed notebooks")
    this.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter")
    this.set_defaults(command=_run)


def _run(options) -> None:
    parameters = {name: read_value(text) for name, text in options.p}
    for path in run(options.notebooks, options.out, profile=options.profile, parameters=parameters):
        print(path)


def _add_train(commands) -> None:
    this = commands.add_parser("train", help="train a network; a stopped run goes on where it was")
    this.add_argument("experiment", choices=("prior", "features"), help="a StyleGAN2, or the network of fd_features64")
    this.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of images or a pack; default: drawn faces; features takes several packs, portraits first",
    )
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, metrics and parameters")
    this.add_argument("--profile", help="smoke | laptop | gpu | paper (default: GANPRIOR_PROFILE, else laptop)")
    this.add_argument("--margin", type=int, default=0, help="pixels cut from each side of a pack's images")
    this.add_argument("--seed", type=int, default=0)
    this.add_argument(
        "--start-from",
        type=Path,
        metavar="RUN",
        help="a trained run's folder or checkpoint whose networks to start with",
    )
    this.add_argument(
        "--precision", default="auto", help="32-true | bf16-mixed | auto: bfloat16 where the hardware has it (default)"
    )
    this.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a field")
    this.set_defaults(command=_train)


def _train(options) -> None:
    if options.experiment == "features":
        return _train_features(options)
    from .experiments import train_prior
    from .profiles import prior

    if len(options.data) > 1:
        raise ValueError(f"a prior is trained on one folder, got {len(options.data)}")
    profile = prior(options.profile, **{name: read_value(text) for name, text in options.p})
    finished = train_prior(
        options.data[0] if options.data else None,
        options.out,
        profile,
        margin=options.margin,
        seed=options.seed,
        precision=options.precision,
        start_from=options.start_from,
    )
    print(f"{options.out}: {'finished' if finished else 'stopped; the same command goes on'}")


def _train_features(options) -> None:
    from .experiments_features import RECIPES, train_features
    from .profiles import override, profile_name

    if options.margin or options.start_from:
        raise ValueError("--margin and --start-from are for a prior; portraits lose their margin by themselves here")
    changes = {name: read_value(text) for name, text in options.p} | {"seed": options.seed}
    recipe = override(RECIPES[profile_name(options.profile)], **changes)
    finished = train_features(options.data, options.out, recipe, precision=options.precision)
    print(f"{options.out}: {'finished' if finished else 'stopped; the same command goes on'}")


def _add_evaluate(commands) -> None:
    methods = commands.add_parser("evaluate", help="measure a method on images whose truth is known").add_subparsers(
        required=True, metavar="method"
    )
    _add_evaluate_kernels(methods)
    _add_evaluate_pulse(methods)


def _add_evaluate_kernels(methods) -> None:
    this = methods.add_parser("kernelgan", help="on photographs blurred with known random kernels")
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="a row per estimate, and the summary")
    this.add_argument("--images", type=Path, metavar="DIR", help="a folder of photographs; default: scikit-image's")
    this.add_argument("--only", nargs="+", metavar="NAME", help="some of the photographs")
    this.add_argument("--gaussian", nargs=3, type=float, metavar=("SIGMA", "SIGMA", "DEGREES"), help="the same kernel")
    this.add_argument("--scale", type=int, default=2, choices=(2, 4))
    this.add_argument("--seeds", type=int, default=4, help="estimates per photograph (default 4)")
    this.add_argument("--compatible", action="store_true", help="as the published program does it, faults included")
    this.add_argument("--profile", help="smoke | laptop | gpu | paper (default: GANPRIOR_PROFILE, else laptop)")
    this.set_defaults(command=_evaluate_kernels)


def _evaluate_kernels(options) -> None:
    from .evaluate_kernels import cases, evaluate_kernels, recipe_for

    found = cases(options.scale, options.images, options.gaussian, options.only)
    chosen = recipe_for(options.profile, compatible=options.compatible)
    summary = evaluate_kernels(options.out, found, chosen, scale=options.scale, seeds=options.seeds)
    print(json.dumps(summary, indent=1))


def _add_evaluate_pulse(methods) -> None:
    this = methods.add_parser("pulse", help="on held-out faces, with and without PD")
    this.add_argument("--prior", required=True, help="a shipped prior's name, the folder of a training run, or a file")
    this.add_argument("--data", type=Path, metavar="DIR", help="a folder of images or a pack; default: drawn faces")
    this.add_argument("--margin", type=int, default=0, help="as the prior's training had it")
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="a row per image, pictures, the summary")
    this.add_argument("--factors", type=int, nargs="+", default=[4, 8, 16])
    this.add_argument("--count", type=int, default=64, help="images (default 64)")
    this.add_argument("--seeds", type=int, default=3, help="searches per image and factor (default 3)")
    this.add_argument("--steps", type=int, default=100)
    this.add_argument("--restarts", type=int, default=1, help="per search, of which the best counts (default 1)")
    this.add_argument("--eps", type=float, default=1e-4, help="mean square of A x - y that ends a search")
    this.add_argument("--features", metavar="FILE", help="feature network; 'course': the one that comes with it")
    this.set_defaults(command=_evaluate_pulse)


def _evaluate_pulse(options) -> None:
    from .evaluate_inversion import Settings, evaluate_pulse, held_out, read_prior
    from .weights import load_features64

    prior = read_prior(options.prior)
    images = held_out(options.data, prior.size, options.count, options.margin)
    network = load_features64(None if options.features == "course" else options.features) if options.features else None
    settings = Settings(
        count=options.count,
        factors=tuple(options.factors),
        seeds=options.seeds,
        steps=options.steps,
        restarts=options.restarts,
        eps=options.eps,
    )
    data = options.data.name if options.data else "drawn faces"
    about = {"prior": options.prior, "data": data, "margin": options.margin}
    summary = evaluate_pulse(options.out, prior, images, settings, about=about, network=network)
    print(json.dumps(summary, indent=1))


def _add_enforce(commands) -> None:
    this = commands.add_parser("enforce", help="make the results of any system consistent with their LR images")
    this.add_argument("--lr", type=Path, required=True, metavar="DIR", help="the measurements y")
    this.add_argument("--sr", type=Path, required=True, metavar="DIR", help="the results x_r, same file names")
    this.add_argument("--gt", type=Path, metavar="DIR", help="the ground truths, where there are any")
    this.add_argument(
        "--operator",
        default="average",
        help="what made the LR images: average (PD) | bilinear | bicubic | lanczos3 | nearest | bilinear-plain | "
        "bicubic-plain | lanczos3-plain (not antialiased) | auto: ask the images",
    )
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="consistent 8-bit files and report.md")
    this.set_defaults(command=_enforce)


def _enforce(options) -> None:
    from .enforce_folders import as_markdown, enforce_folders

    rows = enforce_folders(options.lr, options.sr, options.out, gt=options.gt, operator=options.operator)
    print(f"\n{as_markdown(rows)}\n\n{options.out / 'report.md'}")


def _add_convert(commands) -> None:
    this = commands.add_parser("convert", help="a published checkpoint to our safetensors file, strictly")
    this.add_argument(
        "layout",
        help="whose names the checkpoint uses: rosinality | mmagic (StyleGAN2) | mmagic-glean (GLEAN) | panini",
    )
    this.add_argument("source", type=Path, metavar="IN", help="a .pt, .pth or .safetensors file; never runs its code")
    this.add_argument("target", type=Path, metavar="OUT.safetensors")
    this.add_argument(
        "--part",
        choices=("generator", "discriminator", "degradation"),
        help="default: the generator, of GLEAN and Panini the restoring network, if there is one",
    )
    this.set_defaults(command=_convert)


def _convert(options) -> None:
    from .weights import convert_file

    print(convert_file(options.layout, options.source, options.target, part=options.part))
    print(options.target)


def _add_report(commands) -> None:
    this = commands.add_parser("report", help="every claim: the paper's number, ours, the verdict")
    this.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    this.set_defaults(command=_report)


def _report(options) -> None:
    rows = report.rows()
    write = {"text": report.as_text, "markdown": report.as_markdown, "json": lambda rows: json.dumps(rows, indent=1)}
    print(write[options.format](rows))
