# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,jupyter,mystnb
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version,-jupytext.text_representation.format_version
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · The GAN prior
#
# *About 75 minutes of reading and trying · runs in about a minute on a two-core laptop · 1 GB of memory · no GPU*
#
# Lesson 02 made any backbone consistent with its input, even one that answers with noise. Consistency is therefore not
# the hard part: it fixes the range part $A^\dagger y$, and the null part is free. **The null part has to come from
# somewhere.** A *prior* is a model of which images are plausible, and a generative prior is a machine that makes them:
# numbers go in, an image comes out, and every image it can make looks like those it was trained on. Whatever its null
# part is, it is the null part of *some face* (if it was trained on faces). This lesson takes such a machine, StyleGAN2
# {cite}`karras2020stylegan2`, apart; the next ones steer it towards a given $y$.
#
# **What you will learn**
#
# - follow an image through a StyleGAN2, from $z$ to $w$ to pixels, and write its layers down;
# - use $\mathcal W$, $\mathcal W^+$, truncation, style mixing and noise, and say what each changes;
# - read a discriminator's scores, and know what they depend on;
# - write one training step, every loss in it derived, and watch a small network learn;
# - load published weights, and prove that they are there.
#
# **Before you start**: [pooling-based decomposition](02_pooling_decomposition.ipynb). You should have seen a
# convolutional network and `backward()` in PyTorch.

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | gpu | paper; empty: GANPRIOR_PROFILE or laptop
prior: str = "faces64"  # which of the shipped priors to take apart
images: int = 0  # samples that statistics are taken over; 0: 20 for each of the profile's images
steps: int = 0  # training steps of section 7; 0: 15 for each of the profile's images
seed: int = 0  # seed of all codes, and of the training run

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import argparse
import copy
import math
import re
import tempfile
from functools import lru_cache
from pathlib import Path
from unittest import mock

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from torch import nn
from tqdm.auto import tqdm

from ganprior_null import AveragePool, consistency_db, enforce_consistency, psnr
from ganprior_null.data import PHOTOGRAPHS, faces, photographs, portrait
from ganprior_null.images import from_signed, load_image, to_signed
from ganprior_null.layers import Upsample
from ganprior_null.losses import discriminator_loss, generator_loss, path_length_penalty, path_lengths, r1_penalty
from ganprior_null.priors import StyleGAN2, StyleGAN2Discriminator, truncate
from ganprior_null.priors.discriminator import minibatch_stddev
from ganprior_null.profiles import lesson, profile_name
from ganprior_null.report import COMMITTED
from ganprior_null.training import batch_indices, make_fabric, step_generator
from ganprior_null.training.ema import update_ema
from ganprior_null.training.gan import GanRecipe, gan_state, gan_step, lazy_adam
from ganprior_null.training.watch import SAMPLES
from ganprior_null.weights import compare, convert_file, describe, load_checkpoint, load_discriminator, load_prior
from ganprior_null.weights import load_stylegan2, load_weights, read_metadata, shipped, shipped_path
from ganprior_null.weights import weights_path
from ganprior_null.widgets import check_answer, panel, plot, show, table

profile = profile_name(profile)
cfg = lesson(profile)
if min(images, steps) < 0:
    raise ValueError(f"images and steps must not be negative, got {images} and {steps}")
images, steps = images or 20 * cfg.images, steps or 15 * cfg.images
if images < 40 or steps < 20:
    raise ValueError(f"images must be at least 40 and steps at least 20, got {images} and {steps}")

G, w_mean = load_prior(prior)
D = load_discriminator(prior)
G.requires_grad_(False)
D.requires_grad_(False)
G64, D64 = copy.deepcopy(G).double(), copy.deepcopy(D).double()  # float64, for checks of equations
BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#767676"  # told apart by colour-blind readers too


def codes(count, offset=0):
    """z (count, m) of N(0, I), a function of the seed and an offset only."""
    return torch.randn(count, G.style_dim, generator=torch.Generator().manual_seed(seed + offset))


def largest_difference(ours, theirs):
    """Of two tensors, or two lists of them: what a check prints."""
    pairs = [(ours, theirs)] if isinstance(ours, torch.Tensor) else zip(ours, theirs, strict=True)
    return max((one - other).abs().max().item() for one, other in pairs)


@torch.no_grad()
def picture(w, noise=None):
    """w (N, m) or w_plus (N, L, m) -> images (N, 3, size, size) about [0, 1], fifty at a time."""
    return torch.cat([from_signed(G(part, noise)) for part in w.split(50)])


# %% [markdown]
# ## 1. What a prior is for
#
# This is a prior: a network that makes a face of every code. Try Figure 5.1 before you read on.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets.live import LivePrior

LivePrior()

# %% [markdown]
# **Figure 5.1.** The prior itself, in your browser: drag through its codes, cut them towards the mean, exchange the
# noise, mix two persons. Section 3 says what each control does.
#
# Take a real face the prior has never seen, keep only its average over blocks, and ask four backbones for a proposal
# $x_r$: noise; one sample of the prior, drawn blindly; the best of a few hundred samples, "best" meaning that its
# averages are nearest to $y$; and the prior's mean face. The formula of lesson 02 makes all four consistent.

# %%
x = portrait(G.size)
A = AveragePool(G.size // 8)
y = A(x)  # 8 x 8

w = G.mapping(codes(images))
samples = picture(w)
nearest = (A(samples) - y).square().flatten(1).sum(1).argmin()
proposals = {
    "noise": torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)),
    "a sample": samples[:1],
    f"best of {images}": samples[nearest][None],
    "mean face": picture(w_mean[None]),
}
results = {name: enforce_consistency(x_r, y, A) for name, x_r in proposals.items()}

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A small measurement, four proposals and their consistent versions: noise stays noise, samples of the prior become the face of somebody"}}
show(
    [y, *proposals.values(), x, *results.values()],
    ["$y$", *(f"$x_r$: {name}" for name in proposals), "the photograph", *[r"$\hat x$"] * len(results)],
    columns=5,
    height=1.5,
)
worst = min(consistency_db(A, x_hat, y).item() for x_hat in results.values())
print(f"PSNR(LR) of the four, the lowest: {f'{worst:.0f} dB' if worst < 120 else 'above 120 dB'}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
alone = {"no proposal, $A^\\dagger y$ alone": A.pinv(y)} | results
table(["after the formula", "PSNR, dB"], [[name, f"{psnr(x_hat, x).item():.1f}"] for name, x_hat in alone.items()])

# %% [markdown]
# **Figure 5.2.** Four proposals, above, and what the formula makes of each, below. All four repaired pictures give
# the blocks of $y$; only those that began as a face have a face in their null part, and it is somebody else's.
#
# All four in Figure 5.2 are equally true to $y$ (the block edges are what that costs, see lesson 02). They differ in
# the null part alone: noise fills it with noise, the prior with eyes, noses and hair, which belong to somebody else. In
# PSNR none of them beats an empty null part, as the table says: the wrong nose is worse than none. Taking the best of
# many samples helps little; *searching* for a better one is lesson 06, *predicting* it from $y$ lessons 07 and 08. Both
# need to know what there is to steer.

# %% [markdown]
# ## 2. From $z$ to an image
#
# Here is what came with the course under this name.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
print(prior, "-", describe(G.state_dict()))
print(f"{sum(p.numel() for p in G.parameters()):,} parameters; the published network for 1024 pixels has 30 million")

# %% [markdown]
# ### $z \to w$: the mapping network
#
# $z \sim \mathcal N(0, I)$ is as featureless as can be: in $m$ dimensions, all directions are equally likely.
# Properties of images are not: a hat and a fringe rarely go together, so a direct map from a round cloud to faces would
# have to warp. StyleGAN gives the warping to a small network of its own. It normalises $z$, so that only its direction
# counts, then applies $K$ linear layers with leaky ReLUs:
#
# $$h_0 = z \Big/ \sqrt{\textstyle\frac1m \sum_k z_k^2 + 10^{-8}},$$
#
# $$\begin{gathered}
# h_{l+1} = \sqrt2\; \mathrm{lrelu}_{0.2}\Big(\tfrac{\lambda}{\sqrt m}\, W_l h_l + \lambda\, b_l\Big), \cr
# w = h_K.
# \end{gathered} \tag{1}$$
#
# Two habits of all StyleGAN layers show here. The factor $1/\sqrt m$, usually hidden in the initialisation, acts at run
# time, so that Adam's steps mean the same for every layer (*equalised learning rate*); $\sqrt2$ makes up for what the
# leaky ReLU removes. $\lambda = 0.01$ lets the mapping network learn a hundred times more slowly.


# %%
def mapping(z):
    """z (N, m) -> w (N, m), equation (1)."""
    h = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in G64.style[1:]:
        a = h @ (0.01 / math.sqrt(G.style_dim) * layer.weight).T + 0.01 * layer.bias
        h = math.sqrt(2) * torch.where(a > 0, a, 0.2 * a)
    return h


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
z = codes(4).double()
torch.testing.assert_close(mapping(z), G64.mapping(z))
torch.testing.assert_close(G64.mapping(7 * z), G64.mapping(z))
print(f"equation (1) against G.mapping: largest difference {largest_difference(mapping(z), G64.mapping(z)):.4f}")
print(f"z against 7 z: largest difference of w {largest_difference(G64.mapping(7 * z), G64.mapping(z)):.4f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Left: two coordinates of normalised z, a round cloud. Right: the two widest directions of w, a cloud of another shape"}}
z = codes(images)
_, _, axes_of_w = torch.linalg.svd(w - w.mean(0), full_matrices=False)
clouds = {"$z$": z[:, :2], "$w$": (w - w.mean(0)) @ axes_of_w[:2].T}
labels = {"$z$": ("coordinate 1", "coordinate 2"), "$w$": ("widest direction", "second widest")}
with plot(1, 2, height=3.2) as panels:
    for ax, (name, points) in zip(panels, clouds.items(), strict=True):
        ax.plot(*points.T, ".", color=BLUE, ms=3, rasterized=True)
        ax.set(title=name, xlabel=labels[name][0], ylabel=labels[name][1], aspect="equal")

# %% [markdown]
# **Figure 5.3.** A dot for each code. Left, two coordinates of $z$: round by construction. Right, the two directions
# in which $w$ spreads most: whatever shape it has was learned.
#
# ### $w$ steers every convolution: modulation and demodulation
#
# The image itself starts from a *constant*, a learned $4 \times 4$ array, the same for all images. All that is
# particular to one image enters through the weights: layer by layer an affine map turns $w$ into a *style* $s$, one
# factor for each input channel, and the convolution's weight $W_{oikl}$ (output, input, row, column) is scaled by it:
#
# $$s = \tfrac{1}{\sqrt m}\, M w + b, \qquad W'_{oikl} = c\, s_i\, W_{oikl},$$
#
# $$W''_{oikl} = W'_{oikl} \Big/ \sqrt{\textstyle\sum_{ikl} {W'_{oikl}}^2 + 10^{-8}} . \tag{2}$$
#
# The last step, *demodulation*, makes every filter as long as every other again. If the inputs are independent with
# variance 1, the outputs have variance 1, too, whatever $s$ is: styles decide which channels are *mixed*, not how loud
# the result is. Without it one huge style would blow up all layers after it. $c = 1/\sqrt{\text{in} \cdot k^2}$ is the
# equalised learning rate again; it cancels, except in the layers that write colours, which are not demodulated. (In
# training $b$ starts at 1, so styles begin around 1.)


# %%
def modulated(x, w, layer):
    """x (N, in, H, W), w (N, m) -> (N, out, H, W), equation (2) for each image."""
    M, b = layer.modulation.weight, layer.modulation.bias
    s = w @ M.T / math.sqrt(w.shape[1]) + b  # (N, in)
    out = []
    for x_n, s_n in zip(x, s, strict=True):
        W = layer.weight[0]  # (out, in, k, k)
        W = s_n[:, None, None] * W / math.sqrt(W[0].numel())
        W = W / (W.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        out.append(F.conv2d(x_n[None], W, padding=1))
    return torch.cat(out)


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
layer = G64.conv1.conv
generator = torch.Generator().manual_seed(1)
features = torch.randn(4, G.channels[4], 16, 16, generator=generator, dtype=torch.float64)
w64 = w[:4].double()
ours, theirs = modulated(features, w64, layer), layer(features, w64)
torch.testing.assert_close(ours, theirs)
interior = modulated(features, 100 * w64, layer)[..., 1:-1, 1:-1]  # at the border zeros come in
print(f"equation (2) against ModulatedConv2d: largest difference {largest_difference(ours, theirs):.4f}")
print(f"variance of the output, styles a hundred times as large: {interior.var():.1f}")

# %% [markdown]
# ### Twice as large: zeros in between, then a filter
#
# Each stage doubles the side. Zeros are put between pixels, and the outer product of $\frac14(1, 3, 3, 1)$ with itself
# fills them in. Along one axis an output pixel then is $\frac34$ of the nearer input pixel and $\frac14$ of the farther
# one, which away from the border is bilinear interpolation. Colours are enlarged in just this way. For features, the
# stage's first convolution acts on the array with its zeros (a *transposed convolution*), and the filter smooths what
# it makes.


# %%
def upsample(x):
    """(N, C, H, W) -> (N, C, 2H, 2W): zeros between pixels, then the filter."""
    n, c, h, width = x.shape
    sparse = x.new_zeros(n, c, 2 * h, 2 * width)
    sparse[..., ::2, ::2] = x
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 4
    kernel = torch.outer(taps, taps).expand(c, 1, 4, 4)
    return F.conv2d(F.pad(sparse, (2, 1, 2, 1)), kernel, groups=c)


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
small = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
small[0, 0, 2, 2] = small[0, 0, 5, 3] = small[0, 0, 4, 6] = 1
ours, bilinear = upsample(small), F.interpolate(small, scale_factor=2, mode="bilinear")
torch.testing.assert_close(ours, Upsample()(small))
inside = (..., slice(1, -1), slice(1, -1))
torch.testing.assert_close(ours[inside], bilinear[inside])
print(f"zeros and a filter against layers.Upsample: {largest_difference(ours, Upsample()(small)):.4f}")
print(f"against bilinear interpolation, inside:     {largest_difference(ours[inside], bilinear[inside]):.4f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Three bright pixels enlarged four times: repeated pixels are squares, zeros in between a grid of points, the filter soft spots"}}
zeros = torch.zeros(1, 1, 32, 32)
zeros[..., ::4, ::4] = small.float()
filtered = upsample(upsample(small))
shown = {
    "pixels repeated": F.interpolate(small, scale_factor=4),
    "zeros in between": zeros,
    "filtered, made brighter": filtered / filtered.max(),
}
show([*shown.values()], [*shown], height=1.5)

# %% [markdown]
# **Figure 5.4.** Three bright pixels made four times larger. Repeated they are squares, with zeros in between a grid
# of points; the filter makes soft spots of them.
#
# Repeated pixels and unfiltered zeros imprint a grid, which later layers would have to undo.
#
# ### The whole synthesis, one stage at a time
#
# A stage has two modulated convolutions, the first of which doubles the side, each followed by noise, a bias and a
# leaky ReLU. A third, $1 \times 1$, writes three colours, which are *added* to the enlarged colours of the stage
# before. So the image is a sum of images: one for each resolution. The colours of a stage and the first convolution of
# the next share a code; that makes $L = 2 \log_2(\text{size}) - 2$ codes.


# %%
def synthesis(w_plus, noise):
    """(1, L, m) -> [(features, contribution, sum so far)] for 4, 8, ..., size."""
    x = G.conv1(G.input(len(w_plus)), w_plus[:, 0], noise[0])
    rgb = G.to_rgb1(x, w_plus[:, 1])
    seen = [(x, rgb, rgb)]
    for i, stage in enumerate(G.stages()):
        x = stage.up_conv(x, w_plus[:, 2 * i + 1], noise[2 * i + 1])
        x = stage.conv(x, w_plus[:, 2 * i + 2], noise[2 * i + 2])
        before = stage.to_rgb.upsample(rgb)
        rgb = stage.to_rgb(x, w_plus[:, 2 * i + 3]) + before
        seen.append((x, rgb - before, rgb))
    return seen


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
w_plus = G.spread(w[:1])  # one w for all layers: (1, m) -> (1, L, m)
seen = synthesis(w_plus, list(G.noises))
torch.testing.assert_close(seen[-1][2], G(w[:1]))
print(f"the sum of all stages against G: largest difference {largest_difference(seen[-1][2], G(w[:1])):.3f}")
print(f"layers: {G.latents}")


# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Five columns from 4 to 64 pixels: features in false colours, the colours that a stage adds, and the sum, in which a face appears"}}
def false_colours(x):
    """Features (1, C, H, W) -> (3, H, W) in [0, 1]: their three principal components."""
    flat = x[0].flatten(1)  # (C, H W)
    flat = flat - flat.mean(1, keepdim=True)
    _, u = torch.linalg.eigh(flat @ flat.T)  # (C, C), the largest eigenvalue last
    three = u[:, -3:].flip(1).T @ flat
    return (0.5 + three / (4 * three.std(1, keepdim=True))).view(3, *x.shape[-2:])


sides = [f"{x.shape[-1]} x {x.shape[-1]}" for x, _, _ in seen]
show(
    [false_colours(x) for x, _, _ in seen]
    + [from_signed(part) for _, part, _ in seen]
    + [from_signed(s) for *_, s in seen],
    [f"features, {side}" for side in sides] + ["adds"] * len(seen) + ["sum"] * len(seen),
    columns=len(seen),
    height=1.5,
)

# %% [markdown]
# **Figure 5.5.** One image, stage by stage. First row, the features in false colours; second, what the stage adds
# (mid-gray is zero); third, the sum so far. The coarse stages decide where things are and what is light and dark, the
# fine ones draw.
#
# Figure 5.5 is why the
# features of such a network can be *fed* by an encoder, level by level, as GLEAN and Panini-Net do (lesson 07).
#
# <details><summary>Quick check 1: where in the network is the information that makes one image differ from another?</summary>
#
# In the styles only (and a little in the noise, next section). The $4 \times 4$ input, all weights and all biases are
# the same for every image.
#
# </details>
#
# ## 3. What can be steered
#
# ### Truncation
#
# Far from the middle of the cloud, codes were rare in training and images are poor. *Truncation* pulls $w$ towards its
# mean $\bar w$, by $\bar w + \psi\,(w - \bar w)$: less variety for more quality. It costs nothing, and published sample
# sheets nearly always use it: ask for $\psi$ when you see one.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Six samples, from the mean face at psi 0 to exaggerated versions at psi 1.5"}}
psis = (0.0, 0.5, 1.0, 1.5)
rows = [picture(truncate(w[:6], w_mean, psi)) for psi in psis]
show(
    torch.cat(rows),
    [rf"$\psi$ = {psi}" if column == 0 else "" for psi in psis for column in range(6)],
    columns=6,
    height=1.1,
)

# %% [markdown]
# **Figure 5.6.** Six persons, a row for each $\psi$. At 0 all are the mean face; with larger $\psi$ they part, and at
# 1.5 they begin to break.
#
# ### $\mathcal W^+$ and style mixing
#
# Nothing forces all layers to hear the same $w$. The set of all $(w_0, \dots, w_{L-1})$ is called $\mathcal W^+$; it
# has $L$ times as many dimensions. Its simplest use is *style mixing*: one person's $w$ for the layers before a
# crossover, another's for the rest. StyleGAN is trained with such mixtures, so that neighbouring layers do not rely on
# each other.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two strips that go from face B to face A as more and more layers take the code of A"}}
crossovers = range(0, G.latents + 1, 2)
strips = [picture(G.mix(w[i : i + 1], w[j : j + 1], k)) for i, j in ((0, 1), (2, 3)) for k in crossovers]
names = ["all B", *(f"{k} of A" for k in crossovers[1:-1]), "all A"]
show(strips, names * 2, columns=len(crossovers), height=1.2)

# %% [markdown]
# **Figure 5.7.** Style mixing, two pairs of persons. From left to right more of the first layers take the code of A:
# pose and shape of the head go over first, colours last; there is no sharp line.
#
# Each picture in Figure 5.7 takes its first $k$ layers from A, the others from B.
#
# How far from real faces can one go in $\mathcal W^+$? Here every layer gets the $w$ of a *different* random face.
# Mixtures of two were seen in training, mixtures of so many were not.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Six samples with one code for all layers, above six samples with another code for each layer"}}
scrambled = torch.stack([w[torch.arange(G.latents) * (k + 3) % images] for k in range(6)])  # (6, L, m)
titles = [r"$\mathcal{W}$", *[""] * 5, r"$\mathcal{W}^+$", *[""] * 5]
show(torch.cat([picture(w[:6]), picture(scrambled)]), titles, columns=6, height=1.1)
print(f"numbers that steer: W {G.style_dim}, W+ {G.latents * G.style_dim}, pixels {3 * G.size**2}")

# %% [markdown]
# **Figure 5.8.** Above, one code for all layers of an image; below, another person's code in each layer. The same
# network, nothing retrained: faces fall apart.
#
# In $\mathcal W$, with few numbers, whatever comes out is a likely face, but hardly yours. $\mathcal W^+$ can be bent
# much further and is therefore a weaker prior. GLEAN predicts codes in $\mathcal W^+$; PULSE searches there, and needs
# a leash.
#
# ### Noise
#
# Strands of hair and pores need random numbers, and it would be a waste to press them out of $w$. After each
# convolution (but not where colours are written) an $\mathcal N(0, 1)$ image is added to all channels, times one
# learned strength per layer. The stored file holds one *fixed* noise image for each layer, which makes $G$
# deterministic; fresh noise makes $w \to$ image random.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "One code with fixed noise, without noise, with two fresh draws, and a map of how much the noise changes each pixel, compared with another code"}}
fresh = [G.fresh_noise(1, generator=torch.Generator().manual_seed(seed + k)) for k in range(16)]
by_noise = torch.cat([picture(w[:1], noise) for noise in fresh])
spread_noise, spread_codes = by_noise.std(0).mean(0, keepdim=True), samples.std(0).mean(0, keepdim=True)
show(
    [
        picture(w[:1]),
        picture(w[:1], [0 * n for n in G.noises]),
        by_noise[:1],
        by_noise[1:2],
        2 * spread_noise,
        2 * spread_codes,
    ],
    ["fixed noise", "no noise", "fresh", "fresh", "changed by noise", "changed by $w$"],
    height=1.5,
)

# %% [markdown]
# **Figure 5.9.** What the noise does. Left to right: the stored noise, none, two fresh draws, all of one code; then
# the standard deviation of each pixel, doubled, when only the noise changes and when only $w$ changes. $w$ decides what
# is seen, the noise where its finest detail falls.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
strengths = [G.conv1.noise.weight.item(), *(conv.noise.weight.item() for conv in G.convs)]
print("learned strengths, from 4 px on:", " ".join(f"{strength:+.3f}" for strength in strengths))
print(f"standard deviation of a pixel: by noise {spread_noise.mean():.3f}, by w {spread_codes.mean():.3f}")

# %% [markdown]
# The two maps in Figure 5.9 are on one scale, and the printed means say how small the share of the noise is.
#
# ### Try it
#
# **Questions:** (a) At $\psi = 0$, which controls still change the picture? (b) Which layers move the head, and which
# only recolour it? (c) Find a $\psi$ at which the prior stops making faces.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
@lru_cache(maxsize=64)
def code(number):
    """w (1, m) of person number: codes of their own, apart from those above."""
    return G.mapping(codes(1, offset=1000 + number))


def steer(a, b, crossover, psi, noise):
    w_plus = truncate(G.mix(code(a), code(b), crossover), w_mean, psi)
    drawn = [noise * n for n in G.fresh_noise(1, generator=torch.Generator().manual_seed(seed))]
    shown = {
        "A": picture(truncate(code(a), w_mean, psi)),
        "B": picture(truncate(code(b), w_mean, psi)),
        "mixed": picture(w_plus, drawn),
    }
    distance = (w_plus - w_mean).square().mean().sqrt() / (w - w_mean).square().mean().sqrt()
    caption = f"layers 0 to {crossover - 1} from A" if crossover else "no layer from A"
    return shown, f"{caption}, {G.latents - crossover} from B; distance from the mean {distance:.2f} of the usual"


panel(
    steer,
    a=widgets.IntSlider(value=0, min=0, max=30, description="person A"),
    b=widgets.IntSlider(value=1, min=0, max=30, description="person B"),
    crossover=widgets.IntSlider(value=G.latents // 2, min=0, max=G.latents, description="layers from A"),
    psi=widgets.FloatSlider(value=0.8, min=0, max=2.5, step=0.1, description="psi"),
    noise=widgets.FloatSlider(value=1, min=0, max=3, step=0.5, description="noise"),
)

# %% [markdown]
# **Figure 5.10.** Two persons and their mixture, with truncation and noise at your hand; the line below says how far
# the code is from the mean.
#
# <details><summary>Answers</summary>
#
# (a) Only the noise: at $\psi = 0$ all persons are the mean. (b) The early layers move the head and change its shape;
# the last three or four hardly do. (c) It differs from person to person; between 1 and 2 colours burn out and features
# tear.
#
# </details>
#
# A walk through this prior, on the published page too. Every picture is a sample computed beforehand, at
# $z_0 + a z_1 + b z_2$; nothing is blended. *Question.* (d) Where do neighbours differ most, and what does a smaller
# $\psi$ do to the differences?

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets.live import LiveWalk

LiveWalk(G, w_mean, count=7, seed=seed)

# %% [markdown]
# **Figure 5.11.** A map of the prior: samples at $z_0 + a z_1 + b z_2$. Move through it, and change $\psi$.
#
# <details><summary>Answer</summary>
#
# (d) Near the middle, where $a$ and $b$ are small: there a step changes the direction of $z$ most, and only the
# direction counts. A smaller $\psi$ shrinks all differences, down to none at 0.
#
# </details>
#
# ### Interpolation, in $\mathcal Z$ and in $\mathcal W$
#
# Go from one face to another in 16 steps: along the great circle in $\mathcal Z$ (the straight line shows the same
# faces at uneven steps, since (1) divides by the length of $z$), or straight in $\mathcal W$. The ends are the same.


# %%
def great_circle(z0, z1, t):
    """Points (T, m) between z0 and z1 (m,) at the shares t (T,) of the angle."""
    angle = torch.acos(torch.dot(z0, z1) / (z0.norm() * z1.norm()))
    t = t[:, None]
    start, end = z0 / z0.norm(), z1 / z1.norm()
    way = torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end
    return way / torch.sin(angle)


def path_length(frames):
    """Changes per pixel of all steps over that from end to end; 1: a straight path."""
    step = (frames[1:] - frames[:-1]).square().mean((1, 2, 3)).sqrt()
    return (step.sum() / (frames[-1] - frames[0]).square().mean().sqrt()).item()


# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two rows of nine faces between the same two ends, through Z and through W"}}
t = torch.linspace(0, 1, 17)
pairs = codes(2 * max(2, images // 80), offset=2).view(-1, 2, G.style_dim)
through_z, through_w = [], []
for z0, z1 in pairs:
    w0, w1 = G.mapping(torch.stack([z0, z1]))
    through_z.append(picture(G.mapping(great_circle(z0, z1, t))))
    through_w.append(picture(torch.lerp(w0, w1, t[:, None])))


show(
    torch.cat([through_z[0][::2], through_w[0][::2]]),
    [r"$\mathcal{Z}$", *[""] * 8, r"$\mathcal{W}$", *[""] * 8],
    columns=9,
    height=0.88,
)
lengths = torch.tensor([[path_length(a), path_length(b)] for a, b in zip(through_z, through_w, strict=True)])
print(f"length of the path over the distance of its ends, {len(lengths)} pairs:")
print(f"through Z {lengths[:, 0].mean():.2f}, through W {lengths[:, 1].mean():.2f}; ", end="")
print(f"shorter through W in {(lengths[:, 1] < lengths[:, 0]).sum().item()} of {len(lengths)}")

# %% [markdown]
# **Figure 5.12.** Two ways from one face to another: above through $\mathcal Z$, below straight through $\mathcal W$.
# The ends are the same; see which way passes through faces that neither end resembles. The printed lengths are means
# over a few pairs.

# %% [markdown]
# A path that wanders through other faces is long. The mapping network was free to bend
# $\mathcal Z$ so that straight lines in $\mathcal W$ are short; the printed numbers say whether it has. A loss below
# asks for more: that equal steps in $\mathcal W$ change the image equally.
#
# ## 4. What the discriminator sees
#
# $D$ is a convolutional network that halves the side from stage to stage and ends in one number, the *score*: high for
# what looks like the training images, low for what looks made.
#
# One layer is unusual. If $G$ made the same good face again and again, no $D$ that sees one image at a time could
# object. So $D$ looks at groups of four: the standard deviation over the group, averaged to one number, is appended as
# one more channel (*minibatch standard deviation*).


# %%
def group_statistic(features):
    """(4, C, H, W) of one group -> the number that all get as one more channel."""
    variance = (features - features.mean(0)).square().mean(0)  # (C, H, W)
    return (variance + 1e-8).sqrt().mean()


def score(x):
    """Scores (N,) of x (N, 3, size, size) in [0, 1]; N a multiple of 4."""
    return D(to_signed(x))[:, 0]


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
features = D64.convs(to_signed(samples[:4]).double())  # (4, C, 4, 4)
ours, theirs = group_statistic(features).expand(4, 1, 4, 4), minibatch_stddev(features)[:, -1:]
torch.testing.assert_close(ours, theirs)
print(f"the statistic against the library's last channel: {largest_difference(ours, theirs):.4f}")
groups = {"four different samples": samples[:4], "one sample four times": samples[:1].expand(4, -1, -1, -1)}
for name, group in groups.items():
    statistic = group_statistic(D.convs(to_signed(group)))
    print(f"{name}: statistic {'above' if statistic > 0.01 else 'below'} 0.01")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
for name, group in groups.items():
    print(f"the first sample's score among {name}: {score(group)[0]:+.2f}")

# %% [markdown]
# The same picture, another score: it depends on the neighbours. And the score of a *single* image (its statistic is
# 0.0001) is a number $D$ was never trained to give. Below, all images are scored in groups of four different ones.
#
# The training photographs are not part of the course, so what does $D$ say about others? *2x blocks* is lesson 02's
# range part, $A^\dagger A x$; *shuffled* exchanges the four quarters.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def shuffle(x):
    """Exchange the quarters of each image, diagonally."""
    return x.roll((x.shape[-2] // 2, x.shape[-1] // 2), (-2, -1))


def grain(x, strength):
    return x + strength * torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))


def soften(x, factor):
    """A+ A x for average pooling: blocks of equal pixels."""
    return AveragePool(factor).project_range(x)


def show_scores(kinds):
    """One line of dots for each kind of image."""
    with plot(height=0.34 * len(kinds) + 0.6) as ax:
        for row, values in enumerate(kinds.values()):
            ax.plot(values, [row] * len(values), "|", color=BLUE if row == 0 else GRAY, ms=9, rasterized=True)
            ax.plot(values.mean(), row, "o", color=ORANGE, ms=5)
        ax.set(yticks=range(len(kinds)), yticklabels=kinds, xlabel="score of the discriminator")
        ax.invert_yaxis()


some = samples[:40]
truncated = picture(truncate(w[:40], w_mean, 0.5))
kinds = {
    "samples": some,
    r"samples, $\psi$ = 0.5": truncated,
    "2x blocks": soften(some, 2),
    "noise of 0.1": grain(some, 0.1),
    "upside down": some.flip(-2),
    "shuffled": shuffle(some),
    "drawn faces": faces(40, G.size, seed=seed),
    "photographs of things": photographs(G.size)[: len(PHOTOGRAPHS) // 4 * 4],
}
opinion = {name: score(x_k) for name, x_k in kinds.items()}
print("pairs in which the sample scores higher than its damaged version (50 %: cannot tell)")
for name in ("2x blocks", "noise of 0.1", "upside down", "shuffled"):
    print(f"  {name:12} {(opinion['samples'] > opinion[name]).double().mean():4.0%}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "One picture of each of eight kinds: samples, truncated and damaged ones, a drawn face, a thing"}}
show([x_k[0] for x_k in kinds.values()], list(kinds), columns=4, height=1.6)

# %% [markdown]
# **Figure 5.13.** One picture of each kind that the discriminator is asked about.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Scores of samples, truncated and corrupted samples, drawn faces and photographs, as dots on one line each"}}
show_scores(opinion)

# %% [markdown]
# **Figure 5.14.** Its scores. Each tick is an image, the dot the mean of its kind. The kinds overlap widely: the word
# of $D$ on one image is worth little.

# %% [markdown]
# Look first at the scatter: $D$ was trained to tell two *distributions* apart, and its word on one image is worth
# little. Then compare the kinds with the printed percentages: which damage does this $D$ notice, and which that you
# would call grave does it let pass? It had to learn only what gave *this* $G$ away while it trained; of damage that $G$
# never does, of drawings and of things it knows nothing, and a high score there is no praise.
#
# ### Try it
#
# The last picture is the gradient of the score with respect to the image: where $D$ would like a change. **Questions:**
# (a) Raise each corruption until you notice it. Has $D$ noticed before you? (b) Does a lower score always mean a worse
# image?


# %% tags=["hide-input"] jupyter={"source_hidden": true}
CORRUPTIONS = {
    "noise": lambda x, strength: grain(x, 0.3 * strength),
    "blocks": lambda x, strength: torch.lerp(x, soften(x, 4), strength),
    "less contrast": lambda x, strength: torch.lerp(x, x.mean((2, 3), keepdim=True), strength),
    "colours exchanged": lambda x, strength: torch.lerp(x, x.flip(1), strength),
    "another face's detail": lambda x, strength: x + strength * AveragePool(4).project_null(x.roll(1, 0) - x),
}


def judge(person, corruption, strength):
    clean = samples[4 * person : 4 * person + 4]  # a group
    x_c = CORRUPTIONS[corruption](clean, strength).requires_grad_()
    value = score(x_c)
    (gradient,) = torch.autograd.grad(value.sum(), x_c)
    wish = 0.5 + gradient[:1] / (6 * gradient[0].std())
    shown = {"sample": clean[:1], "corrupted": x_c[:1].detach(), "gradient of the score": wish}
    return shown, f"mean score of the group: {score(clean).mean():+.2f} clean, {value.mean().item():+.2f} corrupted"


panel(
    judge,
    person=widgets.IntSlider(value=0, min=0, max=9, description="group"),
    corruption=widgets.Dropdown(options=list(CORRUPTIONS), value="blocks", description="corruption"),
    strength=widgets.FloatSlider(value=0.5, min=0, max=1, step=0.05, description="strength"),
)

# %% [markdown]
# **Figure 5.15.** A sample, damaged as you choose, and where $D$ would like a change. The line below compares the mean
# scores of the clean and of the damaged group.
#
# <details><summary>Answers</summary>
#
# (a) Measure a change of the score against the scatter between clean groups: without the clean picture beside it,
# nobody could notice a smaller one. (b) No. *Another face's detail* makes a picture that no viewer accepts, and the
# score may hardly move, or rise. $D$ learned to tell what $G$ makes from photographs, nothing else; and the gradient
# says what would please it, not what would be right.
#
# </details>

# %% [markdown]
# ## 5. The losses, written out
#
# Let $\sigma(s) = 1/(1 + e^{-s})$ be the probability that $D$ gives to "real" at the score $s$. $D$ minimises the
# cross-entropy of this classification {cite}`goodfellow2014gan`,
#
# $$\mathcal L_D = -\,\mathbb E_x \log \sigma\big(D(x)\big) - \mathbb E_z \log\big(1 - \sigma(D(G(z)))\big) . \tag{3}$$
#
# $G$ wants the opposite of the second term. Taken literally it would minimise $\mathbb E_z \log(1 - \sigma(D(G(z))))$,
# the *saturating* loss. Its slope is $-\sigma(s)$, which vanishes where $G$ is worst, and nothing is learned. So one
# minimises
#
# $$\mathcal L_G = -\,\mathbb E_z \log \sigma\big(D(G(z))\big) \tag{4}$$
#
# instead, with the slope $-\sigma(-s)$: it pushes hardest where $D$ is surest. Both are softplus functions,
# $\operatorname{softplus}(s) = \log(1 + e^s)$, since $-\log\sigma(s) = \operatorname{softplus}(-s)$.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
rng = torch.Generator().manual_seed(2)
real_scores, fake_scores = torch.randn(2, 16, 1, generator=rng, dtype=torch.float64)
real, fake = torch.sigmoid(real_scores), torch.sigmoid(fake_scores)
equation_3 = -real.log().mean() - (1 - fake).log().mean()
equation_4 = -fake.log().mean()
theirs = [discriminator_loss(real_scores, fake_scores), generator_loss(fake_scores)]
torch.testing.assert_close([equation_3, equation_4], theirs)
apart = largest_difference([equation_3, equation_4], theirs)
print(f"equations (3) and (4) against the library's losses: {apart:.4f}")
for s in (-8.0, 0.0):
    print(f"slope at score {s:+.0f}: saturating {-1 / (1 + math.exp(-s)):.4f}, (4) {-1 / (1 + math.exp(s)):.4f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Saturating and non-saturating generator loss against the score; only the second is steep where the score is low"}}
s = torch.linspace(-6, 6, 200)
with plot(width=6) as ax:
    ax.plot(s, F.softplus(-s), color=BLUE, label=r"$-\log \sigma(s)$, equation (4)")
    ax.plot(s, -F.softplus(s), "--", color=ORANGE, label=r"$\log(1 - \sigma(s))$, saturating")
    ax.set(xlabel="score of a generated image", ylabel="loss of $G$")
    ax.legend()

# %% [markdown]
# **Figure 5.16.** Two losses for $G$. The saturating one is flat where $G$ is worst, on the left; (4) is steepest
# there.
#
# **R1.** With enough freedom $D$ becomes a cliff between the two kinds of images, and $G$ sees no slope on either side.
# R1 forbids cliffs at real images {cite}`mescheder2018r1`:
#
# $$R_1 = \mathbb E_x\, \lVert \nabla_x D(x) \rVert^2, \quad \mathcal L_D \leftarrow \mathcal L_D + \tfrac{\gamma}{2} R_1 . \tag{5}$$
#
# A gradient of a gradient is dear, so it is done *lazily*: every 16th step, 16 times as strong. The right $\gamma$
# grows with the number of pixels. A rule of thumb is $\gamma = 0.0002\,\text{size}^2 / \text{batch}$, 0.05 at 64 pixels
# and a batch of 16; the value 10 of many configurations belongs to 1024 pixels.
#
# **Path length.** Let $J_w$ be the Jacobian of the image with respect to $w$. Steps in $\mathcal W$ change images
# evenly if $\lVert J_w^\top v \rVert$ is the same for all $w$ and all random images $v$; so deviations from its running
# mean $a$ are punished {cite}`karras2020stylegan2`:
#
# $$\mathbb E_{w, v} \big(\lVert J_w^\top v \rVert - a\big)^2, \quad v \sim \mathcal N(0, I)/\sqrt{HW} . \tag{6}$$
#
# $J_w^\top v$ is one backward pass, that of the scalar $\langle G(w), v\rangle$; $J_w$ itself is never formed. Except
# here, where the network is tiny. (In $\mathcal W^+$ the norm is the root of its mean square over the layers.)

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
a = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
x8 = torch.rand(5, 3, 8, 8, dtype=torch.float64).requires_grad_()
torch.testing.assert_close(r1_penalty((x8 * a).sum((1, 2, 3)), x8), a.square().sum())  # a linear D: its slope is a

torch.manual_seed(seed)
tiny = StyleGAN2(8, 6, 1, {4: 8, 8: 8}).double()
w_tiny = tiny.spread(tiny.mapping(torch.randn(2, 6).double())).detach().requires_grad_()  # (2, L, 6)
v = torch.randn(2, 3, 8, 8, dtype=torch.float64)
lengths = []
for w_n, v_n in zip(w_tiny, v, strict=True):
    J = torch.autograd.functional.jacobian(lambda one: tiny(one[None])[0], w_n)  # (3, 8, 8, L, 6)
    Jt_v = torch.einsum("chwld,chw->ld", J, v_n / math.sqrt(8 * 8))
    lengths.append(Jt_v.square().sum(1).mean().sqrt())
ours, theirs = path_lengths(tiny(w_tiny), w_tiny, v), torch.stack(lengths)
torch.testing.assert_close(ours, theirs)
penalty = r1_penalty((x8 * a).sum((1, 2, 3)), x8)
print(f"R1 of a linear D less the square of its slope: {abs(float(penalty - a.square().sum())):.4f}")
print(f"path lengths, one backward pass against the whole Jacobian: {largest_difference(ours, theirs):.4f}")

# %% [markdown]
# <details><summary>Quick check 2: D has become perfect, every generated image scores -20. What do the saturating loss and (4) tell G?</summary>
#
# The saturating slope is $-\sigma(-20) \approx -2 \cdot 10^{-9}$: nothing. That of (4) is $-\sigma(20) \approx -1$,
# times the gradient of $D$ with respect to the image. If $D$ is a cliff, that gradient is zero, and (4) does not help
# either: hence R1.
#
# </details>
#
# ## 6. One training step, whole
#
# A pair small enough to learn in front of you: images of $16 \times 16$ pixels, drawn faces as data. Everything that
# happens in a step is in the next open cells; `recipe` only holds numbers (its $\gamma$ is far above the rule of
# thumb for 16 pixels: try the rule's).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
SIDE, WIDTHS = 16, {4: 32, 8: 32, 16: 16}
recipe = GanRecipe(
    global_batch=16, lr=4e-3, r1_gamma=0.1, path_weight=0.05, path_every=8, mixing=0.1, ema_images=2000, seed=seed
)
faces16 = to_signed(faces(2000 if images > 40 else 200, SIDE, seed=seed))  # real images, (N, 3, 16, 16) in [-1, 1]

torch.manual_seed(seed)
g, d = StyleGAN2(SIDE, 32, 2, WIDTHS), StyleGAN2Discriminator(SIDE, WIDTHS)
for name, parameter in g.named_parameters():
    if name.endswith("noise.weight"):  # stays 0: at 16 pixels there is no fine grain to leave to chance
        parameter.requires_grad_(False)
g_ema = copy.deepcopy(g).requires_grad_(False)  # the moving average of g: what one samples from
optimizer_g = lazy_adam(g, recipe.lr, recipe.path_every)  # Adam(lr, betas=(0, 0.99)), both corrected for laziness
optimizer_d = lazy_adam(d, recipe.lr, recipe.r1_every)
path_mean = torch.zeros(())


def batch(t):
    """The real images of step t: a function of the step alone, so that a run can be resumed."""
    return faces16[batch_indices(len(faces16), recipe.global_batch, t, seed=seed)]


def draw_codes(t, purpose, count=recipe.global_batch):
    """(w_plus, noise): fresh codes, sometimes two per image with a random crossover, and fresh noise."""
    generator = step_generator(recipe.seed, t, purpose)
    z = torch.randn(2, count, g.style_dim, generator=generator)
    mixed = torch.rand((), generator=generator) < recipe.mixing
    crossover = int(torch.randint(1, g.latents, (), generator=generator)) if mixed else g.latents
    noise = g.fresh_noise(count, generator=generator)
    return g.mix(g.mapping(z[0]), g.mapping(z[1]), crossover), noise


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# %%
def teach_d(t):
    """D: real up, generated down, equation (3); R1, equation (5), lazily."""
    real = batch(t)
    with torch.no_grad():  # G is only asked for images
        fake = g(*draw_codes(t, "D"))
    real_scores, fake_scores = d(real), d(fake)
    descend(optimizer_d, discriminator_loss(real_scores, fake_scores))
    if t % recipe.r1_every == 0:
        x = real.clone().requires_grad_()
        weight = recipe.r1_gamma / 2 * recipe.r1_every
        descend(optimizer_d, weight * r1_penalty(d(x), x))
    return real_scores.mean().item(), fake_scores.mean().item()


def teach_g(t):
    """G: generated up, equation (4); the gradient passes through D, which stays."""
    descend(optimizer_g, generator_loss(d(g(*draw_codes(t, "G")))))


# %%
def even_paths(t):
    """Path length, equation (6), on half a batch."""
    global path_mean
    w_plus, noise = draw_codes(t, "path", recipe.global_batch // 2)
    x = g(w_plus, noise)
    v = torch.randn(x.shape, generator=step_generator(recipe.seed, t, "path image"))
    lengths = path_lengths(x, w_plus, v)
    # the running mean a moves by one hundredth, then stays
    _, path_mean = path_length_penalty(lengths.detach(), path_mean)
    penalty, _ = path_length_penalty(lengths, path_mean, decay=0.0)
    descend(optimizer_g, recipe.path_weight * recipe.path_every * penalty)


# %%
def training_step(t):
    """One step of the game; the mean scores of real and of generated images."""
    scores = teach_d(t)
    d.requires_grad_(False)
    teach_g(t)
    if t % recipe.path_every == 0:
        even_paths(t)
    d.requires_grad_(True)
    size, life = recipe.global_batch, recipe.ema_images
    # what is sampled from is an average over the last steps
    update_ema(g_ema, g, batch=size, seen=(t + 1) * size, half_life=life)
    return scores


# %% [markdown]
# Is it the step the library trains with? Take two steps with each, from the same weights, and compare every weight of
# $G$, of $D$ and of the average.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
library = gan_state(copy.deepcopy(g), copy.deepcopy(d), recipe)
library_step = gan_step(batch, recipe)
fabric = make_fabric(accelerator="cpu")
for t in range(2):
    training_step(t)
    library_step(fabric, library, t)
apart = []
for ours, theirs in ((g, library["G"]), (d, library["D"]), (g_ema, library["G_ema"])):
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], rtol=1e-3, atol=1e-4)
        apart.append(largest_difference(value.double(), theirs.state_dict()[name].double()))
print(f"two steps here and by the library's gan_step: no weight differs by more than {max(apart):.2f}")

# %% [markdown]
# ## 7. Watch it learn
#
# Losses do not tell whether a GAN gets better: each network's loss depends on how good the other is. So we measure the
# images. Shrink them to $8 \times 8$, describe real and generated ones by mean and covariance, and take the squared
# *Fréchet distance* of the two Gaussians,
#
# $$d^2 = \lVert \mu_1 - \mu_2 \rVert^2 + \operatorname{tr}\big(C_1 + C_2 - 2\,(C_1 C_2)^{1/2}\big) . \tag{7}$$
#
# With the features of a classifier in place of 192 pixel values, this is the well-known FID. The yardstick is the
# distance of one half of the real images from the other: no generator can be asked to do better.


# %%
def statistics(x):
    """Mean (192,) and covariance of images (N, 3, 16, 16), shrunk to 8 x 8."""
    v = AveragePool(2)(x).flatten(1).double()
    return v.mean(0), v.T.cov()


def distance(x1, x2):
    """Equation (7); the trace of the root: the sum of roots of the eigenvalues."""
    (m1, C1), (m2, C2) = statistics(x1), statistics(x2)
    roots = torch.linalg.eigvals(C1 @ C2).real.clamp_min(0).sqrt()
    means = (m1 - m2).square().sum()
    return (means + C1.trace() + C2.trace() - 2 * roots.sum()).item()


# %% tags=["hide-input"] jupyter={"source_hidden": true}
half = len(faces16) // 2
yardstick = distance(faces16[:half], faces16[half:])
fixed = torch.randn(half, g.style_dim, generator=torch.Generator().manual_seed(seed))  # the same codes all along


@torch.no_grad()
def sheet():
    return g_ema(g_ema.mapping(fixed))


history, sheets = [(2, distance(sheet(), faces16[:half]), 0.0, 0.0)], [sheet()[:10]]
looks = {round(steps * share) for share in (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1)}
with tqdm(range(2, steps), desc="training", leave=False) as bar:
    for t in bar:
        on_real, on_fake = training_step(t)
        if t + 1 in looks:
            history.append((t + 1, distance(sheet(), faces16[:half]), on_real, on_fake))
            sheets.append(sheet()[:10])
            bar.set_postfix(distance=f"{history[-1][1]:.1f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Rows of six small pictures: colour blotches before training, then heads, then drawn faces, and real drawn faces"}}
chosen = (0, 1, 3, len(sheets) - 1)
rows = {f"step {history[i][0]}": sheets[i] for i in chosen} | {"real": faces16}
titles = [title if column == 0 else "" for title in rows for column in range(6)]
show(from_signed(torch.cat([row[:6] for row in rows.values()])), titles, columns=6, height=0.9)

# %% [markdown]
# **Figure 5.17.** The same six codes at different steps, and real faces below. See whether the network learns from
# coarse to fine: colours, a head, hair.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Left: the distance to the real images falls during training. Right: the scores of real and generated images stay near each other"}}
at, fell, on_real, on_fake = zip(*history, strict=True)
with plot(1, 2) as (left, right):
    left.semilogy(at, fell, "o-", color=BLUE, ms=4)
    left.axhline(yardstick, color=GRAY, ls="--", label="real against real")
    left.set(xlabel="step", ylabel="distance, equation (7)")
    left.legend()
    right.plot(at[1:], on_real[1:], "o-", color=BLUE, ms=4, label="real")
    right.plot(at[1:], on_fake[1:], "s--", color=ORANGE, ms=4, label="generated")
    right.set(xlabel="step", ylabel="mean score")
    right.legend()

# %% [markdown]
# **Figure 5.18.** Left, the distance of the samples to the real images; dashed, that of one half of the real images to
# the other. Right, the mean scores: as long as they stay in reach of each other, both networks learn.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
assert profile == "smoke" or fell[-1] < fell[1], "training did not bring the samples nearer to the real images"
print(
    "the distance to the real images", "has fallen" if fell[-1] < fell[0] else "has NOT fallen", "from the first step"
)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
print(" ".join(f"{value:.1f}" for value in fell), f"; real against real {yardstick:.2f}")

# %% [markdown]
# Compare the distance in Figure 5.18 with the yardstick; this run takes seconds. When the two scores run apart for
# good, $D$ has won, and $G$ learns nothing more.
#
# The shipped priors were trained by this step, on far more images and for hours (where data are few, the images that
# $D$ sees are also augmented).

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Six faces of 64 pixels in each row: after 16,000 images heads without a person, all alike and speckled; after 32,000 faces that differ; in the last row the finished ones"}}
said, pitch = read_metadata(weights_path(prior)), G.size + 2
stages = {}
for path in sorted((COMMITTED / "priors" / prior).glob("samples_*.jpg")):  # sheets that `train prior` left
    top = load_image(path)[0, :, 2:pitch]
    seen = int(path.stem.removeprefix("samples_")) * said["global_batch"]
    stages[f"{seen:,}"] = [top[..., left + 2 : left + pitch] for left in range(0, 6 * pitch, pitch)]
same = torch.randn(SAMPLES, G.style_dim, generator=step_generator(0, 0, "sheet"))[:6]  # the codes of those sheets
with torch.no_grad():
    stages[f"{said.get('images_shown', 0):,}"] = [*from_signed(G(G.mapping(same)))]
titles = [stage if column == 0 else "" for stage in stages for column in range(6)]
show([tile for row in stages.values() for tile in row], titles, columns=6, height=0.9)

# %% [markdown]
# **Figure 5.19.** Where the step leads: six codes of the shipped prior, which took the same step for hours, on
# photographs; above each row, how many it had been shown. The last row is the shipped network; those above are from a
# run of its settings and its seed, repeated for its beginning. See at which stage there is a head, and at which a
# person.
#
# One of your own, on a folder of images; a stopped run goes on where it was:
#
# ```bash
# python -m ganprior_null train prior --data FOLDER --out runs/mine
# ```
#
# ## 8. Published weights, and whether they are really there
#
# Better priors than ours exist: 30 million parameters, 1024 pixels, trained for days on eight GPUs. Their files come in
# the layouts of two programs. [`convert`](../book/api.md#weights.convert) translates the names, tries whether *all*
# tensors fit, and writes a file that [`load_stylegan2`](../book/api.md#weights.load_stylegan2) reads:
#
# ```bash
# python -m ganprior_null convert rosinality 550000.pt ffhq256.safetensors
# python -m ganprior_null convert mmagic stylegan2-ffhq-config-f.pth ffhq1024.safetensors
# ```
#
# No download here: we write our prior in their layouts, and read it back. (`latent_avg` is $\bar w$; `args` stands for
# settings saved as objects, from which the reader never runs code.)


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def mmagic_name(name):
    """Our name of a generator's tensor -> the one in mmagic's files."""
    for pattern, replacement in (
        (r"^input\.", "constant_input."),
        (r"^style\.(\d+)\.weight", r"style_mapping.\1.linear.weight_orig"),
        (r"^style\.", "style_mapping."),
        (r"^noises\.noise_", "injected_noise_"),
        (r"\.modulation\.weight", ".style_modulation.linear.weight_orig"),
        (r"\.modulation\.", ".style_modulation."),
        (r"\.noise\.weight", ".noise_injector.weight"),
        (r"\.conv\.weight", ".conv.weight_orig"),
    ):
        name = re.sub(pattern, replacement, name)
    return name


files = {
    "rosinality": {"g_ema": G.state_dict(), "latent_avg": w_mean, "args": argparse.Namespace(size=G.size)},
    "mmagic": {"state_dict": {f"generator_ema.{mmagic_name(name)}": v for name, v in G.state_dict().items()}},
}
print(mmagic_name("convs.0.conv.modulation.weight"))

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
with tempfile.TemporaryDirectory() as folder:
    for layout, checkpoint in files.items():
        source, target = Path(folder) / f"{layout}.pt", Path(folder) / f"{layout}.safetensors"
        torch.save(checkpoint, source)
        report = convert_file(layout, source, target)
        loaded = load_stylegan2(target)
        with torch.no_grad():
            apart = largest_difference(loaded.generator(w[:2]), G(w[:2]))
        print(
            f"{layout}: {'every' if report.exact else 'NOT every'} tensor found its place; images differ by {apart:.1f}"
        )
print(report)

# %% [markdown]
# The report counts. Why insist on it? Here is a true story. The GLEAN configurations of mmagic 1.x, a large and careful
# project, ask for the published StyleGAN2 weights for their *bank*, the StyleGAN2 inside GLEAN. But the file's names
# are those of the bank, and they are offered to the whole GLEAN network, in which every one of them begins with
# `generator.`; and the loader is not strict. We ran it on a small model: **0 of 153 tensors changed**. The only sign is
# a line about unexpected keys in the log. The bank then is random, *and frozen*, and all training works around it. In
# five lines:

# %% tags=["nbval-check-output"]
torch.manual_seed(seed)
bank = StyleGAN2(G.size, G.style_dim, G.n_mlp, G.channels)
restorer = nn.ModuleDict({"generator": bank}).requires_grad_(False)
before = copy.deepcopy(restorer.state_dict())
restorer.load_state_dict(G.state_dict(), strict=False)  # no error, no warning
after = restorer.state_dict()
changed = sum(not torch.equal(value, before[name]) for name, value in after.items())
print(f"{changed} of {len(before)} tensors changed")

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
print("asked for a report:", compare(restorer, G.state_dict()))
try:
    load_weights(restorer, G.state_dict())
except ValueError as error:
    print("our loader:", str(error).split(";")[0])

# %% [markdown]
# A report can only speak of names and shapes. Look at the images as well, or at a number. Training images lie in
# $[-1, 1]$, and a trained generator has learned that; a random one knows no range. So: which share of the pixel values
# lies outside?


# %% tags=["hide-input"] jupyter={"source_hidden": true}
@torch.no_grad()
def outside(network):
    """Share of the values of 32 samples that lie outside [-1, 1]."""
    z = torch.randn(32, network.style_dim, generator=torch.Generator().manual_seed(seed))
    return (network(network.mapping(z)).abs() > 1).double().mean().item()


at_random = []
for k in range(4):
    torch.manual_seed(k)
    at_random.append(outside(StyleGAN2(G.size, G.style_dim, G.n_mlp, G.channels)))
silent = restorer["generator"]
share, share_silent = outside(G), outside(silent)
print(f"outside [-1, 1]: {prior} {share:.0%}, silently random {share_silent:.0%}")
print(f"four random networks: {min(at_random):.0%} to {max(at_random):.0%}")

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
for name, value in {"loaded": share, "silently not loaded": share_silent}.items():
    print(f"{name}: {'below' if value < min(at_random) / 2 else 'NOT below'} half of a random network's least share")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Three samples with the weights loaded, and three colour blotches from the network whose weights silently did not load"}}
with torch.no_grad():
    blotches = from_signed(silent(silent.mapping(codes(3))))
show(torch.cat([samples[:3], blotches]), ["loaded", "", "", "silently not loaded", "", ""], height=1.5)

# %% [markdown]
# **Figure 5.20.** What the same program makes with the weights loaded, and with weights that silently did not load.
#
# <details><summary>Quick check 3: a program says "loaded with strict=False, 4 unexpected keys". Is that harmless?</summary>
#
# It says nothing about how many tensors *did* arrive. Count them.
#
# </details>
#
# ## 9. What a small prior can and cannot do
#
# One row for each prior that comes with the course: $\psi = 1$, the first samples of a seed, none left out.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
rows = {}
for name in shipped():
    if describe(load_checkpoint(shipped_path(name))).startswith("StyleGAN2,"):
        network, _ = load_prior(name)
        z = torch.randn(9, network.style_dim, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            rows[name] = from_signed(network(network.mapping(z)))
for name in rows:
    print(name, "-", describe(load_checkpoint(shipped_path(name))))

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Six unselected samples of each shipped prior"}}
titles = [name if column == 0 else "" for name in rows for column in range(6)]
show(torch.cat([row[:6] for row in rows.values()]), titles, columns=6, height=1.3)

# %% [markdown]
# **Figure 5.21.** The first six samples of each shipped prior, none left out. Look for what is wrong: sides that do not
# match, smears for glasses and hands, teeth, backgrounds. What `buildings64` makes are textures of buildings, rows of
# windows and edges, not buildings.
#
# A million parameters and 64 pixels are enough to learn how such priors behave; they are no match for a published
# network. And a prior knows only its training images: what was rare there (skin tones, ages, poses) is rare or poor
# here, and every restoration that leans on it inherits that.
#
# ### Does it only recite?
#
# A generator that had learned its training images by heart would be a poor prior. We cannot compare with them here, but
# we can use the *birthday paradox* {cite}`arora2018birthday`: of $n$ samples from a list of $N$ images, about
# $n(n-1)/2N$ pairs show the same image. So look for twins. As a control, a reciter: the same number of images drawn
# from a list of $N$. What counts as the same? Pairs no farther apart than a picture and its copy shifted by one pixel.


# %%
def thumbnails(x):
    """(N, 3, H, W) -> (N, 3 H W / 4): 2 x 2 averages, distances per number."""
    v = AveragePool(2)(x).flatten(1)
    return v / math.sqrt(v.shape[1])


def twins(x):
    """Pairs of images that are as near as a picture and its shifted copy."""
    return int((torch.pdist(thumbnails(x)) <= same).sum())


# %% tags=["hide-input"] jupyter={"source_hidden": true}
N = 2 * int(read_metadata(weights_path(prior)).get("training_images", 6239))  # with their mirror images
same = (thumbnails(samples) - thumbnails(samples.roll(1, -1))).norm(dim=1).median()
drawn = torch.randint(N, (images,), generator=torch.Generator().manual_seed(seed))
reciter = samples[drawn.unique(return_inverse=True)[1]]
apart = torch.pdist(thumbnails(samples))
print(f"twins among {images} samples: the prior {twins(samples)}, the reciter {twins(reciter)}, ", end="")
print(f"expected of a reciter {images * (images - 1) / 2 / N:.1f}")
print(f"nearest pair {apart.min():.2f}, typical pair {apart.median():.2f}, shifted by a pixel {same:.2f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The six nearest pairs among the samples, one above the other: similar in colour, different persons"}}
i, j = torch.triu_indices(images, images, 1)[:, apart.argsort()[:6]]  # the order of pdist
show(torch.cat([samples[i], samples[j]]), ["nearest pairs", *[""] * 11], columns=6, height=1.1)

# %% [markdown]
# **Figure 5.22.** The nearest pairs among the samples, each above the other. They agree in colours and light; see for
# yourself whether they are the same person.
#
# The test has limits: it would miss a generator that recites *part* of its list, or that recites
# with variations. Whoever has the training images should also look up the nearest of them for each sample.

# %% [markdown]
# ## Quiz
#
# Five questions on the ideas and on typical mistakes. Choose, check, and read why.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets import quiz

quiz("05")

# %% [markdown]
# ## Exercises
#
# Each stub ends in a check that says what is missing; nothing breaks while it is unsolved. The solutions are folded
# away below each one.
#
# ### Exercise 1 — who steers what
#
# *★★ medium · about 15 minutes*
#
# Write `first_seen(layer)`: the side in pixels of the first stage whose features or colours change when
# $w_\text{layer}$ changes. Use the indices in `synthesis` of section 2. The check changes each layer's code and looks.
#
# <details><summary>Hint 1</summary>
#
# Write down for the stages of 4, 8 and 16 pixels which indices their convolutions and their
# colours take. Which index stands in two stages?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The stage of 4 pixels has the layers 0 and 1; every later stage brings two new ones: 8 pixels 2
# and 3, 16 pixels 4 and 5.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def law_first_seen(first_seen):
    noise = list(G.noises)
    plain = synthesis(G.spread(w[:1]), noise)
    for layer in range(G.latents):
        other = G.spread(w[:1]).clone()
        other[:, layer] = w[1]
        moved = [
            x0.shape[-1]
            for (x0, _, rgb0), (x1, _, rgb1) in zip(plain, synthesis(other, noise), strict=True)
            if not (torch.equal(x0, x1) and torch.equal(rgb0, rgb1))
        ]
        found = first_seen(layer)
        assert found == moved[0], f"layer {layer} first changes the stage of {moved[0]} pixels, you say {found}"


# %%
def first_seen(layer):
    raise NotImplementedError


check_answer(first_seen, law_first_seen)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def first_seen_solution(layer):
    # 4 px: conv1 takes 0, its to_rgb 1. Stage i takes 2i+1 (shared with the to_rgb before), 2i+2, 2i+3
    return 4 if layer < 2 else 4 * 2 ** (layer // 2)


law_first_seen(first_seen_solution)
print("Correct. Odd layers write the colours of one stage and steer the first convolution of the next.")

# %% [markdown]
# ### Exercise 2 — one convolution for all images
#
# *★★★ hard · about 20 minutes*
#
# `modulated` builds one weight per image, which is slow. A style scales *input channels*, and demodulation scales
# *output channels*; both commute with the convolution's sums. Write `modulated_once(x, s, W)` with a single call of
# `F.conv2d` for the whole batch: $x$ $(N, \text{in}, H, W)$, $s$ $(N, \text{in})$, $W$ $(\text{out}, \text{in}, 3, 3)$,
# without the factor $c$.
#
# <details><summary>Hint 1</summary>
#
# A convolution sums over input channels: $\sum_i (s_i W_{oi}) * x_i = \sum_i W_{oi} * (s_i x_i)$.
# So scale the input, not the weight.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# What is left is to divide each output channel by its length, $\sqrt{\sum_i s_i^2 \sum_{kl} W_{oikl}^2 + 10^{-8}}$: a
# matrix product of $s^2$, $(N, \text{in})$, with `W.square().sum((2, 3)).T`.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def law_once(once):
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(3, 5, 8, 8, generator=generator, dtype=torch.float64)
    s = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    W = torch.randn(7, 5, 3, 3, generator=generator, dtype=torch.float64)
    rows = []
    for x_n, s_n in zip(x, s, strict=True):
        W_n = s_n[:, None, None] * W
        W_n = W_n / (W_n.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        rows.append(F.conv2d(x_n[None], W_n, padding=1))
    with mock.patch.object(F, "conv2d", wraps=F.conv2d) as counted:
        out = once(x, s, W)
    assert out.shape == (3, 7, 8, 8), f"the result must be (3, 7, 8, 8), got {tuple(out.shape)}"
    assert torch.allclose(out, torch.cat(rows), atol=1e-10), "not the result of the loop over images"
    assert counted.call_count == 1, f"one call of F.conv2d is asked for, this makes {counted.call_count}"


# %%
def modulated_once(x, s, W):
    raise NotImplementedError


check_answer(modulated_once, law_once)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def modulated_once_solution(x, s, W):
    out = F.conv2d(x * s[:, :, None, None], W, padding=1)  # scaling inputs is scaling the weight's input axis
    lengths = (s.square() @ W.square().sum((2, 3)).T + 1e-8).sqrt()  # (N, out): the sum over i, k, l of (s W)^2
    return out / lengths[:, :, None, None]


law_once(modulated_once_solution)
print("Correct. This is how the library computes it.")

# %% [markdown]
# ### Exercise 3 — the best discriminator
#
# *★★ medium · about 15 minutes*
#
# At some image let $p$ be the density of real images and $q$ that of generated ones. $D$'s share in (3) is
# $p \operatorname{softplus}(-s) + q \operatorname{softplus}(s)$. Derive the score $s$ that minimises it, and write
# `best_score(p, q)`. What score does a perfect $D$ give when $G$ is perfect too?
#
# <details><summary>Hint 1</summary>
#
# The derivative of $\operatorname{softplus}(s)$ is $\sigma(s)$, that of $\operatorname{softplus}(-s)$ is $-\sigma(-s)$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# At the minimum $q\,\sigma(s) = p\,\sigma(-s)$. And $\sigma(s) / \sigma(-s) = e^s$.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def law_best_score(best_score):
    for p, q in ((0.5, 0.5), (0.9, 0.1), (1e-3, 2.0), (3.0, 0.7)):
        s = torch.tensor(float(best_score(p, q)), dtype=torch.float64)
        loss = [p * F.softplus(-(s + e)) + q * F.softplus(s + e) for e in (-1e-3, 0.0, 1e-3)]
        assert loss[1] < min(loss[0], loss[2]), f"at p = {p}, q = {q} the loss has no minimum at {s:.3f}"


# %%
def best_score(p, q):
    raise NotImplementedError


check_answer(best_score, law_best_score)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def best_score_solution(p, q):
    # derivative: -p sigma(-s) + q sigma(s) = 0, and sigma(s) / sigma(-s) = e^s
    return math.log(p / q)


law_best_score(best_score_solution)
print("Correct. When G is perfect, p = q and every score is 0: D can only guess.")

# %% [markdown]
# ## Summary
#
# - Consistency fixes the range part; a prior is where a plausible null part comes from.
# - $z \to w$ by a mapping network; $w$ becomes styles, which scale the input channels of every convolution, followed by
#   demodulation; the image is a sum of images from 4 pixels to full size.
# - $\mathcal W$ is small and safe, $\mathcal W^+$ large and free. Truncation trades variety for quality; noise adds
#   what does not matter.
# - A discriminator's score is relative: to the images it was trained on, to the generator it was trained against, to
#   the other images of the group.
# - A step is (3), lazily (5), (4), lazily (6), and a moving average. Judge progress by images and distances, never by
#   the losses.
# - Weights have arrived when *all* tensors are accounted for, and when a statistic that random weights fail says so.
#
# **References.** The network, its demodulation and path length are from {cite}`karras2020stylegan2`, adversarial
# training from {cite}`goodfellow2014gan`, R1 from {cite}`mescheder2018r1`, the birthday test from
# {cite}`arora2018birthday`; GLEAN is {cite}`chan2021glean`, Panini-Net {cite}`wang2022panini`, PULSE
# {cite}`menon2020pulse`, and the null-space method {cite}`wang2023gan`.
#
# **Run it in full**: more samples and steps in this lesson, or a prior of your own (hours on two cores; without
# `--data` it learns drawn faces):
#
# ```bash
# python -m ganprior_null run notebooks/05_gan_prior.ipynb --profile gpu
# python -m ganprior_null train prior --out runs/drawn --profile laptop
# ```
#
# **Next:** the best of a few hundred samples was a crude search. Lesson 06 searches with gradients.
