"""A command on a user's own pictures: restore."""

from pathlib import Path

from ..names import printable
from .options import add_overwrite


def add_restore(commands) -> None:
    this = commands.add_parser(
        "restore",
        help="a published network or a trained restorer on your own pictures",
        description="With a published network (evaluate networks lists them: realsr-x4, ...), or any checkpoint file "
        "that spandrel knows, PICTURE is an 8-bit picture of any size, or a folder of them. With a restorer of the "
        "course it has exactly the size that the model takes (8 x 8 or 4 x 4 pixels: its card says), with a published "
        "file of pSp, GFP-GAN or GPEN any power of two up to that size, one aligned face in each. With --downsample it "
        "is large, and y is made from it. Writes NAME.png, which gives y back when it is made small again, and "
        "sheet.png: y, the network's own answer, the file, and more.",
    )
    this.add_argument("images", nargs="+", type=Path, metavar="PICTURE")
    this.add_argument(
        "--model",
        required=True,
        help="a published network, a checkpoint, a shipped restorer, or a finished run's folder",
    )
    this.add_argument("--out", type=Path, required=True, metavar="DIR")
    this.add_argument(
        "--downsample", action="store_true", help="the pictures are large: make y from them, and judge the results"
    )
    this.add_argument(
        "--downsampler", default="", metavar="NAME", help="what makes y (default: bicubic; a restorer's own)"
    )
    this.add_argument(
        "--operator",
        default="auto",
        metavar="NAME",
        help="what y is taken to be made by, for published networks: auto (default: the --downsampler; without it, the "
        "network's answer is asked; of faces: average) | average (PD) | bicubic | ... | a file with a blur kernel "
        "(.npy .mat .txt .csv), not of faces | none: faces as the network answers",
    )
    this.add_argument(
        "--factor", type=int, metavar="N", help="how many times smaller --downsample makes faces for a published file"
    )
    this.add_argument(
        "--layout", default="", help="how to read a file of a face network, see convert (default: its tensors tell)"
    )
    this.add_argument(
        "--noise", metavar="SIGMA", help="y is noisy: its standard deviation in [0, 1], or auto; published networks"
    )
    this.add_argument(
        "--memory", type=float, default=1.5, metavar="GB", help="for tiles at work (default 1.5); published networks"
    )
    this.add_argument("--seed", type=int, default=0, help="of the random codes of a PDN (default 0)")
    this.add_argument("--device", default="auto", help="auto (default): a GPU if there is one | cpu | cuda")
    add_overwrite(this)
    this.set_defaults(command=_restore)


def _restore(options) -> None:
    from ..experiments.restore import converted_file
    from ..networks import is_network
    from ..weights import load_published

    if options.downsampler and not options.downsample:
        raise ValueError("--downsampler says how --downsample reduces pictures; give both")
    file = converted_file(options.model) or Path(options.model)
    faces = load_published(file, options.layout) if file.is_file() or options.layout else None
    if faces is None and options.factor is not None:
        raise ValueError(f"--factor is for published files of face networks; {options.model} has its own")
    if faces is not None:
        rows = _faces(options, faces)
    else:
        rows = _published(options) if is_network(options.model) else _trained(options)
    for row in rows:
        print("  ".join(f"{key} {_shown(key, value)}" for key, value in row.items()))
    print(options.out / "sheet.png")


def _shown(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{100 * value:.2f} %" if key == "LR reproduced" else f"{value:.2f} dB"


def _published(options) -> list[dict]:
    from ..experiments.pictures import restore_pictures
    from ..networks import load_network

    return restore_pictures(
        load_network(options.model),
        options.images,
        options.out,
        operator=options.operator,
        downsample=(options.downsampler or "bicubic") if options.downsample else "",
        noise=_noise(options.noise),
        memory_gb=options.memory,
        device=options.device,
        overwrite=options.overwrite,
    )


def _faces(options, network) -> list[dict]:
    from ..experiments.restore import published_model

    if options.noise:
        raise ValueError("--noise is for published networks of pictures, not of faces")
    if options.downsample != (options.factor is not None):
        raise ValueError("--factor says how many times --downsample makes faces smaller; give both or neither")
    downsample = (options.downsampler or "bicubic") if options.downsample else ""
    name, how = printable(Path(options.model).name), {"factor": options.factor, "operator": options.operator}
    model = published_model(network, name, options.images, downsample=downsample, **how)
    return _restored(options, model, downsample)


def _noise(text: str | None) -> float | str | None:
    if text in (None, "auto"):
        return text
    try:
        return float(text)
    except ValueError:
        return text  # which is refused where numbers out of range are


def _trained(options) -> list[dict]:
    from ..experiments.restore import read_model

    model = read_model(options.model)
    if options.operator != "auto" or options.noise:
        raise ValueError(
            f"--operator and --noise are for published networks; {options.model} was trained for one operator"
        )
    return _restored(options, model, (options.downsampler or model.this.downsampler) if options.downsample else "")


def _restored(options, model, downsample: str) -> list[dict]:
    from ..experiments.restore import restore_files

    return restore_files(
        model,
        options.images,
        options.out,
        downsample=downsample,
        seed=options.seed,
        device=options.device,
        overwrite=options.overwrite,
    )
