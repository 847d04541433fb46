"""A training step of GLEAN 8 -> 64 with PD, ours against the plain form, side by side in one run; and PD's share of it.

    python benchmarks/glean.py                       # 64 wide, RRDB 32 x 3, batch 16
    python benchmarks/glean.py --threads 1           # steadier where other programs compete for the cores
    python benchmarks/glean.py --bfloat16            # ours under autocast, for processors with AMX

A step: forward through network and PD, squared error and adversarial loss (1e-2) through the discriminator, gradients
of encoder, fusions and decoder, then the discriminator's loss on real and the same fake images, and its gradients; no
optimisers. The plain form is written out here and in stylegan2.py as functions of the same weights: grouped modulated
convolutions, FIR filters with the channels folded into the batch, contiguous float32, and the bank's RGB sum, which the
published code computes and throws away. Before timing, losses and gradients of both are compared, in float64, where
leaky ReLUs do not switch by rounding. Rounds alternate between the two; the figure is the median of their ratios.
Targets: 5 times, and 2 % for PD.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from stylegan2 import (
    BATCH,
    CHANNELS,
    SIZE,
    STYLE,
    check_equal,
    plain_activation,
    plain_discriminator,
    plain_fir,
    plain_modulated,
    seconds,
)
from torch import Tensor

from ganprior_null import GLEAN, AveragePool, StyleGAN2Discriminator, enforce_consistency, losses

IN_SIZE, RRDB_BLOCKS, RRDB_CHANNELS = 8, 3, 32
ADVERSARIAL = 1e-2  # weight of the adversarial loss


# The plain form ----------------------------------------------------------------------------------------------------


def plain_conv(p: dict, name: str, x: Tensor, stride: int = 1) -> Tensor:
    return F.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], stride=stride, padding=1)


def plain_lrelu(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def plain_stem(p: dict, y: Tensor) -> Tensor:
    first = x = plain_conv(p, "encoder.0.0.conv_first", y)
    for i in range(RRDB_BLOCKS):
        block = x
        for j in (1, 2, 3):
            seen, name = [x], f"encoder.0.0.body.{i}.rdb{j}.conv"
            for k in range(1, 5):
                seen.append(plain_lrelu(plain_conv(p, f"{name}{k}", torch.cat(seen, 1))))
            x = x + 0.2 * plain_conv(p, f"{name}5", torch.cat(seen, 1))
        x = block + 0.2 * x
    return first + plain_conv(p, "encoder.0.0.conv_body", x)


def plain_encoder(p: dict, y: Tensor) -> tuple[list[Tensor], Tensor]:
    """y -> features of sides 4 ... IN_SIZE, w_plus."""
    features = [plain_lrelu(plain_conv(p, "encoder.0.1", plain_stem(p, y)))]
    for k in range(1, int(math.log2(IN_SIZE)) - 1):
        x = plain_lrelu(plain_conv(p, f"encoder.{k}.0", features[-1], stride=2))
        features.append(plain_lrelu(plain_conv(p, f"encoder.{k}.2", x)))
    head = f"encoder.{len(features)}"
    x = plain_lrelu(plain_conv(p, f"{head}.0", features[-1])).flatten(1)
    w_plus = F.linear(x, p[f"{head}.3.weight"], p[f"{head}.3.bias"]).view(len(y), -1, STYLE)
    return features[::-1], w_plus


def plain_bank(p: dict, features: list[Tensor], w: Tensor) -> list[Tensor]:
    """Features of the sides above IN_SIZE; the RGB sum is made on the way."""

    def styled(name: str, x: Tensor, i: int) -> Tensor:
        x = plain_modulated(p, f"bank.{name}.conv", x, w[:, i])
        x = x + p[f"bank.{name}.noise.weight"] * p[f"bank.noises.noise_{i}"]
        return plain_activation(x, p[f"bank.{name}.activate.bias"])

    def to_rgb(name: str, x: Tensor, i: int) -> Tensor:
        return plain_modulated(p, f"bank.{name}.conv", x, w[:, i], demodulate=False) + p[f"bank.{name}.bias"]

    x = styled("conv1", p["bank.input.input"].repeat(len(w), 1, 1, 1), 0)
    rgb, grown = to_rgb("to_rgb1", x, 1), []
    for k in range(int(math.log2(SIZE)) - 2):
        if k < len(features):
            x = plain_conv(p, f"fusion_out.{k}", torch.cat([x, features[k]], 1))
            rgb = plain_conv(p, f"fusion_skip.{k}", torch.cat([rgb, features[k]], 1))
        x = styled(f"convs.{2 * k}", x, 2 * k + 1)
        x = styled(f"convs.{2 * k + 1}", x, 2 * k + 2)
        kernel = p[f"bank.to_rgbs.{k}.upsample.kernel"]
        rgb = to_rgb(f"to_rgbs.{k}", x, 2 * k + 3) + plain_fir(rgb, kernel, 2, 1, (2, 1))
        grown.append(x)
    return grown[len(features) - 1 :]


def plain_glean(p: dict, y: Tensor) -> Tensor:
    features, w_plus = plain_encoder(p, y)
    grown = plain_bank(p, features, w_plus)
    x = F.pixel_shuffle(plain_conv(p, "decoder.0.upsample_conv", features[-1]), 2)
    for i, g in enumerate(grown[:-1], 1):
        x = F.pixel_shuffle(plain_conv(p, f"decoder.{i}.upsample_conv", torch.cat([x, g], 1)), 2)
    last = f"decoder.{len(grown)}"
    return plain_conv(p, f"{last}.2", plain_lrelu(plain_conv(p, f"{last}.0", torch.cat([x, grown[-1]], 1))))


def plain_pd(x_r: Tensor, y: Tensor) -> Tensor:
    """A^+ y + (x_r - A^+ A x_r), as the paper's listing writes it."""
    low = F.avg_pool2d(x_r, SIZE // IN_SIZE)
    return F.interpolate(y, scale_factor=SIZE // IN_SIZE) + x_r - F.interpolate(low, scale_factor=SIZE // IN_SIZE)


# The step ----------------------------------------------------------------------------------------------------------


def make_step(g: Callable, pd: Callable, d: Callable, g_weights: list, d_weights: list, y: Tensor, x: Tensor):
    """() -> ((loss of G, its gradients), (loss of D, its gradients))."""

    def step():
        x_hat = pd(_wide(g(y)), y)
        g_loss = F.mse_loss(x_hat, x) + ADVERSARIAL * losses.generator_loss(_wide(d(x_hat)))
        g_grads = torch.autograd.grad(g_loss, g_weights)
        d_loss = losses.discriminator_loss(_wide(d(x)), _wide(d(x_hat.detach())))
        d_grads = torch.autograd.grad(d_loss, d_weights)
        return (float(g_loss.detach()), list(g_grads)), (float(d_loss.detach()), list(d_grads))

    return step


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def pd_alone(x_r: Tensor, y: Tensor, A: AveragePool) -> Callable:
    """PD forward and backward, its share of the step."""
    x_r = x_r.detach().requires_grad_()

    def run():
        x_hat = enforce_consistency(x_r, y, A)
        torch.autograd.grad(x_hat, x_r, torch.ones_like(x_hat))

    return run


def build() -> tuple[Callable, Callable, Callable]:
    """(our step, the plain step, PD alone), proved equal in float64, to be run in float32."""
    G = GLEAN(IN_SIZE, SIZE, CHANNELS, RRDB_BLOCKS, RRDB_CHANNELS, STYLE, 8).network
    D, A = StyleGAN2Discriminator(SIZE, CHANNELS), AveragePool(SIZE // IN_SIZE)
    learning = [w for name, w in G.named_parameters() if w.requires_grad and not name.startswith("fusion_skip")]
    weights = learning, list(D.parameters())
    x = torch.rand(BATCH, 3, SIZE, SIZE) * 2 - 1

    def steps(x: Tensor) -> tuple[Callable, Callable]:
        p, q = (
            dict(G.named_parameters()) | dict(G.named_buffers()),
            dict(D.named_parameters()) | dict(D.named_buffers()),
        )
        ours = make_step(G, lambda x_r, y: enforce_consistency(x_r, y, A), D, *weights, A(x), x)
        plain = make_step(lambda y: plain_glean(p, y), plain_pd, lambda x: plain_discriminator(q, x), *weights, A(x), x)
        return ours, plain

    G.double(), D.double()
    ours, plain = steps(x.double()[:4])
    for name, a, b in zip(("G", "D"), ours(), plain(), strict=True):
        check_equal(name, a, b, 1e-9)
    G.float(), D.float()
    return *steps(x), pd_alone(G(A(x)), A(x), A)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--bfloat16", action="store_true", help="ours under autocast")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    ours, plain, pd = build()

    def run_ours():
        with torch.autocast("cpu", torch.bfloat16) if options.bfloat16 else nullcontext():
            return ours()

    precision = "bfloat16" if options.bfloat16 else "float32"
    print(f"torch {torch.__version__}, {options.threads} threads, ours in {precision}")
    run_ours(), plain(), pd()
    rounds = [
        (seconds(plain), seconds(run_ours), statistics.median(seconds(pd) for _ in range(5)))
        for _ in range(options.rounds)
    ]
    ratios = [slow / fast for slow, fast, _ in rounds]
    shares = [alone / fast for _, fast, alone in rounds]
    print(f"step         {statistics.median(ratios):5.1f} times faster ({min(ratios):.1f} ... {max(ratios):.1f})")
    print(f"PD           {100 * statistics.median(shares):5.2f} % of our step")


if __name__ == "__main__":
    main()
