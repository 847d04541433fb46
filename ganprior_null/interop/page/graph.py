"""A PyTorch module as a list of some 25 operations, which a page follows without PyTorch (``run.js``).

Traced once, for one image: every shape is known here, and the page infers none. Operations on parameters alone stay in
the list, and the page does them once, on loading: so the weights are stored as they were saved, and a restorer whose
bank is a shipped prior shares its bytes.
"""

import hashlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx
from torch._decomp import get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx

aten = torch.ops.aten
DECOMPOSED = [
    aten._native_batch_norm_legit_no_training,
    aten.native_batch_norm,
    aten.split_with_sizes,
    aten.pixel_shuffle,
]
# of one image, these leave the numbers as they are, in their order
VIEWS = ["view", "_unsafe_view", "unsqueeze", "squeeze", "alias", "detach", "clone", "lift_fresh_copy"]
FILLED = [aten.new_zeros.default, aten.ones_like.default, aten.zeros_like.default]  # values that no input changes
FOLDED = 1024  # numbers of a value of the parameters alone: up to so many it is stored, not computed on loading
INLINE = 16  # fewer numbers are written into the list


class Weights:
    """Constants as the bytes of one file, half precision where that is exact; those that ``prior`` holds stay there."""

    def __init__(self, file: str, prior: "Weights | None" = None):
        self.file, self.prior = file, prior
        self.data = bytearray()
        self.places: dict[bytes, tuple[str, str, int]] = {}

    def place(self, value: np.ndarray) -> tuple[str, str, int]:
        """float32 values -> ("half" or "single", the file they are in, their first byte there)."""
        half = value.astype("<f2")
        kind = "half" if np.array_equal(half.astype("<f4"), value) else "single"
        data = (half if kind == "half" else value.astype("<f4")).tobytes()
        digest = kind.encode() + hashlib.sha256(data).digest()
        if self.prior and digest in self.prior.places:
            return self.prior.places[digest]
        if digest not in self.places:
            self.data += bytes(-len(self.data) % 4)  # a page reads float32 from multiples of four bytes
            self.places[digest] = (kind, self.file, len(self.data))
            self.data += data
        return self.places[digest]

    def sizes(self) -> dict[str, int]:
        """{file: bytes} of this file and the prior's."""
        return {self.file: len(self.data)} | (self.prior.sizes() if self.prior else {})


def trace(function: Callable[..., Tensor | tuple[Tensor, ...]], inputs: dict[str, Tensor]) -> fx.GraphModule:
    """The operations that ``function(*inputs.values())`` calls, a gradient inside it included."""
    table = get_decompositions(DECOMPOSED) | {aten.convolution_backward.default: convolution_backward}
    with torch.no_grad():
        module = make_fx(lambda *values: function(*values), decomposition_table=table)(*inputs.values())
    module.graph.eliminate_dead_code()
    return module


def convolution_backward(grad, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups, wanted):
    """The gradient for the input, which is a convolution itself; NotImplementedError for any other."""
    if wanted[1] or wanted[2] or any(output_padding) or (not transposed and any(s != 1 for s in stride)):
        raise NotImplementedError("only the gradient for the input, of stride-1 and of transposed convolutions")
    none = [0] * len(stride)
    back = aten.convolution(grad, weight, None, stride, padding, dilation, not transposed, none, groups)
    return back, None, None


def write(module: fx.GraphModule, inputs: dict[str, Tensor], outputs: list[str], weights: Weights) -> dict:
    """A traced module -> what ``run.js`` takes, its constants in ``weights``; raises NotImplementedError.

    {inputs, outputs: by name, constants: [number, shape, values, or kind, file and first byte], nodes: [operation,
    number, shape, operands, attributes], values: how many numbers there are, files: {file: its length}}.
    """
    values, fixed = evaluate(module, inputs)
    result: Any = module.graph.output_node().args[0]  # a node, or several: fx allows for more
    results = list(result) if isinstance(result, list | tuple) else [result]
    wanted, names = needed(results, fixed), iter(inputs)
    numbers: dict[fx.Node, int] = {}
    graph: dict[str, Any] = {"inputs": {}, "outputs": {}, "constants": [], "nodes": []}
    for node in module.graph.nodes:
        if node.op == "placeholder":
            numbers[node], name = len(numbers), next(names)
            graph["inputs"][name] = [numbers[node], list(inputs[name].shape)]
        elif node in wanted and isinstance(values[node], Tensor):  # a list of parts is taken apart by getitem
            numbers[node] = len(numbers)
            value, head = values[node].detach(), [numbers[node], list(values[node].shape)]
            if node in fixed:
                graph["constants"].append([*head, *constant(value, weights)])
            else:
                name, operands, attributes = operation(node)
                graph["nodes"].append([name, *head, [numbers[n] for n in operands], attributes])
    graph["outputs"] = {name: numbers[result] for name, result in zip(outputs, results, strict=True)}
    return graph | {"values": len(numbers), "files": weights.sizes()}


def constant(value: Tensor, weights: Weights) -> list:
    if value.numel() < INLINE:
        return [value.flatten().tolist()]
    return list(weights.place(value.contiguous().float().numpy().ravel()))


def operation(node: Any) -> tuple[str, list[fx.Node], dict]:
    """A call, an fx.Node -> its name in ``run.js``, the values it takes, and its numbers."""
    if node.target is operator.getitem:
        parts, index = node.args
        if parts.target is not aten.unbind.int:
            raise NotImplementedError(f"a part of {parts.target}")
        return "select", [parts.args[0]], {"dim": 0, "index": index}
    name, attributes = node.target.overloadpacket.__name__, {}
    operands: list[fx.Node] = []
    for argument, given in zip(node.target._schema.arguments, node.args, strict=False):
        several = given if isinstance(given, list | tuple) and given else [given]
        if all(isinstance(value, fx.Node) for value in several):
            operands += several
        elif given is not None:
            attributes[argument.name] = given
    attributes |= {key: value for key, value in node.kwargs.items() if isinstance(value, int | float | list)}
    return ("view", operands, {}) if name in VIEWS else (name, operands, attributes)


def evaluate(module: fx.GraphModule, inputs: dict[str, Tensor]) -> tuple[dict, set]:
    """The value of every node, and which are stored: parameters, and small values that depend on no input."""
    values, live, fixed, given = {}, set(), set(), iter(inputs.values())
    for node in module.graph.nodes:
        if node.op == "placeholder":
            values[node] = next(given)
            live.add(node)
        elif node.op == "get_attr":
            values[node] = getattr(module, node.target)
            fixed.add(node)
        elif node.op == "call_function":
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: values[n])
            values[node] = node.target(*args, **kwargs)
            if node.target not in FILLED and live.intersection(node.all_input_nodes):
                live.add(node)
            elif isinstance(values[node], Tensor) and (node.target in FILLED or values[node].numel() <= FOLDED):
                fixed.add(node)
    return values, fixed


def needed(results: list[fx.Node], fixed: set) -> set:
    """The nodes that the results depend on; what a stored value was made from is not."""
    wanted, waiting = set(), list(results)
    while waiting:
        node = waiting.pop()
        if node not in wanted:
            wanted.add(node)
            waiting += [] if node in fixed else node.all_input_nodes
    return wanted
