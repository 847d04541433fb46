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
# # 01 · Range and null space
#
# *First reading: about 35 minutes, Exercise 2 included · the rest: 45 minutes, and 25 for the other exercises · runs in
# under a minute on a two-core laptop · less than 1 GB of memory · no GPU*
#
# A camera, a downsampler, a gray filter all do the same thing to an image: they keep some of it and lose the rest for
# good. This lesson splits an image into exactly those two parts, with nothing but linear algebra. The whole method of
# the paper {cite}`wang2023gan` rests on this split: the kept part is *copied* from the measurement, only the lost part
# is *made up* by a network.
#
# **What you will learn**
#
# - say what each of the four Penrose conditions is good for, and check them by hand;
# - split a photograph into the part that a measurement determines and the part that it cannot see;
# - prove in two lines that $\hat x = A^\dagger y + (I - A^\dagger A)\,x_r$ agrees with the measurement, whatever $x_r$
#   is;
# - on a second reading: build the pseudo-inverse of any matrix from its singular value decomposition, say what
#   truncating it costs, and test an operator of your own.
#
# **Before you start**: you can multiply matrices, you know when two vectors are perpendicular, and you can read Python.
# All else is explained where it comes up, and once more in the [glossary](../book/glossary.md).
# [The first lesson](00_start_here.ipynb) shows where this leads; you do not need it here. The lesson follows Equations
# 1-7 of the paper.
#
# **How to read it**: nothing has to be run, the results stand below each cell. On a first reading leave out what is
# marked *second reading*: nothing that is not marked needs it. For the exercises a sheet of paper will do; to run them,
# open the lesson in JupyterLab (`make lab` in a clone of the repository).
#
# **Signs**: $x$ is an image, all its pixel values in one long vector; $y$ a measurement of it, $A$ the matrix that
# measures, $x_r$ a guess at $x$ and $\hat x$ the result. $A^\top$ is the transposed matrix, $I$ the identity,
# $\langle a, b \rangle = a^\top b$ the sum of the products of two vectors' entries, and
# $\lVert a \rVert = \sqrt{\langle a, a \rangle}$ a vector's length. Images hold values from 0 (black) to 1 (white).

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | gpu | paper; empty: GANPRIOR_PROFILE or laptop
size: int = 0  # side of the images in pixels, a multiple of 16; 0: the profile's, at most 288 without a folder
folder: str = ""  # a folder of images to use instead of the photographs shipped with scikit-image
seed: int = 0  # seed of the random guesses

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F

from ganprior_null import AveragePool, Grayscale, Inpaint, LinearOperator, Matrix
from ganprior_null import as_matrix, dottest, enforce_consistency, penrose_residuals, psnr
from ganprior_null.data import load_folder, photographs
from ganprior_null.images import from_signed, from_uint8, to_uint8
from ganprior_null.profiles import lesson
from ganprior_null.widgets import check_answer, panel, plot, show

cfg = lesson(profile or None, **({"size": size} if size else {}))
size = cfg.size if size or folder else min(cfg.size, 288)
if size % 16:
    raise ValueError(f"size must be a multiple of 16, the largest factor of this lesson, got {size}")
photos = load_folder(folder, size)[0] if folder else photographs(size)  # (N, 3, size, size)
x = photos[:1]
BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#767676"  # told apart by colour-blind readers too

# %% [markdown]
# ## 1. One equation, two unknowns
#
# Take the smallest image there is: two pixels, $x = (x_1, x_2)$. The measurement is their mean, one number:
#
# $$y = A x, \qquad A = \begin{pmatrix} \tfrac12 & \tfrac12 \end{pmatrix}. \tag{1}$$
#
# One equation cannot fix two unknowns. Every point of the line $x_1 + x_2 = 2y$ explains the measurement equally well,
# and you can see them all. The **range part** of $x$ is what the measurement says about it, the **null part** the rest.
# *Question.* Tick "keep y while x moves" and move $x$: which part of $x$ changes, and which does not? Untick it, and
# tick "a second row". A row of $A$ is drawn as an arrow, since $A x$ is its scalar product with $x$; the second begins
# as a multiple of the first, so that nothing changes yet. Move it: when is nothing left of the null part?

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets.live import LiveMatrix

LiveMatrix()

# %% [markdown]
# **Figure 1.1.** All images of two pixels, live: one axis for each pixel. The solid line holds every image with the
# measurement $y$ of $x$, and moves with it where $y$ does; the dotted line is the range of $A^\dagger$, the dashed one
# the null space of $A$, both explained below. Points may leave the gray square of the images, 0 to 1: a pixel below 0
# is shown black, one above 1 white.
#
# <details><summary>Answer</summary>
#
# Only the null part changes; range part and $A x$ stay. With a second row that is no multiple of the first, $A$ sees
# every direction, and the null part is 0 for every $x$.
#
# </details>
#
# Two questions about the line have clear answers:
#
# - *Which explanation is the smallest?* The point of the line nearest to the origin: both pixels equal to $y$. It is written
#   $A^\dagger y$, and $A^\dagger = \begin{pmatrix} 1 \\ 1 \end{pmatrix}$ is the **pseudo-inverse** of $A$.
# - *Which explanation is nearest to a guess $x_r$ of mine?* Drop a perpendicular from $x_r$ to the line. The
#   perpendicular runs along $(1, 1)$, so it changes both pixels by the same amount, just enough to bring the mean to
#   $y$: $\hat x = x_r + A^\dagger (y - A x_r)$.
#
# Multiply out and the second answer becomes the formula that this course is about, the paper's Equation 7:
#
# $$\hat x = \underbrace{A^\dagger y}_{\text{measured}} + \underbrace{(I - A^\dagger A)\, x_r}_{\text{guessed}}. \tag{P-7}$$
#
# Let us do it with numbers: $y = 0.5$ and the guess $x_r = (0.95, 0.45)$, whose mean is not $0.5$.

# %%
A = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
A_pinv = torch.tensor([[1.0], [1.0]], dtype=torch.float64)
y = torch.tensor([0.5], dtype=torch.float64)
x_r = torch.tensor([0.95, 0.45], dtype=torch.float64)

smallest = A_pinv @ y
x_hat = A_pinv @ y + x_r - A_pinv @ (A @ x_r)

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
for name, point in {"A^+ y": smallest, "x_r": x_r, "x_hat": x_hat}.items():
    print(f"{name:6}= ({point[0]:.2f}, {point[1]:.2f})   mean {(A @ point).item():.2f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The plane of two-pixel images, with the line of all images of mean one half and the projection of a guess onto it"}}
t = np.array([-0.8, 0.8])
with plot(height=4.8, width=5.6) as ax:
    ax.plot(0.5 + t, 0.5 - t, color=BLUE, lw=2)
    ax.plot(t, -t, "--", color=BLUE, lw=1.2)
    ax.plot(1.6 * t, 1.6 * t, ":", color=GRAY, lw=1.5)
    beside = {"rotation_mode": "anchor", "ha": "center", "va": "bottom"}
    ax.text(0.17, 0.83, "all x with A x = y", color=BLUE, rotation=-45, **beside)
    ax.text(0.17, -0.17, "null space: A x = 0", color=BLUE, rotation=-45, **beside)
    ax.text(0.88, 0.88, "range of $A^\\dagger$", color=GRAY, rotation=45, **beside)
    for start, end in [((0, 0), smallest), (x_r, x_hat)]:
        ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": ORANGE, "lw": 1.8, "shrinkA": 0})
    for label, point in {"0": (0, 0), "$A^\\dagger y$": smallest, "$x_r$": x_r, "$\\hat x$": x_hat}.items():
        ax.plot(*point, "o", color="black", ms=5)
        ax.annotate(label, point, xytext=(-4, 9), textcoords="offset points", fontsize=12)
    ax.set(xlim=(-0.35, 1.2), ylim=(-0.35, 1.1), aspect="equal", xlabel="first pixel", ylabel="second pixel")

# %% [markdown]
# **Figure 1.2.** Both answers. The solid line holds every two-pixel image of mean 0.5; $A^\dagger y$ is its point
# nearest to the origin; the arrow from $x_r$ meets the line at a right angle in $\hat x$.
#
# Two directions matter. Along $(1, 1)$ the mean changes. This line is the row space of $A$, which is all that
# $A^\dagger$ can produce; the part of $x$ along it is the **range part**, short for range of $A^\dagger$. (Not the
# range of $A$, which holds measurements: we call that "what $A$ can produce".) Along $(1, -1)$ nothing measurable
# happens: the **null space**. The two are perpendicular, and every image is the sum of one part in each:
#
# $$x = \underbrace{A^\dagger A x}_{\text{range part}} + \underbrace{(I - A^\dagger A)\, x}_{\text{null part}}. \tag{2}$$
#
# ### A 2 x 2 picture by hand
#
# Now four pixels and their mean: $A = \tfrac14 (1\;1\;1\;1)$ and $A^\dagger = (1\;1\;1\;1)^\top$. This picture has the
# mean 0.45:
#
# $$x = \begin{pmatrix} 0.9 & 0.5 \\ 0.3 & 0.1 \end{pmatrix} = \begin{pmatrix} 0.45 & 0.45 \\ 0.45 & 0.45 \end{pmatrix} + \begin{pmatrix} 0.45 & 0.05 \\ -0.15 & -0.35 \end{pmatrix}$$
#
# The first part is all that the measurement knows. The entries of the second add up to zero; three numbers are free in
# it, so the null space has three dimensions, the range one. The library does the same with
# [`AveragePool(2)`](../book/api.md#AveragePool):

# %%
tiny = torch.tensor([[0.9, 0.5], [0.3, 0.1]], dtype=torch.float64)
tiny = tiny[None, None]  # (1, 1, 2, 2): pictures, channels, height, width
pool = AveragePool(2)
part = pool.decompose(tiny)

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print("measurement", round(pool(tiny).item(), 2))
print("range part ", np.round(part.range[0, 0].numpy(), 2).tolist())
print("null part  ", np.round(part.null[0, 0].numpy(), 2).tolist())
torch.testing.assert_close(part.range, torch.full_like(tiny, 0.45))
torch.testing.assert_close(part.range + part.null, tiny)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A picture of two by two gray pixels, its one-pixel mean, the flat range part and the null part"}}
show([tiny, pool(tiny), part.range, from_signed(part.null)], ["x", "y = A x", "range part", "null part"], height=1.8)

# %% [markdown]
# **Figure 1.3.** The picture, its one-pixel mean, the flat range part, and the null part.
#
# Null parts have negative values; here and below they are drawn by [`from_signed`](../book/api.md#images.from_signed),
# from black at $-1$ to white at $1$, so that mid-gray means zero.
#
# <details><summary>Quick check 1: how many dimensions has the null space of AveragePool(8) on a gray 256 x 256 image?</summary>
#
# The image has $256^2$ unknowns and the measurement $32^2$ independent equations, so the null space has
# $256^2 - 32^2 = 64512$ dimensions: 63 of every 64. The measurement settles one direction per block and nothing about
# the other 63.
#
# </details>

# %% [markdown]
# ## 2. The pseudo-inverse from the SVD
#
# *Second reading · about 5 minutes.* For the mean the pseudo-inverse could be guessed. For any matrix it comes from the
# **singular value decomposition**
#
# $$\begin{gathered} A = U \Sigma V^\top = \sum_i \sigma_i\, u_i v_i^\top , \cr \sigma_1 \ge \sigma_2 \ge \dots \ge 0, \end{gathered} \tag{3}$$
#
# of an $m \times n$ matrix: $n$ images $v_i$ and $m$ measurements $u_i$, the columns of $V$ and $U$, in each set
# perpendicular to each other and of length 1 (*orthonormal*); $u_i v_i^\top$, a column times a row, is a matrix of rank
# 1; the numbers $\sigma_i$ on the diagonal of $\Sigma$ are the **singular values**. Read it as a recipe: $A$ looks up how
# much of pattern $v_i$ the image holds, multiplies by $\sigma_i$, and writes the result on pattern $u_i$. To go back,
# divide:
#
# $$A^\dagger = \sum_{\sigma_i > 0} \frac{1}{\sigma_i}\, v_i u_i^\top = V \Sigma^{\dagger} U^\top. \tag{4}$$
#
# A pattern with $\sigma_i = 0$ left no trace in $y$. There is nothing to divide, and (4) leaves it out
# ($\Sigma^\dagger$ is $\Sigma^\top$ with its nonzero entries inverted). So the two spaces can be read off $V$: the
# $v_i$ with $\sigma_i > 0$ span the range part, all other $v_i$ the null space. With $m < n$ measurements there are
# only $m$ singular values, so that at least $n - m$ of the $v_i$ have none.
#
# With the two pixels of section 1: $A = (\tfrac12\;\tfrac12)$ has one singular value, its length $\sigma_1 = 1/\sqrt2$,
# with $v_1 = (1, 1)/\sqrt2$ and $u_1 = 1$; indeed $\sigma_1 u_1 v_1^\top = \tfrac12 (1\;1)$. So (4) gives
# $A^\dagger = \sqrt2 \cdot (1, 1)^\top / \sqrt2 = (1, 1)^\top$, as before, and $v_2 = (1, -1)/\sqrt2$, which has no
# $\sigma$, spans the null space.
#
# Small $\sigma_i$ are the danger: (4) divides by them, errors of $y$ included. The operator of the paper never gets
# into this trouble. All singular values of average pooling are equal, $1/s$ for $s \times s$ blocks: each row has $s^2$
# entries $1/s^2$, so the length $1/s$, and no two rows overlap.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
for s in (2, 4):
    sigma = torch.linalg.svdvals(as_matrix(AveragePool(s), (1, 8, 8)))
    torch.testing.assert_close(sigma, torch.full_like(sigma, 1 / s))
    print(f"AveragePool({s}) on 8 x 8 pixels: {len(sigma)} singular values, all equal to {sigma[0]:.2f}")

# %% [markdown]
# ### On a computer
#
# *Second reading · about 3 minutes.* "Zero" means "below rounding". The usual rule counts $\sigma_i$ of an $m \times n$
# matrix as zero when it is at most $\max(m, n)\,\varepsilon\,\sigma_1$. Here $\varepsilon$ is the relative gap between
# two neighbouring numbers, $2^{-52}$ in float64.


# %%
def pinv_by_svd(A, rtol=None):
    """A^+ = V S^-1 U^T over the singular values that count: (m, n) -> (n, m)."""
    U, S, Vh = torch.linalg.svd(A, full_matrices=False)
    rtol = max(A.shape) * torch.finfo(A.dtype).eps if rtol is None else rtol
    keep = S / S[0] > rtol
    return Vh[keep].T @ torch.diag(1 / S[keep]) @ U[:, keep].T


# %% [markdown]
# We try it on a matrix that is neither square nor of full rank: the third row is the sum of the first two, so the third
# measurement says nothing new. (In the code `Vh` is $V^\top$.)

# %%
M = torch.tensor([[1, 2, 0, 1, 0], [0, 1, 1, 0, 1], [1, 3, 1, 1, 1]]).double()
P = pinv_by_svd(M)
U, S, Vh = torch.linalg.svd(M)  # here with all five v_i, also those that A does not see
rank = int((S / S[0] > 1e-12).sum())
v_null = Vh[rank:]  # (3, 5): a basis of the null space

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print("singular values:", [round(s, 3) for s in S[:rank].tolist()], "and", len(S) - rank, "below rounding")
print("dimensions: range part", rank, "+ null space", len(Vh) - rank, "=", M.shape[1])
for name, other in {"Matrix(M).inverse": Matrix(M).inverse, "torch.linalg.pinv(M)": torch.linalg.pinv(M)}.items():
    gap = (P - other).abs().max().item()
    print(f"largest difference from {name}: {'below 1e-14' if gap < 1e-14 else f'{gap:.0e}'}")
gap = (M @ v_null.T).abs().max().item()
print(f"largest |M v| of the other three v: {'below 1e-14' if gap < 1e-14 else f'{gap:.0e}'}")

# %% [markdown]
# ### How far down can we divide?
#
# *Second reading · about 9 minutes.* Formula (4) divides by $\sigma_i$, and a small $\sigma_i$ turns a small error of
# $y$ into a large error of $A^\dagger y$. To see how bad that gets, take one row of a photograph, blur it with a
# Gaussian, and save the result with 8 bits, as an image file does. The error of $y$ is then at most half a gray level.
# Nothing else is wrong.
#
# Keep only the first $k$ singular values and call the result $x_k = \sum_{i \le k} v_i\, u_i^\top y / \sigma_i$. With
# $y = A x + e$, where $e$ is the rounding error, $u_i^\top y = \sigma_i v_i^\top x + u_i^\top e$, since
# $u_i^\top A = \sigma_i v_i^\top$. And $x = \sum_i v_i\, v_i^\top x$. So the error of $x_k$ has two parts,
# $x - x_k = \sum_{i > k} v_i\, v_i^\top x - \sum_{i \le k} v_i\, u_i^\top e / \sigma_i$, one in the patterns we drop
# and one in those we keep; they are perpendicular, and their squares add up:
#
# $$\lVert x - x_k \rVert^2 = \underbrace{\sum_{i > k} (v_i^\top x)^2}_{\text{lost by truncation}} + \underbrace{\sum_{i \le k} \frac{(u_i^\top e)^2}{\sigma_i^2}}_{\text{amplified noise}}. \tag{5}$$

# %% tags=["hide-input"] jupyter={"source_hidden": true}
n, width = 64, 1.5  # pixels of the row, standard deviation of the blur in pixels
row = photographs(n)[0].double().mean(0)[n // 2]  # (64,): the middle row of a photograph, in gray
pixel = torch.arange(n, dtype=torch.float64)
blur = torch.exp(-0.5 * ((pixel[:, None] - pixel) / width) ** 2)
blur /= blur.sum(1, keepdim=True)  # (64, 64): line i averages the neighbours of pixel i
y_exact = blur @ row
y_8bit = from_uint8(to_uint8(y_exact)).double()

# %%
U, S, Vh = torch.linalg.svd(blur)
e = y_8bit - y_exact
zero = torch.zeros(1, dtype=torch.float64)
# entry k of lost: the mean square that the first k patterns miss
lost = torch.cat([(Vh @ row).square().flip(0).cumsum(0).flip(0), zero]) / n
# entry k of noise: the mean square of what they amplify
noise = torch.cat([zero, (e @ U / S).square().cumsum(0)]) / n
total = lost + noise
best = int(total.argmin())

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print(f"largest / smallest singular value: {S[0] / S[-1]:.0e}")
print("roots of the mean squares (white = 1); their squares add up\nkept    lost   noise   total")
for k in sorted({8, 16, 24, 32, best, 48, 56, 64}):
    errors = "".join(f"{v[k].sqrt():8.3f}" for v in (lost, noise, total))
    print(f"{k:4}{errors}" + (" <- best" if k == best else ""))
print(f"y as it is{(y_8bit - row).square().mean().sqrt():18.3f}")

# %% [markdown]
# Keeping everything is worse than useless: the error of the exact pseudo-inverse is several times the distance from
# black to white, from a rounding that no eye can see. Dropping the weakest third of the patterns brings it down to
# 0.039, little more than half of what $y$ as it is misses by; a bad choice of $k$ is no better than $y$, or worse.
# [`Matrix(A, rtol=...)`](../book/api.md#Matrix) truncates in this way, and formula (5) holds to rounding. Figure 1.4
# has both sides.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def deblurred(k):
    """A_k^+ y: Matrix with a threshold between singular values k and k + 1."""
    rtol = float((S[k - 1] * S[k]).sqrt() / S[0]) if k < n else None
    return Matrix(blur, rtol=rtol).pinv(y_8bit[None])[0]


for k in (8, best, 48, 64):
    torch.testing.assert_close((deblurred(k) - row).square().mean(), total[k], rtol=1e-6, atol=0)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Left: error against the number of singular values kept, falling and then exploding. Right: a row of pixels and its reconstructions"}}
with plot(1, 2, height=3.2) as (left, right):
    for values, style, color, label in [
        (lost, "--", BLUE, "lost"),
        (noise, ":", ORANGE, "amplified noise"),
        (total, "-", "black", "both"),
    ]:
        left.semilogy(values.sqrt(), style, color=color, lw=2, label=label)
    left.plot(best, total[best].sqrt(), "o", color="black")
    left.set(xlabel="singular values kept, k", ylabel="root mean square error", ylim=(1e-4, 10))
    right.plot(deblurred(48), ":", color=ORANGE, lw=1.5, label="48 kept: noise")
    right.plot(y_8bit, "--", color=GRAY, lw=1.5, label="measured y")
    right.plot(deblurred(best), color=BLUE, lw=2, label=f"{best} kept")
    right.plot(row, ".", color="black", ms=5, label="true row")
    right.set(xlabel="pixel", ylabel="gray value", ylim=(-0.05, 1.3))
    left.legend()
    right.legend(ncols=2)

# %% [markdown]
# **Figure 1.4.** Left, the more singular values are kept, the less is lost and the more the rounding error grows; the
# sum has one clear minimum (dot). Right, the row itself (dots), its blurred measurement (gray), a good truncation
# (blue) and one that keeps slightly too much (orange).
#
# Truncation declares weak directions *invisible*: it moves them from the range part to the null space. With noise in
# $y$ that is a wise thing to do. What is invisible has to come from elsewhere: from a **prior**, something that knows
# what photographs look like. In this course that will be a trained network, a GAN ([lesson 05](05_gan_prior.ipynb)).

# %% [markdown]
# ## 3. The four Penrose conditions
#
# For the mean, $A^\dagger$ was found by drawing. What is it for any matrix $A$? Penrose {cite}`penrose1955` gave four
# equations that exactly one matrix $P$ solves; take them as the definition of $A^\dagger$ (that there is one, and only
# one, is shown in what is marked second reading). Each has a meaning:
#
# | | condition | in words |
# |---|---|---|
# | (i) | $A P A = A$ | going there, back and there again changes nothing: **this one gives consistency** |
# | (ii) | $P A P = P$ | what $P$ writes survives: measured and written once more, it is the same |
# | (iii) | $(A P)^\top = A P$ | with (i), $AP$ is the orthogonal projection onto what $A$ can produce: $P y$ explains $y$ as well as possible (least squares) |
# | (iv) | $(P A)^\top = P A$ | with (i), $PA$ is an orthogonal projection too: range and null part are perpendicular, and for $y = A x$ this makes $P y$ the smallest explanation |
#
# For block means all four are checked by hand. Let $P$ repeat each mean. Averaging the copies gives the mean back:
# $A P = I$, so $A P A = A$ and $P A P = P$, and $I$ is symmetric: (i), (ii), (iii). And $P A$, which puts its block's
# mean in the place of each pixel, has the entry $1/s^2$ where two pixels share a block and 0 elsewhere: symmetric,
# (iv).
#
# Conditions (i) and (iv) have a consequence that we shall need. Write $Q = A^\dagger A$. By (iv) it is
# symmetric, and by (i) $Q^2 = A^\dagger A A^\dagger A = Q$. So the range part of any image $a$ and the null part of any
# image $b$, the same or another, are perpendicular,
#
# $$\langle Q a, (I - Q)\, b \rangle = a^\top Q^\top (I - Q)\, b = a^\top (Q - Q^2)\, b = 0, \tag{6}$$
#
# and by Pythagoras
#
# $$\lVert x \rVert^2 = \lVert Q x \rVert^2 + \lVert (I - Q)\, x \rVert^2. \tag{7}$$
#
# This is why $A^\dagger y$ is the smallest explanation of $y = A x$: every explanation $z$ has the same range part
# $Q z = A^\dagger A z = A^\dagger y$, and $\lVert z \rVert$ is smallest where its null part is zero. That is
# $A^\dagger y$ itself, an explanation since $A A^\dagger y = A A^\dagger A x = A x = y$ by (i).
#
# ### Four impostors
#
# *Second reading · about 7 minutes.* For any matrix put (3) and (4) in, and all four come out: as $v_i^\top v_j$ is 1
# for $i = j$ and else 0, and likewise for the $u_i$, $A A^\dagger = \sum u_i u_i^\top$ and
# $A^\dagger A = \sum v_i v_i^\top$ over the $\sigma_i > 0$. Both are symmetric, (iii) and (iv), and change nothing in
# $A$ or $A^\dagger$, (i) and (ii). One by one, with the matrix $M$ of section 2 and the $P$ that we built:

# %%
gaps = {
    "(i)": M @ P @ M - M,
    "(ii)": P @ M @ P - P,
    "(iii)": (M @ P).T - M @ P,
    "(iv)": (P @ M).T - P @ M,
}
print({name: f"{gap.abs().max():.0e}" for name, gap in gaps.items()})

# %% [markdown]
# <details><summary>Why only one matrix solves all four</summary>
#
# Let $B$ and $C$ both solve them. Then $AB = (ACA)B = (AC)(AB) = (AC)^\top (AB)^\top = (ABAC)^\top = (AC)^\top = AC$;
# the first step is (i) for $C$, the third (iii) for both, the fifth (i) for $B$. In the same way $BA = CA$. Hence
# $B = BAB = BAC = CAC = C$ by (ii). Without (ii) there would be more: $A^\dagger + N$ with $A N = 0$ and $N A = 0$
# passes the other three, and writes a null part where $y$ contradicts $A$.
#
# </details>
#
# A test that passes everything proves nothing, so we also try four impostors: the transpose; the right inverse of the
# two-pixel mean that puts everything on the first pixel; the pseudo-inverse with something invisible added; and one
# that is one per cent too large. All but that with the first pixel are for $M$.
# [`penrose_residuals(A, in_shape)`](../book/api.md#penrose_residuals) measures the gap in each condition, relative to
# its right side, for any operator that has `forward` and `pinv`: 18 in the line of the transpose is
# $\lVert M M^\top M - M \rVert / \lVert M \rVert$.


# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
def impostor(A, P):
    """The operator A, with P in the place of its pseudo-inverse."""
    operator = Matrix(A)
    operator.inverse = P
    return operator


invisible = v_null[:1].T @ torch.ones(1, len(M), dtype=torch.float64)  # (5, 3): M @ invisible = 0
candidates = {
    "pseudo-inverse": (M, P),
    "transpose": (M, M.T),
    "first pixel takes all": (A, torch.tensor([[2.0], [0.0]], dtype=torch.float64)),
    "something invisible": (M, P + invisible),
    "1 % too large": (M, 1.01 * P),
}
print(f"{'':22}  (i)    (ii)   (iii)  (iv)")
for name, (matrix, candidate) in candidates.items():
    residuals = penrose_residuals(impostor(matrix, candidate), (matrix.shape[1],))
    print(f"{name:22}", "  ".join("ok   " if r < 1e-12 else f"{r:<5.2g}" for r in residuals))

# %% [markdown]
# Look at "first pixel takes all": it passes (i), (ii) and (iii), so $A\hat x = y$ would hold with it. It fails
# only (iv), so its "projection" is slanted. You would still explain the measurement, but no longer with the image
# *nearest* to your guess.

# %% [markdown]
# ## 4. Range and null part of a photograph
#
# Nobody builds a matrix with as many columns as a photograph has values. An operator of this package is a pair of
# functions, $A$ and $A^\dagger$, each a line or two:
#
# | operator | what $A$ does | what $A^\dagger$ does |
# |---|---|---|
# | [`Grayscale()`](../book/api.md#Grayscale) | the mean of red, green and blue | the gray value in all three channels |
# | [`Inpaint(mask)`](../book/api.md#Inpaint) | keeps the pixels where the mask is 1; zero where it is 0, in the holes | the same |
# | `AveragePool(s)` | the mean of each $s \times s$ block | each mean repeated $s \times s$ times |
#
# Each splits the same photograph. (Folded away: the last one written out, a reshape and a repetition, with the largest
# difference from the library's, which is rounding.)


# %% tags=["hide-cell"] jupyter={"source_hidden": true}
def pool_mean(x, s):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // s, s, w // s, s).mean((3, 5))


def pool_repeat(y, s):
    return y.repeat_interleave(s, 2).repeat_interleave(s, 3)


means = (pool_mean(x, 8) - AveragePool(8)(x)).abs().max()
repeated = (pool_repeat(pool_mean(x, 8), 8) - AveragePool(8).project_range(x)).abs().max()
print(f"means: {means:.0e}; repeated: {repeated:.0e}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
mask = torch.ones(size, size)
mask[:, torch.arange(size) % 16 < 4] = 0
mask[size // 8 : size * 3 // 8, size * 3 // 8 : size * 5 // 8] = 0
operators = {"Grayscale()": Grayscale(), "Inpaint(mask)": Inpaint(mask), "AveragePool(8)": AveragePool(8)}

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "The photograph, its range parts under three operators and, below them, its null parts"}}
split = {name: operator.decompose(x) for name, operator in operators.items()}
above = {"x": x} | {f"range, {name}": part.range for name, part in split.items()}
below = {"range + null": sum(split["AveragePool(8)"])}
below |= {f"null, {name}": from_signed(part.null) for name, part in split.items()}
show([*above.values(), *below.values()], [*above, *below], columns=4, height=1.9)

# %% [markdown]
# **Figure 1.5.** Above, the photograph and its range part under three operators; below, the sum of the two parts and
# the null parts.
#
# In Figure 1.5 the null part of the gray filter is pure colour, that of inpainting is the content of the holes, that of
# pooling is fine detail.
#
# The null part is invisible to $A$: $A (I - A^\dagger A) x = Ax - A A^\dagger A x = 0$ by condition (i). In numbers:

# %%
for name, operator in operators.items():
    seen = operator(operator.project_null(x.double())).abs().max()
    print(f"{name:15} largest |A (null part)|: {seen:.0e}")

# %% [markdown]
# ### A matrix without structure
#
# *Second reading · about 2 minutes.* It splits images too, if they are small. Here it has 64 rows of random weights;
# the image is a gray patch of 256 pixels, less its mean, so that mid-gray is zero. The measurement sees 64 of 256
# directions, none of which means anything to the eye; a range part and a null part they are all the same.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A small gray patch of the photograph, its range part and its null part under random measurements"}}
hole = x[:, :, size // 8 : size * 3 // 8, size * 3 // 8 : size * 5 // 8]  # what the mask hid
patch = F.interpolate(hole.double(), size=(16, 16), mode="area").mean(1).flatten(1)
patch = patch - patch.mean()  # (1, 256)
sketch = Matrix(torch.randn(64, 256, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
part = sketch.decompose(patch)
assert sketch(part.null).norm() < 1e-13 * sketch(patch).norm()
assert (part.range * part.null).sum().abs() < 1e-13 * patch.square().sum()
show([from_signed(v).reshape(1, 16, 16) for v in (patch, *part)], ["patch", "range part", "null part"], height=2)

# %% [markdown]
# **Figure 1.6.** A patch and its two parts under 64 random measurements; the left picture is the sum of the others. The
# range part looks like noise; in the null part, which has three quarters of the dimensions, the patch still shows.
#
# ## 5. Any guess can be made consistent
#
# **Theorem.** Let $y = A x$ for some $x$. Then $\hat x = A^\dagger y + (I - A^\dagger A) x_r$ satisfies $A \hat x = y$,
# for every $x_r$.
#
# *Proof.* $A \hat x = A A^\dagger y + (A - A A^\dagger A)\, x_r = A A^\dagger y$, because the bracket is zero by (i).
# And $A A^\dagger y = A A^\dagger A x = A x = y$, by (i) once more. $\square$
#
# Nothing is asked of $x_r$. It may come from a network, a coin, or another photograph: here are a thousand random
# guesses, from tiny to enormous, for each operator at 16 x 16 pixels; the mask is now one of random dots. Rounding
# grows with the numbers that are added, so the gap is measured relative to the guess.

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
generator = torch.Generator().manual_seed(seed)
small = F.interpolate(x, size=(16, 16), mode="area").double()
dots = torch.rand(16, 16, generator=generator) < 0.5
small_operators = {"Grayscale()": Grayscale(), "Inpaint(dots)": Inpaint(dots), "AveragePool(8)": AveragePool(8)}
for name, operator in small_operators.items():
    y = operator(small).expand(1000, -1, -1, -1)
    scale = torch.logspace(-3, 3, 1000, dtype=torch.float64)[:, None, None, None]
    x_r = scale * torch.randn(1000, 3, 16, 16, dtype=torch.float64, generator=generator)
    gap = (operator(enforce_consistency(x_r, y, operator)) - y).abs().amax((1, 2, 3)) / scale.flatten().clamp_min(1)
    print(f"{name:15} A x_hat = y to rounding for {int((gap < 1e-14).sum())} of {len(gap)} guesses")

# %% [markdown]
# ### Which consistent image is it?
#
# **Theorem.** For $y = A x$, $\hat x$ is the consistent image *nearest* to $x_r$.
#
# *Proof.* Let $z$ be any consistent image, $A z = y$. The way from $x_r$ to $z$ has two legs,
# $z - x_r = (z - \hat x) + (\hat x - x_r)$. The first is its own null part: $A (z - \hat x) = y - y = 0$ by the theorem
# above, so $Q (z - \hat x) = 0$. The second is $\hat x - x_r = A^\dagger (y - A x_r) = Q\,(x - x_r)$, a range part. By
# (6) the two are perpendicular, and by Pythagoras
#
# $$\lVert z - x_r \rVert^2 = \lVert z - \hat x \rVert^2 + \lVert A^\dagger (y - A x_r) \rVert^2 , \tag{8}$$
#
# which is smallest for $z = \hat x$. $\square$
#
# Consistent does not mean right. But the truth is a consistent image too: put $z = x$ into (8), and
# $\lVert x - \hat x \rVert \le \lVert x - x_r \rVert$, with equality only if $A^\dagger (y - A x_r) = 0$. (Apply $A$:
# as $y - A x_r = A (x - x_r)$, by (i) this is $y = A x_r$, a guess that was consistent already.) So the formula never
# makes a guess worse. How far an image is from the truth is usually given as **PSNR**, $-10 \log_{10}$ of the mean
# squared error, in decibels: 20 dB more is a tenth of the root mean square error. Before and after:

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
guesses = {
    "another photograph": photos[1:2],
    "noise": torch.rand(x.shape, generator=torch.Generator().manual_seed(seed)),
    "flat gray": torch.full_like(x, 0.5),
}
print(f"{'':25}", "  ".join(operators))
for name, x_r in guesses.items():
    before = float(psnr(x_r, x))
    after = [float(psnr(enforce_consistency(x_r, A(x), A), x)) for A in operators.values()]
    assert min(after) >= before
    print(f"{name:18} {before:4.1f} ->", "  ".join(f"{value:11.1f}" for value in after), " dB")

# %% [markdown]
# <details><summary>Quick check 2: which of the four conditions do the two proofs need?</summary>
#
# The first only (i). The second (iv) too, by (6): it makes $\hat x$ the consistent image *nearest* to the guess.
#
# </details>
#
# ### Try it
#
# *Second reading · about 4 minutes.* The panel below keeps the measurement of one photograph and takes the null part
# from a guess of your choice, times a strength: $\hat x = A^\dagger y + t\,(I - A^\dagger A)\, x_r$.
#
# It starts with a flat guess, so that $\hat x$ is $A^\dagger y$: blocks. On the published page it stands still; there
# Figure 1.8 and the table below it have some of its settings, and the first figure of
# [lesson 00](00_start_here.ipynb) has a strength, too.
#
# **Question.** *Which number in the caption of the panel never moves, and why? For which guess is $t = 1$ the best
# strength, and which strength is best when the guess is another photograph? (The table has both.)*

# %% tags=["hide-input"] jupyter={"source_hidden": true}
choices = {"AveragePool(4)": AveragePool(4), "AveragePool(16)": AveragePool(16), **operators}
sources = {**guesses, "the truth": x}


def blend(operator, guess, strength):
    A = choices[operator]
    y = A(x)
    x_hat = A.pinv(y) + strength * A.project_null(sources[guess])
    gap, quality = float((A(x_hat) - y).abs().max()), float(psnr(x_hat, x))
    caption = f"largest |A x_hat - y|: {'below 1e-5' if gap < 1e-5 else f'{gap:.0e}'}; "
    caption += f"PSNR to the truth: {f'{quality:.2f} dB' if quality < 100 else 'above 100 dB'}"
    return {"guess x_r": sources[guess], "x_hat": x_hat}, caption


panel(
    blend,
    operator=widgets.Dropdown(options=list(choices), value="AveragePool(16)", description="operator"),
    guess=widgets.Dropdown(options=list(sources), value="flat gray", description="guess x_r"),
    strength=widgets.FloatSlider(value=1.0, min=0.0, max=2.0, step=0.05, description="strength t"),
)

# %% [markdown]
# **Figure 1.7.** A panel: the guess $x_r$ and the consistent image with its null part $t$ times as strong.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Four images with equal block means: blocks, an over-sharp truth, and the fine detail of another photograph at two strengths"}}
settings = [("the truth", 0.0), ("the truth", 2.0), ("another photograph", 1.0), ("another photograph", 2.0)]
shown = [blend("AveragePool(16)", guess, t)[0]["x_hat"] for guess, t in settings]
show(shown, ["t = 0", "truth, t = 2", "another, t = 1", "another, t = 2"], height=1.9)

# %% [markdown]
# **Figure 1.8.** Four images with one and the same block means: no null part at all, the null part of the truth at
# twice its strength, that of another photograph at strength 1 and 2. Every one of them satisfies $A \hat x = y$. In
# numbers, for every guess of the panel:

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0)
pool = choices["AveragePool(16)"]
known, unknown = pool.project_range(x), {name: pool.project_null(guess) for name, guess in sources.items()}
print("PSNR to the truth at t =", *(f"{t:9g}" for t in STRENGTHS))
for name, null in unknown.items():
    values = [float(psnr(known + t * null, x)) for t in STRENGTHS]
    print(f"{name:24}", *(f"{value:6.1f} dB" if value < 100 else "    exact" for value in values))

# %% [markdown]
# <details><summary>Answer</summary>
#
# The gap never moves (up to rounding): $A$ maps the null part to zero, at every strength. With the truth as guess,
# $t = 1$ gives the photograph back. With another photograph the best strength is close to 0: the distance to the truth,
# a parabola in $t$ whose lowest point Exercise 4 finds, is smallest where the guess's details add least error, and
# those of unrelated photographs have nothing to do with each other. Flat gray has no null part under pooling, so there
# the slider does nothing. Consistency leaves the null part entirely open; to fill it *well* is the task of a prior.
#
# </details>

# %% [markdown]
# ## 6. How much of a photograph is in the null space?
#
# *Second reading · about 4 minutes.* By (7) the energy $\lVert x \rVert^2$ of an image is that of its range part and
# that of its null part. Which share is lost? As the mean colour dominates the energy of any photograph, the table has a
# column for the *contrast* too, the energy after each channel's mean is taken away. A constant image is range part
# only, so the null part stays. The last column is the PSNR of the range part alone, $-10 \log_{10}$ of the mean square
# of the null part.

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
factors = (2, 4, 8, 16)
images = photos.double()
contrast = (images - images.mean((2, 3), keepdim=True)).square().sum((1, 2, 3))
shares = {}
print(f"{len(images)} images of {size} x {size} pixels, means over them")
print("factor  dimensions  contrast    energy  PSNR of A^+ A x")
for s in factors:
    part = AveragePool(s).decompose(images)
    energy = [v.square().sum((1, 2, 3)) for v in (images, part.range, part.null)]
    torch.testing.assert_close(energy[0], energy[1] + energy[2])  # Pythagoras
    range_psnr = psnr(part.range, images)
    torch.testing.assert_close(range_psnr, -10 * torch.log10(part.null.square().mean((1, 2, 3))))
    shares[s] = (1 - 1 / s**2, energy[2] / contrast, energy[2] / energy[0])
    cells = "".join(f"{torch.as_tensor(share).mean():10.1%}" for share in shares[s])
    print(f"{s:5}x {cells} {range_psnr.mean():13.1f} dB")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Share of dimensions, contrast and energy of photographs in the null space against the factor; dimensions are near one, contrast and energy far below"}}
dimensions, by_contrast, by_energy = (torch.stack([torch.as_tensor(shares[s][i]) for s in factors]) for i in range(3))
with plot(height=3.2, width=6) as ax:
    ax.plot(factors, dimensions, "o--", color=GRAY, lw=2, label="dimensions")
    ax.plot(factors, by_contrast, "-", color=BLUE, lw=0.7, alpha=0.5)  # one thin line for each photograph
    ax.plot(factors, by_contrast.mean(1), "s-", color=BLUE, lw=2.5, label="contrast, mean")
    ax.plot(factors, by_energy.mean(1), "^:", color=ORANGE, lw=2.5, label="energy, mean")
    ax.set_xscale("log", base=2)
    ax.set(xlabel="factor", ylabel="share in the null space", xticks=factors, xticklabels=factors, ylim=(0, 1.04))
    ax.figure.legend(loc="outside lower center", ncols=3)

# %% [markdown]
# **Figure 1.9.** Nearly all dimensions (gray) are in the null space, but much less of the contrast of photographs
# (blue; a thin line for each) and less still of their energy (orange). The thin line far above the others is the deep
# field of stars and galaxies: points of light on black are nearly all detail; it also doubles the mean energy at 8x and
# 16x.
#
# That is why super-resolution is possible at all. The measurement sees few directions, but those in which photographs
# hold most of what they have. White noise, which spreads evenly over all directions, has its energy in the null space
# in proportion to the dimensions. It is also why a wrong range part is so visible, and why it is worth protecting from
# the mistakes of a network.

# %% [markdown]
# ## 7. When the measurement contradicts itself
#
# *Second reading · about 3 minutes.* The theorem asked for $y = A x$. Suppose two sensors look at the same pixel,
# $A = \begin{pmatrix} 1 \\ 1 \end{pmatrix}$, and report $y = (0.4, 0.6)$. No pixel value explains both. The first half
# of the proof still holds, and it says
#
# $$A \hat x = A A^\dagger y, \tag{9}$$
#
# where $A A^\dagger$ is by (iii) the orthogonal projection onto what $A$ can produce: the nearest measurement that
# makes sense. Here it is the mean of the two reports, and no guess can change it.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
sensors = Matrix(torch.ones(2, 1, dtype=torch.float64))
y = torch.tensor([[0.4, 0.6]], dtype=torch.float64)
for x_r in (-1.0, 0.0, 7.0):
    x_hat = enforce_consistency(torch.tensor([[x_r]], dtype=torch.float64), y, sensors)
    print(f"guess {x_r:4.1f}: A x_hat = {np.round(sensors(x_hat)[0].numpy(), 3).tolist()}")
    torch.testing.assert_close(sensors(x_hat), sensors(sensors.pinv(y)))

# %% [markdown]
# The same happens with `Inpaint` when someone hands over a whole photograph as $y$: pixels in the holes cannot have
# been measured, and $A A^\dagger y$ drops them. `AveragePool` and `Grayscale` reach every possible $y$
# ($A A^\dagger = I$), so with them $A\hat x = y$ always:

# %%
for name, operator in operators.items():
    y = torch.rand(operator(x).shape, dtype=torch.float64, generator=generator)
    x_hat = enforce_consistency(guesses["noise"].double(), y, operator)
    print(f"{name:15} largest |A x_hat - y|: {(operator(x_hat) - y).abs().max():.0e}")

# %% [markdown]
# ## 8. Check your own operators
#
# *Second reading · about 4 minutes.* Sooner or later you will write an operator of your own, and the classic slip is to
# confuse its **adjoint** $A^\top$ with its pseudo-inverse: for pooling one is replication *divided by $s^2$*, the other
# is replication. Two checks catch nearly everything:
#
# - the **dot test** draws random $x$ and $y$ and compares $\langle A x, y \rangle$ with $\langle x, A^\top y \rangle$,
#   which are equal for the true adjoint and for no other map. [`dottest(A, in_shape)`](../book/api.md#dottest) returns
#   the relative gap;
# - `penrose_residuals(A, in_shape)` writes $A$ and $A^\dagger$ out as matrices (so keep the shape small) and returns
#   the relative gap in each Penrose condition.
#
# Here is the right operator, and two with one fault each: `WrongAdjoint` forgets in its adjoint to divide by $s^2$, and
# `WrongInverse` takes the adjoint for its pseudo-inverse.


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
class WrongAdjoint(AveragePool):
    def adjoint(self, y):
        return self.pinv(y)  # forgets to divide by s^2


class WrongInverse(AveragePool):
    def pinv(self, y):
        return self.adjoint(y)  # divides where it should not


for operator in (AveragePool(4), WrongAdjoint(4), WrongInverse(4)):
    dot = "passed" if dottest(operator, (3, 16, 16)) < 1e-14 else "FAILED"
    gaps = zip(("(i)", "(ii)", "(iii)", "(iv)"), penrose_residuals(operator, (1, 8, 8)), strict=True)
    failed = " ".join(name for name, gap in gaps if gap > 1e-14)
    print(f"{type(operator).__name__:13} dot test {dot}   Penrose {f'FAILED: {failed}' if failed else 'passed'}")

# %% [markdown]
# The two checks do not replace each other: each of the faulty operators passes one of them. (The dot test never calls
# the pseudo-inverse, the Penrose conditions never the adjoint.)
#
# <details><summary>Quick check 3: WrongInverse fails (i) and (ii) but passes (iii) and (iv). Why?</summary>
#
# It is the true pseudo-inverse times $1/s^2$. A factor does not disturb symmetry, so $AP$ and $PA$ stay symmetric; but
# $APA = A/s^2$ and $PAP = P/s^2$.
#
# </details>

# %% [markdown]
# ## Quiz
#
# *Second reading · about 5 minutes.* Five questions on the ideas and on typical mistakes. Choose, check, and read why.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets import quiz

quiz("01")

# %% [markdown]
# ## Exercises
#
# In JupyterLab: write your code in place of `raise NotImplementedError`, run the cell, and read the message below it.
# On the page: take a sheet of paper. A solution is folded away after each exercise. Exercise 2 belongs to the first
# reading.
#
# ### Exercise 1 — weighted gray
#
# *★★ medium · about 10 minutes*
#
# The eye weighs colours: gray is often $y = w_1 R + w_2 G + w_3 B$ with $w = (0.299, 0.587, 0.114)$. Write its
# pseudo-inverse, from gray images `(N, 1, H, W)` to colour images `(N, 3, H, W)`. At one pixel, $A$ is the row
# $w^\top$; what does (4) give for a matrix with one row? The check compares with the library, and tells you whether
# $A A^\dagger y = y$.
#
# <details><summary>Hint 1</summary>
#
# At one pixel $A$ is the row $w^\top$. It has one singular value, its length $\lVert w \rVert$, with
# $v = w / \lVert w \rVert$ and $u = 1$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# So $A^\dagger = v\,\sigma^{-1} u^\top = w / \lVert w \rVert^2$: each pixel of $y$ times a vector of three
# numbers. `view(1, -1, 1, 1)` puts the three on the axis of colours.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
WEIGHTS = (0.299, 0.587, 0.114)


def gray_law(gray_pinv):
    y = torch.rand(2, 1, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, A = gray_pinv(y, WEIGHTS), Grayscale(WEIGHTS)
    assert ours.shape == (2, 3, 4, 5), f"the shape must be (2, 3, 4, 5), got {tuple(ours.shape)}"
    assert torch.allclose(A(ours), y), f"A A^+ y is {float((A(ours) / y).mean()):.3f} times y on average; it must be y"
    assert torch.allclose(ours, A.pinv(y)), "A A^+ y = y holds, but there is a smaller image with that property"


# %%
def gray_pinv(y, weights):
    """(N, 1, H, W) -> (N, 3, H, W)."""
    raise NotImplementedError


check_answer(gray_pinv, gray_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def gray_pinv_solution(y, weights):
    """w / |w|^2 at each pixel: one row w has the singular value |w|, with v = w / |w| and u = 1."""
    w = torch.as_tensor(weights, dtype=y.dtype).view(1, -1, 1, 1)
    return y * w / w.square().sum()


gray_law(gray_pinv_solution)

# %% [markdown]
# ### Exercise 2 — the nearest consistent image
#
# *★★ medium · about 10 minutes*
#
# Back to the drawing of section 1, in any number of pixels: the measurement is one weighted sum
# $y = \langle a, x \rangle$, $a \ne 0$. Write the point nearest to $x_r$ that satisfies it, with dot products only: no
# SVD, no matrix. The check looks at the measurement, then at the distance.
#
# <details><summary>Hint 1</summary>
#
# Draw it for two pixels: the line of all $x$ with $\langle a, x \rangle = y$ is perpendicular to
# $a$, and the shortest way to a line is the perpendicular one.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Put $x_r + t\,a$ into $\langle a, x \rangle = y$ and solve for the number $t$.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def nearest_law(nearest):
    a, x_r = torch.randn(2, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    y = torch.tensor(0.3, dtype=torch.float64)
    x_hat = nearest(x_r, y, a)
    assert torch.isclose(a @ x_hat, y), f"<a, x_hat> is {float(a @ x_hat):.3f}, it must be y = {float(y)}"
    best = enforce_consistency(x_r[None], y[None, None], Matrix(a[None]))[0]
    ratio = float((x_hat - x_r).norm() / (best - x_r).norm())
    assert ratio < 1 + 1e-9, f"consistent, but {ratio:.2f} times as far from x_r as necessary"


# %%
def nearest(x_r, y, a):
    """The point nearest to x_r, (n,), with <a, x> = y."""
    raise NotImplementedError


check_answer(nearest, nearest_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def nearest_solution(x_r, y, a):
    """Move along a, the only direction that changes the measurement, by just enough.

    Nearest: any other z with <a, z> = y has <a, z - x_hat> = 0, and Pythagoras does the rest, as in (8).
    """
    return x_r + a * (y - a @ x_r) / (a @ a)


nearest_law(nearest_solution)

# %% [markdown]
# ### Exercise 3 — an operator of your own
#
# *★★ medium · about 20 minutes*
#
# A mirror camera records the mean of the image and its left-right mirror image:
# $A x = \tfrac12 (x + \operatorname{flip} x)$, for images of any width. Fill in the three methods. (Which images does
# it not see? What does it do when it is applied twice? `x.flip(-1)` mirrors a batch of images.) The check runs the dot
# test and the Penrose conditions on your class.
#
# <details><summary>Hint 1</summary>
#
# What is $A$ of an image that is its own mirror image? Apply $A$ to $A x$. And compare
# $\langle \operatorname{flip} x, y \rangle$ with $\langle x, \operatorname{flip} y \rangle$.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# $A$ is symmetric and $A A = A$: an orthogonal projection. Put $P = A$ into the four Penrose conditions.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def mirror_law(Mirror):
    A = Mirror()
    flat = torch.full((1, 1, 2, 3), 0.7, dtype=torch.float64)
    ramp = torch.arange(3.0, dtype=torch.float64).expand(1, 1, 2, 3)
    assert torch.allclose(A(flat), flat), "a flat image is its own mirror image, A must keep it"
    assert torch.allclose(A(ramp), torch.ones_like(ramp)), "A of the row (0, 1, 2) must be (1, 1, 1)"
    assert dottest(A, (3, 4, 5)) < 1e-14, f"the dot test fails by {dottest(A, (3, 4, 5)):.2g}: adjoint is not A^T"
    conditions = ("(i)", "(ii)", "(iii)", "(iv)")
    for condition, residual in zip(conditions, penrose_residuals(A, (1, 3, 5)), strict=True):
        assert residual < 1e-14, f"Penrose condition {condition} fails by {residual:.2g}: pinv is not A^+"


# %%
class Mirror(LinearOperator):
    def forward(self, x):
        raise NotImplementedError

    def adjoint(self, y):
        raise NotImplementedError

    def pinv(self, y):
        raise NotImplementedError


check_answer(Mirror, mirror_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true} mystnb={"image": {"alt": "A gray photograph, its symmetric range part and its antisymmetric null part"}}
class MirrorSolution(LinearOperator):
    """A is symmetric and A A = A: an orthogonal projection, its own adjoint and its own pseudo-inverse."""

    def forward(self, x):
        return (x + x.flip(-1)) / 2

    def adjoint(self, y):
        return self(y)

    def pinv(self, y):
        return self(y)


mirror_law(MirrorSolution)
gray = Grayscale()(x)
part = MirrorSolution().decompose(gray)
show([gray, part.range, from_signed(part.null)], ["x", "range: symmetric", "null: antisymmetric"], height=1.6)

# %% [markdown]
# ### Exercise 4 — the best strength
#
# *★★ medium · about 10 minutes*
#
# In Figure 1.7 and the table under Figure 1.8, $\hat x(t) = A^\dagger y + t\,(I - A^\dagger A)\,x_r$ with $y = A x$.
# For which $t$ is it nearest to $x$? Write a function of the two null parts, any two tensors of equal shape, that
# returns the number. The check tries your $t$ against slightly larger and smaller ones.
#
# <details><summary>Hint 1</summary>
#
# Because $y = A x$, the range part of $\hat x(t)$ is that of $x$ for every $t$. So only the
# distance of $t\,n_r$ to $n$ counts, where $n$ and $n_r$ are the two null parts.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# $\lVert n - t\,n_r \rVert^2$ is a parabola in $t$; its derivative is zero where $\langle n - t\,n_r, n_r \rangle = 0$.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def strength_law(best_strength):
    A, x_r = AveragePool(4), guesses["another photograph"].double()
    null, null_r = A.project_null(x.double()), A.project_null(x_r)
    t = float(best_strength(null, null_r))
    here, below, above = (float((null - u * null_r).norm()) for u in (t, t - 1e-3, t + 1e-3))
    assert here <= min(below, above), f"t = {t:.4f} can be improved upon"
    assert abs(float(best_strength(null, null)) - 1) < 1e-9, "with the truth as guess, t must be 1"


# %%
def best_strength(null, null_r):
    """The t for which t null_r is nearest to null."""
    raise NotImplementedError


check_answer(best_strength, strength_law)


# %% tags=["hide-cell", "solution", "nbval-check-output"] jupyter={"source_hidden": true, "outputs_hidden": true}
def best_strength_solution(null, null_r):
    """Set the derivative of |null - t null_r|^2 to zero: t = <null, null_r> / |null_r|^2."""
    return (null * null_r).sum() / null_r.square().sum()


strength_law(best_strength_solution)
t = best_strength_solution(*(AveragePool(4).project_null(v) for v in (x, guesses["another photograph"])))
print(f"best strength for another photograph: {float(t):.2f}")

# %% [markdown]
# ## Summary
#
# - Four conditions define $A^\dagger$. The first gives consistency, the last makes range and null part perpendicular,
#   by (6).
# - $x = A^\dagger A x + (I - A^\dagger A) x$: what the measurement determines, and what it cannot see.
# - $\hat x = A^\dagger y + (I - A^\dagger A) x_r$ satisfies $A \hat x = y$ for every $x_r$, is the consistent image
#   nearest to $x_r$, and is never further from the truth than $x_r$ was.
#
# From the second reading:
#
# - $A^\dagger$ divides by the singular values that count and ignores the rest; truncating more of them trades lost
#   detail for less noise.
# - For average pooling nearly all *dimensions* of an image are in the null space, but a far smaller share of the
#   *energy* $\lVert x \rVert^2$ of photographs.
# - If $y$ contradicts itself, $A\hat x$ is the nearest measurement that does not.
#
# **References.** The method and Equations 1-7: {cite}`wang2023gan`. The four conditions: {cite}`penrose1955`. Networks
# that learn only a null-space part, with a proof of convergence: {cite}`schwab2019deepnull`. The same split inside a
# diffusion model: {cite}`wang2023ddnm`.
#
# **Run it in full:** `python -m ganprior_null run notebooks/01_range_null.ipynb --profile gpu -p folder PATH` works on
# your own images, at 1024 x 1024 pixels.
#
# **Next:** [Pooling-based decomposition](02_pooling_decomposition.ipynb) puts the formula around networks.
