"""Feature networks, ready to measure with: evaluation mode, frozen, float32."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from ..images import to_uint8
from ..layers import IRSE50, VGG16, FeatureNet64
from .course import shipped_path
from .read import load_checkpoint
from .report import check_finite_weights, compare

M = TypeVar("M", bound=nn.Module)
VGG16_LAST = 21  # torchvision's index of conv4_3


class Inception(nn.Module):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 2048): 8-bit images through the Inception network that defines the FID."""

    def __init__(self, extractor: nn.Module):
        super().__init__()
        self.extractor = extractor

    def forward(self, x: Tensor) -> Tensor:
        return self.extractor(to_uint8(x))[0]


def load_features64(path: str | os.PathLike | None = None) -> FeatureNet64:
    """The feature network that comes with the course, or one of yours.

    Raises as :func:`load_checkpoint`, and ValueError when the file holds another network.

    >>> network = weights.load_features64()
    >>> network(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 128])
    """
    path = shipped_path("features64") if path is None else Path(path)
    return _filled(FeatureNet64(), load_checkpoint(path), f"{path} holds no FeatureNet64")


def vgg16_conv4_3(path: str | os.PathLike, *, signed: bool = False) -> VGG16:
    """torchvision's VGG16 file (``vgg16-397923af.pth``, or any of that layout) up to conv4_3; further layers are left.

    signed: as in :class:`~ganprior_null.layers.VGG16`. Raises as :func:`load_checkpoint`, and ValueError when tensors
    are missing or of other shapes.
    """
    tensors = load_checkpoint(path)
    kept = {k: v for k, v in tensors.items() if (m := re.match(r"features\.(\d+)\.", k)) and int(m[1]) <= VGG16_LAST}
    return _filled(VGG16(signed=signed), kept, f"{path} holds no VGG16 of torchvision's layout")


def load_irse50(path: str | os.PathLike) -> IRSE50:
    """ArcFace's IR-SE-50 (``model_ir_se50.pth``, with its published names), for the identity loss.

    Raises as :func:`load_checkpoint`, and ValueError when the file holds another network.
    """
    return _filled(IRSE50(), load_checkpoint(path), f"{path} holds no IR-SE-50")


def load_inception(path: str | os.PathLike) -> Inception:
    """The network of :func:`ganprior_null.metrics.fid` from torch-fidelity's own file of Inception weights.

    That is ``weights-inception-2015-12-05-6726825d.pth`` of its releases. Raises RuntimeError without torch-fidelity,
    ValueError for another network, and as :func:`load_checkpoint`.
    """
    try:
        from torch_fidelity import FeatureExtractorInceptionV3
    except ImportError as error:
        raise RuntimeError(f"FID needs torch-fidelity: pip install 'ganprior-null[fid]' ({error})") from error
    load_checkpoint(path)  # refuses pickled code, which torch-fidelity would run
    try:
        extractor = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
        )
    except RuntimeError as error:
        raise ValueError(f"{path} is not torch-fidelity's Inception network") from error
    return Inception(extractor).requires_grad_(False).eval()


def _filled(module: M, tensors: Mapping[str, Tensor], complaint: str) -> M:
    report = compare(module, tensors)
    if not report.exact:
        raise ValueError(f"{complaint}: {report}")
    check_finite_weights(tensors)
    module.load_state_dict(tensors)
    return module.requires_grad_(False).eval()
