"""Our pieces against the published program's numbers; each bound is the one stored with the vector."""

import torch
import torch.nn.functional as F

from ganprior_null.kernelgan import DeepLinearGenerator, kernel_x4, post_process
from ganprior_null.kernelgan.crops import crop_probabilities, gradient_map
from ganprior_null.kernelgan.kernels import composed, drop_small
from ganprior_null.kernelgan.losses import (
    bicubic_kernel,
    bicubic_loss,
    bicubic_target,
    boundaries,
    boundary_mask,
    centring,
    sparsity,
    sum_to_one,
)
from ganprior_null.kernelgan.recipe import PublishedSchedule


def near(a, b, atol):
    torch.testing.assert_close(a, b.to(a.dtype), rtol=0, atol=atol)


def test_extracted_kernel_and_output(vectors):
    d, atol = vectors("kg_generator")
    G = DeepLinearGenerator()
    for i, w in enumerate(G.weights):
        w.data.copy_(d[f"w{i}"])
    near(G.kernel(), d["kernel"], atol)
    near(G(d["x"]), d["out"], atol)
    near(G.stacked(d["x"]), d["out"], atol)


def test_penalties(vectors):
    d, atol = vectors("kg_regularisers")
    near(boundary_mask(d["k_gauss"].double()), d["mask"], atol)
    for name in ("gauss", "random", "bicubic_like", "neg_border"):
        k = d[f"k_{name}"]
        ours = torch.stack([f(k) for f in (sum_to_one, boundaries, centring, sparsity)])
        near(ours, d[f"losses_{name}"], atol)


def test_post_processing(vectors):
    """Theirs grows by two zero rings, which ours cuts off: the centre of mass stays in the middle of the cell."""
    d, atol = vectors("kg_regularisers")
    for name in ("gauss", "bicubic_like", "neg_border"):
        k = d[f"k_{name}"]
        near(drop_small(k), d[f"zeroized_{name}"], atol)
        near(post_process(k), d[f"post_{name}"][2:-2, 2:-2], atol)


def test_x4_kernel(vectors):
    d, atol = vectors("kg_regularisers")
    for name in ("gauss", "bicubic_like", "neg_border"):
        k = d[f"k_{name}"].double()
        theirs = composed(k)[6:-6, 6:-6]
        near(theirs / theirs.sum(), d[f"x4raw_{name}"], atol)
        # ours begins one weight later: theirs is one HR pixel off the middle of the 4 x 4 cell
        ours = kernel_x4(k / k.sum())
        gap = ours[:-1, :-1] / ours[:-1, :-1].sum() - theirs[1:, 1:] / theirs[1:, 1:].sum()
        assert gap.abs().max() < 1e-6


def test_bicubic_start(vectors):
    d, atol = vectors("kg_bicubic_loss")
    taps = d["bicubic_kernel"]
    near(bicubic_kernel()[3:11, 3:11], taps.double(), atol)
    near(bicubic_target(d["g_in"], channels_summed=True), d["target"], atol)
    near(bicubic_loss(d["g_out"], d["g_in"], channels_summed=True), d["loss"], atol)


def test_the_right_bicubic_target_is_another_one(vectors):
    d, _ = vectors("kg_bicubic_loss")
    assert (bicubic_target(d["g_in"]) - d["target"]).abs().max() > 0.1


def test_crop_sampling(vectors):
    d, atol = vectors("kg_sampling")
    image = d["im"].permute(2, 0, 1).double() / 255
    half = F.interpolate(image[None], scale_factor=0.5, mode="bicubic", antialias=True)[0]
    big, small = gradient_map(image), gradient_map(half)
    near(big, d["grad_big"], atol)
    near(small, d["grad_small"], atol)
    near(crop_probabilities(big, 26).flatten(), d["prob_big_crop26"], atol)
    spread = small.repeat_interleave(2, 0).repeat_interleave(2, 1)
    near(crop_probabilities(spread, 64).flatten(), d["prob_small_crop64"], atol)


def test_schedule(vectors):
    d, atol = vectors("kg_learner")
    schedule, last, steps, states = PublishedSchedule(), None, [], []
    for step, loss in enumerate(d["trace"].tolist()):
        schedule.update(step, loss)
        w = schedule.weights
        state = [w.bicubic, w.sparsity, w.centring, schedule.lr, float(schedule.similar)]
        if last is not None and state != last:
            steps.append(step)
            states.append(state)
        last = state
    assert steps == d["change_it"].tolist()
    near(torch.tensor(states, dtype=torch.float64), d["state"], atol)
