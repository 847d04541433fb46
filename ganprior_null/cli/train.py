"""Commands that train: train prior | features | restorer | network."""

from pathlib import Path

from ..lessons.run import read_value
from ..options import add_options, read_options
from ..profiles import Experiment, override, prior, profile_name, restorer
from ..storage import check_apart
from .options import add_accelerator, add_profile, data_folder

STOPPED = 75  # exit status of a run that a signal stopped: EX_TEMPFAIL of sysexits.h


def add_train(commands) -> None:
    networks = commands.add_parser("train", help="train a network; a stopped run goes on where it was").add_subparsers(
        required=True, metavar="network"
    )
    _add_prior(networks)
    _add_features(networks)
    _add_restorer(networks)
    _add_network(networks)


def _add_prior(networks) -> None:
    this = networks.add_parser("prior", help="a StyleGAN2")
    this.add_argument(
        "--data", type=data_folder, metavar="DIR", help="a folder of images, a pack or a category; default: drawn faces"
    )
    this.add_argument("--margin", type=int, default=0, help="pixels cut from each side of a pack's images")
    _add_skip_broken(this)
    this.add_argument(
        "--start-from",
        type=Path,
        metavar="RUN",
        help="a trained run's folder or checkpoint whose networks to start with",
    )
    this.add_argument("--seed", type=int, default=0)
    _add_execution(this)
    _add_common(this, _train_prior)


def _train_prior(options) -> bool:
    from ..experiments.prior import train_prior

    return train_prior(
        options.data,
        options.out,
        prior(options.profile, **_fields(options)),
        margin=options.margin,
        skip_broken=options.skip_broken,
        seed=options.seed,
        execution=_execution(options),
        start_from=options.start_from,
    )


def _add_features(networks) -> None:
    this = networks.add_parser("features", help="the network of fd_features64")
    this.add_argument(
        "--data", type=Path, action="append", default=[], metavar="PACK", help="one for each pack, portraits first"
    )
    this.add_argument("--seed", type=int, default=0)
    _add_common(this, _train_features)


def _train_features(options) -> bool:
    from ..experiments.features import RECIPES, train_features

    recipe = override(RECIPES[profile_name(options.profile)], **_fields(options), seed=options.seed)
    return train_features(options.data, options.out, recipe, precision=options.precision)


def _add_restorer(networks) -> None:
    this = networks.add_parser("restorer", help="a restorer around a shipped prior")
    add_options(this, Experiment, first="model")
    this.add_argument(
        "--data", type=data_folder, metavar="DIR", help="a folder of images, a pack or a category; default: drawn faces"
    )
    this.add_argument("--margin", type=int, default=0, help="as the prior's training had it")
    _add_skip_broken(this)
    this.add_argument("--vgg16", type=Path, metavar="FILE", help="torchvision's VGG16, for the papers' perceptual loss")
    _add_execution(this)
    _add_common(this, _train_restorer)


def _train_restorer(options) -> bool:
    from ..experiments.restorer import train_restorer

    return train_restorer(
        options.data,
        options.out,
        read_options(options, Experiment),
        restorer(options.profile, **_fields(options)),
        margin=options.margin,
        skip_broken=options.skip_broken,
        execution=_execution(options),
        vgg16=options.vgg16,
    )


def _add_network(networks) -> None:
    this = networks.add_parser("network", help="a published network, trained further with or without the null space")
    this.add_argument("model", help="a name of ganprior_null.networks.available()")
    this.add_argument("--null-space", default="none", help="in the forward pass: none (default) | pd | exact")
    this.add_argument(
        "--images", dest="data", type=Path, metavar="DIR", help="a folder of photographs; default: scikit-image's"
    )
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, metrics and parameters")
    this.add_argument("--steps", type=int, default=2000)
    this.add_argument("--batch", type=int, default=8, help="crops a step (default 8)")
    this.add_argument("--side", type=int, default=192, help="of the crops, pixels of the photographs (default 192)")
    this.add_argument("--lr", type=float, default=1e-4)
    this.add_argument("--seed", type=int, default=0)
    this.set_defaults(command=_train, train=_train_network)


def _train_network(options) -> bool:
    from ..experiments.fine_tune import fine_tune

    return fine_tune(
        options.model,
        options.null_space,
        options.out,
        images=options.data,
        steps=options.steps,
        batch=options.batch,
        side=options.side,
        lr=options.lr,
        seed=options.seed,
    )


def _add_execution(this) -> None:
    """How a run executes; :func:`_add_common` has its precision."""
    add_accelerator(this)
    this.add_argument(
        "--readers", type=int, metavar="N", help="processes that read images ahead (default: by the cores)"
    )
    this.add_argument("--recompute", action="store_true", help="less memory: activations are computed twice, not kept")
    this.add_argument("--compile", action="store_true", help="compile the networks (torch.compile)")
    this.add_argument(
        "--logger", action="append", default=[], metavar="NAME", help="tensorboard | csv | wandb: curves there too"
    )
    this.add_argument("--dry-run", action="store_true", help="one step and one evaluation; says what all would take")


def _execution(options):
    from ..training import Execution
    from ..training.loggers import check_loggers

    if options.readers is not None and options.readers < 0:
        raise ValueError(f"--readers must be at least 0, got {options.readers}")
    return Execution(
        precision=options.precision,
        accelerator=options.accelerator,
        readers=options.readers,
        compile=options.compile,
        recompute=options.recompute,
        loggers=check_loggers(options.logger),
        rehearse=options.dry_run,
    )


def _add_skip_broken(this) -> None:
    this.add_argument(
        "--skip-broken", action="store_true", help="leave out a folder's files that are no readable images, and say so"
    )


def _add_common(this, train) -> None:
    """The options that all networks share, and what to call."""
    this.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint, metrics and parameters")
    add_profile(this)
    this.add_argument(
        "--precision", default="auto", help="32-true | bf16-mixed | auto: bfloat16 where the hardware has it (default)"
    )
    this.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a field")
    this.set_defaults(command=_train, train=train)


def _train(options) -> int:
    data = options.data if isinstance(options.data, list) else [options.data]  # train features takes several
    for folder in data:
        check_apart(options.out, data=folder)
    finished = options.train(options)
    if getattr(options, "dry_run", False):
        return 0
    print(f"{options.out}: {'finished' if finished else 'stopped; the same command goes on'}")
    return 0 if finished else STOPPED


def _fields(options) -> dict:
    return {name: read_value(text) for name, text in options.p}
