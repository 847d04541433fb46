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
# # 06 · PULSE: searching for a face
#
# *About 75 minutes of reading and trying · runs in about a minute on a two-core laptop · 1 GB of memory · no GPU*
#
# Lesson 05 drew a few hundred samples of the prior and kept the one nearest to $y$. PULSE {cite}`menon2020pulse` does
# it properly: it takes the gradient of $\|A\,G(w) - y\|^2$ with respect to the code and *searches*. No training, no
# pairs of images, any $A$. It returns sharp faces from $8 \times 8$ pixels, its results look convincing and mean
# little, and it is what the rest of the course is measured against: how far does one get with a prior alone, and what
# does the null-space formula add?
#
# **What you will learn**
#
# - draw the feasible set and the manifold, and say why the best guess in decibels is a blurred face;
# - write PULSE's ingredients down (the sphere, the Gaussian behind the mapping network, the loss, the step) and put
#   them together;
# - watch a search, restart it, and see how many people fit one $y$;
# - measure where it fails: other things than faces, a free norm, small factors;
# - make a result consistent after the search and inside it, and predict to the last digit what that changes.
#
# **Before you start**: [the GAN prior](05_gan_prior.ipynb), above all $z$, $w$ and $\mathcal W^+$, and
# $\hat x = A^\dagger y + (I - A^\dagger A)\,x_r$ of [lesson 02](02_pooling_decomposition.ipynb).

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | night | gpu | paper; empty: GANPRIOR_PROFILE or laptop
prior: str = "faces64"  # which of the shipped priors to search in
steps: int = 0  # steps of a search; 0: 5 for each of the profile's images, at most 80
restarts: int = 0  # searches for one y in section 2; 0: 6, in a trial run 4
seed: int = 0  # seed of all starts

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import copy
import math
from functools import lru_cache

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from IPython.display import display

from ganprior_null import AveragePool, Matrix, consistency_db, enforce_consistency, psnr, pulse
from ganprior_null.data import faces, photograph, portrait
from ganprior_null.experiments.inversion import fingerprint
from ganprior_null.experiments.runs import read_json
from ganprior_null.images import from_signed, grid, load_image, png_bytes
from ganprior_null.metrics import cosine_similarity
from ganprior_null.profiles import lesson, profile_name
from ganprior_null.report import COMMITTED, record, results_folder
from ganprior_null.restorers import dgp, fit_gaussian, mganprior
from ganprior_null.restorers.inversion.latents import draw_starts
from ganprior_null.restorers.inversion.loss import geocross, l2
from ganprior_null.restorers.inversion.search import Samples, linear1cycledrop
from ganprior_null.weights import load_discriminator, load_features64, load_prior
from ganprior_null.widgets import check_answer, panel, plot, show, table

profile = profile_name(profile)
cfg = lesson(profile)
if min(steps, restarts) < 0:
    raise ValueError(f"steps and restarts must not be negative, got {steps} and {restarts}")
steps, restarts = steps or min(80, 5 * cfg.images), restarts or (4 if profile == "smoke" else 6)
if steps < 10 or restarts < 2:
    raise ValueError(f"steps must be at least 10 and restarts at least 2, got {steps} and {restarts}")

G, w_mean = load_prior(prior)
D = load_discriminator(prior)
features = load_features64()
for network in (G, D, features):
    network.requires_grad_(False)
gaussian = fit_gaussian(G)
EPS = 1e-4  # mean square of A x - y at which a search may stop: a PSNR(LR) of 40 dB
BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#767676"  # told apart by colour-blind readers too


def search(y, A, **options):
    """PULSE with this lesson's settings."""
    return pulse(G, y, A, **({"steps": steps, "seed": seed, "eps": EPS, "gaussian": gaussian} | options))


def samples(count, offset=0):
    """(count, 3, size, size): samples of the prior, a function of the seed and an offset only."""
    z = torch.randn(count, G.style_dim, generator=torch.Generator().manual_seed(seed + offset))
    with torch.no_grad():
        return from_signed(G(G.mapping(z))).clamp(0, 1)


def decibels(mean_square):
    return -10 * torch.as_tensor(mean_square).log10()


# %% [markdown]
# ## 1. Two sets in the plane
#
# Start the search of Figure 6.1. Which number settles, and who appears?

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets.live import LivePulse

LivePulse()

# %% [markdown]
# **Figure 6.1.** PULSE in your browser, on your own picture if you like: start it, stop it, free it from the sphere,
# and put PD behind it. Watch PSNR(LR) rise while the person changes.
#
# Shrink the problem to two pixels, $x = (x_1, x_2)$, and let $A$ be their mean. All $x$ with $A x = y$ lie on a line,
# the **feasible set** $\{A^\dagger y + (I - A^\dagger A)\, x_r\}$: this much the measurement knows. Faces are few among
# all images; let them be a curve, $x = g(t)$, one code $t$ for each: the **manifold**. What we want lies in both sets.
# PULSE walks along the curve until it meets the line:
#
# $$\min_t \; \big(A\,g(t) - y\big)^2 . \tag{1}$$


# %%
def g(t):
    """Codes t (N,) -> points (N, 2) of a curve; u along the feasible set, v across."""
    u, v = t, 0.5 * torch.sin(2.4 * t) + 0.29 * t
    return 0.5 + torch.stack([v + u, v - u], 1) / math.sqrt(2)


A2 = Matrix(torch.tensor([[0.5, 0.5]], dtype=torch.float64))
y2 = torch.tensor([[0.6]], dtype=torch.float64)

t = torch.linspace(-2.4, 2.4, 9, dtype=torch.float64).requires_grad_()
adam = torch.optim.Adam([t], lr=0.05)
walk = [t.detach().clone()]
for _ in range(150):
    (gradient,) = torch.autograd.grad((A2(g(t)) - y2).square().sum(), t)
    t.grad = gradient
    adam.step()
    walk.append(t.detach().clone())

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Left: a curve crosses a dashed line three times; searches walk along the curve to the crossings, one gets stuck above a bump that does not reach the line, and the mean of the crossings lies on the line, off the curve. Right: the loss over the code"}}
walk = torch.stack(walk)  # (151, 9)
ends = walk[-1]
there = (A2(g(ends)) - y2).abs().flatten() < 1e-3
mean2 = g(ends[there]).mean(0, keepdim=True)
whole = torch.linspace(-2.7, 2.7, 2001, dtype=torch.float64)
off_line, off_curve = (A2(mean2) - y2).abs().item(), (g(whole) - mean2).norm(dim=1).min().item()
repaired2 = enforce_consistency(g(ends), y2.expand(len(ends), 1), A2)  # PD, for this A

with plot(1, 2, height=3.6) as axes:
    line = torch.tensor([-1.2, 2.2])
    axes[0].plot(*g(whole).T, color=GRAY, label="manifold $g(t)$")
    axes[0].plot(0.6 + line - 0.5, 0.6 - line + 0.5, "--", color="black", lw=1, label="feasible: $A x = y$")
    for i in range(len(ends)):
        axes[0].plot(*g(walk[:, i]).T, color=BLUE, lw=2.5, alpha=0.5)
    axes[0].plot(*g(walk[0]).T, "o", color="white", mec=BLUE, ms=5, label="starts")
    axes[0].plot(*g(ends).T, "o", color=BLUE, ms=5, label="ends")
    for a, b in zip(g(ends[~there]), repaired2[~there], strict=True):
        axes[0].annotate("", b, a, arrowprops={"arrowstyle": "->", "color": ORANGE, "lw": 2.2})
    axes[0].plot(*mean2.T, "X", color=ORANGE, ms=9, label="mean of the feasible ends")
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal", xlim=(-1.5, 2.6), ylim=(-1.2, 2.3))
    axes[0].legend(loc="lower left", fontsize=8)
    axes[1].plot(whole, (A2(g(whole)) - y2).square(), color=GRAY)
    axes[1].plot(walk[0], (A2(g(walk[0])) - y2).square(), "o", color="white", mec=BLUE, ms=5)
    axes[1].plot(ends, (A2(g(ends)) - y2).square(), "o", color=BLUE, ms=5)
    axes[1].set(xlabel="code $t$", ylabel="$(A g(t) - y)^2$", ylim=(-0.01, 0.3))

# %% [markdown]
# **Figure 6.2.** The search of (1), from nine starts. Left, the plane: blue paths run along the gray curve, to a
# crossing with the dashed line where there is one; the orange cross is the mean of those that arrived; the arrows are
# what PD does to those that did not. Right, the loss over the code: the bump that is no crossing is a valley too.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
places = ends[there].mul(100).round().unique().numel()
missed = (A2(repaired2) - y2).abs().max().item()
print(f"of {len(ends)} searches {there.sum().item()} arrive, at {places} different places")
print(f"their mean: {off_line:.3f} from y, {off_curve:.2f} from the manifold")
print(f"after PD all {len(ends)} agree with y to {missed:.3f}")

# %% [markdown]
# Three things to keep. *Where you start decides where you end*: every crossing is an answer, and nothing in $y$ prefers
# one. *Some starts end nowhere*: at a bump of the curve that does not reach the line, the gradient is zero. And *the
# mean of answers is no answer*: it agrees with $y$, but no face is there. The orange arrows in Figure 6.2 are the
# null-space formula: it carries a point straight to the line, by the shortest way, and leaves the curve for it.

# %% [markdown]
# ## 2. The mean of many faces
#
# The same with 12,288 numbers in place of two. As truth $x$ take a sample of the prior itself, so that both sets
# certainly meet; real faces come below. Only $4 \times 4$ block means are given. We ask for several answers at once,
# from random starts (`halving=False` finishes them all), and average them.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
x = samples(1, offset=1)
A16, A = AveragePool(16), AveragePool(8)  # 16x in this section and in section 5, 8x elsewhere
y16, y = A16(x), A(x)
many = search(y16, A16, restarts=restarts, halving=False)
found = many.restart_images[0]  # (R, 3, 64, 64)
mean = found.mean(0, keepdim=True)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The 4 x 4 measurement, several different faces found for it, their blurred mean, and the truth"}}
show(
    [y16, *found, mean, x],
    ["$y$", *(f"face {i + 1}" for i in range(restarts)), "their mean", "truth $x$"],
    columns=-(-(restarts + 3) // 2),
    height=1.6,
)


# %% [markdown]
# **Figure 6.3.** One measurement of $4 \times 4$ means and several faces that have it; their mean; and the truth.
# Each face is somebody; the mean is nobody.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def detail(v):
    """Root mean square of the null part: what the blocks do not tell."""
    return A16.project_null(v).square().mean((1, 2, 3)).sqrt()


bicubic = F.interpolate(y16, scale_factor=16, mode="bicubic")
rows = []
for name, v in {"the faces": found, "their mean": mean, "bicubic": bicubic, "truth": x}.items():
    known = name == "truth"
    fidelity = "–" if known else f"{psnr(v, x.expand_as(v)).mean():.1f}"
    seen = "–" if known else f"{consistency_db(A16, v, y16.expand(len(v), -1, -1, -1)).mean():.1f}"
    rows.append([name, fidelity, f"{detail(v).mean():.3f}", seen])
table(["", "PSNR, dB", "detail (null part)", "PSNR(LR), dB"], rows)

# %% [markdown]
# The mean in Figure 6.3 is blurred, nobody would call it a photograph, and yet its PSNR is higher than that of the
# faces that went into it. That is no accident. For *any* images $x_1, \dots, x_K$ with mean $\bar x$, and any truth,
#
# $$\frac1K \sum_k \|x - x_k\|^2 = \|x - \bar x\|^2 + \frac1K \sum_k \|x_k - \bar x\|^2 , \tag{2}$$
#
# so the mean gains exactly what the faces differ among themselves. A network that is trained to minimise squared error
# must therefore answer with the mean of all feasible faces, each weighted by its probability, $\mathbb E[x \mid y]$:
# the over-smoothing that the paper {cite}`wang2023gan` holds against pixel losses, and the reason why it wants a GAN.
# $A$ is linear, so the mean of feasible images is feasible; only the null part averages out.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
left = (x - found).double().square().mean()
right = (x - mean).double().square().mean() + (found - mean).double().square().mean()
print(f"equation (2): the sides differ by {abs(float(left - right)):.5f}")


# %% [markdown]
# <details><summary>Quick check 1: a new method beats PULSE by 3 dB of PSNR. Is it better?</summary>
#
# At guessing pixels, yes. But (2) says how to gain decibels without knowing anything more: average PULSE with itself.
# Ask also for a figure that a blurred image loses (a Fréchet distance, sharpness), and for PSNR(LR).
#
# </details>
#
# ## 3. The ingredients
#
# The search in the plane had one code and a plain loss. In the prior of lesson 05 there are $L$ layers with a code
# each, thousands of numbers, and most of their values make no face at all. PULSE's ingredients keep the search among
# faces.
#
# ### The sphere
#
# In many dimensions a Gaussian has a surprising shape. $\|z\|^2$ is a sum of $m$ squares with mean 1 and variance 2, so
# $\|z\|/\sqrt m$ is within about $1/\sqrt{2m}$ of 1: *all* the codes lie close to a sphere, and its centre, the most
# likely point, is where no code ever was. So PULSE keeps $\|z\|$ fixed instead of penalising it.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Histograms of the norm of Gaussian vectors over the root of their dimension: wide for 2, narrow around 1 for the prior's dimension"}}
with plot(height=2.2) as ax:
    for m, color in ((2, GRAY), (16, BLUE), (G.style_dim, ORANGE)):
        rng = torch.Generator().manual_seed(seed)
        norms = torch.randn(20_000, m, generator=rng).norm(dim=1) / math.sqrt(m)
        ax.hist(
            norms, bins=80, range=(0, 2), density=True, color=color, alpha=0.6, histtype="stepfilled", label=f"m = {m}"
        )
    ax.set(xlabel=r"$\|z\| / \sqrt{m}$", yticks=[], ylabel="density")
    ax.legend()

# %% [markdown]
# **Figure 6.4.** The length of a Gaussian code of $m$ numbers, over $\sqrt m$. In two dimensions short codes are
# common; with those of the prior, hardly a code is far from 1.
#
# ### The Gaussian behind the mapping network
#
# We search per layer, in $\mathcal W^+$, and $w$ is not Gaussian. But the mapping network ends in a leaky ReLU of slope
# 0.2. Undo it, by a leaky ReLU of slope 5, and what was before it is nearly Gaussian. PULSE fits a mean $\mu$ and a
# standard deviation $\sigma$ to each coordinate, once, and replaces the whole network by
#
# $$w = \operatorname{lrelu}_{0.2}(\mu + \sigma \odot z), \quad \|z\| = \text{const}. \tag{3}$$

# %%
z = torch.randn(10_000, G.style_dim, generator=torch.Generator().manual_seed(seed))
w = G.mapping(z)
u = F.leaky_relu(w, 5)  # the inverse of the last leaky ReLU
mu, sigma = u.mean(0), u.std(0)
w_of_z = F.leaky_relu(mu + sigma * z, 0.2)  # equation (3)

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
fitted = fit_gaussian(G, samples=10_000, seed=seed)
torch.testing.assert_close(mu, fitted.mean, rtol=1e-4, atol=1e-5)
torch.testing.assert_close(sigma, fitted.std, rtol=1e-4, atol=1e-5)
torch.testing.assert_close(w_of_z, fitted.to_w(z), rtol=1e-3, atol=1e-4)


def skewness(v):
    """Mean over the coordinates of |third standardised moment|; 0 for a Gaussian."""
    return (((v - v.mean(0)) / v.std(0)) ** 3).mean(0).abs().mean()


print(f"equation (3) against the library: largest difference {(w_of_z - fitted.to_w(z)).abs().max():.3f}")
print(f"mean skewness of the coordinates: {skewness(w):.1f}, with the leaky ReLU undone {skewness(u):.1f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Histogram of all standardised coordinates of w, lopsided, and after undoing the leaky ReLU, close to the Gaussian curve drawn over it"}}
bell = torch.linspace(-4, 4, 200)
with plot(1, 2, height=2.2, sharey=True) as axes:
    for ax, (title, v) in zip(axes, {"$w$": w, "leaky ReLU undone": u}.items(), strict=True):
        standard = ((v - v.mean(0)) / v.std(0)).flatten().numpy()[::10]
        ax.hist(standard, bins=80, range=(-4, 4), density=True, color=BLUE, histtype="stepfilled")
        ax.plot(bell, torch.exp(-(bell**2) / 2) / math.sqrt(2 * math.pi), color=ORANGE)
        ax.set(title=f"{title}: skewness {skewness(v):.2f}", yticks=[], xlabel="standard deviations")

# %% [markdown]
# **Figure 6.5.** All coordinates of $w$, standardised, and the Gaussian curve. As it comes out of the mapping network
# $w$ is lopsided; before the last leaky ReLU it is nearly Gaussian.
#
# Each coordinate by itself, that is; that they depend on each other is ignored.
#
# ### The loss
#
# Two terms, $100\, L_2 + 0.05\, L_\text{geo}$. The first is (1) with a floor:
# $L_2 = \max\big(\overline{(A x - y)^2},\, \varepsilon\big)$ has no gradient once $y$ is met within $\varepsilon$.
# (Published: $\varepsilon = 2 \cdot 10^{-3}$, a PSNR(LR) of 27 dB; ours is $10^{-4}$, 40 dB.) The second is a leash:
# lesson 05 showed that in $\mathcal W^+$, with another $w$ for each layer, faces fall apart. So the layers' codes are
# pulled together, by the mean squared angle between them:
#
# $$\begin{gathered}
# L_\text{geo} = \frac{m}{8 L^2} \sum_{i,j} \theta_{ij}^2, \cr
# \theta_{ij} = 2 \operatorname{atan2}\big(\|w_i - w_j\|,\, \|w_i + w_j\|\big).
# \end{gathered} \tag{4}$$
#
# Between codes of one length $\theta_{ij}$ is the angle; $w$ is on no sphere, so a difference of lengths counts too.


# %%
def floored(difference, eps):
    """A x - y (N, C, h, w) -> L2 (N,)."""
    return difference.square().mean((1, 2, 3)).clamp(min=eps)


def angles(w):
    """w (N, L, m) -> equation (4), (N,)."""
    n, layers, m = w.shape
    total = 0
    for i in range(layers):
        for j in range(layers):
            if i != j:
                a, b = w[:, i], w[:, j]
                apart, along = (a - b).norm(dim=1), (a + b).norm(dim=1)
                total = total + (2 * torch.atan2(apart, along)) ** 2
    return m / (8 * layers**2) * total


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
w_plus = w[: 3 * G.latents].view(3, G.latents, -1).double()
difference = (found[:3] - x).double()
torch.testing.assert_close(angles(w_plus), geocross(w_plus), rtol=1e-6, atol=1e-6)
for eps in (EPS, 10.0):
    torch.testing.assert_close(floored(difference, eps), l2(difference, eps))
print(f"equation (4) against the library: {(angles(w_plus) - geocross(w_plus)).abs().max():.4f}")
print(f"one code for all layers: {geocross(w_plus[:, :1].expand(-1, G.latents, -1)).max():.3f}")

# %% [markdown]
# ### The step
#
# Adam moves $z$ wherever it likes; then each code is scaled back to the length it started with. That is all there is to
# the "spherical optimiser". (The gradient is not projected; exercise 1 asks what difference that makes.) The learning
# rate climbs from 0.04 to 0.4 and back over nine tenths of the steps, then fades out.


# %%
def spherical_step(adam, v, gradient, lr):
    """Adam for v (N, K, ...), and back to the N K spheres it came from."""
    axes = tuple(range(2, v.ndim))
    radius = v.detach().norm(dim=axes, keepdim=True)
    adam.param_groups[0]["lr"] = lr
    v.grad = gradient
    adam.step()
    with torch.no_grad():
        v.mul_(radius / v.norm(dim=axes, keepdim=True))


def rate(step, of):
    """linear1cycledrop: up and down over nine tenths, then towards zero."""
    if step < 0.9 * of:
        return 0.1 + 0.9 * (1 - 2 * abs(step / (0.9 * of) - 0.5))
    return 0.1 - 0.099 * (step - 0.9 * of) / (0.1 * of)


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
z = torch.randn(2, 5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()
target, library = torch.ones_like(z), Samples([z], [True])
own = torch.optim.Adam([z])
for step in range(4):
    assert math.isclose(rate(step, 4), linear1cycledrop(step, 4))
    ((v,), lr) = library.variables, 0.4 * rate(step, 4)
    library.step((v - target).square().sum((1, 2)), lr)
    spherical_step(own, z, 2 * (z - target).detach(), lr)
    torch.testing.assert_close(z, library.variables[0], rtol=1e-6, atol=1e-8)
print(f"after four steps here and in the library: {(z - library.variables[0]).abs().max().item():.5f} apart")

# %% [markdown]
# ### All together
#
# Nothing else is needed, apart from the noise of lesson 05: the maps of the five coarsest convolutions are searched
# like the codes, on spheres of their own; the others stay as drawn, and the finest is zero. (The published program
# searches a StyleGAN1 of 1024 pixels, and its $A$ is a bicubic reduction.)


# %%
def pulse_by_hand(G, gaussian, y, A, steps, seed):
    """The search, in one function: mean square of A x - y before each step."""
    z, maps = draw_starts(G, len(y), 1, seed=seed)  # (N, L, m), noise of each side
    codes = [v.requires_grad_() for v in (z, *maps[:5])]
    adams = [torch.optim.Adam([v]) for v in codes]
    mu, sigma = gaussian
    errors = []
    for step in range(steps):
        w = F.leaky_relu(mu + sigma * codes[0], 0.2)
        x = from_signed(G(w, [*codes[1:], *maps[5:-1], 0 * maps[-1]]))
        difference = A(x) - y
        loss = (100 * floored(difference, EPS) + 0.05 * angles(w)).sum()
        gradients = torch.autograd.grad(loss, codes)
        for adam, v, gradient in zip(adams, codes, gradients, strict=True):
            spherical_step(adam, v, gradient, 0.4 * rate(step, steps))
        errors.append(difference.detach().square().mean((1, 2, 3)))
    return torch.stack(errors)


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
G64, y64 = copy.deepcopy(G).double(), y.double()
gaussian64 = fit_gaussian(G64, samples=10_000)
by_hand = pulse_by_hand(G64, gaussian64, y64, A, 6, seed)
run = pulse(G64, y64, A, steps=6, seed=seed, eps=EPS, gaussian=gaussian64, progress=False)
by_library = run.history["error"][:6, :, 0]
torch.testing.assert_close(by_hand, by_library, rtol=1e-4, atol=0)
print(f"six steps by hand and by pulse(): errors differ by {(by_hand / by_library - 1).abs().max():.3f} of their size")

# %% [markdown]
# ## 4. A search, watched
#
# Two pictures at once, so that there is something to compare: the sample from above, whose truth the prior can make,
# and a photograph, whose truth it cannot. `watch` hands over the best images so far after every step; the strip grows
# as you look.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
astronaut = portrait(G.size)
pair = torch.cat([x, astronaut])
strip, frames = widgets.Image(format="png", layout={"width": "100%", "max_width": "900px"}), []
display(strip)


def watch(step, images):
    if step % max(1, steps // 10) == 0:
        frames.append(images)
        strip.value = png_bytes(grid(torch.stack(frames, 1).flatten(0, 1), columns=len(frames)))  # a row for each face


one = search(A(pair), A, watch=watch)

# %% [markdown]
# **Figure 6.6.** The search at work, a row for each picture: the sample of the prior above, the photograph below; a
# column for every tenth of the steps.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two rows of faces over the course of the search, from a random face to one that fits, and the truth"}}
chosen = frames[:: max(1, len(frames) // 6)]
numbers = [f"step {i * max(1, steps // 10)}" for i in range(len(frames))][:: max(1, len(frames) // 6)]
rows = [v for k in range(2) for v in (*(frame[k] for frame in chosen), pair[k])]
show(rows, [*numbers, "truth", *[""] * (len(chosen) + 1)], columns=len(chosen) + 1, height=1.15)

# %% [markdown]
# **Figure 6.7.** The same search, standing still, beside the truth. The sample is nearly met; for the photograph the
# prior finds somebody with its colours and pose.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two curves over the steps: PSNR(LR) rising, and the geodesic term falling, for a sample and for a photograph"}}
with plot(1, 2, height=2.2) as axes:
    for k, (name, color) in enumerate({"sample": BLUE, "photograph": ORANGE}.items()):
        axes[0].plot(decibels(one.history["error"][:, k, 0]), color=color, label=name)
        axes[1].plot(one.history["GEOCROSS"][:, k, 0], color=color)
    axes[0].set(xlabel="step", ylabel="PSNR(LR), dB")
    axes[1].set(xlabel="step", ylabel="geodesic term")
    axes[0].legend()
for k, name in enumerate(("the sample", "the photograph")):
    print(f"{name}: PSNR(LR) {decibels(one.lr_error[k]):.1f} dB, converged {bool(one.converged[k])}, ", end="")
    print(f"PSNR {psnr(one.images[k : k + 1], pair[k : k + 1]).item():.1f} dB")

# %% [markdown]
# **Figure 6.8.** Left, how well $y$ is met; right, the angles between the layers' codes, wide at the start, where
# each layer began with a code of its own.
#
# The first steps set colours and pose. Compare how far the angles of Figure 6.8 close for the two: what the prior
# cannot make, layers that disagree can imitate. The result is *always* returned, with the error it reached and a flag
# `converged`. (The published program writes nothing unless $\varepsilon$ is met, the most frequent complaint of its
# users, and where it is met it writes the last image instead of the best.)
#
# ## 5. How many people fit?
#
# Back to the faces of section 2: one $y$, several answers. Where do they differ, and are they the same person? The
# second question goes to `features64`, this project's small network that was trained to tell people apart; 1 is the
# same picture.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The measurement enlarged, the standard deviation of the found faces in each pixel, and the same of their block means, which is almost black"}}
spread, spread_lr = found.std(0), A16(found).std(0)
names = ["$y$", "spread, times 4", "of block means"]
show([y16, 4 * spread.mean(0, keepdim=True), 4 * spread_lr.mean(0, keepdim=True)], names, height=1.7)


# %% [markdown]
# **Figure 6.9.** Where the faces found differ: $y$; the standard deviation of each pixel over the faces, times four;
# the same of their block means, which is almost black, since all of them met $y$.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def alike(a, b):
    """Mean similarity of all pairs of two sets of images."""
    i, j = torch.cartesian_prod(torch.arange(len(a)), torch.arange(len(b))).T
    return cosine_similarity(a[i].clamp(0, 1), b[j].clamp(0, 1), features).mean().item()


strangers = samples(40, offset=7)
others = [alike(found[i : i + 1], found[i + 1 :]) for i in range(restarts - 1)]
rows = [
    ["two of the faces found", sum(others) / len(others)],
    ["a face found and the truth", alike(found, x)],
    ["the truth and y itself, enlarged", alike(bicubic, x)],
    ["strangers, 20 pairs of samples", cosine_similarity(strangers[::2], strangers[1::2], features).mean()],
]
table(["similarity of", ""], [[name, f"{float(value):.2f}"] for name, value in rows])
shares = [(v - v.mean(0)).square().sum() for v in (A16.project_range(found), A16.project_null(found))]
print(f"of the variance among the faces, {shares[1] / (shares[0] + shares[1]):.0%} lies in the null space")

# %% [markdown]
# The faces agree where $y$ speaks and differ where it is silent. To the measurement they are equally good; *none of
# them is a finding about who was in front of the camera*. And beware of the similarity: compare it with the line for
# $y$ itself, an enlarged blur that shows nobody. Colours and pose, which all these pictures share because $y$ holds
# them, count as likeness for this network, and for a viewer too.
#
# ## 6. Not a face
#
# What if the truth is nowhere near the manifold? The search does what it can.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A cat, a cup of coffee and a drawn face, their 8 x 8 measurements, and what the search in the face prior returns: face-like compromises"}}
strange = {
    "cat": F.interpolate(photograph("chelsea")[..., :256, 96:352], (G.size, G.size), mode="area"),
    "coffee": F.interpolate(photograph("coffee")[..., :384, 96:480], (G.size, G.size), mode="area"),
    "drawn face": faces(1, G.size, seed=seed),
}
aliens = torch.cat(list(strange.values()))
odd = search(A(aliens), A)
show(
    [v for k in range(3) for v in (aliens[k], A(aliens)[k], A(odd.images)[k], odd.images[k])],
    [v for name in strange for v in (name, "$y$", r"$A\hat x$", r"$\hat x$")],
    columns=4,
    height=1.6,
)

# %% [markdown]
# **Figure 6.10.** Not a face: truth, $y$, what the result reduces to, and the result. $A \hat x$ looks like $y$ each
# time; the result bends a face towards it.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
for k, name in enumerate(strange):
    print(f"{name:11} PSNR(LR) {decibels(odd.lr_error[k]):.1f} dB, converged {bool(odd.converged[k])}")

# %% [markdown]
# A face prior sees faces. With thousands of free numbers it bends surprisingly far towards anything, and the way it
# bends (smeared features, burnt colours) is the warning in the *picture*. The *numbers* warn softly: compare PSNR(LR)
# with the sample's in section 4. Nothing in the method says "this is no face".
#
# ## 7. Without the sphere
#
# Is the sphere worth its trouble? The same two pictures and starts, with the length of $z$ held or free
# (`space="free"`), at PULSE's learning rate and at one five times as large. *Norm* is $\|z\|/\sqrt m$ of the code that
# was returned, averaged over the layers.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
runs = {("sphere", 0.4): one}
for space, lr in (("free", 0.4), ("sphere", 2.0), ("free", 2.0)):
    runs[space, lr] = search(A(pair), A, space=space, lr=lr)
rows = []
for (space, lr), run in runs.items():
    norm = gaussian.to_z(run.latents).square().mean((1, 2)).sqrt()
    found_7 = zip(norm, decibels(run.lr_error), psnr(run.images, pair), strict=True)
    cells = [f"{float(v):.{2 if k == 0 else 1}f}" for one_of in found_7 for k, v in enumerate(one_of)]
    rows.append([space, lr, *cells])
figures = ("norm", "PSNR(LR)", "PSNR")
table(["space", "rate", *(f"{what}: {v}" for what in ("sample", "photograph") for v in figures)], rows)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Results for both pictures: faces on the sphere at both learning rates; off the sphere similar at the small rate, torn at the large one"}}
show(
    [v for k in range(2) for v in (*(run.images[k] for run in runs.values()), pair[k])],
    [*(f"{space}, {lr}" for space, lr in runs), "truth", *[""] * 5],
    columns=5,
    height=1.5,
)

# %% [markdown]
# **Figure 6.11.** With the sphere and without, at two rates, for both pictures. At the small rate the free search loses
# two decibels on the sample and none on the photograph; at the large one it tears the face.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The norm of the code over the steps: constant on the sphere, growing off it, most at the large rate"}}
with plot(height=2.4) as ax:
    for (space, lr), run in runs.items():
        color, style = (GRAY if space == "sphere" else ORANGE), ("-" if lr < 1 else "--")
        ax.plot(run.history["norm"][:, 1, 0], style, color=color, label=f"{space}, rate {lr}")
    ax.set(xlabel="step", ylabel=r"$\|z\| / \sqrt{m}$ (photograph)")
    ax.legend()

# %% [markdown]
# **Figure 6.12.** How long the code of the photograph is during the search. On the sphere it stays; off it, it drifts,
# and the larger the rate the farther.
#
# Two pictures prove little. So here are the same four searches, 8x, on photographs of people whom the prior has never
# seen, three starts each: the same $y$, the same number of steps. They are stored by
# `python -m ganprior_null evaluate pulse`. *Identity* is the similarity to the truth of section 5, with the reservation
# made there.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def stored_folder(name):
    """The folder of a stored evaluation: yours if there is one, else the committed one."""
    folders = [folder / "pulse" / name for folder in (results_folder(), COMMITTED)]
    return next(folder for folder in folders if (folder / "summary.json").is_file())


def stored(name):
    """(parameters, rows, summary) of a stored evaluation."""
    folder = stored_folder(name)
    params, summary = (read_json(folder / f"{part}.json") for part in ("params", "summary"))
    return params, read_json(folder / "metrics.jsonl"), summary


def eightfold(rows):
    """{(image, seed): row} of the searches at 8x."""
    return {(v["image"], v["seed"]): v for v in rows if (v["factor"], v["stage"]) == (8, "search")}


params, rows, measured = stored("faces64")
names = {("sphere", 0.4): "faces64", ("free", 0.4): "faces64_free"}
names |= {("sphere", 2.0): "faces64_lr2", ("free", 2.0): "faces64_free_lr2"}
tables = {setting: eightfold(stored(name)[1]) for setting, name in names.items()}
shared = sorted(set.intersection(*(set(table) for table in tables.values())))  # searches that all four made
keys = ("norm", "PSNR(LR)", "PSNR", "identity")
norms, lines = {}, []
for (space, lr), stored_rows in tables.items():
    own = [stored_rows[key] for key in shared]
    v = {key: sum(row[key] for row in own) / len(own) for key in keys}
    norms[f"{space}, rate {lr}"] = round(v["norm"], 3)
    cells = [f"{v[key]:.{digits}f}" for key, digits in zip(keys, (2, 1, 2, 3), strict=True)]
    lines.append([f"{space}, rate {lr}", *cells])
table([f"{len(shared)} searches, {params['steps']} steps each", *keys], lines)
now = fingerprint(G)["weights"] == params["weights"]
print(f"the prior that was searched: {'the one' if now else 'an earlier state of the one'} loaded here")
for lr in (0.4, 2.0):
    on, off = tables["sphere", lr], tables["free", lr]
    change = [off[key]["PSNR"] - on[key]["PSNR"] for key in shared]
    wins, loss = sum(d > 0 for d in change) / len(shared), sum(change) / len(shared)
    print(f"rate {lr}: off the sphere the PSNR changes by {loss:+.2f} dB, better in {wins:.0%} of the searches")

# %% [markdown]
# So the question splits in two. *Does the norm drift* when it may? The column *norm* says how far from 1 it gets. *What
# does that cost?* Compare the two spaces at each rate, in the pictures and in the last two lines: a code a little
# outside the sphere may still make a face; far outside lie lengths at which the generator was never trained. See
# whether the sphere is a safety rail, not felt until one leans on it.
#
# <details><summary>Quick check 2: the mapping network normalises the length of <i>z</i> away (lesson 05, equation 1). Why does it matter in PULSE?</summary>
#
# Because PULSE has replaced the mapping network by (3), in which the length counts: twice the $z$ is twice the distance
# of $\mu + \sigma \odot z$ from $\mu$.
#
# </details>
#
# ## 8. Four, eight, sixteen
#
# The same evaluation over three factors. *search* is PULSE's image, *PD* the same after
# $A^\dagger y + (I - A^\dagger A)\,x_r$, *mean image* the average of the prior's training photographs; all as the 8-bit
# file that one would keep, PSNR(LR) before rounding. *Reproduced* is the share of LR pixels that the 8-bit file gives
# back exactly; *SSIM* and *MS-SSIM* measure structural similarity, 1 for equal images; *fd_features64* is the Fréchet
# distance of lesson 05, in the features of the course's own small network: lower is better.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
DIGITS = {"PSNR": 2, "SSIM": 3, "MS-SSIM": 3, "identity": 3, "fd_features64": 3, "PSNR(LR)": 1}
lines = []
for factor in params["factors"]:
    for stage in ("bicubic", "bicubic + PD", "mean image + PD", "search", "PD"):
        v = measured[f"{factor}x {stage}"]
        back = f"{v['LR reproduced']:.1%}" if "LR reproduced" in v else ""
        lines.append([f"{factor}x {stage}", *(f"{v[m]:.{d}f}" if m in v else "" for m, d in DIGITS.items()), back])
alone = f"{measured['samples']['fd_features64']:.3f}"
lines.append(["samples: the prior, no search", *(alone if m == "fd_features64" else "" for m in DIGITS), ""])
table(["", *DIGITS, "reproduced"], lines)
for factor in params["factors"]:
    free = max(measured[f"{factor}x {name}"]["PSNR"] for name in ("bicubic", "bicubic + PD", "mean image + PD"))
    lead = measured[f"{factor}x PD"]["PSNR"] - free
    print(f"{factor}x: PULSE + PD is {lead:+.2f} dB from the best answer that needs no search")


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def better_at_16(seed):
    """PSNR(LR) at 16x minus at 8x, mean over the images of one seed's searches."""
    levels = {
        f: [v["PSNR(LR)"] for v in rows if (v["factor"], v["seed"], v["stage"]) == (f, seed, "search")] for f in (8, 16)
    }
    return sum(levels[16]) / len(levels[16]) - sum(levels[8]) / len(levels[8])


by_seed = torch.tensor([better_at_16(s) for s in range(params["seeds"])])
kept = ("PSNR", "SSIM", "MS-SSIM", "identity", "fd_features64", "PSNR(LR)", "LR reproduced", "lowest PSNR(LR)")
stages = {name: v for name, v in measured.items() if name.endswith(("search", "PD", "bicubic"))}
record(
    "C16",
    measured["C16"],
    profile=profile,
    images=params["count"],
    seeds=params["seeds"],
    spread=by_seed.std().item(),
    runs=[f"pulse/{name}" for name in names.values()],
    prior=params["prior"],
    weights=params["weights"],
    norms=norms,
    searches_per_norm=len(shared),
    **{name: {key: round(v[key], 4) for key in kept if key in v} for name, v in stages.items()},
)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Three panels over the factors 4, 8 and 16: PSNR(LR) of the search, PSNR of bicubic, search and PD, and fd_features64 of the same"}}
factors = [str(f) for f in params["factors"]]
with plot(1, 3, height=2.4) as axes:
    for stage, color in (("bicubic", GRAY), ("bicubic + PD", "black"), ("search", ORANGE), ("PD", BLUE)):
        points = [measured[f"{f}x {stage}"] for f in factors]
        if stage == "search":
            axes[0].plot(factors, [v["PSNR(LR)"] for v in points], "o-", color=color)
        for ax, key in zip(axes[1:], ("PSNR", "fd_features64"), strict=True):
            ax.plot(factors, [v[key] for v in points], "o-", color=color, label=stage)
    axes[2].axhline(measured["samples"]["fd_features64"], color="black", ls=":", label="samples")
    for ax, title in zip(axes, ("PSNR(LR) of the search, dB", "PSNR, dB", "fd_features64"), strict=True):
        ax.set(title=title, xlabel="factor")
    axes[2].legend()
exact_rows = [measured[f"{f}x PD"] for f in params["factors"]]
gains = {f: measured[f"{f}x PD"]["PSNR"] - measured[f"{f}x search"]["PSNR"] for f in params["factors"]}
print(f"PSNR(LR) of the search, 16x minus 8x: {measured['C16']:+.1f} dB (claim C16)")
print("PD gains in PSNR: " + ", ".join(f"{gain:+.2f} dB at {f}x" for f, gain in gains.items()))
print(f"lowest PSNR(LR) after PD, any image: {min(v['lowest PSNR(LR)'] for v in exact_rows):.0f} dB; ", end="")
print(f"LR pixels that the 8-bit files reproduce: {min(v['LR reproduced'] for v in exact_rows):.0%}")

# %% [markdown]
# **Figure 6.13.** The table as curves over the factor. Left, $y$ is met better where it has fewer numbers. Middle, the
# search's PSNR against bicubic's, and what PD adds to either. Right, realism: lower is better; dotted, samples of the
# prior that nobody searched for.
#
# Read the table from left to right, or Figure 6.13. *Fidelity*: compare PULSE's PSNR with that of bicubic upsampling.
# By (2) one expects it lower: it invents detail, and invented detail is wrong detail. Identity may say the opposite
# (section 5 says why not to trust it). *Realism*: set the distance of PULSE's faces to photographs beside those of
# bicubic and bicubic + PD, which at 4x is the nearest of all, and beside that of the prior's own samples.
# *Consistency*: the larger the factor, the fewer numbers $y$ has, and the easier they are met, down to $\varepsilon$
# (40 dB), where a search stops. So the search looks best where least is asked of it. This last comparison alone, 16x
# against 8x, decides claim C16; its other parts, realism and drift, are stored beside the number. *PD* makes every row
# exact. Its gain in PSNR is the share of the error that lay in the range part (section 9); look also at what it does to
# the distance. Some results follow (the photographs are not part of the course).

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two sheets of eight faces, search above PD: at 8x and at 16x"}}
titles, faces_8 = [], []
for factor in (8, 16):
    sheet, pitch = load_image(stored_folder("faces64") / f"{factor}x.webp")[0, :, 2:, 2:], G.size + 2
    for row, name in enumerate(("search", "and PD")):
        titles += [f"{factor}x: {name}", *[""] * 7]
        strip = sheet[:, row * pitch : row * pitch + G.size]
        faces_8 += [strip[..., left : left + G.size] for left in range(0, 8 * pitch, pitch)]
show(faces_8, titles, columns=8)

# %% [markdown]
# **Figure 6.14.** Faces of people whom the prior has never seen, restored: at 8x, then at 16x; in each, the search
# above and PD below. The search at 16x is sharper, and PD, which has 16 block means to set there, hardly touches it; at
# 8x faint blocks show where it does.
#
# ## 9. PD after the search, and inside
#
# ### After
#
# Why does PD never lower the PSNR (before clamping)? Take any feasible $x$, $A x = y$. What PD changes,
# $\hat x - x_r = A^\dagger (y - A x_r)$, lies in the range part; what is left, $\hat x - x$, lies in the null space,
# since $A \hat x = A x$. The two are orthogonal, so by Pythagoras, for every truth and every $x_r$,
#
# $$\|x_r - x\|^2 = \|\hat x - x\|^2 + \|A^\dagger (y - A x_r)\|^2 . \tag{5}$$
#
# The last term is the same for all feasible $x$: none is nearer to $x_r$ than $\hat x$, and to none does PD bring it
# less near.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
before, truth = one.images.double(), pair.double()  # the sample and the photograph of section 4
after = enforce_consistency(before, A(truth), A)
changes = (before - truth, after - truth, A.pinv(A(before) - A(truth)))
squares = [v.square().mean((1, 2, 3)) for v in changes]
torch.testing.assert_close(squares[0], squares[1] + squares[2])
print(f"equation (5): the sides differ by {(squares[0] - squares[1] - squares[2]).abs().max():.5f}")
lowest = consistency_db(A, after, A(truth)).min()
print(f"PSNR(LR) of both: {'above 140' if lowest > 140 else f'{lowest:.0f}'} dB")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
for k, name in enumerate(("the sample", "the photograph")):
    print(f"{name}: PSNR {decibels(squares[0][k]):.2f} dB before, {decibels(squares[1][k]):.2f} dB after; ", end="")
    print(f"the search had met y to {decibels(one.lr_error[k]):.1f} dB")

# %% [markdown]
# That is the honest size of it: PD repairs what can be repaired, the range part, and a search that has nearly met $y$
# leaves it little to do. The wrong face remains the wrong face.
#
# ### Inside
#
# Then why not put PD into the loop, and search for a face that is good *after* the repair? Let
# $\hat x(w) = A^\dagger y + (I - A^\dagger A)\,G(w)$. Now $A \hat x(w) = y$ for **every** $w$; the first term of the
# loss is constant, and its gradient should vanish:

# %%
start, maps = draw_starts(G64, 1, 1, seed=seed)


def gradient(inside):
    """Length of the gradient of the downscaling loss with respect to z."""
    z = start.clone().requires_grad_()
    x_hat = from_signed(G64(gaussian64.to_w(z), maps))
    if inside:
        x_hat = enforce_consistency(x_hat, y64, A)
    return torch.autograd.grad((A(x_hat) - y64).square().mean(), z)[0].norm().item()


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
print(f"without PD: {'above' if gradient(False) > 1e-3 else 'NOT above'} 0.001; with PD inside: {gradient(True):.6f}")

# %% [markdown]
# So nothing tells the search which face $y$ came from. Only a term that looks at the *picture* can: `REAL` asks the
# discriminator of lesson 05, $\operatorname{softplus}(-D(\hat x))$. Does it find the face whose null part belongs to
# this range part?

# %% tags=["hide-input"] jupyter={"source_hidden": true}
inside = {"enforce": "inside", "progress": False}
only_geo = search(y, A, loss="0.05*GEOCROSS", steps=steps // 5, **inside)
judged = search(y, A, loss="1*REAL+0.05*GEOCROSS", discriminator=D, steps=steps // 2, **inside)
results = {
    "PULSE": one.images[:1],
    "PD after": after[:1].float(),
    "inside, no judge": only_geo.images,
    "inside, D judges": judged.images,
}

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "PULSE's face, the same after PD with faint block edges, and two results of PD inside the search, whose features do not belong to the measurement"}}
show([y, *results.values(), x], ["$y$", *results, "truth"], columns=6, height=1.45)
judged_too = {"$A^\\dagger y$ alone, no search": A.pinv(y[:1])} | results
figures = {name: (consistency_db(A, v, y).item(), psnr(v, x).item()) for name, v in judged_too.items()}
table(["", "PSNR(LR), dB", "PSNR, dB"], [[name, f"{lr:.1f}", f"{hr:.1f}"] for name, (lr, hr) in figures.items()])

# %% [markdown]
# **Figure 6.15.** PD after the search and inside. After: the same face, with faint block edges. Inside, without a
# judge: details of a random face in the colours of $y$. With the discriminator as judge: see whether they fit together
# now.
#
# Without a judge the search returns the details of a random face in $y$'s colours, which do not fit it. The judge does
# not mend that: its face is nearer to the truth, and still farther than $A^\dagger y$ with nothing at all in the null
# space; lesson 05 showed how little one score says. If you search, search with the downscaling loss and apply PD
# *after*. Inside a *trained network* it is a different story: there the loss compares $\hat x$ with a ground truth, and
# the gradient $(I - A^\dagger A)\,\partial \mathcal L/\partial \hat x$ is anything but zero. That is lesson 07.
#
# ## 10. The family
#
# PULSE is one of many ways to invert a generator; the GLEAN article {cite}`chan2021glean` names it beside mGANprior and
# DGP. All minimise a distance of $A x$ to $y$, and differ in *what may move*.
#
# | | what moves | what holds it |
# |---|---|---|
# | PULSE {cite}`menon2020pulse` | $L$ codes on spheres, coarse noise | sphere, angles between the codes |
# | $\mathcal W^+$ search | $L$ codes anywhere, coarse noise | angles between the codes, no sphere |
# | mGANprior {cite}`gu2020mganprior` | several codes, mixed at one layer with a weight for each channel | nothing |
# | DGP {cite}`pan2022dgp` | one code, then *the generator's weights*, coarse layers first | the distance is one of the discriminator's features |

# %% tags=["hide-input"] jupyter={"source_hidden": true}
y_photo = A(astronaut)
family = {
    "PULSE": one.images[1:],
    "W+": search(y_photo, A, space="w+", lr=0.1).images,
    "mGANprior": mganprior(G, y_photo, A, codes=8, resolution=8, steps=steps, seed=seed, eps=EPS).images,
    "DGP": dgp(G, D, y_photo, A, steps=steps // 2, seed=seed, candidates=3 * cfg.images, eps=EPS).images,
}

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The photograph's measurement and the results of PULSE, the W+ search, mGANprior and DGP, above the same after PD"}}
exact = {name: enforce_consistency(v, y_photo, A) for name, v in family.items()}
show(
    [y_photo, *family.values(), astronaut, *exact.values()],
    ["$y$", *family, "photograph", *["and PD"] * 4],
    columns=5,
    height=1.5,
)
rows = []
no_search = {"*bicubic interpolation, no search*": F.interpolate(y_photo, scale_factor=A.factor, mode="bicubic")}
for name, v in (no_search | family).items():
    figures = consistency_db(A, v, y_photo), psnr(v, astronaut), psnr(enforce_consistency(v, y_photo, A), astronaut)
    rows.append([name, *(f"{figure.item():.1f}" for figure in figures)])
table(["", "PSNR(LR)", "PSNR", "PSNR after PD"], rows)

# %% [markdown]
# **Figure 6.16.** Four ways to invert one generator, above, and the same after PD, below, for the photograph at the
# end of the first row.
#
# Hold the numbers against the pictures. DGP, which may move the generator itself, meets $y$ best; the $\mathcal W^+$
# search, freer than PULSE, meets it worst in as many steps. None of the four is as near to the photograph as bicubic
# interpolation, before PD or after; and a picture may gain in PSNR just where its face dissolves, as (2) has it. PD
# brings all four to more than 140 dB, and they remain four different images: nearer to $y$ is not nearer to the face.
# With a large prior, however, freedom is what makes the inversion of *photographs* possible at all; DGP's answer was to
# let go slowly, coarse layers first. (DGP was published for BigGAN, mGANprior for PGGAN and StyleGAN; these are their
# ideas on our StyleGAN2.)
#
# ## 11. Try it
#
# A short search for one picture at a time (it is remembered; a second or so each). **Questions:** (a) At which factor
# does the restart change the person? (b) Set the weight of the angles to 0, then to 1: what happens to PSNR(LR), and
# what to the face? (c) Which picture is met best at 16x, and does its $\hat x$ deserve it?

# %% tags=["hide-input"] jupyter={"source_hidden": true}
PICTURES = {"sample": x, "another sample": samples(1, offset=2), "photograph": astronaut, "cat": aliens[:1]}
SHORT = max(2, 3 * steps // 10)


@lru_cache(maxsize=128)
def short_search(name, factor, pixels, together, restart):
    A = AveragePool(factor)
    loss = f"{pixels}*L2+{together}*GEOCROSS"
    return pulse(
        G, A(PICTURES[name]), A, steps=SHORT, seed=seed + restart, eps=EPS, loss=loss, gaussian=gaussian, progress=False
    )


def draw(name, factor, pixels, together, restart, repair):
    x, A = PICTURES[name], AveragePool(factor)
    y, run = A(x), short_search(name, factor, pixels, together, restart)
    x_hat = enforce_consistency(run.images, y, A) if repair else run.images
    shown = {"truth": x, "y": y, "A x_hat": A(x_hat), "x_hat": x_hat}
    angle = run.history["GEOCROSS"][-1].item()
    caption = f"PSNR(LR) {consistency_db(A, x_hat, y).item():.1f} dB, PSNR {psnr(x_hat, x).item():.1f} dB"
    return shown, f"{caption}, angles between the layers {angle:.1f}"


panel(
    draw,
    name=widgets.Dropdown(options=list(PICTURES), value="photograph", description="picture"),
    factor=widgets.ToggleButtons(options=[4, 8, 16], value=8, description="factor"),
    pixels=widgets.SelectionSlider(options=[1, 10, 100, 1000], value=100, description="weight of L2"),
    together=widgets.SelectionSlider(options=[0.0, 0.01, 0.05, 0.2, 1.0], value=0.05, description="of the angles"),
    restart=widgets.IntSlider(value=0, min=0, max=9, description="restart"),
    repair=widgets.ToggleButton(value=False, description="PD after the search"),
)

# %% [markdown]
# **Figure 6.17.** A short search on your settings: the truth, $y$, what the result reduces to, the result. The line
# below has its PSNR(LR), its PSNR and the angles.
#
# The same, standing still:

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Five short searches for the photograph: three weights of the angle term at 8x, two restarts at 16x"}}
STILL = {
    "8x, angles 0": (8, 100, 0.0, 0),
    "8x, 0.05": (8, 100, 0.05, 0),
    "8x, 1": (8, 100, 1.0, 0),
    "16x, restart 0": (16, 100, 0.05, 0),
    "16x, restart 1": (16, 100, 0.05, 1),
}
still = {name: short_search("photograph", *settings) for name, settings in STILL.items()}
show(
    [run.images for run in still.values()],
    [f"{name}\n{decibels(run.lr_error).item():.1f} dB" for name, run in still.items()],
    columns=5,
    height=1.5,
)

# %% [markdown]
# **Figure 6.18.** Five of these searches, standing still: the photograph at 8x with three weights of the angles, and
# at 16x from two starts. Above each, its PSNR(LR).
#
# <details><summary>Answers</summary>
#
# (a) At 16x; at 4x, 256 block means leave little to choose. (b) Without it, $y$ is met as well, by layers that no
# longer agree; with 1 they are nearly one code, the face is clean and somebody else's, and $y$ is missed. (c) They are
# all met well: 16 numbers a channel suit anything with the right colours, also for the cat. PSNR(LR) at 16x says very
# little about $\hat x$.
#
# </details>
#
# ## 12. A note on faces of people
#
# In June 2020 a pixelated photograph of Barack Obama, put through PULSE, came out as a white man, and the picture was
# widely shared. What is on record:
#
# - The authors pointed to the generator and its training photographs from Flickr, acknowledged that PULSE produced
#   white faces much more often than faces of people of colour, and added a section on bias and a model card to the
#   paper {cite}`menon2020v3`. On the project's page they wrote that it makes imaginary faces of people who do not
#   exist, and cannot identify anyone.
# - That the generator's own samples were skewed, towards the young and above all white women, had been counted on
#   10,000 of them {cite}`salminen2020bias`. Others tried to repair the search instead of the prior: the results became
#   more diverse in age and gender, but not in ethnicity {cite}`sheng2020pulse`. A later comparison of several
#   upsampling methods, on training sets of known composition, found none whose results were fair and diverse
#   {cite}`laszkiewicz2024fair`.
#
# This lesson shows the mechanism. At large factors the null space holds most of what tells people apart, $y$ says
# nothing about it, so **it is filled with what the prior saw most** (section 5), and a search has no means of noticing.
# PD changes none of this: a consistent face is *consistent*, not *right*. PSNR(LR) of 140 dB is compatible with every
# face of section 2.
#
# What this course therefore says: super-resolved faces are illustrations of what a model considers likely. They are no
# evidence, must not be used to identify or to describe a person, and results should be shown together with $y$, with
# several alternatives, and with the prior's training data named. Our prior comes from a few thousand news photographs
# of public figures of the 2000s, with the imbalances that implies; its model card says so.
#
# <details><summary>Quick check 3: somebody applies PD to a PULSE result and says "now it is guaranteed to agree with the camera". Is that a reason to trust the face?</summary>
#
# It is true, and no reason. So is every other face of section 2 after PD, and a noise image after PD as well (lesson
# 02).
#
# </details>

# %% [markdown]
# ## Quiz
#
# Five questions on the ideas and on typical mistakes. Choose, check, and read why.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets import quiz

quiz("06")

# %% [markdown]
# ## Exercises
#
# Each stub ends in a check that says what is missing; nothing breaks while it is unsolved. The solutions are folded
# away below each one.
#
# ### Exercise 1 — along the sphere
#
# *★ easy · about 10 minutes*
#
# PULSE steps off the sphere and scales back. Others first remove the part of the gradient that points away from it.
# Write `tangent(v, z)` for $v, z$ $(N, m)$: of each row of $v$ the part that is orthogonal to the same row of $z$,
# whatever the length of $z$. It is a projection; the check asks what a projection must do.
#
# <details><summary>Hint 1</summary>
#
# The part of $v$ along $z$ is $z$ times the number $\langle v, z \rangle / \langle z, z \rangle$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Subtract it from $v$, row by row: `sum(1, keepdim=True)` makes both products one number a row.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def tangent_law(tangent):
    generator = torch.Generator().manual_seed(3)
    v, z = (torch.randn(5, 16, dtype=torch.float64, generator=generator) for _ in range(2))
    along = tangent(v, z)
    assert along.shape == v.shape, f"the result must be {tuple(v.shape)}, got {tuple(along.shape)}"
    assert (along * z).sum(1).abs().max() < 1e-10, "the result is not orthogonal to z"
    assert torch.allclose(tangent(along, z), along), "doing it twice must change nothing"
    assert torch.allclose(tangent(v, 3 * z), along), "the length of z must not matter"
    assert tangent(z, z).abs().max() < 1e-10, "nothing of z itself is along the sphere"
    assert (along.norm(dim=1) > 0.1).all(), "the result is zero: nothing would move"


# %%
def tangent(v, z):
    raise NotImplementedError


check_answer(tangent, tangent_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def tangent_solution(v, z):
    return v - (v * z).sum(1, keepdim=True) / (z * z).sum(1, keepdim=True) * z


tangent_law(tangent_solution)
# with plain gradient descent both ways agree to first order; Adam divides each coordinate by its own size, so its
# step leaves the tangent plane again even if the gradient lay in it
print("Correct.")

# %% [markdown]
# ### Exercise 2 — infinitely many faces
#
# *★★ medium · about 10 minutes*
#
# Section 2 averaged a few answers. How good would the mean of infinitely many be? Take the answers as independent draws
# from one distribution with mean $\mu$ and variance $\sigma^2$, summed over all pixels (not the $\mu$ and $\sigma$ of
# (3)). On average a single one has the squared error $e_1 = \|x - \mu\|^2 + \sigma^2$, and the mean of $K$ has
# $e_K = \|x - \mu\|^2 + \sigma^2 / K$. Write `limit(e_1, e_K, K)`: the squared error of the mean of infinitely many.
# The check draws many answers itself.
#
# <details><summary>Hint 1</summary>
#
# For $K \to \infty$ only $\lVert x - \mu \rVert^2$ is left of $e_K$. You have two equations in
# the two unknowns $\lVert x - \mu \rVert^2$ and $\sigma^2$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# In $K e_K - e_1$ the variance drops out.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def limit_law(limit):
    generator = torch.Generator().manual_seed(4)
    for K, sigma, far in ((2, 1.0, 2.0), (8, 3.0, 0.5)):
        answers = sigma * torch.randn(40_000, K, 5, dtype=torch.float64, generator=generator)  # mu is 0
        truth = torch.full((5,), far, dtype=torch.float64)
        e_1 = (truth - answers).square().sum(-1).mean().item()
        e_K = (truth - answers.mean(1)).square().sum(-1).mean().item()
        got, wanted = float(limit(e_1, e_K, K)), 5 * far**2
        spread = 0.02 * (1 + wanted)  # 40,000 draws leave an error of about half a per cent
        assert abs(got - wanted) < spread, (
            f"for K = {K} the mean of all has an error of {wanted:.2f}, you say {got:.2f}"
        )


# %%
def limit(e_1, e_K, K):
    raise NotImplementedError


check_answer(limit, limit_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def limit_solution(e_1, e_K, K):
    return (K * e_K - e_1) / (K - 1)  # K e_K - e_1 = (K - 1) |x - mu|^2


limit_law(limit_solution)
single, average = ((x - v).double().square().mean().item() for v in (found, mean))
best = limit_solution(single, average, restarts)
print(
    f"Correct. In section 2: one face {decibels(single):.1f} dB, the mean of {restarts} {decibels(average):.1f} dB, ",
    end="",
)
print(f"of infinitely many about {decibels(best):.1f} dB")

# %% [markdown]
# ### Exercise 3 — foretell the PSNR
#
# *★★ medium · about 15 minutes*
#
# Before PD is applied you know two numbers: the PSNR of $x_r$ to the truth, and the mean square $e$ of $A x_r - y$.
# Write `psnr_after(psnr_before, e)`, the PSNR after PD, for average pooling, in dB. Which length has
# $A^\dagger (y - A x_r)$, if $A^\dagger$ repeats every number in a block?
#
# <details><summary>Hint 1</summary>
#
# Pythagoras, divided by the number of pixels: the mean square before is the mean square after plus that of
# $A^\dagger (y - A x_r)$. Repeating numbers does not change their mean square, so the last one is $e$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# A PSNR of $p$ dB is a mean square of $10^{-p/10}$. Go there, subtract, and come back.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def psnr_after_law(psnr_after):
    generator = torch.Generator().manual_seed(5)
    for factor in (2, 4, 8):
        operator = AveragePool(factor)
        truth, x_r = (torch.rand(1, 3, 16, 16, dtype=torch.float64, generator=generator) for _ in range(2))
        e = (operator(x_r) - operator(truth)).square().mean().item()
        wanted = psnr(enforce_consistency(x_r, operator(truth), operator), truth).item()
        got = float(psnr_after(psnr(x_r, truth).item(), e))
        assert abs(got - wanted) < 1e-6, f"at factor {factor} PD gives {wanted:.4f} dB, you say {got:.4f}"


# %%
def psnr_after(psnr_before, e):
    raise NotImplementedError


check_answer(psnr_after, psnr_after_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def psnr_after_solution(psnr_before, e):
    # repeating keeps the mean square, so (5) divided by the number of pixels is: before = after + e
    return -10 * math.log10(10 ** (-psnr_before / 10) - e)


psnr_after_law(psnr_after_solution)
print("Correct. From 20 dB and PSNR(LR) 34 dB:", f"{psnr_after_solution(20, 10**-3.4):.2f} dB")

# %% [markdown]
# ## Use it on your own pictures
#
# ```python
# from ganprior_null import AveragePool, pulse
# from ganprior_null.images import load_image, save_image
# from ganprior_null.weights import load_prior
#
# G, _ = load_prior("faces64")                        # or load_stylegan2("ffhq1024.safetensors").generator
# y = load_image("small.png")                         # (1, 3, 8, 8) in [0, 1]
# run = pulse(G, y, AveragePool(8), restarts=8, enforce="after")
# print(run.converged, run.lr_error)                  # Ctrl-C returns the best so far
# save_image(run.images, "a_face.png")
# ```
#
# Any operator goes in the place of `AveragePool`; a $y$ of the wrong size is refused with the sizes that fit.
#
# ## Summary
#
# - Feasible set and manifold meet in many places. A search finds one of them, and the start decides which.
# - The mean of the answers is feasible, has a better PSNR than they have, and is no face: squared error asks for blur.
# - PULSE: codes on the sphere of a Gaussian that stands for the mapping network; a downscaling loss with a floor;
#   angles that hold the layers together; Adam, and back to the sphere.
# - A search always answers. Look at PSNR(LR) before you look at the picture, and at several restarts before you believe
#   a feature.
# - PD after the search makes any result exact, and raises the PSNR by an amount known beforehand. PD inside removes the
#   gradient of the downscaling loss.
# - What $y$ does not say, the prior's training data says. Super-resolved faces are no evidence.
#
# **References.** PULSE: {cite}`menon2020pulse`, with the section on bias and the model card {cite}`menon2020v3`; the
# debate: {cite}`salminen2020bias`, {cite}`sheng2020pulse`, {cite}`laszkiewicz2024fair`. Relatives:
# {cite}`gu2020mganprior`, {cite}`pan2022dgp`; the case against searching is GLEAN's {cite}`chan2021glean`. The prior:
# {cite}`karras2020stylegan2`. Consistency: {cite}`wang2023gan`. On the price of sharpness in general:
# {cite}`blau2018perception`.
#
# **Run it in full**: the lesson with more steps, and the evaluation behind claim C16 (with a folder of aligned faces;
# without `--data`, drawn ones):
#
# ```bash
# python -m ganprior_null run notebooks/06_pulse.ipynb -p steps 300 -p restarts 16
# python -m ganprior_null evaluate pulse --prior faces64 --data FOLDER --count 50 \
#     --out build/results/pulse/faces64
# python -m ganprior_null evaluate pulse --prior faces64 --data FOLDER --count 25 --factors 8 --space free \
#     --out build/results/pulse/faces64_free
# python -m ganprior_null evaluate pulse --prior faces64 --data FOLDER --count 25 --factors 8 --lr 2 \
#     --out build/results/pulse/faces64_lr2
# python -m ganprior_null evaluate pulse --prior faces64 --data FOLDER --count 25 --factors 8 --space free \
#     --lr 2 --out build/results/pulse/faces64_free_lr2
# ```
#
# **Next:** eighty steps for one image, and a face that is merely possible. Lesson 07 trains a network to give the
# answer in one pass, with the prior as its memory, and PD inside.
