"""The shipped networks in a web page: no server, no library, no download from elsewhere; also from a folder.

A page asks for files by name: ``program``, what runs a network; ``faces64`` and the like, lists of operations; and
their weights in parts, ``faces64-0``, ``faces64-1``, ... On a site each is a script, since a page in a folder may load
one but may not fetch a file; in JupyterLab Python sends them.
"""

import base64
import functools
import json
from collections.abc import Iterable
from pathlib import Path

from torch.fx import GraphModule

from .graph import Weights, trace, write
from .networks import PageNetwork, page_network

HERE = Path(__file__).parent
PART = 750_000  # bytes of weights in one file: the progress bar moves once for each


@functools.lru_cache(maxsize=1)
def program() -> dict[str, str]:
    """What runs a list of operations: the text of a worker, and its kernels in base64."""
    kernels = (HERE / "kernels.base64").read_text("ascii")
    return {"worker": (HERE / "run.js").read_text("utf-8"), "kernels": "".join(kernels.split())}


@functools.lru_cache(maxsize=16)
def traced(name: str) -> tuple[PageNetwork, GraphModule]:
    """The network of this name and its operations."""
    network = page_network(name)
    return network, trace(network.module.eval(), network.inputs)


def page_files(names: Iterable[str]) -> dict[str, dict | bytes]:
    """The files for these networks, see :func:`~.networks.page_network`, and for the priors whose weights they share.

    Raises ValueError for a name that no shipped network has.
    """
    priors = {prior for name in names if (prior := traced(name)[0].prior)}
    weights: dict[str, Weights] = {}
    files: dict[str, dict | bytes] = {"program": program()}
    for name in [*priors, *(name for name in names if name not in priors)]:
        network, module = traced(name)
        weights[name] = Weights(name, weights.get(network.prior or ""))
        files[name] = write(module, network.inputs, network.outputs, weights[name]) | {"part": PART}
        data = bytes(weights[name].data)
        files |= {f"{name}-{i // PART}": data[i : i + PART] for i in range(0, len(data), PART)}
    return files


def export(names: Iterable[str], folder: Path) -> None:
    """Write the files for these networks as scripts into ``folder``: each adds itself to ``ganpriorFiles``."""
    folder.mkdir(parents=True)
    for name, value in page_files(names).items():
        content = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        text = (
            f"(globalThis.ganpriorFiles ??= {{}})[{json.dumps(name)}] = {json.dumps(content, separators=(',', ':'))};"
        )
        (folder / f"{name}.js").write_text(f"{text}\n", "utf-8")
