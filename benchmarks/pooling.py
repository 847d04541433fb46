"""PD side by side with the equations as first published, with a bare copy of the image, exact bicubic and CEM.

    python benchmarks/pooling.py                     # 4 x 3 x 1024 x 1024 at 8x, two threads
    python benchmarks/pooling.py --threads 1         # processor time: steadier where other programs compete
    python benchmarks/pooling.py --device cuda --compile
    python benchmarks/pooling.py --out pooling.json

One process; every round times each entry once, in turn, and the figure is the median over the rounds of its ratio to
the reference in the same round, so that a busy machine slows all alike. Targets on a CPU: PD at least 5 times faster
than the transcription, at most 1.5 times the time of ``clone``, 0.6 in place. Before timing, every form of PD is
compared with the transcription. torch.compile gains nothing on a CPU: PD is two passes over memory already.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganprior_null import CEM, AveragePool, Resize, consistency_db, enforce_consistency
from ganprior_null.operators import cem_kernel


class MeanUpsample(nn.Module):
    """A^+ of pooling as repeat, reshape, permute, reshape: the transcription's half of the work."""

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def forward(self, y: Tensor) -> Tensor:
        n, c, h, w = y.shape
        s = self.factor
        x = y.reshape(n, c, h * w, 1).repeat(1, 1, 1, s * s)
        return x.reshape(n, c, h, w, s, s).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h * s, w * s)


def transcription(x_r: Tensor, y: Tensor, factor: int) -> Tensor:
    """A^+ y + x_r - A^+ A x_r, term by term (Eq. 11), with PyTorch's adaptive pooling for A."""
    down, up = nn.AdaptiveAvgPool2d(tuple(y.shape[-2:])), MeanUpsample(factor)
    return up(y) + x_r - up(down(x_r))


def entries(x_r: Tensor, y: Tensor, factor: int, compiled: bool, slow: bool) -> dict[str, Callable[[], object]]:
    """{name: () -> anything}: what is timed."""
    A = AveragePool(factor)
    scratch, last = x_r.clone(), x_r.contiguous(memory_format=torch.channels_last)
    leaf, grad = x_r.clone().requires_grad_(), torch.randn_like(x_r)

    def train(f: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        return lambda: torch.autograd.grad(f(leaf), leaf, grad)

    calls = {
        "clone": x_r.clone,
        "transcription": lambda: transcription(x_r, y, factor),
        "PD": lambda: enforce_consistency(x_r, y, A),
        "PD in place": lambda: enforce_consistency(scratch, y, A, inplace=True),
        "PD channels_last": lambda: enforce_consistency(last, y, A),
        "transcription, with gradient": train(lambda x: transcription(x, y, factor)),
        "PD, with gradient": train(lambda x: enforce_consistency(x, y, A)),
    }
    if compiled:
        fused = torch.compile(lambda x: enforce_consistency(x, y, A))
        calls |= {"PD compiled": lambda: fused(x_r), "PD compiled, with gradient": train(fused)}
    if slow:
        B, cem = Resize(tuple(x_r.shape[-2:]), factor), CEM(cem_kernel(factor), factor, tuple(x_r.shape[-2:]))
        calls |= {"exact bicubic": lambda: enforce_consistency(x_r, y, B), "CEM": lambda: cem(x_r, y)}
    return calls


def check(x_r: Tensor, y: Tensor, factor: int) -> float:
    """PSNR(LR) of PD in dB, the worst image, after asserting that every form of it gives the transcription's image."""
    A = AveragePool(factor)
    expected = transcription(x_r, y, factor)
    last = x_r.contiguous(memory_format=torch.channels_last)
    for x_hat in (A.enforce(x_r, y), A.enforce(x_r.clone(), y, inplace=True), A.enforce(last, y)):
        torch.testing.assert_close(x_hat, expected, rtol=0, atol=2e-6)
    return consistency_db(A, A.enforce(x_r, y), y).min().item()


def measure(calls: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """{name: seconds per round}, the calls in turn; one round to warm up."""
    seconds = {name: [] for name in calls}
    for i in range(rounds + 1):
        for name, call in calls.items():
            start = clock()
            result = call()
            elapsed = clock() - start
            del result  # giving the memory back is not timed
            if i:
                seconds[name].append(elapsed)
    return seconds


def make_clock(device: str, threads: int) -> Callable[[], float]:
    """Wall time; the processor's own on one CPU thread, which other programs do not lengthen."""
    if device == "cpu":
        return time.thread_time if threads == 1 else time.perf_counter

    def synchronised() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return synchronised


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=1024, help="HR side, pixels")
    parser.add_argument("--factor", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="also PD through torch.compile")
    parser.add_argument("--fast", action="store_true", help="leave out exact bicubic and CEM")
    parser.add_argument("--out", help="write the table as JSON to this file")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    generator = torch.Generator().manual_seed(0)
    x_r = torch.rand(args.batch, 3, args.size, args.size, generator=generator).to(args.device)
    y = torch.rand(args.batch, 3, args.size // args.factor, args.size // args.factor, generator=generator)
    y = y.to(args.device)
    decibels = check(x_r, y, args.factor)
    calls = entries(x_r, y, args.factor, args.compile, slow=not args.fast)
    seconds = measure(calls, args.rounds, make_clock(args.device, args.threads))
    table = {name: compare(name, seconds) for name in seconds}
    print(
        f"{args.batch} x 3 x {args.size} x {args.size} at {args.factor}x, {args.device}, {args.threads} threads, "
        f"{args.rounds} rounds; PSNR(LR) {decibels:.1f} dB"
    )
    print(f"{'':30}{'time / clone':>14}{'transcription / time':>24}")
    for name, row in table.items():
        print(f"{name:30}{row['clone']:14.2f}{row['speedup']:24.2f}")
    if args.out:
        with open(args.out, "w") as file:
            json.dump({"setting": vars(args), "psnr_lr_db": decibels, "median_ratios": table}, file, indent=2)
    return 0


def compare(name: str, seconds: dict[str, list[float]]) -> dict[str, float]:
    """Medians of the rounds' ratios: time over that of the copy, the transcription's (with gradient: too) over it."""
    plain = "transcription, with gradient" if name.endswith("with gradient") else "transcription"

    def median_ratio(above: str, below: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[above], seconds[below], strict=True))

    return {"clone": median_ratio(name, "clone"), "speedup": median_ratio(plain, name)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
