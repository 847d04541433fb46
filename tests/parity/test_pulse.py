"""Our search against the numbers of the published PULSE code; bounds are those stored with the vectors."""

import pytest
import torch

from ganprior_null.operators.pulse_bicubic import PulseBicubic
from ganprior_null.restorers.inversion.latents import LatentGaussian
from ganprior_null.restorers.inversion.loss import geocross, l1, l2
from ganprior_null.restorers.inversion.search import SCHEDULES, Samples


def near(a, b, atol):
    torch.testing.assert_close(a, b.to(a.dtype), rtol=0, atol=atol)


def test_geocross(vectors):
    d, atol = vectors("pulse_geocross")
    near(geocross(d["latent_4"].double()).sum(), d["geocross_4"], atol)
    near(geocross(d["latent_2"].double()).sum(), d["geocross_2"], atol)
    near(geocross(d["latent_same_seed62"].double().expand(1, 18, 512)).sum(), d["geocross_same"], atol)
    near(geocross(torch.eye(512, dtype=torch.float64)[None, :18]).sum(), d["geocross_orthogonal"], atol)


def test_l2_and_l1(vectors):
    d, atol = vectors("pulse_l2l1")
    difference = d["gen_lr"].double() - d["ref"].double()
    near(l2(difference, 2e-3).sum(), d["L2_eps2e3"], atol)
    near(l1(difference, 2e-3).sum(), d["L1_eps2e3"], atol)


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
def test_downscaling(vectors, factor):
    d, atol = vectors("pulse_bicubic")
    near(PulseBicubic(128, factor)(d["x"]), d[f"down_{factor}"], atol)


def test_spherical_adam(vectors):
    d, atol = vectors("pulse_spherical")
    samples = Samples([d["x0"]], [True])
    for step in (1, 2, 3):
        samples.step((samples.variables[0] - d["target"]).square().sum((1, 2)), lr=0.4)
        near(samples.variables[0].detach(), d[f"adam_step{step}"], atol)
    free = Samples([d["x0"]], [False])
    free.step((free.variables[0] - d["target"]).square().sum((1, 2)), lr=0.4)
    assert (free.variables[0] - d["adam_step1"]).abs().max() > 100 * atol  # without the sphere it is another step


def test_samples_that_leave_do_not_change_the_others(vectors):
    d, atol = vectors("pulse_spherical")
    samples, target = Samples([d["x0"]], [True]), d["target"]
    for step in (1, 2, 3):
        samples.step((samples.variables[0] - target).square().sum((1, 2)), lr=0.4)
        if step == 1:
            samples.keep(torch.tensor([False, True]))
            target = target[1:]
    near(samples.variables[0].detach(), d["adam_step3"][1:], atol)


@pytest.mark.parametrize("name", ["linear1cycle", "linear1cycledrop"])
def test_schedules(vectors, name):
    d, atol = vectors("pulse_misc")
    ours = torch.tensor([SCHEDULES[name](step, 100) for step in range(100)], dtype=torch.float64)
    near(ours, d[name], atol)


def test_codes(vectors):
    d, atol = vectors("pulse_misc")
    near(LatentGaussian(d["mean"], d["std"]).to_w(d["z"]), d["w"], atol)
