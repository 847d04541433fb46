"""A checkpoint layout is data: where a network's tensors lie and how their names become ours."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from torch import Tensor

from ..profiles import did_you_mean

WRAPPERS = ("state_dict.", "params_ema.", "params.")  # what trainers put around a network, best first
WRAPPED_MODULE = re.compile(r"(?<![^.])(module|_orig_mod)\.")  # DistributedDataParallel, torch.compile
AVERAGED = ("g_ema.", "g.", "")  # where StyleGAN2's trainers keep the generator, best first: the moving average
MEAN = "latent_avg"  # the mean of w, beside the network's own tensors


# (pattern, replacement), as re.sub takes them
Names = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]


class Layout(NamedTuple):
    """A foreign layout.

    parts: for each network, the prefixes its tensors may have in the flattened checkpoint, best first; a checkpoint
    with none of them is a bare state dict. names: (pattern, replacement), all applied in order to the rest of a name.
    landmarks: for a part whose prefix others may have too, tensors of which one must lie under it. beside: tensors that
    lie next to the network's own and belong to it. adapt: what renaming cannot do, applied last.
    """

    parts: dict[str, tuple[str, ...]]
    names: Names = ()
    landmarks: dict[str, tuple[str, ...]] = {}
    beside: tuple[str, ...] = ()
    adapt: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict


def flatten(checkpoint: Mapping) -> dict[str, Tensor]:
    """The tensors of nested dicts, levels joined by dots: {"g_ema": {"a.b": t}, "p": 0.1} -> {"g_ema.a.b": t}.

    Without what wrappers add: ``module.`` and ``_orig_mod.`` go from the names; of a ``state_dict``, or else of
    ``params_ema``, only what lies within is kept, and the ``latent_avg`` beside it. Raises ValueError when two names
    become one.
    """
    flat = {}
    for key, value in _joined(checkpoint):
        name = WRAPPED_MODULE.sub("", key)
        if name in flat:
            raise ValueError(f"two tensors would both be called {name!r}; one of them is {key!r}")
        flat[name] = value
    return _unwrapped(flat)


def _joined(checkpoint: Mapping, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    for key, value in checkpoint.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping):
            yield from _joined(value, f"{prefix}{key}.")


def _unwrapped(flat: dict[str, Tensor]) -> dict[str, Tensor]:
    for wrapper in WRAPPERS:
        if inner := {key.removeprefix(wrapper): value for key, value in flat.items() if key.startswith(wrapper)}:
            return _unwrapped({key: flat[key] for key in (MEAN,) if key in flat} | inner)
    return flat


def select(flat: Mapping[str, Tensor], layout: Layout, part: str | None) -> dict[str, Tensor]:
    """The tensors of one network, prefix removed. part None: the first of layout.parts that the checkpoint holds.

    Those of layout.beside are added as they are.

    Raises ValueError for a part the layout does not know, and when the checkpoint holds only other parts.
    """
    if part is not None and part not in layout.parts:
        raise ValueError(f"unknown part {part!r}{did_you_mean(part, layout.parts)}")
    found = {}
    for name, prefixes in layout.parts.items():
        for prefix in prefixes:
            if name in layout.landmarks and not any(prefix + mark in flat for mark in layout.landmarks[name]):
                continue
            tensors = {key.removeprefix(prefix): value for key, value in flat.items() if key.startswith(prefix)}
            if tensors:
                found[name] = tensors
                break
    if not found:
        return dict(flat)  # a bare state dict
    if part is not None and part not in found:
        raise ValueError(f"the checkpoint holds no {part}, only: {', '.join(found)}")
    beside = {key: flat[key] for key in layout.beside if key in flat}
    return (found[part] if part else next(iter(found.values()))) | beside


def fits(flat: Mapping[str, Tensor], layout: Layout) -> bool:
    """Whether a flattened checkpoint holds a landmark of this layout."""
    marks = [(layout.parts[part], names) for part, names in layout.landmarks.items()]
    return any(prefix + name in flat for prefixes, names in marks for prefix in prefixes for name in names)


def rename(state_dict: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    """The same tensors under our names. Raises ValueError when two names become one."""
    renamed = {}
    for key, value in state_dict.items():
        ours = key
        for pattern, replacement in names:
            ours = re.sub(pattern, replacement, ours)
        if ours in renamed:
            raise ValueError(f"two tensors would both be called {ours!r}; one of them is {key!r}")
        renamed[ours] = value
    return renamed
