"""What a training step takes before anything runs: its operations and its memory, from shapes alone.

The very steps that train run on PyTorch's meta device, or on fake tensors, which have shapes and no values; nothing is
allocated and no GPU is needed. What a machine's libraries need beside the tensors is not counted: ``SLACK`` is kept
for it. On a processor real steps took 1.02 to 1.19 times what is counted where that was 0.2 GB or more, as long as the
C library gives back what is freed; left to itself glibc keeps much of it, most of small networks: 1.8 times was seen at
64 pixels, 1.35 at 256.
"""

import contextlib
import dataclasses
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ..layers.features import FeatureNet64
from ..priors import StyleGAN2, StyleGAN2Discriminator
from ..profiles import Experiment, Prior
from ..profiles import Restorer as Profile
from ..training.gan import gan_state, gan_step
from ..training.restore import restorer_state, restorer_step
from . import prior as priors
from . import restorer as restorers

GB = 1e9
SLACK = 1.25  # of what tensors take: a GPU's, whose `make gpu-check` measures what a step really takes


class Needs(NamedTuple):
    """Bytes of a training step that grow with the images of a step, and those that do not; of a checkpoint."""

    fixed: float
    per_image: float
    checkpoint: float

    def at(self, batch: int) -> float:
        """Bytes of memory for a step of so many images, ``SLACK`` included."""
        return SLACK * (self.fixed + batch * self.per_image)

    def fitting(self, memory: float) -> int:
        """The largest multiple of four images, which D compares, whose step fits into so many bytes; 0 for none."""
        return max(0, 4 * int((memory / SLACK - self.fixed) / self.per_image / 4))


class Operations(TorchDispatchMode):
    """Counts multiplications and additions of convolutions and matrix products."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if _asks_for_a_value(func):
            return True
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


class Memory(TorchDispatchMode):
    """Follows the bytes of all tensors that live: ``peak`` is the most there were at once."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor's storage until it is freed, once."""
        storage = tensor.untyped_storage()
        if (key := storage._cdata) in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        weakref.finalize(storage, self._free, key, size)
        self.live += size
        self.peak = max(self.peak, self.live)

    def _free(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if _asks_for_a_value(func):
            return True
        out = func(*args, **(kwargs or {}))
        for each in tree_leaves(out):
            if isinstance(each, Tensor):
                self.hold(each)
        return out


def _asks_for_a_value(func) -> bool:
    """Whether an operation asks what is in a tensor, such as a check for NaN: there is nothing in ours."""
    return func is torch.ops.aten._local_scalar_dense.default


def alone(device: torch.device, autocast: Callable = nullcontext) -> SimpleNamespace:
    """The part of Fabric that a step uses, for one process."""
    same = {"all_reduce": lambda x, **_: x, "backward": lambda loss: loss.backward()}
    return SimpleNamespace(global_rank=0, world_size=1, device=device, autocast=autocast, **same)


def prior_step(profile: Prior, batch: int, device: torch.device):
    """(step, state) of a StyleGAN2's training, with that many images a step."""
    with device:
        G = StyleGAN2(profile.size, profile.style_dim, profile.n_mlp, profile.channels)
        D = StyleGAN2Discriminator(profile.size, profile.channels)
        x = torch.zeros(batch, 3, profile.size, profile.size)
    recipe = dataclasses.replace(priors.recipe_of(profile, 0), global_batch=batch)
    state = gan_state(G, D, recipe)
    state["path_mean"] = state["path_mean"].to(device)
    return gan_step(lambda t: x, recipe), state


def restorer_step_of(this: Experiment, prior: Prior, profile: Profile, batch: int, device: torch.device):
    """(step, state) of a restorer's training around a prior of these sizes; PD aside."""
    with device:
        G = StyleGAN2(prior.size, prior.style_dim, prior.n_mlp, prior.channels)
        D = StyleGAN2Discriminator(prior.size, prior.channels)
        network = restorers.build(this, G, profile)
        features = FeatureNet64().requires_grad_(False)
        x, y = (torch.zeros(batch, 3, side, side) for side in (prior.size, prior.size // this.factor))
    recipe = dataclasses.replace(restorers.recipe_of(this, profile), global_batch=batch)
    return restorer_step(lambda t: (x, y), None, recipe, features), restorer_state(network, D, recipe)


def operations(step: Callable, state: dict, kinds: dict[int, int]) -> float:
    """Operations of a step on average, on the meta device; kinds: {t: how many steps are like step t}."""
    _without_fused_adam(state)
    total = 0.0
    for t, often in kinds.items():
        with Operations() as counted:
            step(alone(torch.device("meta")), state, t)
        total += often * counted.total
    return total / sum(kinds.values())


def needs(make: Callable[[int, torch.device], tuple], precision: str = "32-true") -> Needs:
    """What the training takes whose (step, state) ``make(batch, device)`` gives, at one of Fabric's precisions."""
    (small, checkpoint), (large, _) = (_peak(make, batch, precision) for batch in (4, 8))
    per_image = (large - small) / 4
    return Needs(small - 4 * per_image, per_image, checkpoint)


def _peak(make: Callable, batch: int, precision: str) -> tuple[int, int]:
    """(most bytes at once in the costliest step, bytes of the state) with fake tensors on the CPU."""
    half = precision == "bf16-mixed"
    autocast = (lambda: torch.autocast("cpu", torch.bfloat16)) if half else nullcontext
    with _one_thread(), warnings.catch_warnings(), FakeTensorMode(allow_non_fake_inputs=True):
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # copy.deepcopy does
        step, state = make(batch, torch.device("cpu"))
        _without_fused_adam(state)
        with Memory() as memory:
            for module in (value for value in state.values() if isinstance(value, nn.Module)):
                for tensor in (*module.parameters(), *module.buffers()):
                    memory.hold(tensor)
            for _ in range(2):  # Adam's moments are there from the first step on
                step(alone(torch.device("cpu"), autocast), state, 0)
        return memory.peak, sum(tensor.nbytes for tensor in _stored(state))


def _stored(state: dict) -> Iterator[Tensor]:
    """The tensors of a checkpoint."""
    for value in state.values():
        held = value.state_dict() if hasattr(value, "state_dict") else value
        yield from (each for each in tree_leaves(held) if isinstance(each, Tensor))


def _without_fused_adam(state: dict) -> None:
    for optimizer in (each for each in state.values() if isinstance(each, torch.optim.Optimizer)):
        for group in optimizer.param_groups:
            group["fused"] = False  # it has no form for shapes alone


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Shapes keep no second core busy."""
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(former)
