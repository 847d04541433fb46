"""Every image of a store decoded once, before a run begins: what is damaged or too small is known then, all of it.

For a store that is larger than memory the result is remembered, in the cache folder, for as long as names, sizes and
times of change stay: FFHQ is read through once, not at every start.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from tqdm.auto import tqdm

from ..names import printable
from ..places import cache_folder
from ..storage import read_json, write_json
from .crops import square
from .folders import refuse_broken, refuse_small
from .stores import Store

AT_ONCE = 256  # images between two looks at the results: futures take memory too


class Checked(NamedTuple):
    """{name: what is wrong}, and {name: (height, width)} of those that hold no square of the size."""

    broken: dict[str, str]
    small: dict[str, tuple[int, int]]


def check(
    store: Store, size: int, *, skip_broken: bool, keep: Callable[[int, Tensor], object] | None = None
) -> list[int]:
    """The numbers of the images that can be used. keep(i, (1, 3, size, size) in [0, 1]) is given each, in order.

    Without ``keep`` a result that is remembered is taken. Raises ValueError with all that are damaged, unless they are
    to be left out, which is a warning, and with all that are too small.
    """
    found = None if keep else _remembered(store, size)
    if found is None:
        found = look_through(store, size, keep)
        if not keep:
            _remember(store, size, found)
    left_out = found.broken.keys() | found.small.keys()
    refuse_broken(store.place, found.broken, skip_broken, others=len(found.broken) < len(store.names))
    refuse_small(store.place, found.small, size)
    return [i for i, name in enumerate(store.names) if name not in left_out]


def look_through(store: Store, size: int, keep: Callable[[int, Tensor], object] | None = None) -> Checked:
    """Decode every image, by as many threads as there are cores."""
    found, prefix = Checked({}, {}), f"{printable(str(store.place))}{os.sep if store.place.is_dir() else ':'}"

    def look(i: int) -> tuple[str | tuple[int, int], Tensor | None]:
        """(what is wrong, or else height and width; the square, where it is to be kept)."""
        try:
            x = store.read(i)
        except ValueError as error:
            return str(error).removeprefix(prefix), None
        height, width = x.shape[-2:]
        return (height, width), square(x, size) if keep and min(height, width) >= size else None

    bar = tqdm(total=len(store.names), unit="image", desc=f"reading {store.place.name}", disable=bool(keep))
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for some in _runs(len(store.names)):
            for i, (seen, x) in zip(some, pool.map(look, some), strict=True):
                if isinstance(seen, str):
                    found.broken[store.names[i]] = seen
                elif min(seen) < size:
                    found.small[store.names[i]] = seen
                elif keep and x is not None:
                    keep(i, x)
            bar.update(len(some))
    return found


def _runs(count: int) -> Iterator[range]:
    return (range(first, min(first + AT_ONCE, count)) for first in range(0, count, AT_ONCE))


def _file(store: Store, size: int) -> Path:
    key = f"{store.place.resolve()}/{size}/{store.mark()}"
    return cache_folder() / "checked" / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:32]}.json"


def _remembered(store: Store, size: int) -> Checked | None:
    try:
        held = read_json(_file(store, size))
        return Checked(held["broken"], {name: (h, w) for name, (h, w) in held["small"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or of no use
        return None


def _remember(store: Store, size: int, found: Checked) -> None:
    """Two runs may write the same entry: each writes it whole, and both write the same."""
    try:
        write_json(_file(store, size), found._asdict())
    except OSError as error:
        warnings.warn(f"the next start reads all images again: nothing can be noted ({error})", stacklevel=2)
