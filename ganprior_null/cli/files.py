"""Commands on files that others, or a run, left: enforce, convert, publish; and which weights there are: weights."""

from pathlib import Path

from .options import add_overwrite, data_folder


def add_enforce(commands) -> None:
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
    add_overwrite(this)
    this.set_defaults(command=_enforce)


def _enforce(options) -> None:
    from ..experiments.enforce import as_markdown, enforce_folders

    rows = enforce_folders(
        options.lr,
        options.sr,
        options.out,
        gt=options.gt,
        operator=options.operator,
        overwrite=options.overwrite,
    )
    print(f"\n{as_markdown(rows)}\n\n{options.out / 'report.md'}")


def add_convert(commands) -> None:
    this = commands.add_parser("convert", help="a published checkpoint to our safetensors file, strictly")
    this.add_argument(
        "layout",
        help="whose names the checkpoint uses: rosinality | mmagic (StyleGAN2) | mmagic-glean (GLEAN) | panini | psp | "
        "gfpgan (1, and 1.2 to 1.4) | gfpgan-bilinear (its training form) | gpen | esrgan (RRDBNet, three namings)",
    )
    this.add_argument("source", type=Path, metavar="IN", help="a .pt, .pth or .safetensors file; never runs its code")
    this.add_argument("target", type=Path, nargs="?", metavar="OUT.safetensors")
    this.add_argument("--name", help="instead of OUT: among your own weights, for load_prior and load_restorer")
    this.add_argument(
        "--part",
        choices=("generator", "discriminator", "degradation"),
        help="default: the generator, of a restorer the restoring network, if there is one",
    )
    add_overwrite(this)
    this.set_defaults(command=_convert)


def _convert(options) -> None:
    from ..weights import convert_file, convert_named

    if (options.target is None) == (options.name is None):
        raise ValueError("give either OUT.safetensors or --name NAME")
    how = {"part": options.part, "overwrite": options.overwrite}
    if options.name:
        report, target = convert_named(options.layout, options.source, options.name, **how)
    else:
        target = options.target
        report = convert_file(options.layout, options.source, target, **how)
    print(report)
    print(target)


def add_weights(commands) -> None:
    these = commands.add_parser("weights", help="the weights that have names").add_subparsers(
        required=True, metavar="action"
    )
    this = these.add_parser("list", help="the course's, and your own (GANPRIOR_WEIGHTS, else a folder of the cache)")
    this.set_defaults(command=_list_weights)


def _list_weights(_options) -> None:
    from ..weights import listed, user_folder

    for entry in listed():
        critic = ", with its discriminator" if entry.discriminator else ""
        print(f"{entry.name:24} {entry.whose:7} {entry.megabytes:8.1f} MB  {entry.kind}{critic}")
    print(f"yours lie in {user_folder()}")


def add_publish(commands) -> None:
    this = commands.add_parser("publish", help="weights in half precision, pictures and a model card of a run")
    this.add_argument("run", type=Path, metavar="RUN", help="the folder of a `train prior` or `train restorer`")
    this.add_argument("name", metavar="NAME", help="of the files, and for load_prior or load_restorer")
    this.add_argument(
        "--data", type=data_folder, metavar="DIR", help="what a prior was trained on; default: drawn faces"
    )
    this.add_argument("--out", type=Path, metavar="DIR", help="default: among your own weights (GANPRIOR_WEIGHTS)")
    add_overwrite(this)
    this.set_defaults(command=_publish)


def _publish(options) -> None:
    from ..experiments.publish import publish_prior
    from ..experiments.publish_restorer import is_restorer, publish_restorer
    from ..weights import new_weights_folder

    out = options.out or new_weights_folder(options.name)
    if is_restorer(options.run):
        print(publish_restorer(options.run, options.name, out, overwrite=options.overwrite))
    else:
        print(publish_prior(options.run, options.name, out, data=options.data, overwrite=options.overwrite))
