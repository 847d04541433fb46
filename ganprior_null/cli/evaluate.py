"""Commands that measure a method where the truth is known: evaluate kernelgan | pulse | singan | restorer | ..."""

import json
from pathlib import Path

from ..options import add_options, read_options
from ..profiles import OnePicture, Searches, profile_name
from ..storage import check_apart, check_outputs
from .options import add_accelerator, add_overwrite, add_profile


def add_evaluate(commands) -> None:
    methods = commands.add_parser("evaluate", help="measure a method on images whose truth is known").add_subparsers(
        required=True, metavar="method"
    )
    _add_evaluate_kernels(methods)
    _add_evaluate_pulse(methods)
    _add_evaluate_singan(methods)
    _add_evaluate_restorer(methods)
    _add_evaluate_identity(methods)
    _add_evaluate_recognition(methods)
    _add_evaluate_baselines(methods)
    _add_evaluate_networks(methods)


def _add_evaluate_kernels(methods) -> None:
    this = methods.add_parser("kernelgan", help="on photographs blurred with known random kernels")
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="a row per estimate, and the summary")
    this.add_argument("--images", type=Path, metavar="DIR", help="a folder of photographs; default: scikit-image's")
    this.add_argument("--only", nargs="+", metavar="NAME", help="some of the photographs")
    this.add_argument("--gaussian", nargs=3, type=float, metavar=("SIGMA", "SIGMA", "DEGREES"), help="the same kernel")
    this.add_argument("--scale", type=int, default=2, choices=(2, 4))
    this.add_argument("--seeds", type=int, default=4, help="estimates per photograph (default 4)")
    this.add_argument("--compatible", action="store_true", help="as the published program does it, faults included")
    add_profile(this)
    add_overwrite(this)
    this.set_defaults(command=_evaluate_kernels)


def _evaluate_kernels(options) -> None:
    from ..experiments.kernels import cases, evaluate_kernels, recipe_for

    check_apart(options.out, images=options.images)
    found = cases(options.scale, options.images, options.gaussian, options.only)
    chosen = recipe_for(options.profile, compatible=options.compatible)
    summary = evaluate_kernels(
        options.out,
        found,
        chosen,
        scale=options.scale,
        seeds=options.seeds,
        profile=options.profile,
        overwrite=options.overwrite,
    )
    print(json.dumps(summary, indent=1))


def _add_evaluate_pulse(methods) -> None:
    this = methods.add_parser("pulse", help="on held-out faces, with and without PD")
    this.add_argument("--prior", required=True, help="a shipped prior's name, the folder of a training run, or a file")
    this.add_argument("--data", type=Path, metavar="DIR", help="a folder of images or a pack; default: drawn faces")
    this.add_argument("--margin", type=int, default=0, help="as the prior's training had it")
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="a row per image, pictures, the summary")
    add_options(this, Searches)
    add_overwrite(this)
    this.set_defaults(command=_evaluate_pulse)


def _evaluate_pulse(options) -> None:
    from ..experiments.inversion import evaluate_pulse, held_out, read_prior
    from ..weights import load_features64

    check_apart(options.out, data=options.data)
    prior = read_prior(options.prior)
    images = held_out(options.data, prior.size, options.count, options.margin)
    network = load_features64() if prior.size >= 32 else None  # it sees nothing smaller
    data = options.data.name if options.data else "drawn faces"
    about = {"prior": options.prior, "data": data, "margin": options.margin, "profile": profile_name()}
    searches = read_options(options, Searches)
    summary = evaluate_pulse(
        options.out, prior, images, searches, about=about, network=network, overwrite=options.overwrite
    )
    print(json.dumps(summary, indent=1))


def _add_evaluate_singan(methods) -> None:
    this = methods.add_parser("singan", help="trained on each photograph's y alone, with and without the null space")
    this.add_argument("photographs", nargs="+", metavar="NAME", help="of scikit-image: astronaut, chelsea, coffee, ...")
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="rows, their means, a sheet of each")
    add_options(this, OnePicture)
    this.set_defaults(command=_evaluate_singan)


def _evaluate_singan(options) -> None:
    from ..experiments.one_picture import evaluate_singan

    print(json.dumps(evaluate_singan(options.out, options.photographs, read_options(options, OnePicture)), indent=1))


def _add_evaluate_baselines(methods) -> None:
    this = methods.add_parser("baselines", help="what costs nothing: interpolation, pseudo-inverse, mean image, + PD")
    this.add_argument(
        "--data", default="drawn", help="faces | cats | buildings (packs in GANPRIOR_DATA), drawn, a folder"
    )
    this.add_argument(
        "--prior", default="", help="whose size images get, that of the runs (default: the category's own)"
    )
    this.add_argument("--factor", type=int, default=8, help="HR over LR (default 8)")
    this.add_argument("--downsampler", default="bicubic", help="what makes y (default bicubic, antialiased)")
    this.add_argument("--out", type=Path, metavar="DIR", help="default: baselines/NAME below the folder of results")
    this.add_argument("--profile", help="whose number of test images is taken (else GANPRIOR_PROFILE, else laptop)")
    add_overwrite(this)
    this.set_defaults(command=_evaluate_baselines)


def _evaluate_baselines(options) -> None:
    from ..experiments.baselines import evaluate_baselines, name_of
    from ..experiments.launch import find_source
    from ..places import results_folder
    from ..training.record import forget

    source, profile = find_source(options.data, options.prior), profile_name(options.profile)
    name = name_of(source.name, options.factor, options.downsampler, profile)
    out = options.out or results_folder() / "baselines" / name
    check_apart(out, data=source.folder)
    check_outputs([out / "summary.json", out / "sheet.webp"], overwrite=options.overwrite)
    if options.overwrite:
        forget(out)
    found = evaluate_baselines(source, out, factor=options.factor, downsampler=options.downsampler, profile=profile)
    print(json.dumps(found, indent=1, ensure_ascii=False))


def _add_evaluate_restorer(methods) -> None:
    this = methods.add_parser("restorer", help="finished runs on downsamplers they were not trained for, and many z")
    this.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders with their last.ckpt")
    this.add_argument("--data", type=Path, metavar="DIR", help="where the packs lie that the runs were trained on")
    this.add_argument("--downsamplers", nargs="+", metavar="NAME", help="default: bicubic bilinear average lanczos3")
    add_accelerator(this)
    add_overwrite(this)
    this.set_defaults(command=_evaluate_restorer)


def _evaluate_restorer(options) -> None:
    from ..experiments.diversity import FILES, evaluate_diversity
    from ..experiments.runs import read_run
    from ..experiments.unseen import DRAWN, FILE, TESTED, evaluate_restorer

    results = [path / name for path in options.runs for name in (FILE, DRAWN, *FILES)]
    check_outputs(results, overwrite=options.overwrite)
    for path in options.runs:
        where = {"accelerator": options.accelerator}
        result = evaluate_restorer(path, options.data, options.downsamplers or TESTED, **where)
        if read_run(path).params["model"] == "pdn":
            result["diversity"] = evaluate_diversity(path, options.data, **where)
        print(json.dumps({path.name: result}, indent=1))


def _add_evaluate_identity(methods) -> None:
    this = methods.add_parser(
        "identity", help="whether finished runs' answers show the right person, by dlib's features"
    )
    this.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="folders with their last.ckpt, or whose weights were shipped"
    )
    this.add_argument("--data", type=Path, metavar="DIR", help="where the pack lies that the runs were trained on")
    add_accelerator(this)
    add_overwrite(this)
    this.set_defaults(command=_evaluate_identity)


def _evaluate_identity(options) -> None:
    from ..experiments.identity import FILE, evaluate_identity

    check_outputs([path / FILE for path in options.runs], overwrite=options.overwrite)
    for path in options.runs:
        result = evaluate_identity(path, options.data, accelerator=options.accelerator)
        print(json.dumps({path.name: result}, indent=1, ensure_ascii=False))


def _add_evaluate_recognition(methods) -> None:
    this = methods.add_parser("recognition", help="how well dlib's features and features64 tell held-out people apart")
    this.add_argument(
        "--data", default="faces", help="faces (the pack in GANPRIOR_DATA), or a pack that names its people"
    )
    this.set_defaults(command=_evaluate_recognition)


def _evaluate_recognition(options) -> None:
    from ..experiments.identity import evaluate_recognition
    from ..experiments.launch import find_source

    print(json.dumps(evaluate_recognition(find_source(options.data)), indent=1))


def _add_evaluate_networks(methods) -> None:
    this = methods.add_parser(
        "networks", help="published networks on photographs: raw, with PD, with the exact operator"
    )
    this.add_argument("--images", type=Path, nargs="+", required=True, metavar="DIR", help="a folder for each set")
    this.add_argument("--networks", nargs="+", metavar="NAME", help="default: all whose weights are installed")
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="a row per image, and the summary")
    this.add_argument("--downsampler", default="bicubic", metavar="NAME", help="what makes y (default bicubic)")
    this.add_argument("--noise", type=float, default=0.0, metavar="SIGMA", help="of y, in [0, 1]: 10/255 is 0.039")
    this.add_argument("--unrounded", action="store_true", help="do not round y to the 256 levels of a file")
    this.add_argument(
        "--crop",
        nargs="+",
        metavar="[SET=]PIXELS",
        help="take a centre crop of larger images, of all folders or (urban100=512) of the one of that name",
    )
    this.add_argument(
        "--count", nargs="+", metavar="[SET=]IMAGES", help="so many images of each folder, or of that one"
    )
    this.set_defaults(command=_evaluate_networks)


def _evaluate_networks(options) -> None:
    from ..experiments.real_networks import as_markdown, evaluate_networks
    from ..networks import available

    table = evaluate_networks(
        options.out,
        options.networks or [known.name for known in available() if known.installed and known.factor == 4],
        options.images,
        downsampler=options.downsampler,
        noise=options.noise,
        unrounded=options.unrounded,
        crop=_per_set("--crop", options.crop),
        count=_per_set("--count", options.count),
    )
    print(as_markdown(table))


def _per_set(option: str, words: list[str] | None) -> int | dict[str, int] | None:
    """512 -> 512; urban100=512 ... -> {"urban100": 512, ...}. Raises ValueError for anything else."""
    if not words:
        return None
    if len(words) == 1 and words[0].isdecimal():
        return int(words[0])
    pairs = [word.rpartition("=") for word in words]
    if not all(name and number.isdecimal() for name, _, number in pairs):
        raise ValueError(f"{option} takes one number, or a number for each named set, SET=N ..., got {' '.join(words)}")
    return {name: int(number) for name, _, number in pairs}
