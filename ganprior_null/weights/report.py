"""Strict loading that says what happened: how many tensors arrived, and why not when they did not."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checks import holds
from .infer import describe, infer, make


@dataclass(frozen=True)
class LoadReport:
    """What a state dict and a module have in common. ``exact`` only if every tensor of each is in the other.

    >>> G = StyleGAN2(8, style_dim=8, n_mlp=2, channels={4: 8, 8: 8})
    >>> str(weights.compare(G, G.state_dict())).split(",")[0]
    '33 tensors loaded'
    """

    loaded: tuple[str, ...]  # names with equal shapes
    missing: tuple[str, ...]  # of the module, not in the state dict
    unexpected: tuple[str, ...]  # of the state dict, not in the module
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]  # (name, shape in state dict, in module)
    drawn: tuple[str, ...] = ()  # of the loaded, those that the source lacked and that were drawn for it

    @property
    def exact(self) -> bool:
        return bool(self.loaded) and not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        """One line: how many tensors loaded; when not all, the counts of the other kinds, with an example of each."""
        lines = [f"{len(self.loaded)} tensors loaded"]
        for kind in ("missing", "unexpected", "mismatched"):
            if names := getattr(self, kind):
                lines.append(f"{len(names)} {kind} (such as {_example(names[0])})")
        if self.drawn:
            lines.append(f"{len(self.drawn)} of them drawn with seed 0, for the file has none ({self.drawn[0]}, ...)")
        return ", ".join(lines)


def compare(module: nn.Module, state_dict: Mapping[str, Tensor]) -> LoadReport:
    """The report that loading would give; nothing is loaded."""
    ours = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in state_dict.items()}
    common = [key for key in ours if key in theirs]
    return LoadReport(
        loaded=tuple(key for key in common if ours[key] == theirs[key]),
        missing=tuple(key for key in ours if key not in theirs),
        unexpected=tuple(key for key in theirs if key not in ours),
        mismatched=tuple((key, theirs[key], ours[key]) for key in common if ours[key] != theirs[key]),
    )


def load_weights(module: nn.Module, state_dict: Mapping[str, Tensor]) -> LoadReport:
    """Copy all tensors into the module, in its own dtype and device, or none at all.

    Raises ValueError, with the module untouched, unless names and shapes agree exactly and all values are finite; the
    message says what network the weights look like and what the module is.
    """
    report = compare(module, state_dict)
    if not report.exact:
        looks, is_ = describe(state_dict), describe(module.state_dict())
        raise ValueError(f"the weights do not fit: this looks like {looks}; the model is {is_}; {report}")
    check_finite_weights(state_dict)
    module.load_state_dict(state_dict, strict=True)
    return report


def check_finite_weights(tensors: Mapping[str, Tensor]) -> None:
    """ValueError, naming one, when tensors hold NaN or infinity."""
    bad = [key for key, value in tensors.items() if holds(torch.isfinite(value).all()) is False]
    if bad:
        raise ValueError(f"the weights hold NaN or infinite values, in {len(bad)} tensors (such as {bad[0]})")


def build(state_dict: Mapping[str, Tensor]) -> nn.Module:
    """The network of the inferred sizes with these weights (our names), loaded strictly, in evaluation mode.

    A StyleGAN2, its discriminator, Panini-Net's degradation encoder; an RRDBNet, which speaks [0, 1]; or a bare GLEAN,
    Panini, PaniniMFR, PDN, pSp, GFP-GAN or GPEN, which :class:`~ganprior_null.restorers.Restorer` takes to [0, 1].

    Raises ValueError when the tensors are not exactly those of one such network.

    >>> G = StyleGAN2(8, style_dim=8, n_mlp=2, channels={4: 8, 8: 8})
    >>> type(weights.build(G.state_dict())).__name__
    'StyleGAN2'
    """
    network = make(*infer(state_dict))
    load_weights(network, state_dict)
    return network.eval()


def _example(entry: str | tuple) -> str:
    return entry if isinstance(entry, str) else f"{entry[0]}: {entry[1]} for {entry[2]}"
