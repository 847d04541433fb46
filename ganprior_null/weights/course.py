"""Weights by name: those that come with the course, each with a model card ``NAME.md``, and a user's own.

The course's are data of the package. A user's lie in the platform's cache, or in the folder that the environment
variable GANPRIOR_WEIGHTS names; nothing is ever written into the installation.
"""

import json
import os
import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import safetensors
from safetensors import SafetensorError
from torch import Tensor, nn

from ..networks.rrdbnet import RRDBNet
from ..places import cache_folder
from ..priors import StyleGAN2Discriminator
from ..profiles import did_you_mean
from ..restorers import ESRGAN, GFPGANNetwork, GPENNetwork, PSPNetwork
from ..restorers.bank import PriorNetwork
from ..restorers.restorer import EnlargingRestorer, Restorer
from ..storage import check_writable
from .files import LoadedPrior, load_stylegan2, save_weights
from .infer import infer
from .read import load_checkpoint
from .report import build

FOLDER = Path(str(resources.files(__package__))) / "shipped"
CRITIC = ".discriminator"  # a prior's discriminator lies beside it
REST = ".rest"  # what exceeds the limit of one file
LIMIT = 8_000_000  # bytes of a file
OVERHEAD = 200_000  # of them for names and metadata
PATIENCE = 60.0  # seconds that another program which puts weights into a folder is waited for
ENLARGING = (PSPNetwork, GFPGANNetwork, GPENNetwork)  # take y enlarged


def shipped() -> list[str]:
    """The names of the weights that come with the course, in alphabetical order.

    >>> "faces64" in weights.shipped()
    True
    """
    return _names(FOLDER)


def available() -> list[str]:
    """The names that :func:`weights_path` knows: the course's, then the user's, each in alphabetical order.

    >>> set(weights.shipped()) <= set(weights.available())
    True
    """
    return shipped() + _names(user_folder())


def _names(folder: Path) -> list[str]:
    """The weights in a folder; files that belong to another are not listed."""
    names = (path.name.removesuffix(".safetensors") for path in folder.glob("*.safetensors"))
    return sorted(name for name in names if not name.endswith((CRITIC, REST)))


def user_folder() -> Path:
    """Where a user's own weights lie: GANPRIOR_WEIGHTS, else ``ganprior-null/weights`` in the platform's cache.

    >>> weights.shipped_path("faces64").is_relative_to(weights.user_folder())
    False
    """
    return Path(os.environ.get("GANPRIOR_WEIGHTS") or cache_folder() / "weights")


def shipped_restorers(factor: int) -> list[str]:
    """Those of :func:`shipped` that restore images made this many times smaller."""
    metadata = {name: read_metadata(weights_path(name)) for name in shipped()}
    return [n for n, m in metadata.items() if m.get("experiment") == "restorer" and m.get("factor") == factor]


def shipped_path(name: str) -> Path:
    """The file of these weights of the course. Raises ValueError, with the known names, when there is none.

    >>> weights.shipped_path("faces64").name
    'faces64.safetensors'
    """
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise ValueError(f"no weights named {name!r} come with the course{did_you_mean(name, shipped())}")
    return path


def weights_path(name: str) -> Path:
    """The file of the course's weights of this name, else of the user's.

    Raises ValueError when neither has any, with the known names, when both have (which were meant?), and, saying what
    makes a name of it, for the path of a run or of a file.

    >>> weights.weights_path("faces64") == weights.shipped_path("faces64")
    True
    """
    places = [folder / f"{name}.safetensors" for folder in (FOLDER, user_folder())]
    found = [path for path in places if path.is_file()]
    if len(found) > 1:
        raise ValueError(f"{name!r} is the name of weights of the course: rename your {found[1]}")
    if not found and name and (os.sep in name or Path(name).exists()):
        raise ValueError(f"{name!r} is no name of weights; {_naming(Path(name))}")
    if not found:
        where = f"come with the course or lie in {user_folder()}"
        raise ValueError(f"no weights named {name!r} {where}{did_you_mean(name, available())}")
    return found[0]


def _naming(path: Path) -> str:
    """How weights at a path get a name."""
    if path.is_dir():
        return f"of a run's folder, `ganprior-null publish {path} NAME` puts weights among yours"
    return f"of a checkpoint, `ganprior-null convert LAYOUT {path} --name NAME` puts weights among yours"


def new_weights_folder(name: str) -> Path:
    """The user's folder, made if need be, for weights to be written under a name.

    Raises ValueError for a name that is none or that the course's weights have; OSError, naming the folder, when
    nothing can be written there.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"a name of weights has letters, digits, '-', '_' and '.', got {name!r}")
    if (FOLDER / f"{name}.safetensors").exists():
        raise ValueError(f"{name!r} is the name of weights that come with the course; choose another")
    try:
        check_writable(user_folder())
    except OSError as error:
        raise OSError(f"{error}; GANPRIOR_WEIGHTS names another folder for weights of your own") from error
    return user_folder()


def load_prior(name: str) -> LoadedPrior:
    """(generator, w_mean) of a prior, ``load_prior("faces64")``, in float32 and evaluation mode.

    name: of the course's weights, or of the user's. Raises ValueError for an unknown name and for weights that are no
    StyleGAN2.

    >>> G, w_mean = weights.load_prior("faces64")
    >>> G(G.mapping(torch.randn(1, G.style_dim))).shape
    torch.Size([1, 3, 64, 64])
    """
    path = weights_path(name)
    try:
        return load_stylegan2(path)
    except ValueError as error:
        raise ValueError(f"the weights {name!r} are no prior ({error})") from error


def load_discriminator(name: str) -> StyleGAN2Discriminator:
    """The discriminator that a prior was trained against.

    Raises ValueError for an unknown name, for a prior without one, of which files of the moving average alone make, and
    for weights that are no discriminator.

    >>> weights.load_discriminator("faces64").size
    64
    """
    prior = weights_path(name)
    path = prior.with_name(f"{name}{CRITIC}.safetensors")
    if not path.is_file():
        raise ValueError(
            f"the prior {name!r} has no discriminator beside it, from which an adversary starts: `ganprior-null "
            f"convert LAYOUT FILE --name {name} --part discriminator` puts it there, of a checkpoint that holds both"
        )
    network = build(load_checkpoint(path))
    if not isinstance(network, StyleGAN2Discriminator):
        raise ValueError(f"{path} holds a {type(network).__name__}, not a discriminator")
    return network


def load_restorer(name: str) -> Restorer:
    """A restorer by name, y -> x_r, in float32 and evaluation mode; :func:`read_metadata` says how it was trained.

    Raises ValueError for an unknown name, and for weights of another kind or of which a part is missing.

    >>> restorer = weights.load_restorer("panini-pd-faces-8x")
    >>> restorer(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 64, 64])
    """
    path = weights_path(name)
    tensors, rest = load_checkpoint(path), path.with_name(f"{name}{REST}.safetensors")
    if read_metadata(path).get("parts", 1) > 1:
        tensors |= load_checkpoint(rest)
    kind, _ = infer(tensors)
    if not issubclass(kind, (PriorNetwork, RRDBNet)):  # said before the tensors are counted: a prior's file has more
        raise ValueError(f"{name} is a {kind.__name__}, which restores nothing")
    return around(build(tensors), name, read_metadata(path)).eval().requires_grad_(False)


def around(network: nn.Module, name: str, about: dict) -> Restorer:
    """The restorer of a bare network, whose sizes the metadata give where the network does not know them.

    Raises ValueError for a network without a prior whose sizes are not among them.
    """
    in_size: int = about.get("in_size", getattr(network, "in_size", 0))
    if isinstance(network, ENLARGING) or isinstance(network, PriorNetwork) and in_size < network.in_size:
        return EnlargingRestorer(in_size, network)
    if isinstance(network, PriorNetwork):
        return Restorer(network)
    if not (isinstance(network, RRDBNet) and {"in_size", "out_size"} <= about.keys()):
        raise ValueError(f"{name} is a {type(network).__name__} that says nothing of in_size and out_size")
    return ESRGAN(about["in_size"], about["out_size"], network=network)


def restorer_files(folder: Path, name: str) -> list[Path]:
    """What :func:`save_restorer` may write."""
    return [folder / f"{name}.safetensors", folder / f"{name}{REST}.safetensors"]


def save_restorer(folder: Path, name: str, network: Restorer, metadata: dict) -> list[Path]:
    """NAME.safetensors in half precision; among the course's own weights, whose files have a limit, the tensors beyond
    it in NAME.rest.safetensors.

    Raises ValueError when two files are not enough there.
    """
    half = {key: v.half() if v.is_floating_point() else v for key, v in network.network.state_dict().items()}
    first: dict[str, Tensor] = {}
    rest: dict[str, Tensor] = {}
    room = LIMIT - OVERHEAD if folder.resolve() == FOLDER.resolve() else nbytes(half)
    for key, value in sorted(half.items(), key=lambda pair: -pair[1].nbytes):
        fits = value.nbytes <= room
        (first if fits else rest)[key] = value
        room -= value.nbytes if fits else 0
    if nbytes(rest) > LIMIT - OVERHEAD:
        raise ValueError(f"{nbytes(half) / 1e6:.1f} MB do not fit into two files of {LIMIT / 1e6:.0f} MB")
    first_file, rest_file = restorer_files(folder, name)
    paths = [save_weights(first_file, first, metadata | {"parts": 1 + bool(rest)})]
    if rest:
        licence = {"license": metadata["license"], "part_of": name}
        paths.append(save_weights(rest_file, rest, licence))
    return paths


def nbytes(tensors: dict[str, Tensor]) -> int:
    """The size of tensors in bytes."""
    return sum(value.nbytes for value in tensors.values())


class Entry(NamedTuple):
    """Weights that there are: what ``weights list`` shows."""

    name: str
    whose: str  # course | yours
    kind: str  # the network, and for which sizes
    discriminator: bool
    megabytes: float
    path: Path


def listed() -> list[Entry]:
    """The course's weights, then the user's, each in alphabetical order; a file that is damaged says so as its kind.

    >>> [entry.kind for entry in weights.listed() if entry.name == "faces64"]
    ['StyleGAN2, 64 px']
    """
    return [
        _entry(folder / f"{name}.safetensors", whose)
        for folder, whose in ((FOLDER, "course"), (user_folder(), "yours"))
        for name in _names(folder)
    ]


def _entry(path: Path, whose: str) -> Entry:
    name = path.stem
    files = [path, *(path.with_name(f"{name}{part}.safetensors") for part in (CRITIC, REST))]
    size = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    return Entry(name, whose, _kind(path), files[1].is_file(), size, path)


def _kind(path: Path) -> str:
    """From names and sizes in the file's header: its tensors stay on the disk."""
    try:
        about = read_metadata(path)
    except Exception as error:  # safetensors' own, or the disk's
        return f"cannot be read ({error.__cause__ or error})"
    config = about.get("config") or about
    model, size = about.get("model", "weights"), config.get("size") or config.get("out_size")
    if not size:
        return model
    return f"{model}, {config['in_size']} to {size} px" if "in_size" in config else f"{model}, {size} px"


def read_metadata(path: str | os.PathLike) -> dict:
    """What :func:`~ganprior_null.weights.save_weights` stored beside the tensors; values that are JSON are parsed.

    Raises FileNotFoundError, and ValueError for a file that is no safetensors, such as one of torch's.

    >>> weights.read_metadata(weights.shipped_path("faces64"))["model"]
    'StyleGAN2'
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {key: _parsed(text) for key, text in (file.metadata() or {}).items()}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no readable safetensors file ({error}); of a torch checkpoint "
            "`ganprior-null convert LAYOUT FILE --name NAME` makes one"
        ) from error


def _parsed(text: str):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
