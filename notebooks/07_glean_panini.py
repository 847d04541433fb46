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
# # 07 · GLEAN and Panini-Net, with and without PD
#
# *About 90 minutes of reading and trying · runs in about a minute on a two-core laptop · 1.5 GB of memory · no GPU*
#
# Searching a prior for an image that fits $y$ (lesson 06) takes a hundred steps per image and is not very faithful. Two
# networks *predict* how the prior must be steered, in one pass: GLEAN {cite}`chan2021glean` and Panini-Net
# {cite}`wang2022panini`. The paper of this course {cite}`wang2023gan` puts pooling-based decomposition behind them, in
# training as in use, and says: higher PSNR and SSIM without less realism, consistent by construction, and faster to
# train. That is its main claim. This lesson takes both networks apart, writes their training step down, trains one for
# a moment, and then asks the stored runs whether the claim holds at 64 pixels.
#
# **What you will learn**
#
# - open GLEAN's encoder, bank and decoder one by one, and say what each contributes;
# - read Panini-Net's interpolation masks;
# - write one training step with PD in the forward pass, whole, and check it against the library's;
# - compare runs fairly: same seeds, same images, curves rather than end points, in steps rather than in opinions;
# - say what limits PD when $y$ was not made by pooling.
#
# **Before you start**: [pooling-based decomposition](02_pooling_decomposition.ipynb) and
# [the GAN prior](05_gan_prior.ipynb).

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | night | gpu | paper; empty: GANPRIOR_PROFILE or laptop
model: str = "glean"  # glean | panini: trained for a moment in section 5, and in your own run
pd: bool = True  # your own run: PD in the forward pass
exact: bool = False  # your own run: the null space of the true downsampler in place of PD's
factor: int = 8  # HR over LR
data: str = ""  # your own run: faces | cats | buildings (packs in GANPRIOR_DATA), a folder, or empty: drawn faces
downsampler: str = "bicubic"  # your own run: what makes y; the names of restorers.identify.downsamplers
degraded: bool = False  # your own run: half of the training images degraded, as lesson 08 has it
prior: str = ""  # a shipped prior; empty: that of the data, or faces64
seed: int = 0  # of the short training, and of your own run
retrain: bool = False  # make your own run, at the profile's size, or finish it; the stored ones are then read with it
changes: dict = {}  # your own run: fields of the restorer profile to replace, such as {'steps': 100}

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import copy
import re
import time
from collections import Counter

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from IPython.display import Markdown
from tqdm.auto import tqdm

from ganprior_null import GLEAN, AveragePool, NullSpace, Panini, Resize, consistency_db, enforce_consistency, psnr
from ganprior_null.experiments.baselines import stored_baselines
from ganprior_null.experiments.identity import IDENTITY, RANK, stored_identity
from ganprior_null.experiments.judge import blockiness
from ganprior_null.experiments import models as systems
from ganprior_null.experiments.launch import PACKS, Source, find_source, launch, run_name
from ganprior_null.experiments.restore import read_model, restorers
from ganprior_null.experiments.restorer import Experiment, operators
from ganprior_null.experiments.runs import (
    ahead,
    choose,
    deciding_profiles,
    differing,
    grouped,
    mean,
    pairs_of,
    read_json,
    read_runs,
    speedup,
    steps_to,
)
from ganprior_null.images import from_signed, from_uint8, load_image, to_signed, to_uint8
from ganprior_null.losses import discriminator_loss, generator_loss, perceptual_loss
from ganprior_null.priors import truncate
from ganprior_null.profiles import lesson, profile_name, restorer
from ganprior_null.report import COMMITTED, record, result_folders, results_folder
from ganprior_null.training import batch_indices, make_fabric
from ganprior_null.training.restore import RestorerRecipe, cosine, restorer_state, restorer_step
from ganprior_null.weights import load_discriminator, load_features64, load_prior
from ganprior_null.widgets import check_answer, panel, plot, show, table

profile = profile_name(profile)
cfg = lesson(profile)
if model not in ("glean", "panini"):
    raise ValueError(f"model must be glean or panini, got {model!r} (lesson 08 trains pdn)")
if exact and not pd:
    raise ValueError("exact replaces PD's null space: it needs pd")
if data and not retrain:
    raise ValueError(f"data={data!r} is for a run of your own: give retrain=True as well")
source = find_source(data, prior) if retrain else Source(data or "drawn", None, prior or "faces64", 0)
mine = Experiment(
    model, "exact" if exact else "pd" if pd else "none", factor, downsampler, source.prior, seed, degraded
)
own_profile = restorer(profile, **changes)

G, w_mean = load_prior(source.prior)
G.requires_grad_(False)
A_true, _ = operators(mine, G.size)  # what makes y; refuses unknown names and sizes that do not fit
A = AveragePool(factor)
in_size = G.size // factor
features64 = load_features64()
BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#767676"  # told apart by colour-blind readers too


@torch.no_grad()
def samples(count, number):
    """(count, 3, size, size) in [0, 1], in 8 bits: images that the prior makes, of a seed of their own."""
    z = torch.randn(count, G.style_dim, generator=torch.Generator().manual_seed(100 + number))
    w = truncate(G.mapping(z), w_mean, 0.8)
    return from_uint8(torch.cat([to_uint8(from_signed(G(part))) for part in w.split(50)]))


def measure(x):
    """y = A_true x, as an 8-bit file holds it."""
    return from_uint8(to_uint8(A_true(x)))


x = samples(6, 1)
y = measure(x)

# %% [markdown]
# The pictures of this lesson use images that the prior itself *made* as ground truth (the photographs it learned from
# are not part of the course). They play the part of $x$; $y$ is their bicubic reduction, antialiased, in 8 bits. The
# runs of sections 6 to 9 were trained and measured on real photographs.
#
# ## 1. GLEAN, opened
#
# ### The encoder: from $y$ to features and latents
#
# A small network made for super-resolution (*RRDB*, residual in residual dense blocks {cite}`wang2018esrgan`:
# convolutions that see the outputs of all before them, their sum added to what came in) looks at $y$ and makes features
# of its size. Convolutions with stride 2 halve them down to $4 \times 4$. The coarsest end in a linear layer that
# writes *all* latents at once, one $w$ for each layer of the prior: $\mathcal W^+$ of lesson 05. The mapping network is
# not used.

# %%
torch.manual_seed(seed)
glean = GLEAN.from_prior(G, in_size, rrdb_blocks=1, rrdb_channels=16).eval()
net = glean.network  # speaks [-1, 1]
with torch.no_grad():
    features = net.encode(to_signed(y))  # coarse to fine
    w_plus = net.latents(features)
print("y      ", tuple(y.shape))
for f in features[::-1]:
    print("feature", tuple(f.shape))
print("w_plus ", tuple(w_plus.shape))

# %% [markdown]
# ### The bank: a StyleGAN2 that is fed at every level
#
# The *generative latent bank* is the prior, frozen. Left alone, with one $w$ for all layers, it is the prior and
# nothing else. GLEAN lets the encoder interfere twice: the latents say *what kind* of image, and before each doubling,
# up to the side of $y$, a convolution mixes the encoder's features $f_k$ (of side $4 \cdot 2^k$) into the bank's
# features $g$:
#
# $$\begin{aligned}
# g &\leftarrow \mathrm{conv}_k\big([\,g,\ f_k\,]\big), \cr
# g &\leftarrow \mathrm{stage}_k(g,\ w_{2k+1},\ w_{2k+2}).
# \end{aligned} \tag{1}$$
#
# (The $4 \times 4$ start takes $w_0$. The noise is the stored one, so there is one answer to each $y$.) Latents have no
# place for "the left eye is three pixels higher"; features do. The stages above the side of $y$ get nothing new but
# latents: there the prior invents.


# %%
def bank_by_hand(w_plus, features):
    """Equation (1): features of sides 8 ... size."""
    bank, noise, grown = net.bank, list(net.bank.noises), []
    g = bank.conv1(bank.input(len(w_plus)), w_plus[:, 0], noise[0])  # 4 x 4
    for k, stage in enumerate(bank.stages()):
        if k < len(features):
            g = net.fusion_out[k](torch.cat([g, features[k]], dim=1))
        g = stage.up_conv(g, w_plus[:, 2 * k + 1], noise[2 * k + 1])
        g = stage.conv(g, w_plus[:, 2 * k + 2], noise[2 * k + 2])
        grown.append(g)
    return grown


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
with torch.no_grad():
    grown, by_hand = net.grow_from(features, w_plus), bank_by_hand(w_plus, features)
    alone = net.grow(G.spread(w_mean[None]), lambda k, g, rgb: (g, rgb)).rgb  # nothing is fused
torch.testing.assert_close(by_hand, list(grown.features))
torch.testing.assert_close(alone, G(w_mean[None]))
apart = max(float((one - other).abs().max()) for one, other in zip(by_hand, grown.features, strict=True))
print(f"equation (1) against the library's bank: {apart:.3f}; ", end="")
print(f"without fusion against the prior: {(alone - G(w_mean[None])).abs().max():.3f}")
print("sides that are fused:", *net.fused, "| sides that the bank invents:", *[r for r in G.channels if r > in_size])

# %% [markdown]
# ### The decoder: pixel shuffles
#
# The bank's own image is thrown away. Its *features* are kept, and a decoder climbs from the encoder's finest features
# to the full size. Each step is a convolution to four times the channels, which are then spread over $2 \times 2$
# pixels (*pixel shuffle*), with the bank's features of that size laid beside. There is no activation in between: up to
# the leaky ReLU before its last convolution the decoder is affine in what it receives.


# %%
def shuffle(h):
    """(N, 4 C, r, r) -> (N, C, 2 r, 2 r): channel 4 c + 2 i + j to row i, column j."""
    n, c, r, _ = h.shape
    blocks = h.view(n, c // 4, 2, 2, r, r).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, c // 4, 2 * r, 2 * r)


def decoder_by_hand(features, grown):
    h = shuffle(net.decoder[0].upsample_conv(features[-1]))
    above = grown[len(net.fused) - 1 :]  # sides 2 in_size ... size
    for block, g in zip(net.decoder[1:-1], above[:-1], strict=True):
        h = shuffle(block.upsample_conv(torch.cat([h, g], dim=1)))
    return net.decoder[-1](torch.cat([h, above[-1]], dim=1))


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
with torch.no_grad():
    by_hand, whole = decoder_by_hand(features, bank_by_hand(w_plus, features)), net(to_signed(y))
    torch.testing.assert_close(by_hand, whole)
    x_r = glean(y)  # the same, in [0, 1]
print(f"encoder, bank and decoder by hand against GLEAN: {(by_hand - whole).abs().max():.3f}")
print("learns:", *(name for name, part in net.named_children() if any(p.requires_grad for p in part.parameters())))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
count = {name: sum(p.numel() for p in part.parameters()) for name, part in net.named_children()}
for name, numbers in count.items():
    print(f"{name:12}{numbers:>12,} parameters, {numbers / sum(count.values()):.0%}")
head = sum(p.numel() for p in net.encoder[-1].parameters())
print(f"of the encoder's, {head / count['encoder']:.0%} belong to the layers that write the latents")


# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "For three measurements: y, the encoder's and the bank's features in false colours, the bank's own image, and the answer of the untrained network, flat gray"}}
def false_colours(f):
    """Features (1, C, H, W) -> (1, 3, H, W) in [0, 1]: their three principal components."""
    flat = f[0].flatten(1)
    flat = flat - flat.mean(1, keepdim=True)
    u, _, _ = torch.linalg.svd(flat, full_matrices=False)
    three = u[:, :3].T @ flat
    return (0.5 + three / (4 * three.std(1, keepdim=True))).view(1, 3, *f.shape[-2:])


tiles = []
for i in range(3):
    tiles += [y[i], false_colours(features[-1][i : i + 1]), false_colours(grown.features[-2][i : i + 1])]
    tiles += [from_signed(grown.rgb[i]), x_r[i], enforce_consistency(x_r[i][None], y[i][None], A), x[i]]
names = ["$y$", "encoder", "bank", "bank's RGB", "$x_r$", r"$\hat x$ with PD", "$x$"]
show(tiles, names + [""] * 14, columns=7, height=1.14)

# %% [markdown]
# **Figure 7.1.** Inside an untrained GLEAN, three measurements. The encoder's features already show the layout of
# $y$; the bank, steered by random numbers, has left the faces; $x_r$ is a flat nothing, and PD makes even that
# consistent, in blocks.
#
# <details><summary>Quick check 1: the bank is frozen. Is it therefore no use to compute gradients through it?</summary>
#
# On the contrary: encoder, latents and fusions receive their gradients *through* the bank. Frozen means that the bank's
# own weights stay.
#
# </details>

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.weights import shipped_restorers
from ganprior_null.widgets.live import LiveRestorers

LiveRestorers([name for name in shipped_restorers(factor=8) if not name.startswith("pdn")])

# %% [markdown]
# **Figure 7.2.** The shipped networks, in your browser, on your own picture: their answers with PD and without, and
# the errors of both.
#
# ## 2. Panini-Net: who speaks, channel by channel
#
# Panini-Net's encoder is much like GLEAN's, with attention after the dense blocks (CBAM, the convolutional block
# attention module: learned factors between 0 and 1, first for each channel, then for each place). It has no decoder;
# the image is the bank's RGB sum. So what the encoder knows must enter through the features, and here a number between
# 0 and 1 decides for each channel who is heard:
#
# $$g \leftarrow \alpha_k \odot g + (1 - \alpha_k) \odot \mathrm{conv}_k(f_k), \tag{2}$$
#
# $$\alpha_k = \mathrm{softmax}\text{ of a pair} \in (0, 1)^{C}.$$
#
# $\alpha_k$ comes out of a small network from a vector of 256 numbers. In the form for super-resolution that vector is
# a *learned constant*, so the masks are the same for every image; only in the form for unknown degradations are they
# read off $y$. (The paper on Panini-Net speaks of the second form, the published super-resolution model is the first.)
# And the bank is trained along.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
torch.manual_seed(seed)
panini = Panini.from_prior(G, in_size, rrdb_blocks=1, rrdb_channels=16).eval()
pnet = panini.network
with torch.no_grad():
    f_panini = pnet.encode(to_signed(y))
    latents, masks = pnet.latents(f_panini), pnet.masks(to_signed(y))
    pairs = pnet.AFS_maskGen.mapping(pnet.choice_vector)[0].split([2 * len(m[0]) for m in masks])
    for pair, alpha in zip(pairs, masks, strict=True):  # softmax over (bank, encoder) is a sigmoid of the difference
        bank_says, encoder_says = pair.view(2, -1)
        torch.testing.assert_close(torch.sigmoid(bank_says - encoder_says), alpha.flatten())
    torch.testing.assert_close(from_signed(pnet.mix(f_panini, latents, masks)), panini(y))
    everything = [torch.ones_like(m) for m in masks]
    z = torch.randn(6, G.style_dim, generator=torch.Generator().manual_seed(7))
    from_prior = pnet.mix(f_panini, G.spread(G.mapping(z)), everything)
torch.testing.assert_close(from_prior, G(G.mapping(z)))
print("masks for one image or all:", *(tuple(m.shape) for m in masks))
print(f"at alpha = 1 Panini-Net against the prior, whatever y: {(from_prior - G(G.mapping(z))).abs().max():.3f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two rows from alpha 0, shapeless, to alpha 1, faces of the prior that have nothing to do with y"}}
with torch.no_grad():
    w_of_z = G.spread(G.mapping(z))[:2]
    shares = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
    blends = [
        from_signed(pnet.mix([f[:2] for f in f_panini], w_of_z, [a * torch.ones_like(m) for m in masks]))
        for a in shares
    ]
show(
    [blend[i] for i in range(2) for blend in blends],
    [rf"$\alpha$ = {a}" for a in shares] + [""] * 6,
    columns=len(shares),
    height=1.3,
)
print(
    "masks before training:",
    *(f"{r} px {m.mean():.2f} ± {m.std():.2f};" for r, m in zip(pnet.fused, masks, strict=True)),
)

# %% [markdown]
# **Figure 7.3.** An untrained encoder, its share decreasing from left to right, with the latents of two random faces.
# At $\alpha = 1$ the prior speaks alone; a trained network has its masks somewhere in between, different ones for
# coarse and fine levels.
#
# <details><summary>Quick check 2: could Panini-Net copy the colours of y exactly, if the masks of all fused levels were 0?</summary>
#
# Not by construction. Its RGB sum is not fused with anything (GLEAN's is, though its decoder makes no use of it). What
# the encoder knows of colours must pass through features and through RGB layers that latents modulate; the colours of
# the $4 \times 4$ start are written before any feature enters. PD gives the colours directly.
#
# </details>
#
# ## 3. PD around either: no parameters, hardly any time
#
# [`NullSpace(backbone, A)`](../book/api.md#NullSpace) puts (P-7) behind the network, in its forward pass. Nothing is
# learned in it, but what *is* learned changes: the gradient reaches $x_r$ only through $I - A^\dagger A$.


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
def parameters(module):
    return sum(p.numel() for p in module.parameters()), len(module.state_dict())


consistent = NullSpace(glean, A)
with torch.no_grad():
    y_pooled = A(x)
    before, after = consistency_db(A, glean(y_pooled), y_pooled), consistency_db(A, consistent(y_pooled), y_pooled)
print(f"parameters that PD adds: {parameters(consistent)[0] - parameters(glean)[0]}")
print(f"untrained, PSNR(LR) with PD: {'above 120' if after.min() > 120 else f'{after.min():.0f}'} dB, ", end="")
print(f"without: {'below 30' if before.max() < 30 else f'{before.max():.0f}'} dB")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
rounds = cfg.images


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


with torch.no_grad():
    x_r = glean(y)
    timed = [(seconds(lambda: glean(y)), seconds(lambda: enforce_consistency(x_r, y, A))) for _ in range(rounds)]
    both = [min(column) for column in zip(*timed, strict=True)]
print(f"time of PD over time of GLEAN's forward pass, shortest of {rounds} calls in turn: {both[1] / both[0]:.2%}")
print("(a GLEAN with a single RRDB block; the larger the network, the smaller PD's share)")

# %% [markdown]
# That is the restorers' half of claim C19 (lesson 02 records it). `benchmarks/glean.py` times whole training steps,
# ours against a plain form, and PD's share of them.
#
# ## 4. One training step, whole
#
# Three losses, with weights $\lambda, \alpha, \beta$, on what the *whole* network answers, PD included:
#
# $$\begin{aligned}
# \mathcal L = {}&\lambda\, \mathcal L_\text{pixel}(\hat x, x) + \alpha\, \lVert \phi(\hat x) - \phi(x) \rVert^2 \cr
# &+ \beta \operatorname{softplus}(-D(\hat x)),
# \end{aligned} \tag{3}$$
#
# and for the discriminator, $\mathcal L_D = \operatorname{softplus}(-D(x)) + \operatorname{softplus}(D(\hat x))$,
# lesson 05's game without R1, path length and moving average.
#
# - The weights $\lambda, \alpha, \beta$ are $1, 10^{-2}, 10^{-2}$ (this $\alpha$ is no mask). All terms are means, the
#   squared norm too, so that no size enters the weights; pixels and scores are taken in $[-1, 1]$.
# - $\phi$ are features of a network that has learned to see: here the stages of the course's own `features64`, in the
#   papers one layer of VGG16 (conv4_3, before its ReLU).
# - The pixel loss is a mean square for GLEAN and a mean absolute error for Panini-Net, as the paper's appendix has it;
#   its main text names the second for both.
# - The paper and the published configurations disagree in two places. The paper says a learning rate of $10^{-3}$, the
#   configurations $10^{-4}$; the paper prints the saturating form $\log(1 - D)$, the configurations use the one above.
#   Our `paper` profile follows the configurations, `paper-text` has the text's learning rate.
#
# Here is the step, in the cell. Both networks follow Adam (decay rates 0.9 and 0.99), with a learning rate that falls
# along a cosine.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
recipe = RestorerRecipe(
    global_batch=4, steps=max(8, 5 * cfg.images // 4), lr=1e-3, pixel="l1" if model == "panini" else "l2", seed=seed
)
truths = samples(8 * cfg.images, 2)
fabric = make_fabric(precision="32-true")


def pairs_at(t):
    """(x, y) of step t: a function of the seed and t, so that every run sees the same images in the same order."""
    x = truths[batch_indices(len(truths), recipe.global_batch, t, seed=recipe.seed)]
    return x, measure(x)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def fresh_state():
    """Network and discriminator before the first step: the same whenever it is called."""
    torch.manual_seed(seed)
    network = {"glean": GLEAN, "panini": Panini}[model].from_prior(G, in_size, rrdb_blocks=1, rrdb_channels=16)
    return restorer_state(network.train(), load_discriminator(source.prior), recipe)


# %%
def losses(x_hat, x, D):
    """The three losses of equation (3), unweighted."""
    distance = F.l1_loss if recipe.pixel == "l1" else F.mse_loss
    pixel = distance(to_signed(x_hat), to_signed(x))
    perceptual = perceptual_loss(x_hat, x, features64)
    return pixel, perceptual, generator_loss(D(to_signed(x_hat)))


def train_step(state, t, A):
    """One step for the network and one for D: equation (3)."""
    D, optimizer, optimizer_D = (state[k] for k in ("D", "optimizer", "optimizer_D"))
    x, y = pairs_at(t)
    for adam in (optimizer, optimizer_D):
        adam.param_groups[0]["lr"] = cosine(recipe, t)
    x_r = state["network"](y)
    x_hat = x_r if A is None else enforce_consistency(x_r, y, A)  # the whole of PD

    D.requires_grad_(False)
    pixel, perceptual, adversarial = losses(x_hat, x, D)
    loss = recipe.pixel_weight * pixel + recipe.perceptual_weight * perceptual
    descend(optimizer, loss + recipe.gan_weight * adversarial)

    D.requires_grad_(True)
    loss_D = discriminator_loss(D(to_signed(x)), D(to_signed(x_hat.detach())))
    descend(optimizer_D, loss_D)
    return {"pixel": pixel, "perceptual": perceptual, "G": adversarial, "D": loss_D}


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
here, library = fresh_state(), fresh_state()
ours = train_step(here, 0, A)
theirs = restorer_step(pairs_at, A, recipe, features64)(fabric, library, 0)
torch.testing.assert_close(ours, theirs)
for name in ("network", "D"):
    torch.testing.assert_close(here[name].state_dict(), library[name].state_dict(), rtol=1e-4, atol=1e-5)
one, other = (state["network"].state_dict() for state in (here, library))
apart = max(float((one[n].double() - other[n].double()).abs().max()) for n in one)
print(f"one step here and in the library: no weight differs by more than {apart:.3f}")

# %% [markdown]
# ## 5. A short training, with and without PD
#
# From the same weights, on the same images in the same order, with and without PD: a small network of one RRDB block,
# on images of the prior. PSNR is measured on other images of the prior.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
held_out = samples(8, 3)
y_held_out = measure(held_out)
look_every = max(1, recipe.steps // 5)


@torch.no_grad()
def answers(network, y, A):
    """(x_r, x_hat) in evaluation mode."""
    network.eval()
    x_r = network(y)
    network.train()
    return x_r, x_r if A is None else enforce_consistency(x_r, y, A)


curves, snapshots = {}, {}
for name, operator in {"without PD": None, "with PD": A}.items():
    state, curves[name] = fresh_state(), []
    for t in tqdm(range(recipe.steps + 1), desc=name, leave=False):
        if t % look_every == 0:
            curves[name].append((t, psnr(answers(state["network"], y_held_out, operator)[1], held_out).mean().item()))
        if t in (0, recipe.steps // 2, recipe.steps):
            snapshots[name, t] = copy.deepcopy(state["network"])
        if t < recipe.steps:
            train_step(state, t, operator)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "PSNR against steps: the curve with PD lies far above the one without from the first step on"}}
free = {"bicubic": F.interpolate(y_held_out, scale_factor=factor, mode="bicubic"), "mean": truths.mean(0, keepdim=True)}
free = {f"{name} + PD": enforce_consistency(v.expand_as(held_out), y_held_out, A) for name, v in free.items()}
free = {name: psnr(v, held_out).mean().item() for name, v in free.items()}
with plot() as ax:
    for (name, curve), colour in zip(curves.items(), (GRAY, BLUE), strict=True):
        ax.plot(*zip(*curve, strict=True), "o-", color=colour, ms=4, label=name)
    for (name, level), colour in zip(free.items(), (ORANGE, GREEN), strict=True):
        ax.axhline(level, color=colour, ls=":", label=f"{name}, no training")
    ax.set(xlabel="steps", ylabel="PSNR on unseen samples, dB")
    ax.legend()
first, last = ({name: curve[i][1] for name, curve in curves.items()} for i in (0, -1))
print("before and after, dB:", "; ".join(f"{name} {first[name]:.1f}, {last[name]:.1f}" for name in curves))
print("without any training:", "; ".join(f"{name} {level:.1f}" for name, level in free.items()))

# %% [markdown]
# **Figure 7.4.** PSNR on images that were not trained on. With PD the network starts from the colours of $y$, and
# without it must first learn to repeat them. Dotted, what needs no training: so few steps are not enough to reach it.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
looks = [b > a for (_, a), (_, b) in zip(*curves.values(), strict=True)]
improved = sum(last[name] > first[name] for name in curves)
print(f"steps: {recipe.steps}; improved: {improved} of {len(curves)}; ", end="")
print(f"with PD ahead at {sum(looks)} of {len(looks)} looks")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "For four measurements: y, the answers without PD and with PD before training and after it, and the truth; with PD blocks with a dark bar over them, and no face yet"}}
rows, titles = [], []
for i in range(4):
    rows.append(y_held_out[i])
    titles.append("$y$" if i == 0 else "")
    for name, operator in {"without PD": None, "with PD": A}.items():
        for t in (0, recipe.steps):
            rows.append(answers(snapshots[name, t], y_held_out[i : i + 1], operator)[1][0])
            titles.append(f"{name},\nstep {t}" if i == 0 else "")
    rows.append(held_out[i])
    titles.append("$x$" if i == 0 else "")
show(rows, titles, columns=6, height=1.3)


# %% [markdown]
# **Figure 7.5.** The same networks' answers, a row for each measurement. Without PD the network learns, slowly, to
# say what it was told, the colours of $y$; with PD it starts from them, in blocks, and spends every step on the rest.
#
# ### What the network itself says, and what PD makes of it
#
# As the paper shows it: the raw prediction $x_r$, its null-space part $x_r - A^\dagger A x_r$ (mid-gray is zero), the
# sum with $A^\dagger y$, and errors times five.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def anatomy(network, y, x, A):
    """Rows of pictures: y, x_r, its null part, A^+ y, x_hat, the errors of x_r and of x_hat times five, x."""
    x_r, x_hat = answers(network, y, A)
    parts = [y, x_r, 0.5 + A.project_null(x_r), A.pinv(y), x_hat, 5 * (x_r - x).abs(), 5 * (x_hat - x).abs(), x]
    return [part[i] for i in range(len(y)) for part in parts]


NAMES = [
    "$y$",
    "$x_r$",
    "null part",
    r"$A^\dagger y$",
    r"$\hat x$",
    "error of $x_r$, 5x",
    r"error of $\hat x$, 5x",
    "$x$",
]

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Three rows: y, raw prediction, its null-space part, the blocks of y, their sum, two error maps, the truth"}}
show(
    anatomy(snapshots["with PD", recipe.steps], y_held_out[:3], held_out[:3], A),
    NAMES + [""] * 16,
    columns=8,
    height=1.0,
)
x_r, x_hat = answers(snapshots["with PD", recipe.steps], y_held_out, A)
print(f"PSNR(LR), under pooling: raw prediction {consistency_db(A, x_r, y_held_out).mean():.1f} dB, ", end="")
print(f"with PD {consistency_db(A, x_hat, y_held_out).mean():.0f} dB")

# %% [markdown]
# **Figure 7.6.** A row for each measurement: what the network says, what of it survives, and what becomes of it. After
# so few steps every $x_r$ is much the same picture, gray with a bar where eyes are; the colours come from
# $A^\dagger y$.
#
# Nobody asked $x_r$ for the right colours: PD removes its block means before any loss sees them (exercise 2). How far
# it has them all the same is claim C6, on stored runs below.
#
# ### Try it
#
# **Questions:** (a) Switch PD off in *use* for the network that was trained with it. What is lost? (b) Switch it on for
# the one trained without. What is gained? (c) At which step are the blocks strongest?


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def play(number, trained, step, use_pd):
    network = snapshots[trained, step]
    i = slice(number, number + 1)
    x_r, x_hat = answers(network, y_held_out[i], A if use_pd else None)
    shown = {
        "y": y_held_out[i],
        "x_r": x_r,
        "answer": x_hat,
        "error, 5x": 5 * (x_hat - held_out[i]).abs(),
        "x": held_out[i],
    }
    return shown, (
        f"PSNR {psnr(x_hat, held_out[i]).item():.1f} dB; PSNR(LR) under pooling "
        f"{consistency_db(A, x_hat, y_held_out[i]).item():.0f} dB; steps across block borders are "
        f"{blockiness(x_hat, factor):.1f} times those inside"
    )


panel(
    play,
    number=widgets.IntSlider(value=1, min=0, max=len(held_out) - 1, description="image"),
    trained=widgets.ToggleButtons(options=["with PD", "without PD"], value="with PD", description="trained"),
    step=widgets.SelectionSlider(options=[0, recipe.steps // 2, recipe.steps], value=recipe.steps, description="step"),
    use_pd=widgets.Checkbox(value=True, description="PD in use"),
)

# %% [markdown]
# **Figure 7.7.** The network and the step of your choice, with PD in use or without. The line below has PSNR,
# PSNR(LR) and how strong the blocks are.
#
# <details><summary>Answers</summary>
#
# (a) The block means: the error map shows them, and PSNR(LR) falls from rounding level to that of the raw prediction.
# (b) Exactly the block means, though the rest does not fit them, since this network never saw itself with PD. (c)
# Early: at step 0 the null part is empty, and $A^\dagger y$ is all there is to see.
#
# </details>
#
# ## 6. The stored runs
#
# What follows was trained by `python -m ganprior_null train restorer` on real photographs of 64 pixels. The people of
# the test images are not among those trained on; cats and buildings are split image by image. Runs of one seed share
# initial weights and the order of images. Networks, batches and numbers of steps are those of the `laptop` profile
# (minutes) and of `night` (10 to 45 minutes): far smaller than the paper's, so compare *differences* with the
# paper's, not levels. A table, and a claim, takes the `night` runs where all that it compares are stored, else the
# `laptop` ones, and says which; a comparison never mixes the two.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
if retrain:
    out = results_folder() / "restorers" / run_name(source, mine, own_profile, restorer(profile))
    launch(source, out, mine, profile, changes)
runs, unreadable = read_runs(COMMITTED / "restorers", results_folder() / "restorers")
print(f"{len(runs)} runs:", "; ".join(f"{n} of {at}" for at, n in Counter(run.profile for run in runs).items()))
for line in unreadable:
    print("left out:", line)
if not runs:
    print("no finished run is stored yet: the tables and figures below say what they lack")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
USUAL = {"downsampler": "bicubic", "degraded": False, "variant": "", "gan_weight": 1e-2}
TITLES = {"glean": "GLEAN", "panini": "Panini", "pdn": "PDN", "psp": "pSp", "gfpgan": "GFP-GAN", "gpen": "GPEN"}
TITLES["esrgan"] = "ESRGAN, no prior"
SPACES = {"none": "", "pd": " + PD", "exact": " + exact"}


def usual_sizes(profile):
    """The most common sizes of a profile's networks; runs of others are experiments of their own."""
    sizes = Counter((run.params["rrdb_blocks"], run.params["rrdb_channels"]) for run in runs if run.profile == profile)
    return dict(zip(("rrdb_blocks", "rrdb_channels"), sizes.most_common(1)[0][0], strict=True)) if sizes else {}


def pick(profile, category="faces", **wanted):
    """The runs of one experiment, over its seeds: those with the most steps where there are several sizes."""
    if not runs:
        return []
    found = grouped(choose(runs, profile=profile, category=category, **(USUAL | usual_sizes(profile) | wanted)))
    return max(found, key=lambda group: (group[0].params["steps"], len(group)), default=[])


def deciding(*cases):
    """The profile whose runs decide: the reader's own; at laptop night, where it has every case, else laptop."""
    names = deciding_profiles(profile)
    return next((name for name in names if all(pick(name, **case) for case in cases)), names[-1])


def both_ways(category="faces", models=("glean", "panini"), **wanted):
    """The cases of a comparison with and without PD."""
    return [{"category": category, "model": m, "null_space": s, **wanted} for m in models for s in ("none", "pd")]


def pair(profile, category="faces", model="glean", **wanted):
    """([runs without], [runs with PD]) that saw the same; prints in what else they differ, if in anything."""
    both = [pick(profile, **case) for case in both_ways(category, [model], **wanted)]
    runs = [*both[0], *both[1]]
    also = differing(runs, apart=("null_space", "seed", "torch", "machine", "precision"))
    also = [name for name in also if all(name in run.params for run in runs)]  # what all of them stored
    if all(both) and also:
        print(f"note: {category}, {TITLES[model]}: the runs with and without PD also differ in {', '.join(also)}")
    return both


PAPER = {  # PSNR in dB, Tables 2 and 3, as far as we know the figures: at 1024 pixels, other data, other steps
    "faces, GLEAN": "27.20",
    "faces, Panini": "27.13",
    "16x faces, GLEAN": "27.21",
    "16x faces, Panini": "27.18",
    "16x faces, GPEN": "26.07",
    "16x faces, GFP-GAN": "25.17",
    "16x faces, PULSE": "21.68",
    "16x faces, pSp": "18.91",
}


WHO = [IDENTITY, RANK]  # columns of `evaluate identity`: known of some runs on faces, see below
IN_USE = {"none": "raw", "pd": "PD", "exact": "exact"}  # what its rows call the answer that a run was trained to give


def free_rows(profile, category, factor, downsampler="bicubic"):
    """{name: row}: interpolation, pseudo-inverse, mean image, on the images that the runs are tested on."""
    found = stored_baselines(category, factor, profile=profile, downsampler=downsampler, folders=result_folders())
    same = {"profile": profile, "data": PACKS[category], "factor": factor, "downsampler": downsampler}
    known = [stored_identity(run.path)["baselines"] for run in (choose(runs, **same) if runs else [])]
    known = next((rows for rows in known if rows), {})  # no network is in them: any run's will do
    return {name: row | known.get(name, {}) for name, row in found.items()}


def costs_nothing(profile, category="faces", factor=8, **wanted):
    """[(label, row)] of them."""
    return [(f"*{category}, {name}*", row) for name, row in free_rows(profile, category, factor, **wanted).items()]


def known_of(rows, metrics):
    """Those of the columns that any of the rows has."""
    return [m for m in metrics if any(m in row for _, row in rows)]


def before_adversary(group):
    """PSNR at the last evaluation before the adversary joined, mean over seeds; None where it was there at once."""
    early = [
        [value for step, value in zip(*run.curve("PSNR"), strict=True) if 0 < step <= run.params["gan_from"]]
        for run in group
    ]
    return sum(values[-1] for values in early) / len(early) if all(early) else None


def digits(metric):
    return 0 if metric == RANK else 1 if metric in ("iris", "teeth") else 2 if "PSNR" in metric else 3


def verdict_on(rows):
    """Which networks are above everything that costs nothing, in PSNR and in SSIM."""
    free = [row for _, row in rows if isinstance(row, dict)]
    runs = [(label, group) for label, group in rows if not isinstance(group, dict) and group]
    for metric in ("PSNR", "SSIM") if free and runs else ():
        best = max(row[metric] for row in free)
        above = [label for label, group in runs if mean(group, metric).mean > best]
        print(f"above every row that costs nothing in {metric} ({best:.3f}): {'; '.join(above) or 'none'}")


def scores(rows, metrics):
    """A line per experiment: means over seeds ± half their spread; in italics what costs nothing."""
    missing = [label for label, group in rows if not group]
    rows = [(label, group) for label, group in rows if group]
    quoted = any(label in PAPER for label, _ in rows)
    lines = []
    for label, group in rows:
        if isinstance(group, dict):
            cells = [f"{group[m]:.{digits(m)}f}" if m in group else "-" for m in metrics]
            lines.append([label, *cells, *[PAPER.get(label, "")] * quoted])
            continue
        known = [group and metric in group[0].final for metric in metrics]
        cells = [
            mean(group, metric).text(digits(metric)) if found else "-"
            for metric, found in zip(metrics, known, strict=True)
        ]
        lines.append([label, *cells, *[PAPER.get(label, "")] * quoted])
    table(["", *metrics, *["PSNR in the paper"] * quoted], lines)
    if missing:
        print("not run yet:", "; ".join(missing))


def same_seeds(without, with_):
    """([runs without], [runs with PD]) of the seeds that both have, where they share any."""
    pairs = pairs_of(without, with_)
    return map(list, zip(*pairs, strict=True)) if pairs else (without, with_)


def differences(without, with_):
    without, with_ = same_seeds(without, with_)
    return {metric: mean(with_, metric).mean - mean(without, metric).mean for metric in METRICS}


def signed(by):
    return [f"{gain:+.{2 if metric == 'PSNR' else 3}f}" for metric, gain in by.items()]


def names(*groups):
    """The stored runs' names, for the record of a claim that rests on them."""
    return [run.name for group in groups for run in group]


METRICS = ["PSNR", "SSIM", "MS-SSIM", "fd_features64"]


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def cells_of(file, size=G.size):
    """[row of pictures (n, 3, size, size)], cut out of a stored sheet."""
    sheet, pitch = load_image(file)[0, :, 2:, 2:], size + 2
    rows = [sheet[:, top : top + size] for top in range(0, sheet.shape[1] - size + 1, pitch)]
    return [torch.stack([row[..., left : left + size] for left in range(0, row.shape[2], pitch)]) for row in rows]


def answers_of(run, file="sheet.webp"):
    """(x_r, x_hat), each (n, 3, size, size), of a run's stored sheet."""
    return cells_of(run.path / file)


def gallery(labelled, count=5, height=1.45):
    """A row of pictures for each (label, images)."""
    tiles = [image for _, images in labelled for image in images[:count]]
    titles = [label if i == 0 else "" for label, images in labelled for i in range(min(count, len(images)))]
    show(tiles, titles, columns=count, height=height) if tiles else print("no run is stored for this figure yet")


# %% [markdown]
# ### First of all: does a network beat what costs nothing?
#
# A table of networks alone cannot say. Five answers need no training: bicubic interpolation, the same with PD or with
# the exact operator behind it, $A^\dagger y$ of the operator that made $y$ (bicubic, so these are no blocks), and one
# fixed picture, the mean of the training faces, with PD. They are on the same unseen photographs as the networks; a
# network that does not beat them has learned nothing that counts in that column. The column `fd_features64` is a
# Fréchet distance of the course's own: how far the answers as a whole are from photographs as a whole, in the eyes of a
# small network that tells people apart. It asks whether answers look real, not whether they are right; lower is better,
# and it is comparable within this course only.
#
# The runs of the `night` profile take mostly 10 to 45 minutes on one core. Their recipe differs from the paper's in
# four ways, each for a reason that shows in the tables:
#
# - the adversary joins *half-way*. Before that the network learns from pixels and features alone, which is twice as
#   fast and gives the PSNR; the second half turns what is left blurred into detail, and pays for it in PSNR;
# - a *moving average* of the weights answers, since adversarial steps walk to and fro;
# - a small weight (0.1) on $\lVert A x_r - y \rVert^2$. PD hides the block means of $x_r$ from every other loss
#   (exercise 2), and a prediction that drifts there cannot be put behind another operator later. (Runs without PD have
#   no such term, so pairs with and without PD differ in it, too. The rows *weight 0* say what it does: next to nothing
#   to $\hat x$ with PD, and with GLEAN much to what is left with another operator);
# - the pixel shuffles of GLEAN start with four equal pixels a square, against checkerboards.
#
# The rows *exact in use* put the true bicubic operator behind a network that was trained with PD.
#
# *Who is it?* PSNR does not say. The two columns at the right ask dlib's face network, which is read into PyTorch for
# this (`python -m ganprior_null evaluate identity RUN`). `identity (dlib)` is the cosine between its features of the
# answer and of the truth, after the mean feature of all the true faces is subtracted: what every face has in common
# says nothing about who it is. `rank (dlib)` sorts the people by how near they are to the answer, and is the median
# place of the right one. The printed line says what a stranger and another photograph of the same person get, and how
# well the network knows these people at all (*AUC*: the chance that two photographs of one person are nearer than two
# of different people). Compare a network with bicubic and with the mean face + PD, whose colours are right and whose
# face is nobody's. It is a measure of likeness on average, and no way to find out who somebody is: look at the rank.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
nights = choose(runs, profile="night", variant="", data=PACKS["faces"], downsampler="bicubic", degraded=False)
nights = [run for run in nights if (run.path / "unseen.json").is_file()]
nights = [run for run in nights if run.params["model"] in ("glean", "panini")]  # the others: Table 3, whole; lesson 08
for case in sorted({(run.params["factor"], run.params["data"]) for run in nights}):
    same = [run for run in nights if (run.params["factor"], run.params["data"]) == case]
    category = next(name for name, pack in PACKS.items() if pack == case[1])
    free = free_rows("night", category, case[0])
    rows = [(f"*{name}*", row) for name, row in free.items()]
    for run in same:
        who = stored_identity(run.path)
        found = read_json(run.path / "unseen.json")["tested"][run.params["downsampler"]]
        label = f"{TITLES[run.params['model']]}{SPACES[run.params['null_space']]}"
        label += f", beta {run.params['gan_weight']:g}" * (run.params["gan_weight"] < USUAL["gan_weight"])
        label += ", weight 0" * (run.params["range_weight"] == 0)
        label += f", seed {run.params['seed']}" * (run.params["seed"] > 0)
        rows.append((label, found | who["corrected"].get(IN_USE[run.params["null_space"]], {})))
        if run.params["null_space"] == "pd":
            after = {m: found[key] for m in METRICS if (key := f"{m}, exact after") in found}
            rows.append((f"{label}, exact in use", after | who["corrected"].get("exact", {})))
        if "bicubic + PD" in free:
            gain = {m: found[m] - max(row[m] for row in free.values()) for m in ("PSNR", "SSIM")}
            print(
                f"{case[0]}x {category}, {label}, {run.params['steps']} steps of {run.params['global_batch']}: "
                f"{gain['PSNR']:+.2f} dB and {gain['SSIM']:+.3f} SSIM against the best of what costs nothing"
            )
    scores(rows, [*METRICS, *known_of(rows, WHO)])
    for stored in [found for run in same if (found := stored_identity(run.path))["recognition"]][:1]:
        dlib, ours = stored["recognition"]["dlib"], stored["recognition"]["features64"]
        print(
            f"{case[0]}x {category}: {stored['people']} people, AUC of dlib's features {dlib['AUC']:.3f}, of features64 "
            f"{ours['AUC']:.3f}; {IDENTITY} of another photograph of the same person {dlib['same person']:.2f}, of "
            f"another person {dlib['another person']:.2f}; {RANK} by chance {(stored['people'] + 1) / 2:.0f}"
        )
if not nights:
    print("no run of the night profile is stored yet")

# %% [markdown]
# **Each choice, taken back.** Short runs of GLEAN + PD, a quarter as many images, in each of which one choice is
# another; lines of *the recipe* are seeds of it, and differences smaller than theirs say nothing. *Comb* is the energy
# at the frequencies of a grid of 2, 4 or 8 pixels over that of their neighbours, about 1 for photographs.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
CHOICES = ("gan_weight", "gan_from", "ema_images", "range_weight", "lr", "global_batch")
same = {"category": "faces", "model": "glean", "null_space": "pd", "downsampler": "bicubic", "degraded": False}
short = choose(runs, profile="night", factor=8, **same) if runs else []
short = [run for run in short if run.params["steps"] * run.params["global_batch"] == 9_600]
repeated = max(grouped(short), key=len, default=[])  # of two seeds
rows = []
for run in (*repeated, *(run for run in short if run not in repeated)):
    other = [f"{name} {run.params[name]:g}" for name in CHOICES if run.params[name] != repeated[0].params[name]]
    rows.append((", ".join(other) or f"the recipe, seed {run.params['seed']}", run.final))
scores(rows, ["PSNR", "SSIM", "fd_features64", "PSNR, exact after", "PSNR(LR) raw", "comb"])

# %% [markdown]
# An adversary from the first step costs .8 dB, the same images in steps twice as large .4, no average a tenth; half the
# learning rate is as good. The weight is worth .4 dB behind the exact operator. In the distance the two seeds are
# farther apart than any two choices.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "PSNR and fd_features64 of the long runs against steps: PSNR rises far above interpolation, then gives way by more than a decibel when the adversary joins and the distance falls"}}
headline = [run for run in nights if run.params["range_weight"] > 0]
headline = choose(headline, null_space="pd", factor=8, seed=0)
with plot(1, 2) as axes:
    for run, colour in zip(headline, (BLUE, ORANGE), strict=False):
        for ax, metric in zip(axes, ("PSNR", "fd_features64"), strict=True):
            ax.plot(*run.curve(metric), ".-", color=colour, label=run.path.name.removeprefix("night-"))
            ax.axvline(run.params["gan_from"], color=GRAY, ls=":")
            ax.set(xlabel="steps (dotted: the adversary joins)", ylabel=metric)
    if headline:
        axes[0].legend(fontsize=8)

# %% [markdown]
# **Figure 7.8.** The long runs with PD on unseen people. PSNR rises while pixels and features alone teach; where the
# adversary joins it gives way by more than a decibel, and the distance to real photographs falls.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "For unseen faces: y, bicubic, the mean face with PD, the network's own answer and its answer with PD"}}
labelled = []
for run in headline:
    folder = f"night-faces-{run.params['factor']}x"
    sheets = [results / "baselines" / folder / "sheet.webp" for results in result_folders()]
    cells = next((cells_of(file) for file in sheets if file.is_file()), [])
    if cells and not labelled:
        labelled += [("$y$", cells[0]), ("bicubic", cells[1]), ("mean + PD", cells[5])]
    x_r, x_hat = answers_of(run)
    name = f"{TITLES[run.params['model']]}: "
    labelled += [(name + r"$x_r$", x_r), (name + r"$\hat x$", x_hat)]
gallery(labelled, count=4)

# %% [markdown]
# **Figure 7.9.** Unseen people, none chosen, a column for each; the photographs themselves are not ours to show, but
# $y$ is all that a network was given. Compare rows, not pictures: bicubic is blurred and safe, the mean face with PD is
# everybody, and the network is *somebody* with the colours of $y$.
#
# PSNR alone would prefer the blur before the adversary joined (Figure 7.8).
#
# What is still wrong in Figure 7.9, and why:
#
# - *soft squares* in smooth, coloured backgrounds of $\hat x$ (most with Panini-Net, whose $x_r$ has other colours
#   there): PD sets block means to a *bicubic* $y$, which is no block mean (section 9). The exact operator has no
#   squares;
# - *streaks* along hair and hats: eight pixels do not say which way hair falls, and the adversary prefers some texture
#   to none;
# - *mouths between open and closed*, hands and microphones turned into chins: two or three pixels of $y$ are all there
#   is of them, and the prior knows faces only;
# - *glasses that fade*: few of the training faces wear any, so the safe answer is half a frame.
#
# The tables that follow ask the paper's questions of pairs of runs, with and without PD, at the profile printed with
# each verdict.

# %% [markdown]
# ### Table 2: 8x
#
# In the paper, PD raises PSNR and SSIM of both networks in all three categories, and improves FID in five of six cases.
# [`fd_features64`](../book/api.md#metrics.fd_features64) is the course's own Fréchet distance, lower is better. **Claim
# C3.**

# %% tags=["hide-input"] jupyter={"source_hidden": true}
AT_8 = {category: deciding(*both_ways(category, factor=8)) for category in PACKS}
rows = []
for category, at in AT_8.items():
    print(f"{category}: runs of the {at} profile")
    own = costs_nothing(at, category)
    for name in ("glean", "panini"):
        for space in SPACES:
            found = pick(at, category, model=name, factor=8, null_space=space)
            own.append((f"{category}, {TITLES[name]}{SPACES[space]}", found))
    verdict_on(own)
    early = {label: before_adversary(group) for label, group in own if group and not isinstance(group, dict)}
    known = [f"{label.partition(', ')[2]} {value:.2f}" for label, value in early.items() if value is not None]
    print("PSNR before the adversary joined:", "; ".join(known) or "unknown")
    rows += own
scores(rows, METRICS)

# %% [markdown]
# **Faces, yes; cats and buildings, no.** On faces GLEAN and Panini-Net end above everything that costs nothing; on cats
# and buildings they do not, in PSNR or in SSIM. Before the adversary joined they were above it there too, by .5 to 1 dB
# on cats and by a few tenths on buildings. Then it took more than a decibel in every category, which only faces had to
# spare; what it gave is the distance. There are 2,429 cats and 1,600 buildings to learn from, against 6,239 faces, and
# buildings have no common shape that a prior could know. One run is an exception: GLEAN + PD on buildings, seed 0,
# broke before any adversary, after 1,500 steps, the learning rate still at $0.8 \cdot 10^{-3}$: its $x_r$ left the
# range of images and came back as bars. Seed 1 did not, and ends where the network without PD does.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
AFTER = {"PSNR": "PSNR, PD after", "SSIM": "SSIM, PD after", "fd_features64": "fd_features64, PD after"}
rises, trained, seen, lines = {}, {}, [], []
at = deciding(*(case for category in PACKS for case in both_ways(category, factor=8)))
for category in PACKS:
    for name in ("glean", "panini"):
        without, with_ = pair(at, category, name, factor=8)
        if without and with_:
            without, with_ = same_seeds(without, with_)
            by = differences(without, with_)
            rises[category, name] = by["PSNR"] > 0 and by["SSIM"] > 0
            if all(AFTER["PSNR"] in run.final for run in without):
                gains = [mean(with_, metric).mean - mean(without, AFTER[metric]).mean for metric in ("PSNR", "SSIM")]
                trained[category, name] = min(gains) > 0
            seen += without + with_
            lines.append([f"{category}, {TITLES[name]}", *signed(by)])
table([f"PD changes by ({at})", *METRICS], lines)
print(f"both rise in {sum(rises.values())} of the {len(rises)} pairs that are stored; the claim is about six")
print(f"against PD put behind the network trained without it, both rise in {sum(trained.values())} of {len(trained)}")
share, fair = (sum(found.values()) / 6 if len(found) == 6 else None for found in (rises, trained))
record("C3", share, profile=profile, runs=names(seen), control=fair)

# %% [markdown]
# ### Is it the training?
#
# PD corrects the block means of *any* answer, also of a network that was never trained with it. How much of the gain is
# that, and how much does PD in *training* add? The control puts PD behind the networks trained without it, once, in
# use. Compare the last two columns.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
worth, lines = {}, []
for category, at in AT_8.items():
    for name in ("glean", "panini"):
        without, with_ = pair(at, category, name, factor=8)
        without, with_ = same_seeds(without, with_) if without and with_ else (without, with_)
        for metric, after in AFTER.items() if without and with_ and AFTER["PSNR"] in without[0].final else ():
            figures = [mean(without, metric).mean, mean(without, after).mean, mean(with_, metric).mean]
            worth.setdefault(metric, []).append(figures[2] - figures[1])
            cells = [f"{value:.{digits(metric)}f}" for value in figures]
            lines.append([f"{category}, {TITLES[name]}, {metric}", *cells])
table(["8x", "without PD", "PD after it", "trained with PD"], lines)
for metric, gains in worth.items():
    print(f"training with PD adds {sum(gains) / len(gains):+.3f} to {metric}, mean over {len(gains)} pairs")

# %% [markdown]
# ### Table 3: 16x
#
# From $4 \times 4$ pixels! In the paper (faces) PD raises PSNR, SSIM and MS-SSIM of both networks (Panini without it:
# SSIM 0.758, MS-SSIM 0.843), FID stays about the same. With PD the paper lowers the weight $\beta$ of the adversarial
# loss to $10^{-3}$, and so do the rows *+ PD* here where such runs are stored. That changes two things at once: a
# smaller $\beta$ alone may raise the PSNR, so read C5 together with the table at equal $\beta$ below, which changes PD
# alone (and, with it, the term that holds $A x_r$ to $y$). (The paper's GLEAN is as good at 16x as at 8x, 27.21 and
# 27.20 dB, though 16x is the harder task; take its levels with care.) **Claims C5 and C11.**

# %% tags=["hide-input"] jupyter={"source_hidden": true}
LOWER = {"gan_weight": 1e-3}


def cases_16(category="faces"):
    """At 16x: with PD at the lower weight, as in the paper."""
    return [case | (LOWER if case["null_space"] == "pd" else {}) for case in both_ways(category, factor=16)]


AT_16 = {category: deciding(*cases_16(category)) for category in PACKS}


def pick_16(model, space, category="faces"):
    """One of them, at the profile that decides."""
    cases = [case for case in cases_16(category) if (case["model"], case["null_space"]) == (model, space)]
    return pick(AT_16[category], **cases[0])


rows = []
for category, at in AT_16.items():
    print(f"{category}: runs of the {at} profile")
    own = costs_nothing(at, category, 16)
    for name in ("glean", "panini"):
        for space in ("none", "pd"):
            own.append((f"16x {category}, {TITLES[name]}{SPACES[space]}", pick_16(name, space, category)))
    verdict_on(own)
    rows += own
scores(rows, METRICS)
lines = []
for category in PACKS:
    for name in ("glean", "panini"):
        without, with_ = (pick_16(name, space, category) for space in ("none", "pd"))
        if without and with_:
            lines.append([f"16x {category}, {TITLES[name]}", *signed(differences(without, with_))])
table(["PD, with its weight, changes by", *METRICS], lines)

# %% [markdown]
# Look at the last column. The paper's FID stays about the same; here the distance rises in every row. The adversary is
# what pulls answers towards real images, and a tenth of its weight is a tenth of that pull: PSNR rises, since blurred
# is safe, and the distance rises with it, most for buildings, whose prior is the weakest. At equal $\beta$ (below) PD
# changes it by less than two seeds differ; and GLEAN at the smaller $\beta$ *without* PD ends where it ends with it.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
rises, seen = [], []
for name in ("glean", "panini"):
    without, with_ = pick_16(name, "none"), pick_16(name, "pd")
    if without and with_:
        without, with_ = same_seeds(without, with_)
        by = differences(without, with_)
        rises += [by[metric] > 0 for metric in METRICS[:3]]
        seen += without + with_
        print(
            f"{TITLES[name]}: beta {without[0].params['gan_weight']} without PD, {with_[0].params['gan_weight']} with PD"
        )
print(f"{sum(rises)} of {len(rises)} network-metric pairs rise; the claim is about six")
share, alone, lines = sum(rises) / 6 if len(rises) == 6 else None, [], []
for name in ("glean", "panini"):
    # the control: PD alone is changed, beta is 0.01 in both
    without, with_ = pair(AT_16["faces"], model=name, factor=16)
    if without and with_:
        by = differences(without, with_)
        alone += [by[metric] > 0 for metric in METRICS[:3]]
        lines.append([f"16x faces, {TITLES[name]}", *signed(by)])
table(["PD, at equal beta, changes by", *METRICS], lines)
equal = sum(alone) / 6 if len(alone) == 6 else None
record("C5", share, profile=profile, runs=names(seen), control=equal)

gains, seen = [], []
weights = [{"model": m, "factor": 16, "null_space": "pd", **w} for m in ("glean", "panini") for w in (LOWER, {})]
at = deciding(*weights)
for name in ("glean", "panini"):
    smaller, usual = (pick(at, **case) for case in weights if case["model"] == name)
    if smaller and usual:
        gains.append(mean(smaller, "PSNR").mean - mean(usual, "PSNR").mean)
        seen += smaller + usual
        print(f"{TITLES[name]} with PD: beta 0.001 instead of 0.01 changes PSNR by {gains[-1]:+.2f} dB")
gain = sum(gains) / len(gains) if gains else None
# the control: is it PD that needs the smaller weight, or does any run gain by it?
smaller, usual = (pick(at, model="glean", factor=16, null_space="none", **w) for w in (LOWER, {}))
more = None
if gains and smaller and usual:
    usual, smaller = same_seeds(usual, smaller)
    own = mean(smaller, "PSNR").mean - mean(usual, "PSNR").mean
    more = gains[0] - own
    print(f"GLEAN without PD: {own:+.2f} dB; with PD it gains {more:+.2f} dB more")
record("C11", gain, profile=profile, runs=names(seen), control=more, worst=min(gains, default=0.0))

# %% [markdown]
# ### Table 3, whole: six ways of using one prior
#
# The paper's table has four more methods, and its Figure 1 shows what they lose. PULSE searches (lesson 06). **pSp**
# {cite}`richardson2021psp` predicts latents and nothing else: what $w^+$ cannot say about $y$ is gone. **GFP-GAN**
# {cite}`wang2021gfpgan` adds a scale and a shift for half of the bank's channels, from a U-Net. **GPEN**
# {cite}`yang2021gpen` puts features in the place of the noise and trains the prior along. None of these three networks
# ever compares $A\hat x$ with $y$. **ESRGAN** {cite}`wang2018esrgan` has no prior at all. Here all have the same prior,
# images, steps and batch, and their own losses as far as 64 pixels allow:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
how = systems.__doc__.partition("\n\n")[2].strip().replace("``", "`")
Markdown(re.sub(r"(?m)^(PDN|pSp|GFP-GAN|GPEN|ESRGAN)\b", r"**\1**", how))

# %% [markdown]
# Each system has up to three rows: its own answer; the same answer with PD put *after* it, in use; and trained with PD
# (GLEAN and Panini at $\beta = 10^{-2}$, as without). The last two columns are measured on *drawn* faces, whose every
# factor is known: how far the mean colour of the irises, and of the teeth, is from the truth, in levels of 255.
# `identity (dlib)` and `rank (dlib)` are those of the first table of this section, for the runs they were measured for.
# Where none is, `identity` is a cosine of the course's own feature network, with which pSp and GFP-GAN are also
# trained: it flatters those two.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def found_of(name, space, factor):
    """(the runs of one system, what ``evaluate restorer`` found of each), at the night profile or the reader's own."""
    weight = systems.MODELS[name].recipe.get("gan_weight", USUAL["gan_weight"])
    at, *_ = deciding_profiles(profile)
    group = pick(at, model=name, null_space=space, factor=factor, gan_weight=weight)
    there = [run.path for run in group if (run.path / "unseen.json").is_file()]
    found = [read_json(path / "unseen.json") | {"who": stored_identity(path)["corrected"]} for path in there]
    return group, [each for each in found if "corrected" in each]


def row_of(name, space, factor, kind):
    """One line: means over seeds of all figures and of the colours of drawn faces; empty where nothing is stored."""
    _, found = found_of(name, space, factor)
    lines = [each["corrected"][kind] | each["parts"][kind] | each["who"].get(kind, {}) for each in found]
    keys = [key for key in lines[0] if all(key in line for line in lines)] if lines else []
    return {key: sum(line[key] for line in lines) / len(lines) for key in keys}


PRIORS = ("psp", "gfpgan", "gpen", "panini", "glean")
searched = read_json(file) if (file := COMMITTED / "pulse" / "faces64" / "summary.json").is_file() else {}
for factor_3 in (16, 8):
    at, *_ = deciding_profiles(profile)
    rows = costs_nothing(at, factor=factor_3)
    for kind, after in (("search", ""), ("PD", ", PD after")):
        rows.append((f"{factor_3}x faces, PULSE{after}", searched.get(f"{factor_3}x {kind}", [])))
    for name in (*PRIORS, "esrgan"):
        label = f"{factor_3}x faces, {TITLES[name]}"
        rows.append((label, row_of(name, "none", factor_3, "raw")))
        rows.append((f"{label}, PD after", row_of(name, "none", factor_3, "PD")))
        if name not in ("psp", "esrgan"):
            rows.append((f"{label} + PD", row_of(name, "pd", factor_3, "PD")))
    cases = {
        f"{TITLES[name]}{SPACES[space]}": (name, space) for name in (*PRIORS, "esrgan") for space in ("none", "pd")
    }
    seeds = {label: len(found_of(*case, factor_3)[1]) for label, case in cases.items()}
    several = [f"{label} ({count})" for label, count in seeds.items() if count > 1]
    print(f"{factor_3}x, means over seeds: {', '.join(several) or 'none'}; all others have one seed")
    who = known_of(rows, WHO) or ["identity"]
    scores(rows, ["PSNR", *who, *METRICS[1:], "PSNR(LR)", "iris", "teeth"])
    free = [row for label, row in rows if label.startswith("*") and row]
    for metric in ("PSNR", "SSIM") if free else ():
        best = max(row[metric] for row in free)
        below = [label for label, row in rows if row and not label.startswith("*") and row[metric] <= best]
        print(f"{factor_3}x, not above what costs nothing in {metric} ({best:.3f}): {'; '.join(below) or 'none'}")
    if factor_3 == 16:
        whole = {label.removeprefix("16x faces, "): row for label, row in rows if label in PAPER and row}
        ours = sorted(whole, key=lambda label: -whole[label]["PSNR"])
        theirs = sorted(whole, key=lambda label: -float(PAPER[f"16x faces, {label}"]))
        print(f"best PSNR first, ours: {', '.join(ours)}; the paper's order of these: {', '.join(theirs)}")
        for file in sorted((COMMITTED / "restorers").glob("night-faces-16x-*-strong-adversary-seed0/summary.json")):
            print(f"{file.parent.name}: {read_json(file)['PSNR']:.2f} dB")

# %% [markdown]
# GFP-GAN and GPEN had a second try: with ten times the adversary they ended below the rows that cost nothing in PSNR
# (the lines *strong-adversary* above), and these are their runs at GLEAN's weight. pSp and ESRGAN keep their first.
# PULSE was given pooled $y$, of fewer people. Read each system's first two rows against each other, then the second
# against *mean image + PD*: what PD after it cannot mend was lost before.
#
# **Claim C20** counts metrics that rise when PD is put behind a method trained (or searched) without it. A cheaper
# explanation would be that the answers merely have the wrong colour over all: its control shifts each answer to $y$'s
# mean colour, and no more, and asks how much PSNR PD adds to that, for the method that profits least. **Claim B8**
# divides the error of the iris with PD by that without, and is held against the same shift.
#
# The cell also puts the operator that made $y$ behind them, *exact*, and prints what either adds. PD is the wrong
# operator for a bicubic $y$: at 16x it sets sixteen blocks to values that are not the means of the truth. Where SSIM
# falls with PD and rises with *exact*, the loss is the wrong operator's and not the null space's. (For the iris this
# was not measured.)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
rises, margins, iris, beyond, seen = [], [], [], [], []
if searched:
    before, after = searched["16x search"], searched["16x PD"]
    rises += [after[metric] > before[metric] for metric in METRICS[:3]]
for name in PRIORS:
    raw, mended, shifted = (row_of(name, "none", 16, kind) for kind in ("raw", "PD", "mean colour"))
    if raw:
        rises += [mended[metric] > raw[metric] for metric in METRICS[:3]]
        margins.append(mended["PSNR"] - shifted["PSNR"])
        iris.append(mended["iris"] / raw["iris"])
        beyond.append(mended["iris"] / shifted["iris"])
        seen += found_of(name, "none", 16)[0]
        print(
            f"{TITLES[name]}: PSNR {raw['PSNR']:.2f}, with y's mean colour {shifted['PSNR']:.2f}, with PD {mended['PSNR']:.2f} dB; "
            f"iris {raw['iris']:.1f}, {shifted['iris']:.1f}, {mended['iris']:.1f} levels"
        )
print(f"{sum(rises)} of {len(rises)} method-metric pairs rise; the claim is about eighteen")
for name in PRIORS:
    judged = [each["tested"]["bicubic"] for each in found_of(name, "none", 16)[1]]
    changes = {  # what each operator put behind adds, mean over seeds
        (metric, after): sum(row[f"{metric}, {after} after"] - row[metric] for row in judged) / len(judged)
        for metric in ("SSIM", "fd_features64")
        for after in ("PD", "exact")
        if judged
    }
    if changes:
        print(f"{TITLES[name]}:", ", ".join(f"{metric} {v:+.3f} by {after}" for (metric, after), v in changes.items()))
every = len(rises) == 18
record("C20", sum(rises) / 18 if every else None, profile=profile, runs=names(seen), control=min(margins, default=None))
record(
    "B8",
    sum(iris) / len(iris) if every else None,
    profile=profile,
    runs=names(seen),
    control=sum(beyond) / len(beyond) if beyond else None,
    worst=max(iris, default=0.0),
)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Drawn faces restored from four by four pixels by pSp, GFP-GAN and GPEN, each before and after PD, and the truth"}}
labelled = []
for name in ("psp", "gfpgan", "gpen"):
    for run in [run for run in found_of(name, "none", 16)[0] if (run.path / "drawn.webp").is_file()][:1]:
        drawn = cells_of(run.path / "drawn.webp")
        labelled += [(TITLES[name], drawn[0]), ("PD after", drawn[1])]
gallery([*labelled, ("$x$", drawn[-1])] if labelled else [], count=4, height=1.1)

# %% [markdown]
# **Figure 7.10.** Drawn faces at 16x, the first of a seed: each system's own answer, the same with PD after it, and the
# truth at the end (the paper's Figure 1 in miniature). See what PD changes, and what it cannot: with sixteen pixels, an
# eye is a fraction of one.
#
# ### Neither prior nor data: SinGAN
#
# GLEAN's authors also show what happens without any prior: **SinGAN** {cite}`shaham2019singan` is trained on $y$ alone.
# A chain of small networks learns how the patches of one picture look, and goes on by itself above its resolution. It
# sees patches of 11 pixels, so it has no row above, where $y$ has four or eight. These are photographs whose truth may
# be shown, from $32 \times 32$ pixels (`python -m ganprior_null evaluate singan`):

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A photograph at four times fewer pixels, enlarged by bicubic interpolation and by SinGAN, each with PD and with the exact operator, and the truth"}}
alone = next((f / "singan" for f in result_folders() if (f / "singan" / "summary.json").is_file()), None)
if alone:
    options, found, sheets = (
        read_json(alone / "params.json"), read_json(alone / "summary.json"), sorted(alone.glob("*.webp"))
    )  # fmt: skip
    print(f"{len(sheets)} photographs, {options['factor']}x, {options['steps']} iterations a scale")
    scores(list(found.items()), [*METRICS[:3], "PSNR(LR)"])
    for after in ("", " + exact"):
        gain = found[f"SinGAN{after}"]["PSNR"] - found[f"bicubic{after}"]["PSNR"]
        print(f"SinGAN{after} against bicubic{after}: {gain:+.2f} dB")
    labels = ["$y$", *found, "$x$"]
    tiles = [row[0] for file in sheets[:1] for row in cells_of(file, options["size"])]
    show(tiles, labels + [""] * (len(tiles) - len(labels)), columns=len(labels), height=1.0)
else:
    print("no run of evaluate singan is stored yet")

# %% [markdown]
# **Figure 7.11.** The first of them by name: $y$, bicubic interpolation and SinGAN, each as it is, with PD and with
# the exact operator behind, and the truth. Trained on so few pixels, SinGAN invents more than it knows and loses to
# interpolation; compare how much is left of the loss once both are put into the null space of what made $y$.
#
# ### Consistent by construction, in the file too?
#
# PSNR(LR) *raw* is that of the network's own answer $x_r$, the other columns are those of $\hat x$: *enforced* under
# the operator whose null space is used, plain *PSNR(LR)* under the bicubic one that made $y$ (as is *raw*). With PD
# these two differ, since $y$ is bicubic and PD enforces pooling. *8 bit* is plain PSNR(LR) after clamping and rounding.
# **Claim C6** is the mean of *raw* over runs with PD whose recipe does not ask for it: the usual `night` runs pay for a
# distance of $A x_r$ to $y$, so theirs is no merit of PD; two were made without.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
CONSISTENCY = ["PSNR(LR) raw", "PSNR(LR) enforced", "PSNR(LR)", "PSNR(LR) 8 bit"]
rows = [
    (f"8x faces, {TITLES[name]}{SPACES[s]}", pick(AT_8["faces"], model=name, factor=8, null_space=s))
    for name in ("glean", "panini")
    for s in SPACES
]
scores(rows, CONSISTENCY)
unasked = [{"model": m, "factor": 8, "null_space": "pd", "range_weight": 0.0} for m in ("glean", "panini")]
at = deciding(*unasked)
with_pd = [run for case in unasked for run in pick(at, **case)]
raw = [run.final["PSNR(LR) raw"] for run in with_pd]
level, spread = (sum(raw) / len(raw), max(raw) - min(raw)) if raw else (None, 0.0)
record("C6", level, profile=profile, runs=names(with_pd), spread=spread)

# %% [markdown]
# With PD, no other loss ever sees the block means of $x_r$ (exercise 2). Compare the first column of a network trained
# with PD and of one trained without: what PD guarantees, the network need not learn, and learns only as far as the rest
# drags it along, or the extra term asks for it. Figure 7.15 shows raw predictions of a run that has the term.
#
# <details><summary>Quick check 3: the runs with PD reach 100 dB and more in the column "enforced", and far less in the next, under the operator that made y. Are they inconsistent?</summary>
#
# They agree with $y$ under the operator that was put into them, pooling. $y$ was made by bicubic reduction, and
# $A_\text{bicubic} \hat x = y$ was never asked. The row *+ exact* asks for it.
#
# </details>
#
# ## 7. Convergence
#
# Figures 3 and 6 of the paper: PD reaches in 10k iterations what the same network without it reaches in 90k. Our
# measure: steps without PD over steps with PD, until the PSNR that the run *without* PD ends with is reached for the
# first time, per seed. **Claim C4.**


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def curves_of(ax, metric, **wanted):
    """All seeds of one experiment without PD, with PD, and exact."""
    for space, colour in (("none", GRAY), ("pd", BLUE), ("exact", ORANGE)):
        for i, run in enumerate(pick(AT_8["faces"], **wanted, null_space=space)):
            label = (SPACES[space].strip(" +") or "without") if i == 0 else None
            ax.plot(*run.curve(metric), ".-", color=colour, lw=1.2, label=label)
            if (after := AFTER.get(metric)) in run.final:
                ax.plot(*run.curve(after), ":", color=colour, lw=1.2, label=label and "without, PD after")


# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "PSNR on unseen faces against steps for GLEAN and Panini, 8x: with PD far above without PD at step 0, and hardly afterwards"}}
with plot(1, 2, sharey=True) as axes:
    for ax, name in zip(axes, ("glean", "panini"), strict=True):
        curves_of(ax, "PSNR", model=name, factor=8)
        ax.set(title=f"{TITLES[name]}, faces, 8x", xlabel="steps", ylabel="PSNR, dB")
        if ax.lines:
            ax.legend(fontsize=8)
        else:
            ax.text(0.5, 0.5, "no run stored", ha="center", transform=ax.transAxes)

# %% [markdown]
# **Figure 7.12.** PSNR on unseen faces over the steps, a line for each seed. Compare the heights at step 0, the head
# start, then the slopes. Dotted: PD put behind the network that was trained without it.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
ratios, used, leads, fairer, lines = [], [], [], [], []
for name in ("glean", "panini"):
    for without, with_ in pairs_of(*pair(AT_8["faces"], model=name, factor=8)):
        ratios.append(speedup(without, with_))
        leads.append(ahead(without, with_))
        used += [without, with_]
        level, reached = without.final["PSNR"], steps_to(with_, without.final["PSNR"])
        steps = [f"{steps_to(without, level):.0f}", "never" if reached is None else f"{reached:.0f}"]
        lead = f"{leads[-1][0]} of {leads[-1][1]}"
        label = f"{TITLES[name]}, seed {without.params['seed']}"
        lines.append([label, f"{level:.2f}", *steps, f"{ratios[-1]:.1f}", lead])
        if AFTER["PSNR"] in without.final:
            fairer.append(speedup(without, with_, AFTER["PSNR"], "PSNR"))
            lines.append(
                [f"{label}, PD put after it", f"{without.final[AFTER['PSNR']]:.2f}", "", "", f"{fairer[-1]:.1f}", ""]
            )
table(["to the end of the run without PD", "PSNR, dB", "steps without", "with", "times faster", "ahead"], lines)
record(
    "C4",
    sum(ratios) / len(ratios) if ratios else None,
    profile=profile,
    runs=names(used),
    control=sum(fairer) / len(fairer) if fairer else None,
    worst=min(ratios, default=0.0),
    seeds=len({run.params["seed"] for run in used}),
)

# %% [markdown]
# The evaluation *before the first step* counts as well. There, the runs with PD already have the colours of $y$; where
# that alone is more than the other run ever reaches, our figure is a lower bound (the first evaluation after it
# counts). In the `night` runs both pass the level before they are first looked at, at step 1,000: there the ratio is
# read off a straight line from step 0, and is hardly more than the head start. How much of the ratio is this head start
# Figure 7.12 shows at step 0. It is to be had without training, by PD behind the other network in use (the dotted
# curves). Each pair's last line compares with those: that ratio is about the training alone.
#
# ### Half-way, and the blocks
#
# A network with PD starts as blocks, and the paper says that the artefacts fade. `blockiness` is the mean step across
# borders of blocks over that inside blocks, 1 for an image without blocks. **Claim C12** divides the last by the first.
# (Before training the null part is nearly empty and blocks are all there is, so most of the fall comes at once; the
# printed figures show how it goes on, and what a network without PD ends with.)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Blockiness against steps, falling with PD from a high start towards 1"}}
with plot() as ax:
    curves_of(ax, "blockiness", model="glean", factor=8)
    ax.axhline(1, color=GRAY, ls=":")
    ax.set(xlabel="steps", ylabel="blockiness", yscale="log", title="GLEAN, faces, 8x")
    if len(ax.lines) > 1:
        ax.legend(fontsize=8)
with_pd = pick(AT_8["faces"], model="glean", factor=8, null_space="pd")
fading = [run.final["blockiness"] / run.history[0]["blockiness"] for run in with_pd]
lines = []
for run in with_pd + pick(AT_8["faces"], model="glean", factor=8, null_space="none"):
    steps, values = run.curve("blockiness")
    lines.append([run.path.name, *(f"{values[i]:.2f}" for i in (0, 1, -1)), steps[1], steps[-1]])
table(["blockiness", "before training", "first look", "at the end", "step of the first", "of the last"], lines)
record("C12", sum(fading) / len(fading) if fading else None, profile=profile, runs=names(with_pd))

# %% [markdown]
# **Figure 7.13.** How much larger the steps across borders of blocks are than those inside; 1, dotted, is an image
# without blocks. With PD the network starts as blocks, and most of them are gone at the first look.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Faces half-way through the training and after it, without PD and with PD"}}
labelled = []
for space in ("none", "pd"):
    for run in pick(AT_8["faces"], model="glean", factor=8, null_space=space)[:1]:
        name = f"GLEAN{SPACES[space]}"
        for file, when in (("sheet_halfway.webp", "half-way"), ("sheet.webp", "at the end")):
            if (run.path / file).is_file():
                labelled.append((f"{name}, {when}", answers_of(run, file)[1]))
gallery(labelled)

# %% [markdown]
# **Figure 7.14.** Half-way through the training and at its end, without PD and with it (the paper's Figure 10): the
# same unseen people in every row; they and their measurements are not shown, since they are not ours to distribute.
#
# On real data: what the network trained with PD says itself, its null part, and the answer.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Raw predictions, their null-space parts and the final answers of GLEAN with PD on unseen faces"}}
for run in pick(AT_8["faces"], model="glean", factor=8, null_space="pd")[:1]:
    x_r, x_hat = answers_of(run)
    gallery([("$x_r$", x_r), ("null part", 0.5 + A.project_null(x_r) if factor == 8 else x_r), (r"$\hat x$", x_hat)])

# %% [markdown]
# **Figure 7.15.** GLEAN with PD on unseen people: what the network itself says, the null part of it (gray is zero),
# and the answer. A small weight holds the colours of $x_r$ to $y$ here; without it they are nobody's business.
#
# ## 8. Contact sheets
#
# Final answers, the same unseen images in all rows of a category, none chosen.


# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Answers of GLEAN, GLEAN with PD, Panini and Panini with PD on unseen faces, cats and buildings"}}
def sheet_of(at, category, factor):
    """[(label, images)]: y, bicubic and the mean image + PD, of the same unseen images as the runs' sheets show."""
    folder = f"{'' if at == 'laptop' else at + '-'}{category}-{factor}x"
    files = [results / "baselines" / folder / "sheet.webp" for results in result_folders()]
    cells = next((cells_of(file) for file in files if file.is_file()), [])
    return [(name, cells[k]) for name, k in (("$y$", 0), ("bicubic", 1), ("mean + PD", 5)) if cells]


everything = []
for category, at in AT_8.items():
    labelled = sheet_of(at, category, 8) + [
        (f"{category}, {TITLES[name]}{SPACES[space]}", answers_of(run)[1])
        for name in ("glean", "panini")
        for space in SPACES
        for run in pick(at, category, model=name, factor=8, null_space=space)[:1]
    ]
    everything += labelled
gallery(everything, count=3)

# %% [markdown]
# **Figure 7.16.** Final answers at 8x, the same unseen images in all rows of a category. Cats have eyes and noses where
# $y$ has them, and a coat that is made up; at its edges fine hatching is left of the upsampling layers. What the
# networks draw on buildings are textures of buildings, as their prior does: combs of windows with GLEAN, bars in the
# run that broke, relief with Panini-Net. Squares in the rows *+ PD* are PD's, whose block means do not belong to a
# bicubic $y$ (section 9).

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The same at 16x, from four by four pixels"}}
gallery(
    sheet_of(AT_16["faces"], "faces", 16)
    + [
        (f"16x, {TITLES[n]}{SPACES[s]}", answers_of(run)[1])
        for n in ("glean", "panini")
        for s in ("none", "pd")
        for run in pick_16(n, s)[:1]
    ],
    count=3,
)

# %% [markdown]
# **Figure 7.17.** The same at 16x, from $4 \times 4$ pixels. The faces are somebody's; stripes in the rows with PD run
# along the borders of the sixteen blocks, where the network and $y$ disagree about the colour.
#
# The trained networks that come with the course, on images of the prior (so that $x$ may be shown): anatomy and errors
# times five, as Figures 4 and 9 of the paper.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "For each shipped network: y, raw prediction, null part, blocks, answer, two error maps, truth"}}
rows, labels = [], []
for name in restorers():
    shipped_model = read_model(name)
    pooled = isinstance(shipped_model.A, AveragePool) and shipped_model.this.model != "pdn"
    if not pooled or shipped_model.this.prior != source.prior:
        continue
    truth = samples(1, 4)
    y_3 = from_uint8(to_uint8(shipped_model.A_true(truth)))
    rows += anatomy(shipped_model.network, y_3, truth, shipped_model.A)
    labels.append(name)
if labels:
    show(rows, NAMES + [""] * (len(rows) - len(NAMES)), columns=len(NAMES), height=1.0)
print("rows:", *labels or ["no trained restorer comes with the course yet"], sep="\n")

# %% [markdown]
# **Figure 7.18.** The shipped networks, a row for each, in the order printed: measurement, prediction, its null part,
# blocks of $y$, answer, two error maps, truth. The errors of $\hat x$ have lost their flat areas: those were the block
# means.
#
# ## 9. What limits PD, and what else was claimed
#
# ### The mismatch
#
# $y$ is bicubic, PD enforces pooling. Then even the ground truth is no fixed point: put $x$ itself in as $x_r$, and the
# answer is off. That is a ceiling for every network with PD, since of all images that average to $y$ this answer is the
# one nearest to $x$ (lesson 01 proves it); with the *exact* operator (`+ exact`, lesson 03) it is gone, up to the 8
# bits of $y$. See in the table whether a network must be trained with it, or whether it does as well when it is put in
# PD's place behind one that was trained with PD (*exact in use*).

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
exact_operator = Resize(G.size, factor)
y_float = exact_operator(held_out)
mended = (enforce_consistency(held_out, y_float, B) for B in (A, exact_operator))
through_pd, through_exact = (psnr(image, held_out) for image in mended)
lowest = through_exact.min()
print(f"the truth through the exact null space: {'above 100' if lowest > 100 else f'{lowest:.0f}'} dB")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
print(f"the truth through PD: {through_pd.mean():.1f} dB on images of the prior, whatever the network")
rows = [
    (f"8x faces, {TITLES[name]}{SPACES[s]}", pick(AT_8["faces"], model=name, factor=8, null_space=s))
    for name in ("glean", "panini")
    for s in ("pd", "exact")
]
for name in ("glean", "panini"):
    judged = [found["tested"]["bicubic"] for found in found_of(name, "pd", 8)[1]]
    after = [m for m in METRICS if judged and all(f"{m}, exact after" in row for row in judged)]
    means = {m: sum(row[f"{m}, exact after"] for row in judged) / len(judged) for m in after}
    rows.append((f"8x faces, {TITLES[name]} + PD, exact in use", means))
at = deciding(*both_ways(factor=8, downsampler="average"))
pooled = [
    (f"y pooled, {TITLES[name]}{SPACES[s]} ({at})", pick(at, model=name, factor=8, null_space=s, downsampler="average"))
    for name in ("glean", "panini")
    for s in ("none", "pd")
]
scores(rows + pooled, METRICS)

# %% [markdown]
# ### Small backbones and diverse data
#
# The paper admits that small backbones and diverse data gain little: two statements. **Claim C14a** divides the gain in
# PSNR of a small backbone on faces by that of the usual one, **claim C14b** the gain on buildings, our diverse data, by
# that on faces. The divisor must be positive, or the ratio means nothing: in the long runs GLEAN gains nothing from PD
# on faces, so both claims speak of the short ones only. Read them as that.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def gain_of(without, with_):
    """PSNR with PD minus without, mean over seeds; None where a run is missing."""
    return mean(with_, "PSNR").mean - mean(without, "PSNR").mean if without and with_ else None


small = {"rrdb_blocks": 1, "rrdb_channels": 16}
for id, what, other in (
    ("C14a", "faces, small backbone", {"category": "faces", **small}),
    ("C14b", "buildings", {"category": "buildings"}),
):
    share, seen = None, []
    for at in deciding_profiles(profile):
        faces, others = pair(at, factor=8), pair(at, factor=8, **other)
        usual, gain = gain_of(*faces), gain_of(*others)
        if usual is None or gain is None:
            continue
        print(f"{id}, {at}: faces {usual:+.2f} dB; {what} {gain:+.2f} dB" + "; no ratio" * (usual <= 0))
        if usual > 0:
            share, seen = gain / usual, names(*faces, *others)
            break
    record(id, share, profile=profile, runs=seen)

# %% [markdown]
# ### Against a search
#
# PULSE (lesson 06) searches the prior for an image whose reduction is $y$; GLEAN answers in one pass. **Claim C17**
# compares their PSNR on held-out faces at 8x, both without PD. PSNR is judged against $x$, PSNR(LR) against $y$; a
# search that minimises the distance to $y$ may well win in the second. (PULSE was given pooled $y$, GLEAN bicubic ones;
# the images are of the same held-out people, fewer for PULSE, whose searches take long.) Hold both against the last
# line: interpolation is ahead of PULSE in PSNR, too.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
plain, on_pooled = (
    {"model": "glean", "factor": 8, "null_space": "none", "downsampler": d} for d in ("bicubic", "average")
)
at = deciding(plain, on_pooled)
glean_runs = pick(at, **plain)
searches = COMMITTED / "pulse" / "faces64" / "summary.json"
pulse_8x = read_json(searches) if searches.is_file() else {}
found = pulse_8x.get("8x search")
lead, fair, in_lr = None, None, {}
if glean_runs and found:
    ours = mean(glean_runs, "PSNR")
    lead = ours.mean - found["PSNR"]
    lr_ours = mean(glean_runs, "PSNR(LR)")
    print(f"PSNR: GLEAN {ours.text()} dB, PULSE {found['PSNR']:.2f} dB")
    print(f"PSNR(LR): GLEAN {lr_ours.text()} dB, PULSE {found['PSNR(LR)']:.2f} dB")
    same_y = pick(at, **on_pooled)
    if same_y:  # the same measurements as PULSE's
        fair = mean(same_y, "PSNR").mean - found["PSNR"]
        print(f"GLEAN trained and asked on pooled y: PSNR {mean(same_y, 'PSNR').text()} dB, {fair:+.2f} dB")
    print(f"bicubic interpolation of PULSE's y: {pulse_8x['8x bicubic']['PSNR'] - found['PSNR']:+.2f} dB against PULSE")
    in_lr = {"glean_psnr_lr": round(lr_ours.mean, 2), "pulse_psnr_lr": round(found["PSNR(LR)"], 2)}
record("C17", lead, profile=profile, runs=names(glean_runs), control=fair, **in_lr)

# %% [markdown]
# ## Quiz
#
# Five questions on the ideas and on typical mistakes. Choose, check, and read why.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets import quiz

quiz("07")

# %% [markdown]
# ## Exercises
#
# Each stub ends in a check that says what is missing; nothing breaks while it is unsolved. The solutions are folded
# away below each one.
#
# ### Exercise 1 — concatenation is a sum
#
# *★ easy · about 10 minutes*
#
# GLEAN concatenates, Panini-Net interpolates. How different is that? Write `fuse(g, f, weight, bias)`: what a
# $3 \times 3$ convolution with `weight` $(C, 2C, 3, 3)$ does to $[g, f]$, *without* concatenating.
#
# <details><summary>Hint 1</summary>
#
# A convolution is a sum over its input channels. Cut the sum in two: the channels of $g$, and those of $f$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `weight[:, :C]` belongs to $g$, `weight[:, C:]` to $f$. The bias is added once.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def fuse_law(fuse):
    generator = torch.Generator().manual_seed(1)
    g, f = (torch.randn(2, 5, 8, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    weight, bias = torch.randn(5, 10, 3, 3, generator=generator, dtype=torch.float64), torch.arange(5).double()
    wanted = F.conv2d(torch.cat([g, f], dim=1), weight, bias, padding=1)
    found = fuse(g, f, weight, bias)
    assert found.shape == wanted.shape, f"the result must be {tuple(wanted.shape)}, got {tuple(found.shape)}"
    assert torch.allclose(found, wanted), "not the same map (is the bias added twice?)"


# %%
def fuse(g, f, weight, bias):
    raise NotImplementedError


check_answer(fuse, fuse_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def fuse_solution(g, f, weight, bias):
    half = g.shape[1]
    return F.conv2d(g, weight[:, :half], bias, padding=1) + F.conv2d(f, weight[:, half:], padding=1)


fuse_law(fuse_solution)
print("Correct. Equation (2) is the special case whose first convolution is diagonal, alpha at its centre.")

# %% [markdown]
# ### Exercise 2 — what PD does to the gradient
#
# *★★ medium · about 15 minutes*
#
# A loss gives the gradient $g = \partial \mathcal L / \partial \hat x$. Write `gradient(g, s)`, the gradient with
# respect to $x_r$, for PD with blocks of $s \times s$ pixels, with no call of autograd. What does it say about the
# block means of $x_r$?
#
# <details><summary>Hint 1</summary>
#
# $\hat x = A^\dagger y + (I - A^\dagger A)\, x_r$ is linear in $x_r$. What does the chain rule multiply $g$ by?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# By the transpose of $I - A^\dagger A$, which for pooling is the matrix itself. It takes block
# means away: do that to $g$.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def gradient_law(gradient):
    generator = torch.Generator().manual_seed(2)
    for s in (2, 4):
        x_r = torch.randn(1, 3, 16, 16, generator=generator, dtype=torch.float64, requires_grad=True)
        y = torch.randn(1, 3, 16 // s, 16 // s, generator=generator, dtype=torch.float64)
        g = torch.randn(x_r.shape, generator=generator, dtype=torch.float64)
        (wanted,) = torch.autograd.grad(enforce_consistency(x_r, y, AveragePool(s)), x_r, g)
        found = gradient(g, s)
        assert found.shape == g.shape, f"the gradient has the shape of x_r, {tuple(g.shape)}, got {tuple(found.shape)}"
        assert torch.allclose(found, wanted), f"not what autograd says at s = {s}"


# %%
def gradient(g, s):
    raise NotImplementedError


check_answer(gradient, gradient_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def gradient_solution(g, s):
    # (I - A^+ A) is symmetric for pooling, so its transpose is itself: take the block means out of g
    return g - F.avg_pool2d(g, s).repeat_interleave(s, -1).repeat_interleave(s, -2)


gradient_law(gradient_solution)
print("Correct. No loss ever tells x_r what its block means should be.")

# %% [markdown]
# ### Exercise 3 — how many times faster?
#
# *★★ medium · about 20 minutes*
#
# Write `faster(without, with_)`: two lists of (step, PSNR), in order of steps, both rising, the first evaluation at
# step 0. The result is steps without over steps with PD, to the PSNR that `without` ends with, interpolated linearly
# between evaluations; 0 if `with_` never gets there. (The case that `with_` is there before its first step does not
# occur.)
#
# <details><summary>Hint 1</summary>
#
# The level to reach is the last PSNR of `without`. Go through neighbouring evaluations of `with_`
# until the later one has reached it.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Between $(t_0, v_0)$ and $(t_1, v_1)$ the level is passed at $t_0 + (t_1 - t_0)(\text{level} - v_0) / (v_1 - v_0)$.
# The answer is the last step of `without` over that.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def faster_law(faster):
    slow = [(0, 10.0), (100, 14.0), (200, 18.0)]
    assert abs(faster(slow, slow) - 1) < 1e-9, "a run is once as fast as itself"
    assert abs(faster(slow, [(0, 14.0), (100, 22.0), (200, 23.0)]) - 4) < 1e-9, "18 dB lie half-way between 14 and 22"
    assert abs(faster(slow, [(0, 10.0), (100, 12.0), (200, 16.0), (300, 20.0)]) - 0.8) < 1e-9, "a slower run: below 1"
    assert faster(slow, [(0, 10.0), (100, 12.0), (200, 17.0)]) == 0, "a run that never gets there: 0"


# %%
def faster(without, with_):
    raise NotImplementedError


check_answer(faster, faster_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def faster_solution(without, with_):
    last, level = without[-1]
    for (t0, v0), (t1, v1) in zip(with_, with_[1:], strict=False):
        if v1 >= level:
            return last / (t0 + (t1 - t0) * (level - v0) / (v1 - v0))
    return 0


faster_law(faster_solution)
print("Correct. Ask it of every seed, and look at the curves as well: one number hides where they cross.")

# %% [markdown]
# ## Use it on your own images
#
# ```bash
# python -m ganprior_null restore --model NAME --out restored y.png                     # y of exactly 8 x 8 pixels
# python -m ganprior_null restore --model NAME --out restored --downsample photo.jpg    # the middle square, reduced first
# ```
#
# `NAME` is a shipped restorer, or the folder of a run of your own. The files have exactly the block means of $y$, in 8
# bits. One face must fill the square, as the training images had it; whatever $y$ does not say is invented, so this is
# no tool to find out what somebody looked like.
#
# ## Summary
#
# - GLEAN: an encoder reads $y$, a frozen prior is steered by latents and by features, a decoder of pixel shuffles
#   writes the image. Panini-Net: masks decide channel by channel between prior and encoder, and the prior learns too.
# - PD is one line in the forward pass. It adds no parameters, hardly any time, and takes the block means out of what
#   has to be learned.
# - A step is (3) and the discriminator's loss; the step in the cell is the library's.
# - Runs are compared over the same seeds and images, as curves: who is ahead at each evaluation, and how many steps to
#   the same PSNR.
# - Where $y$ was not made by pooling, PD has a ceiling of its own; the exact operator removes it.
# - Before the training is given the credit, put PD behind a network trained without it: the table under *Is it the training?* and the dotted curves of section 7 do.
#
# **References.** GLEAN is {cite}`chan2021glean`, Panini-Net {cite}`wang2022panini`, the encoder's blocks
# {cite}`wang2018esrgan`; PD and the claims are from {cite}`wang2023gan`, PULSE is {cite}`menon2020pulse`.
#
# **Run it in full**: one run is one executed notebook (some minutes on two cores at the laptop profile); the whole
# table is a sweep.
#
# ```bash
# export GANPRIOR_DATA=/where/the/packs/are   # folders of images: faces_color64, cats64, buildings64
# python -m ganprior_null run notebooks/07_glean_panini.ipynb -p retrain true -p model glean -p pd true -p factor 8 -p data faces
# make sweep PROFILE=gpu
# ```
#
# At the paper's size (1024 pixels) bring a prior: `ganprior-null convert rosinality FILE --name NAME` keeps it in your
# cache of weights, discriminator included, and `-p prior NAME` finds it; and a folder of photographs,
# `-p data FOLDER --profile paper`.
#
# **Next:** lesson 08 drops every loss but the adversarial one.
