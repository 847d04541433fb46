"""KernelGAN: one training step with the generator collapsed to its kernel, against the plain stack of convolutions.

    python benchmarks/kernelgan.py                   # one thread, processor time
    python benchmarks/kernelgan.py --threads 2       # wall time
    python benchmarks/kernelgan.py --out kernelgan.json

The plain step is the published algorithm as written: G by its six convolutions, its kernel by passing a delta through
them, D by convolutions under ``torch.nn.utils.parametrizations.spectral_norm``. Both steps run on the same crops, in
turn, in one process; the figure is the median over the rounds of the ratio of their times in the same round, so that a
busy machine slows both alike. Target: ours at most one sixth of the plain stack. Before timing, the two generators'
outputs, kernels and gradients are compared.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganprior_null.data import photographs
from ganprior_null.kernelgan import REPAIRED, DeepLinearGenerator
from ganprior_null.kernelgan.duel import Duel
from ganprior_null.kernelgan.losses import adversarial, bicubic_kernel, penalty

LIMIT = 1 / 6  # of the plain stack's time
FILTERS = (7, 5, 3, 1, 1, 1)


class Plain:
    """The algorithm as it is published, layer by layer; one crop a step."""

    def __init__(self, image: Tensor):
        widths = [1, 64, 64, 64, 64, 64, 1]
        layers = [
            nn.Conv2d(a, b, side, stride=2 if i == 5 else 1, bias=False)
            for i, (a, b, side) in enumerate(zip(widths, widths[1:], FILTERS, strict=False))
        ]
        hidden = [m for _ in range(5) for m in (spectral_norm(nn.Conv2d(64, 64, 1)), nn.BatchNorm2d(64), nn.ReLU(True))]
        self.G = nn.Sequential(*layers)
        self.D = nn.Sequential(
            spectral_norm(nn.Conv2d(3, 64, 7)), *hidden, spectral_norm(nn.Conv2d(64, 1, 1)), nn.Sigmoid()
        )
        self.optimisers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (self.G, self.D)]
        self.image = image

    def kernel(self) -> Tensor:
        """A delta through the filters at stride 1, turned by 180 degrees."""
        h = F.pad(torch.ones(1, 1, 1, 1), (12,) * 4)
        for layer in self.G:
            h = F.conv2d(h, layer.weight)
        return h[0, 0].flip(0, 1)

    def generate(self, x: Tensor) -> Tensor:
        """(1, 3, H, W): the channels as a batch of gray images."""
        return self.G(x.transpose(0, 1)).transpose(0, 1)

    def step(self) -> None:
        x, real = 2 * self.image[None, :, :64, :64] - 1, 2 * self.image[None, :, :26, :26] - 1
        loss = adversarial(self.D(self.generate(x)), real=True) + penalty(self.kernel(), REPAIRED.weights)
        self._descend(0, loss)
        fake = self.generate(x).detach()
        self._descend(1, (adversarial(self.D(real), real=True) + adversarial(self.D(fake), real=False)) / 2)

    def _descend(self, which: int, loss: Tensor) -> None:
        self.optimisers[which].zero_grad()
        loss.backward()
        self.optimisers[which].step()


def check(plain: Plain, image: Tensor) -> float:
    """Largest relative gap of kernel, output and the filters' gradients between the two forms of G."""
    ours = DeepLinearGenerator(FILTERS)
    for w, layer in zip(ours.weights, plain.G, strict=True):
        w.data.copy_(layer.weight.data)
    x = 2 * image[None, :, :64, :64] - 1
    pairs = [(ours.kernel(), plain.kernel()), (ours(x), plain.generate(x))]
    weight = torch.randn(pairs[1][0].shape)
    pairs += zip(
        torch.autograd.grad((pairs[1][0] * weight).sum(), list(ours.parameters())),
        torch.autograd.grad((pairs[1][1] * weight).sum(), list(plain.G.parameters())),
        strict=True,
    )
    return max(float(((a - b).norm() / b.norm()).detach()) for a, b in pairs)


def measure(steps: dict[str, Callable[[], object]], rounds: int, each: int, clock: Callable) -> dict[str, list[float]]:
    """{name: seconds a step, per round}, in turn; the first round warms up."""
    seconds = {name: [] for name in steps}
    for i in range(rounds + 1):
        for name, step in steps.items():
            start = clock()
            for _ in range(each):
                step()
            if i:
                seconds[name].append((clock() - start) / each)
    return seconds


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--each", type=int, default=5, help="steps per round")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    clock = time.thread_time if options.threads == 1 else time.perf_counter
    image = photographs(256, 1)[0]
    torch.manual_seed(0)
    plain = Plain(image)
    gap = check(plain, image)
    # one crop of 64 pixels a step, as the plain stack has, then our own recipe
    count = {"steps": (options.rounds + 1) * options.each}
    start = bicubic_kernel()
    same = Duel(image, replace(REPAIRED, starts=1, crops=1, crop=64, **count), [0], start)
    ours = Duel(image, replace(REPAIRED, **count), list(range(REPAIRED.starts)), start)
    steps = {"plain stack": plain.step, "collapsed, same crops": same.step, "all searches of our recipe": ours.step}
    seconds = measure(steps, options.rounds, options.each, clock)
    ratios = {
        name: statistics.median(a / b for a, b in zip(values, seconds["plain stack"], strict=True))
        for name, values in seconds.items()
    }
    print(f"relative gap of kernel, output and gradients: {gap:.1e}")
    for name, ratio in ratios.items():
        print(f"{name:28} {ratio:.3f} of the plain stack ({1 / ratio:.1f} times faster)")
    if options.out:
        options.out.write_text(json.dumps({"ratios": ratios, "gap": gap, "threads": options.threads}, indent=1) + "\n")
    good = gap < 1e-5 and ratios["collapsed, same crops"] <= LIMIT
    print("ok" if good else f"not within one sixth ({LIMIT:.3f}), or the two do not agree")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
