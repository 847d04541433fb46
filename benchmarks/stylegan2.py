"""StyleGAN2 training steps, ours against the plain form, side by side in one run.

    python benchmarks/stylegan2.py                   # G step, D step, R1, path length; 64 wide, 64 px, batch 16
    python benchmarks/stylegan2.py --bfloat16        # ours under autocast, for processors with AMX
    python benchmarks/stylegan2.py --threads 1       # steadier where other programs compete for the cores

The plain form is written out below, as a function of the same weights: FIR filters with the channels folded into the
batch, zeros inserted by padding; one modulated weight per image and a grouped convolution; a blur before every strided
convolution; float32, contiguous. Before timing, losses and gradients of both are compared. Rounds alternate between the
two, and the figure is the median of the rounds' ratios, so that a busy machine slows both alike. Targets: 3 for the G
and the D step; 8 with bfloat16 where AMX is.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from ganprior_null import losses
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator

SIZE, BATCH, STYLE = 64, 16, 64
CHANNELS = {4: 64, 8: 64, 16: 64, 32: 64, 64: 32}


# The plain form ----------------------------------------------------------------------------------------------------


def plain_fir(x: Tensor, kernel: Tensor, up: int, down: int, pad: tuple[int, int]) -> Tensor:
    n, c, h, w = x.shape
    x = F.pad(x.reshape(n * c, 1, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1))  # zeros after each pixel
    x = F.pad(x.reshape(n * c, 1, h * up, w * up), (*pad, *pad))
    x = F.conv2d(x, kernel.flip(0, 1)[None, None])[:, :, ::down, ::down]
    return x.reshape(n, c, *x.shape[2:])


def plain_activation(x: Tensor, bias: Tensor) -> Tensor:
    return F.leaky_relu(x + bias.view(1, -1, *(1,) * (x.ndim - 2)), 0.2) * math.sqrt(2)


def plain_linear(p: dict, name: str, x: Tensor, lr_mul: float = 1.0) -> Tensor:
    weight = p[f"{name}.weight"]
    return F.linear(x, weight * (lr_mul / math.sqrt(weight.shape[1])), p[f"{name}.bias"] * lr_mul)


def plain_modulated(p: dict, name: str, x: Tensor, w: Tensor, demodulate: bool = True) -> Tensor:
    weight = p[f"{name}.weight"]  # (1, out, in, k, k)
    _, out, channels, k, _ = weight.shape
    n, _, h, width = x.shape
    style = plain_linear(p, f"{name}.modulation", w).view(n, 1, channels, 1, 1)
    weight = weight / math.sqrt(channels * k * k) * style  # (N, out, in, k, k)
    if demodulate:
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    x = x.reshape(1, n * channels, h, width)
    if f"{name}.blur.kernel" in p:
        weight = weight.transpose(1, 2).reshape(n * channels, out, k, k)
        x = F.conv_transpose2d(x, weight, stride=2, groups=n)
        return plain_fir(x.reshape(n, out, *x.shape[2:]), p[f"{name}.blur.kernel"], 1, 1, (1, 1))
    x = F.conv2d(x, weight.reshape(n * out, channels, k, k), padding=k // 2, groups=n)
    return x.reshape(n, out, h, width)


def plain_mapping(p: dict, z: Tensor) -> Tensor:
    w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
    for i in range(1, 9):
        w = F.leaky_relu(plain_linear(p, f"style.{i}", w, 0.01), 0.2) * math.sqrt(2)
    return w


def plain_generator(p: dict, w: Tensor) -> Tensor:
    """w (N, L, D) -> image."""

    def styled(name: str, x: Tensor, i: int) -> Tensor:
        x = plain_modulated(p, f"{name}.conv", x, w[:, i]) + p[f"{name}.noise.weight"] * p[f"noises.noise_{i}"]
        return plain_activation(x, p[f"{name}.activate.bias"])

    def to_rgb(name: str, x: Tensor, i: int) -> Tensor:
        return plain_modulated(p, f"{name}.conv", x, w[:, i], demodulate=False) + p[f"{name}.bias"]

    x = styled("conv1", p["input.input"].repeat(len(w), 1, 1, 1), 0)
    rgb = to_rgb("to_rgb1", x, 1)
    for k in range(int(math.log2(SIZE)) - 2):
        x = styled(f"convs.{2 * k}", x, 2 * k + 1)
        x = styled(f"convs.{2 * k + 1}", x, 2 * k + 2)
        rgb = to_rgb(f"to_rgbs.{k}", x, 2 * k + 3) + plain_fir(rgb, p[f"to_rgbs.{k}.upsample.kernel"], 2, 1, (2, 1))
    return rgb


def plain_discriminator(p: dict, x: Tensor) -> Tensor:
    def conv(name: str, x: Tensor, **kwargs) -> Tensor:
        weight = p[f"{name}.weight"]
        return F.conv2d(x, weight / math.sqrt(weight[0].numel()), **kwargs)

    x = plain_activation(conv("convs.0.0", x), p["convs.0.1.bias"])
    for i in range(1, int(math.log2(SIZE)) - 1):
        name = f"convs.{i}"
        y = plain_activation(conv(f"{name}.conv1.0", x, padding=1), p[f"{name}.conv1.1.bias"])
        y = plain_fir(y, p[f"{name}.conv2.0.kernel"], 1, 1, (2, 2))
        y = plain_activation(conv(f"{name}.conv2.1", y, stride=2), p[f"{name}.conv2.2.bias"])
        x = plain_fir(x, p[f"{name}.skip.0.kernel"], 1, 1, (1, 1))
        x = (y + conv(f"{name}.skip.1", x, stride=2)) / math.sqrt(2)
    n, c, h, w = x.shape
    std = (x.view(4, n // 4, c, h, w).var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    x = torch.cat([x, std.repeat(4).view(n, 1, 1, 1).expand(n, 1, h, w)], 1)
    x = plain_activation(conv("final_conv.0", x, padding=1), p["final_conv.1.bias"]).flatten(1)
    x = F.leaky_relu(plain_linear(p, "final_linear.0", x), 0.2) * math.sqrt(2)
    return plain_linear(p, "final_linear.1", x)


# Steps -------------------------------------------------------------------------------------------------------------


def make_steps(g: Callable, d: Callable, mapping: Callable, x: Tensor, z: Tensor, y: Tensor) -> dict[str, Callable]:
    """{name: () -> loss} of the four parts of training, without the optimisers."""
    latents = 2 * int(math.log2(SIZE)) - 2

    def image(z: Tensor) -> tuple[Tensor, Tensor]:
        w = mapping(z)[:, None].expand(-1, latents, -1)
        return g(w), w

    def d_step() -> Tensor:
        with torch.no_grad():
            fake, _ = image(z)
        return losses.discriminator_loss(d(x), d(fake))

    def r1() -> Tensor:
        real = x.clone().requires_grad_()
        return losses.r1_penalty(d(real), real)

    def path() -> Tensor:
        fake, w = image(z[: BATCH // 2])
        return losses.path_length_penalty(losses.path_lengths(fake, w, y), 0.0)[0]

    return {"G step": lambda: losses.generator_loss(d(image(z)[0])), "D step": d_step, "R1": r1, "path length": path}


def gradients(loss: Callable, parameters: list[Tensor]) -> tuple[float, list[Tensor | None]]:
    value = loss()
    return float(value.detach()), list(torch.autograd.grad(value.float(), parameters, allow_unused=True))


def check_equal(name: str, ours: tuple, plain: tuple, tolerance: float) -> None:
    """Same loss and gradients, or the timing means nothing; relative to the largest gradient of the step."""
    top = max(float(g.abs().max()) for g in plain[1] if g is not None)
    pairs = [(a, b) for a, b in zip(ours[1], plain[1], strict=True) if a is not None and b is not None]
    gap = max(float((a - b).abs().max()) for a, b in pairs) / top
    if gap > tolerance or abs(ours[0] - plain[0]) > tolerance * max(1, abs(plain[0])):
        raise SystemExit(
            f"{name}: ours and the plain form differ, loss {ours[0]} and {plain[0]}, gradients by {gap:.1e}"
        )


def seconds(call: Callable) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bfloat16", action="store_true", help="ours under autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    G, D = StyleGAN2(SIZE, STYLE, 8, CHANNELS), StyleGAN2Discriminator(SIZE, CHANNELS)
    x, z, y = (
        torch.rand(BATCH, 3, SIZE, SIZE) * 2 - 1,
        torch.randn(BATCH, STYLE),
        torch.randn(BATCH // 2, 3, SIZE, SIZE),
    )
    p, q = dict(G.named_parameters()) | dict(G.named_buffers()), dict(D.named_parameters()) | dict(D.named_buffers())
    plain = make_steps(lambda w: plain_generator(p, w), lambda x: plain_discriminator(q, x),
                       lambda z: plain_mapping(p, z), x, z, y)  # fmt: skip
    ours = make_steps(G, D, G.mapping, x, z, y)
    precision = torch.autocast("cpu", torch.bfloat16) if options.bfloat16 else nullcontext()
    print(
        f"torch {torch.__version__}, {options.threads} threads, ours in {'bfloat16' if options.bfloat16 else 'float32'}"
    )
    for name in plain:
        parameters = list((D if name in ("D step", "R1") else G).parameters())

        def run_ours(name=name, parameters=parameters):
            with precision:
                return gradients(ours[name], parameters)

        def run_plain(name=name, parameters=parameters):
            return gradients(plain[name], parameters)

        check_equal(name, run_ours(), run_plain(), 0.1 if options.bfloat16 else 1e-4)
        ratios = [seconds(run_plain) / seconds(run_ours) for _ in range(options.rounds)]
        print(f"{name:12s} {statistics.median(ratios):5.1f} times faster ({min(ratios):.1f} ... {max(ratios):.1f})")


if __name__ == "__main__":
    main()
