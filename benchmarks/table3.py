"""A training step of every system of Table 3 against one of GLEAN, 8x around faces64 with PD, side by side in one run.

    python benchmarks/table3.py                  # the night profile: batch 8, RRDB 32 x 3
    python benchmarks/table3.py gpen gfpgan      # those alone

A step is what ``train restorer`` repeats once D has joined: the network, PD, all losses of the system, D, both Adams.
Rounds take the systems in turn; seconds are of the processor, on one thread, so that other programs do not count; the
figure is the median of the rounds' ratios. Target: 1.5 for GPEN and GFP-GAN.
"""

import argparse
import statistics
import time

import torch

from ganprior_null import AveragePool
from ganprior_null.data import faces
from ganprior_null.experiments.models import MODELS
from ganprior_null.experiments.restorer import Experiment, build, measure, recipe_of
from ganprior_null.profiles import restorer
from ganprior_null.training import make_fabric, resolve_precision
from ganprior_null.training.restore import restorer_state, restorer_step
from ganprior_null.weights import load_discriminator, load_features64, load_prior

FACTOR = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=6, help="after one that is thrown away (default 6)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    precision = resolve_precision("auto")
    fabric, profile = make_fabric(precision=precision, accelerator="cpu"), restorer("night", gan_from=0)
    prior, features = load_prior("faces64").generator, load_features64()
    x = faces(profile.global_batch, prior.size)
    y, steps, seconds = measure(AveragePool(FACTOR), x), {}, {}
    for name in ["glean", *(name for name in options.models or MODELS if name != "glean")]:
        this, recipe = Experiment(model=name, factor=FACTOR), recipe_of(Experiment(model=name), profile)
        torch.manual_seed(0)
        state = restorer_state(build(this, prior, profile), load_discriminator("faces64"), recipe)
        step = restorer_step(lambda t: (x, y), AveragePool(FACTOR), recipe, features, features)
        steps[name], seconds[name] = (step, state), []
    for t in range(1, options.rounds + 2):  # 0 would have R1, as every sixteenth step
        for name, (step, state) in steps.items():
            start = time.process_time()
            step(fabric, state, t)
            seconds[name].append(time.process_time() - start)
    print(f"{precision}, batch {profile.global_batch}, {FACTOR}x, {options.rounds} rounds, one thread")
    for name, (_, state) in steps.items():
        ratios = [a / b for a, b in zip(seconds[name][1:], seconds["glean"][1:], strict=True)]
        learnt = sum(p.numel() for p in state["network"].parameters() if p.requires_grad) / 1e6
        told = f"{statistics.median(seconds[name][1:]):.3f} s, {statistics.median(ratios):.2f} GLEAN steps"
        print(f"{name}: {told}, {learnt:.1f} M parameters learn")


if __name__ == "__main__":
    main()
