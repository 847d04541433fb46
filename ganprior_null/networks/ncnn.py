"""Weights of the inference library ncnn: the ``.bin`` file holds them in the order in which the layers run."""

import os
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)

HALF = b"\x47\x6b\x30\x01"  # before the weights of a convolution: half precision, padded to 4 bytes


def read_ncnn(network: Network, path: str | os.PathLike) -> Network:
    """Fill a network, whose modules are defined in the order in which they run, from a ``.bin`` file; returns it.

    Kernels (four axes) lie there in half precision behind a tag, all else (biases, slopes, constants) as float32.
    Raises ValueError for a file that does not hold exactly these.
    """
    data, at = Path(path).read_bytes(), 0
    tensors = [t for m in network.modules() for t in (*m._parameters.values(), *m._buffers.values()) if t is not None]
    for tensor in tensors:
        if tensor.ndim == 4:
            if data[at : at + 4] != HALF:
                raise ValueError(f"{path} is no ncnn file of a {type(network).__name__}: no kernel at byte {at}")
            at += 4
        kind, stored = ("<f2", -(-tensor.numel() // 2) * 4) if tensor.ndim == 4 else ("<f4", 4 * tensor.numel())
        if at + stored > len(data):
            raise ValueError(f"{path} ends at byte {len(data)}, within the weights of a {type(network).__name__}")
        values = np.frombuffer(data, kind, tensor.numel(), at).astype(np.float32)
        tensor.data.copy_(torch.from_numpy(values).view_as(tensor))
        at += stored
    if at != len(data):
        raise ValueError(f"{path} holds {len(data) - at} bytes more than the weights of a {type(network).__name__}")
    return network
