"""A command on a user's own images: restore."""

from pathlib import Path

from .options import add_overwrite


def add_restore(commands) -> None:
    this = commands.add_parser(
        "restore",
        help="a trained restorer on your own images",
        description="Each IMAGE is a measurement of exactly the size that the model takes (8 x 8 or 4 x 4 pixels: its "
        "card says), or, with --downsample, a photograph that one face (cat, building) fills: its middle square is "
        "brought to 64 x 64 and reduced from there. Writes NAME.png, whose block means are exactly those of y "
        "where the model has PD, and sheet.png: y, the network's own answer, the file, and the photograph.",
    )
    this.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    this.add_argument("--model", required=True, help="a shipped restorer's name, or the folder of a finished run")
    this.add_argument("--out", type=Path, required=True, metavar="DIR")
    this.add_argument(
        "--downsample",
        action="store_true",
        help="the images are photographs: make y from them, as the model was trained with, or by --downsampler",
    )
    this.add_argument("--downsampler", default="", metavar="NAME", help="what makes y (default: the model's)")
    this.add_argument("--seed", type=int, default=0, help="of the random codes of a PDN (default 0)")
    this.add_argument("--device", default="auto", help="auto (default): a GPU if there is one | cpu | cuda")
    add_overwrite(this)
    this.set_defaults(command=_restore)


def _restore(options) -> None:
    from ..experiments.restore import read_model, restore_files

    model = read_model(options.model)
    if options.downsampler and not options.downsample:
        raise ValueError("--downsampler says how --downsample reduces photographs; give both")
    rows = restore_files(
        model,
        options.images,
        options.out,
        downsample=(options.downsampler or model.this.downsampler) if options.downsample else "",
        seed=options.seed,
        device=options.device,
        overwrite=options.overwrite,
    )
    for row in rows:
        print("  ".join(f"{key} {value:.1f} dB" if isinstance(value, float) else value for key, value in row.items()))
    print(options.out / "sheet.png")
