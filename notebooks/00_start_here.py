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
# # 00 · Start here
#
# *First reading: about 25 minutes, Exercise 1 included · the rest: 15 minutes, and 20 for the other exercises · runs in
# seconds on a two-core laptop · less than 1 GB of memory · no GPU*
#
# A super-resolution network turns a small picture into a large one. Shrink its answer again: do you get the small
# picture back? Usually not, and then the network has overwritten something that was *known*. This course is about a
# one-line remedy that works for every network, trained or not {cite}`wang2023gan`. Here you see it in one figure, take
# it apart in five lines of code, and play with it; the other lessons explain why it works, where it fails, and what it
# does for networks that hold a generative adversarial network (GAN) as their idea of what pictures look like.
#
# **What you will learn**
#
# - measure whether a restored picture agrees with the picture it was made from;
# - make any network agree with its input, in five lines of code;
# - tell *agreement with the input* from *truth*;
# - find your way around the course, run a lesson with other parameters, and get help.
#
# **Before you start**: a little Python. That a colour picture is an array of numbers between 0 and 1 is all you need to
# know about images; of linear algebra nothing but that operators can be multiplied.
#
# **With one hour** for this lesson and the next, leave out what is marked *second reading*, and do Exercise 1 here and
# Exercise 2 there.
#
# ## The whole course in one figure
#
# A photograph is made small, a network enlarges it again, and one line mends the network's answer. Of the numbers below
# the pictures two matter now, PSNR(LR) of $x_r$, the network's answer, and of $\hat x$, the mended one. They say in
# decibels how well an answer, made small again, agrees with the small picture $y$: 20 is poor, 50 to 60 about what an
# 8-bit file can hold, 300 nothing but rounding. *Look for:* which of the three trained networks (the first three in the menu) misses $y$ by most? With one of them and one other: does any setting but "clip and round" move the mended answer away
# from $y$?

# %% tags=["live", "front", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.weights import shipped_restorers
from ganprior_null.widgets.live import LivePD

LivePD(networks=shipped_restorers(factor=8))

# %% [markdown]
# **Figure 0.1.** The method, live. From left to right: a photograph $x$; the small picture $y = A x$ that is left of
# it, and all that a network is given; what the network makes of $y$, called $x_r$; the same after the remedy, $\hat x$;
# and $\hat x$ made small again, which is $y$ to the last digit. "Strength" multiplies what the network adds inside the
# blocks: 1 is the remedy, 0 leaves the blocks of $y$. Move the line in the large picture to see what the remedy
# changes.
#
# The first three networks in Figure 0.1 were trained in this course, to enlarge faces that fill the square from 8 to 64
# pixels, so the factor stays 8; all three were trained with the remedy, and $x_r$ is the answer before it. The
# others, from "bicubic" on, need no training and take any factor, from a picture of 128 pixels: compare decibels at one
# size only. What the trained ones make of this portrait is stored in the page, all else is computed in your browser, on
# the published page too. The button loads a network, to run on a picture of your own, which never leaves your browser;
# of that it sees the middle square.
#
# <details><summary>What to look for: answers</summary>
#
# The lower PSNR(LR) of $x_r$, the farther a network misses $y$: "pdn", which was never compared with the photograph,
# only trained to fool a second network that tells photographs from what was made and, besides, held to $y$, by most of
# the three; the other two by less, and none hits it. (Among those below, at their own size, "another face" and "noise"
# miss most, and "nearest", which only repeats the pixels of $y$, hits it.) The mended answer $\hat x$ misses $y$ by no
# more than rounding with every network, factor and strength; "clip and round" costs much of that. Whether it is also
# *right* is another question, of section 4.
#
# </details>

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | gpu | paper; empty: GANPRIOR_PROFILE or laptop
size: int = 0  # side of the pictures in pixels, a multiple of the factor, 256 at most; 0: the profile's
factor: int = 8  # how many times smaller the small picture is, on each side
seed: int = 0  # seed of the untrained network, the noise and the drawn face

# %% [markdown]
# For those who run the lesson: is everything installed? Each package that the course needs is folded away, with the
# version found.

# %% tags=["hide-cell"] jupyter={"source_hidden": true}
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

failed = []
for need in map(Requirement, requires("ganprior-null")):
    if need.marker and not need.marker.evaluate({"extra": "course"}):
        continue  # only for those who develop the package
    try:
        found = version(need.name)
    except PackageNotFoundError:
        found = "not installed"
    if not (found[0].isdigit() and need.specifier.contains(found, prereleases=True)):
        failed.append(need.name)
    print(f"{'FAIL' if need.name in failed else 'OK':5}{need.name:28}{found:16}(needs {need.specifier})")

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print("FAIL: `make lab` installs " + ", ".join(failed) if failed else "OK: everything the course needs is installed")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math
from functools import lru_cache

import ipywidgets as widgets
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganprior_null import AveragePool, NullSpace, consistency_db, enforce_consistency, psnr
from ganprior_null.data import PHOTOGRAPHS, faces, photograph, photographs
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.profiles import lesson
from ganprior_null.widgets import check_answer, panel, show

cfg = lesson(profile or None, **({"size": size} if size else {}))
if size > 256:
    raise ValueError(f"size must be 256 at most, which is what the portrait of this lesson holds, got {size}")
side = min(cfg.size, 256)
portrait = photograph("astronaut")[..., :256, 96:352]  # (1, 3, 256, 256), the head of Eileen Collins

# %% [markdown]
# ## 1. A picture with too few pixels
#
# We take a photograph $x$ and shrink it: each block of $s \times s$ pixels becomes one pixel, the mean of the block.
# The small picture is called $y$, the shrinking $A$, so
#
# $$ y = A x . $$
#
# In the course $A$ is called the *operator* and $y$ the *measurement*: it is all that a super-resolver is given.

# %% tags=["nbval-check-output"]
x = F.interpolate(portrait, side, mode="bilinear", antialias=True)  # (1, 3, H, W)
A = AveragePool(factor)  # the mean of each block of factor x factor pixels
y = A(x)  # (1, 3, H / factor, W / factor)
print(f"x: {x.numel()} numbers, y: {y.numel()} numbers, 1 in {x.numel() // y.numel()}")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A portrait, and the same eight times smaller, in coarse blocks"}}
show([x, y], ["x, the photograph", f"y = A x, {factor} times smaller"], height=2.6)

# %% [markdown]
# **Figure 0.2.** A photograph and its measurement, drawn equally large. Each block on the right is one pixel, the mean
# of the pixels in the same place on the left.
#
# Most of the numbers are gone, so a great many pictures have this very $y$. A super-resolver has to choose one of them.
# It may choose badly, but it has no excuse for a picture whose small version is *not* $y$. That can be checked without
# knowing $x$: shrink the answer and compare. The comparison is given in decibels,
#
# $$
# \begin{aligned}
# \mathrm{PSNR(LR)} &= -10 \log_{10} \mathrm{MSE}, \cr
# \mathrm{MSE} &= \text{mean of } (A \hat x - y)^2,
# \end{aligned}
# $$
#
# for an answer $\hat x$ (for the network's own, put $x_r$ in its place), "LR" for low resolution. Every 20 dB are one
# more correct decimal digit: a tenth of the error. Two marks on this scale:

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print(f"half a gray level of an 8-bit file:    {-20 * math.log10(0.5 / 255):3.0f} dB")
print(f"half the last digit of a 32-bit float: {-20 * math.log10(torch.finfo(torch.float32).eps / 2):3.0f} dB")

# %% [markdown]
# Above the first mark an 8-bit file hardly sees the difference; above the second nothing is left but rounding. (The
# calculation of Figure 0.1 has 64 bits: there rounding shows only at about 300 dB.)
#
# ## 2. Three unlike networks
#
# To see that the remedy does not depend on the network, we take three that have nothing in common. None is any good:
#
# - **bicubic** interpolation, the smooth enlargement of every image viewer;
# - an **untrained** convolutional network, its weights drawn at random;
# - a **stubborn** one: whatever it is given, it returns the same drawn face. Networks with a *GAN prior*, a generator
#   of faces trained beforehand, do this in earnest: they return *a* sharp face, and not always the face in $y$.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
class Bicubic(nn.Module):
    def forward(self, y: Tensor) -> Tensor:
        return F.interpolate(y, size=side, mode="bicubic")


class Untrained(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, channels, 5, padding=2), nn.Tanh(),
            nn.Conv2d(channels, channels, 5, padding=2), nn.Tanh(),
            nn.Conv2d(channels, 3, 5, padding=2), nn.Sigmoid(),
        )  # fmt: skip
        for weights in self.parameters():
            weights.data *= 4  # the usual small weights would paint everything gray

    def forward(self, y: Tensor) -> Tensor:
        return self.convolutions(F.interpolate(y, size=side, mode="bilinear"))


class Stubborn(nn.Module):
    def __init__(self, face: Tensor):
        super().__init__()
        self.register_buffer("face", face)

    def forward(self, y: Tensor) -> Tensor:
        return self.face


torch.manual_seed(seed)
backbones = {
    "bicubic": Bicubic(),
    "untrained": Untrained(cfg.channels),
    "stubborn": Stubborn(faces(1, side, seed=seed)),
}
for backbone in backbones.values():
    backbone.requires_grad_(False)

# %% [markdown]
# Their answers are called $x_r$. Each is made small again and held against $y$:
# [`consistency_db`](../book/api.md#consistency_db) is PSNR(LR) in the code.

# %% tags=["nbval-check-output"]
raw = {name: backbone(y) for name, backbone in backbones.items()}
for name, x_r in raw.items():
    print(f"{name:10} PSNR(LR) = {consistency_db(A, x_r, y).item():5.1f} dB")

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Upper row: the portrait and three enlargements, smooth, off-coloured, and another face. Lower row: each made small again, and none like y"}}
labels = [f"A x_r: {consistency_db(A, x_r, y).item():.1f} dB" for x_r in raw.values()]
show([x, *raw.values(), y, *map(A, raw.values())], ["x (nobody knows it)", *raw, "y", *labels], columns=4, height=1.9)

# %% [markdown]
# **Figure 0.3.** Three answers $x_r$ to one measurement (above), and what they shrink to (below, with PSNR(LR)). The
# lower row should repeat $y$ four times, and none of the three does (for bicubic only the decibels show it).
#
# Even plain bicubic interpolation, which invents nothing, alters what was measured. The other two are far off.
#
# ## 3. The remedy: one line
#
# Keep from the network only what the measurement does not say. In a block of $s \times s$ pixels, the measurement says
# the mean, and nothing else. So move all pixels of the block up or down together until their mean is right:
#
# $$
# \begin{gathered}
# \hat x = \underbrace{A^\dagger y}_{\text{known}} + \underbrace{(I - A^\dagger A)\, D(y)}_{\text{the network's choice}} \cr
# = D(y) + A^\dagger\bigl(y - A\,D(y)\bigr).
# \end{gathered} \tag{P-7}
# $$
#
# (P-7) is the paper's Equation 7; its equations keep their numbers in this course, ours have numbers without a P. $D$
# is the network, $D(y) = x_r$ its answer; $I$ changes nothing, $I x = x$; and $A^\dagger$ ("A dagger", the
# pseudo-inverse, in code and figures `A^+`) enlarges by repeating each pixel $s \times s$ times. The first half is
# called the *range* part, the second the *null-space* part. With average pooling (our means of blocks) for $A$ the
# paper calls the formula **pooling-based decomposition, PD**.
#
# With numbers: the network says $x_r = (0.1, 0.3, 0.5, 0.7)$ for the four pixels of a block, the measured mean is
# $y = 0.5$. Then $A x_r = 0.4$, and $A^\dagger A x_r$ is 0.4 four times. What is left of $x_r$ is
# $(-0.3, -0.1, 0.1, 0.3)$, whose mean is 0. Add $A^\dagger y$, 0.5 four times: $\hat x = (0.2, 0.4, 0.6, 0.8)$ has the
# mean 0.5, and the network's differences between pixels.
#
# These five lines of code make any network consistent (`avg_pool2d` takes block means, `repeat_interleave` is NumPy's
# `repeat`, and the axes 2 and 3 are height and width):


# %%
def consistent(D, y, s):
    x_r = D(y)  # whatever the network says
    error = y - F.avg_pool2d(x_r, s)  # y - A x_r: one number per block
    rows = error.repeat_interleave(s, dim=2)
    repeated = rows.repeat_interleave(s, dim=3)  # A^+ (y - A x_r)
    return x_r + repeated


# %% [markdown]
# Nothing in them is learned. The package has the same as a wrapper for any network,
# [`NullSpace(D, A)`](../book/api.md#NullSpace); here is by how much the five lines and the wrapper differ at most, for
# all three networks:

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
gap = max((consistent(D, y, factor) - NullSpace(D, A)(y)).abs().max().item() for D in backbones.values())
print(f"the largest difference of a pixel: {'rounding, below 1e-6' if gap < 1e-6 else f'{gap:.1e}'}")

# %% [markdown]
# And why it works, in one line. Repeating a pixel and then averaging the copies returns the pixel: $A A^\dagger = I$.
# Hence
#
# $$
# \begin{gathered}
# A \hat x = A x_r + A A^\dagger (y - A x_r) \cr
# = A x_r + y - A x_r = y,
# \end{gathered} \tag{1}
# $$
#
# whatever $x_r = D(y)$ was. And of the null-space part $A$ sees nothing:
# $A (I - A^\dagger A) = A - (A A^\dagger) A = A - A = 0$.

# %%
repaired = {name: NullSpace(D, A)(y) for name, D in backbones.items()}

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
lowest = min(consistency_db(A, x_hat, y).item() for x_hat in repaired.values())
rounding = -20 * math.log10(torch.finfo(torch.float32).eps / 2)
said = f"above the second mark, {rounding:.0f} dB" if lowest > rounding else f"only {lowest:.1f} dB"
print(f"PSNR(LR) of all three, now: {said}")
print(f"parameters added: {sum(p.numel() for p in NullSpace(nn.Identity(), A).parameters())}")

# %% tags=["cover", "hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Top row: the portrait and three enlargements of its small version. Middle row: the blocks of y, and the three repaired, which still differ. Bottom row: y, and the repaired ones made small again, all like y"}}
before = [f"{name}, before" for name in raw]
after = [f"{name} + PD, after" for name in repaired]
labels = [f"A x_hat: {consistency_db(A, x_hat, y).item():.0f} dB" for x_hat in repaired.values()]
pictures = [x, *raw.values(), A.pinv(y), *repaired.values(), y, *map(A, repaired.values())]
show(pictures, ["x", *before, "A^+ y", *after, "y", *labels], columns=4, height=1.9)

# %% [markdown]
# **Figure 0.4.** The three answers before (top) and after the remedy (middle), and the mended ones made small again
# (bottom). The lower row is $y$ four times.
#
# The block means are now those of $y$, so each network's own colours are gone. What is left of it are its details
# *inside* the blocks: of the stubborn one, the outlines of the drawn face.
#
# ## 4. What PD cannot do
#
# Look at "stubborn + PD" in Figure 0.4 again. It agrees with the measurement to the last digit, and it is wrong: the
# outlines of drawn eyes and drawn hair are still in it, only shifted in colour. **Consistency is not truth.** A
# hallucinated detail that leaves the block means alone stays a hallucination, and with PD it *looks* more trustworthy
# than before. How like the real photograph an answer is, which only we can say, is measured by the same formula with
# $\hat x - x$ in the place of $A \hat x - y$. It is called PSNR, and higher is better:

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print("PSNR to the photograph    network   network + PD")
for name in backbones:
    print(f"{name:24} {psnr(raw[name], x).item():5.1f} dB {psnr(repaired[name], x).item():11.1f} dB")
print(f"{'no network, only A^+ y':24} {psnr(A.pinv(y), x).item():20.1f} dB")

# %% [markdown]
# If $y = A x$, PD never takes a picture further from the truth, because it puts the true range part in the place of the
# network's and leaves the null-space part alone ([lesson 01](01_range_null.ipynb) proves it). But look at the last
# line: to add nothing at all beats two of these three networks. PD corrects what is known, and for what is unknown one
# still needs a *good* network, which none of these three was meant to be. That is why the paper pairs it with GANs that
# know faces, cats or churches. Go back to Figure 0.1 with that: with "glean-pd" and "panini-pd" $\hat x$ is nearer to
# the portrait than smooth interpolation with the same remedy ("bicubic + PD" in the read-out), with "pdn" it is not,
# sharp as it looks. Lessons 07 and 08 measure all three.
#
# Two more limits, honestly. The formula needs the true $A$: if the picture was shrunk in another way, $y$ was not made
# by our $A$, and the formula enforces the wrong equation. And $\hat x$ is not clamped to [0, 1] or rounded; a file does
# both, and the equality suffers:

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
for name, x_hat in repaired.items():
    stored = from_uint8(to_uint8(x_hat))  # what a PNG file keeps
    print(f"{name:10} + PD, stored with 8 bits: PSNR(LR) = {consistency_db(A, stored, y).item():4.1f} dB")

# %% [markdown]
# [Lesson 03](03_operators.ipynb) stores 8-bit files that stay consistent all the same.
#
# ## 5. Try it
#
# *Second reading · about 7 minutes.* Figure 0.5 has four controls: the picture, the factor, the network that plays $D$,
# and the **strength** $\lambda$ of its null-space part,
#
# $$ \hat x_\lambda = A^\dagger y + \lambda\, (I - A^\dagger A)\, D(y) . $$
#
# No Jupyter at hand? Figure 0.1 has the factor, the network and the strength as well, on the page too, and Figure 0.6
# three positions of the strength slider, for two networks.
#
# *Questions.* (a) Which of the controls changes PSNR(LR) of $\hat x$ by more than rounding? (b) Set the strength to 0:
# which picture is that, and why does the network no longer matter? (c) For which strength is the picture nearest to the
# photograph: with bicubic, with the stubborn face (in Figure 0.1: "another face"), with noise?

# %% tags=["hide-input"] jupyter={"source_hidden": true}
photos = dict(zip(PHOTOGRAPHS, photographs(side).split(1), strict=True))
pictures = {**photos, "astronaut": x, "a drawn face": faces(1, side, seed=seed + 1)}
noise = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(seed))
networks = {**backbones, "noise": Stubborn(noise)}


@lru_cache(maxsize=8)
def parts(picture, s, network):
    """Range and null-space part: they do not depend on the strength, so that its slider moves at once."""
    A = AveragePool(s)
    y = A(pictures[picture])
    return A, y, A.pinv(y), A.project_null(networks[network](y))


def draw(picture, s, network, strength):
    A, y, known, chosen = parts(picture, s, network)
    x_hat = known + strength * chosen
    caption = (
        f"PSNR(LR) = {consistency_db(A, x_hat, y).item():.0f} dB. "
        f"PSNR to the original = {psnr(x_hat, pictures[picture]).item():.1f} dB."
    )
    return {"y": y, "x_hat": x_hat, "A x_hat": A(x_hat)}, caption


panel(
    draw,
    picture=widgets.Dropdown(options=list(pictures), description="picture"),
    s=widgets.Dropdown(
        options=[s for s in sorted({2, 4, 8, 16, 32, factor}) if side % s == 0], value=factor, description="factor"
    ),
    network=widgets.Dropdown(options=list(networks), description="network"),
    strength=widgets.FloatSlider(value=1.0, min=0.0, max=2.0, step=0.05, description="strength"),
)

# %% [markdown]
# **Figure 0.5.** A panel: $y$, $\hat x_\lambda$ and $A\hat x_\lambda$ for a picture, a factor, a network and a
# strength. The third picture never differs from the first.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Repaired pictures at three strengths of the null part, for bicubic and for the stubborn face: blocks at 0, most contrast at 2"}}
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0)
sweep = {
    name: [A.pinv(y) + strength * A.project_null(raw[name]) for strength in STRENGTHS]
    for name in ("bicubic", "stubborn")
}
titles = [f"{name}, strength {strength:g}" for name in sweep for strength in STRENGTHS[::2]]
show([*sweep["bicubic"][::2], *sweep["stubborn"][::2]], titles, columns=3, height=2.2)

# %% [markdown]
# **Figure 0.6.** The null-space part at strength 0, 1 and 2. At 0 both rows are the same blocks, $A^\dagger y$; at 2
# the details are overdone: halos in one row, a drawn mask in the other.

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
print("PSNR to the photograph at strength", *(f"{strength:8g}" for strength in STRENGTHS))
for name, images in sweep.items():
    print(f"{name:34}", *(f"{psnr(x_hat, x).item():5.1f} dB" for x_hat in images))

# %% [markdown]
# And now with **a picture of your own**: go back to Figure 0.1, which takes one. *Question.* (d) Tick "clip and round"
# there: with which network is most of the consistency lost, and why?
#
# <details><summary>Answers</summary>
#
# (a) None of them. PSNR(LR) of $\hat x$ wanders, in Figure 0.1 around 300 dB or above, but that is all rounding, of the
# 15th digit or the 16th: $A$ cannot see the null-space part, however strong it is. (b) $A^\dagger y$: every pixel of
# $y$ as one flat block. The network is multiplied by zero, so its rounding is gone, too: PSNR(LR) is infinite in
# Figure 0.5, where pixels of 32 bits are averaged in 64, and about 300 dB in Figure 0.1, where the average has no
# digits to spare. (c) With bicubic the best strength is about 1, because its details point the right way. With the
# stubborn face and with noise it is practically 0: their details have nothing to do with the photograph, so all they
# add is error. (d) With noise: about a fifth of the values leave $[0, 1]$ and are cut off. With *nearest* hardly
# anything is cut off, and rounding alone leaves about 59 dB.
#
# </details>
#
# ## 6. How the course goes on
#
# *Second reading · about 3 minutes.*
#
# | lesson | the question it answers | |
# |---|---|---|
# | 00 | What does PD do? | you are here |
# | [01](01_range_null.ipynb) | What does a measurement say about a picture, and what can it never say? | ready |
# | [02](02_pooling_decomposition.ipynb) | Why are averaging and repeating enough, and do other downsamplers agree? | ready |
# | [03](03_operators.ipynb) | What about gray pictures, holes, compressed sensing, any blur, and 8-bit files? | ready |
# | [04](04_kernelgan.ipynb) | What if nobody knows how the picture was shrunk? | ready |
# | [05](05_gan_prior.ipynb) | Where do convincing details come from? Training a StyleGAN2 | ready |
# | [06](06_pulse.ipynb) | Can one search a GAN for the face in $y$? | ready |
# | [07](07_glean_panini.ipynb) | Can a network do it in one pass, and what does PD change in its training? | ready |
# | [08](08_pdn.ipynb) | Is it enough to ask for realism alone, if PD takes care of the rest? | ready |
# | [09](09_real_networks.ipynb) | Published networks on real photographs: what is PD worth behind them, and when? | ready |
# | [10](10_report.ipynb) | Which claims of the paper hold? Its number, ours, the verdict | ready |
#
# Each lesson but the last states its claims as code that fails if they are wrong, has a panel to play with, and ends
# with exercises. The solution to an exercise is in the folded cell below it. Exercises may stay unsolved: the lesson
# runs on.
#
# **Run a lesson with other parameters.** The first code cell of each lesson (the second, in this one) lists its
# parameters. Change them there, or from the command line, which checks names and types before anything runs. Commands
# in the lessons are for the environment that `make` has set up: in a new terminal, first
#
# ```bash
# source .venv/bin/activate
# ```
#
# Then:
#
# ```bash
# make lab                                     # JupyterLab, opened on this page
# python -m ganprior_null run notebooks/00_start_here.ipynb \
#     -p factor 16 --out build/notebooks
# python -m ganprior_null run notebooks/02_pooling_decomposition.ipynb --profile smoke
# make course                                  # every lesson, then the site
# ```
#
# **Profiles** say how large a run is; `--profile`, the parameter `profile` or the environment variable
# `GANPRIOR_PROFILE` choose one.
#
# | profile | for | what to expect |
# |---|---|---|
# | `smoke` | trying whether it runs | seconds, tiny pictures |
# | `laptop` | reading the course (the default) | two cores, no GPU, about a minute a lesson |
# | `night` | training a restorer for longer, from lesson 07 on; else as `laptop` | 10 to 45 minutes a run, on one core |
# | `gpu` | repeating the long runs | one GPU, under an hour a lesson |
# | `paper` | the paper's own setting | 1024 pixels, data sets that you bring along |
#
# **Help.** Something fails or is unclear? Open an issue where the course came from
# ([contact](../book/licence.md)), with the output of the package check at the top and the name of the lesson.
# `CONTRIBUTING.md` says how to add an operator or a lesson.
#
# **Cite.** `CITATION.cff` has the entry for this course; please cite the paper {cite}`wang2023gan` along with it.
#
# ## Quick checks
#
# *Second reading · about 2 minutes.*
#
# **1.** A colleague shows you a portrait that a network with PD made from a thumbnail: "PSNR(LR) is 150 dB, so this is
# what the person looks like." What do you say?
#
# <details><summary>Answer</summary>
#
# That it is *one of many* faces with this thumbnail. 150 dB says that nothing known was contradicted; it says nothing
# about what the thumbnail does not show.
#
# </details>
#
# **2.** A network with PD gets worse during its training. Can its PSNR(LR) get worse too?
#
# <details><summary>Answer</summary>
#
# No, apart from rounding. $A\hat x = y$ follows from $A A^\dagger = I$ alone; the network does not appear in the
# argument.
#
# </details>
#
# **3.** Someone replaces the repeated pixels in `consistent` by a smooth bilinear enlargement, "because blocks are
# ugly". What breaks?
#
# <details><summary>Answer</summary>
#
# The equality. Averaging a bilinear enlargement does not return the small picture, so $A A^\dagger = I$ no longer holds
# and $A \hat x \ne y$. The enlargement has to undo *this* $A$.
#
# </details>

# %% [markdown]
# ## Quiz
#
# *Second reading · about 4 minutes.* Five questions on the ideas and on typical mistakes. Choose, check, and read why.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets import quiz

quiz("00")

# %% [markdown]
# ## Exercises
#
# Exercise 1 belongs to the first reading. In JupyterLab, write your code in place of `raise NotImplementedError`, run
# the cell, and read the message below it. On the page, take a sheet of paper, and compare with the solution.
#
# Each exercise has a level and a time. ★ easy is one line that follows from the text, ★★ medium needs some lines of
# algebra first, ★★★ hard an idea of your own. Of the two hints the first says where to look, the second leaves only the
# writing. What checks your answer is hidden too, since it may give the answer away.
#
# ### Exercise 1 — one block by hand
#
# *★ easy · about 5 minutes*
#
# Write `repair_block(block, y)`: `block` holds the $s \times s$ pixels that a network guessed, `y` is the measured
# mean, one number. Return a block with the mean `y` in which the *differences* between pixels are the network's. One
# line is enough. The check tells you which of the two is not right yet.
#
# <details><summary>Hint 1</summary>
#
# Adding the same number to all pixels of a block leaves their differences alone.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The mean of the block is `block.mean()` and must become `y`: how much is missing?
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def block_law(repair):
    first = torch.tensor([[0.9, 0.1], [0.3, 0.5]], dtype=torch.float64)
    for block, y in ((first, 0.6), (first.square(), 0.2)):
        fixed = repair(block, y)
        assert fixed.shape == block.shape, f"the block must stay {tuple(block.shape)}, yours is {tuple(fixed.shape)}"
        assert abs(fixed.mean() - y) < 1e-12, f"the mean should be {y}, yours is {fixed.mean():.3f}"
        same = torch.allclose(fixed - fixed[0, 0], block - block[0, 0])
        assert same, "the mean is right, but the differences between pixels have changed"


# %%
def repair_block(block, y):
    raise NotImplementedError  # your line here


check_answer(repair_block, block_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def repair_block_solution(block, y):
    return block + (y - block.mean())


block_law(repair_block_solution)

# %% [markdown]
# ### Exercise 2 — what A cannot see
#
# *★ easy · about 10 minutes*
#
# Write `invisible(x, s)`: for pictures `x` of shape (N, 3, H, W), return the part of `x` that vanishes when `x` is
# shrunk by block means of side `s`. `F.avg_pool2d` and `repeat_interleave` are all you need. The check shrinks your
# answer and expects zero; then it adds your answer to the enlarged small picture and expects `x` back.
#
# <details><summary>Hint 1</summary>
#
# Shrink `x` and enlarge it again: that is the part of `x` that $A$ sees. What is left over?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# `F.avg_pool2d(x, s)` shrinks; `repeat_interleave(s, dim=2)` and the same once more with `dim=3` enlarge.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def invisible_law(invisible):
    A = AveragePool(4)
    pictures = torch.rand(2, 3, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    null = invisible(pictures, 4)
    assert null.shape == pictures.shape, f"it must have the shape {tuple(pictures.shape)}, yours is {tuple(null.shape)}"
    assert A(null).abs().max() < 1e-12, f"shrunk, it should be 0; yours reaches {A(null).abs().max():.2g}"
    gap = (A.project_range(pictures) + null - pictures).abs().max()
    assert gap < 1e-12, f"added to the enlarged small picture it should give x; it misses by up to {gap:.2g}"


# %%
def invisible(x, s):
    raise NotImplementedError  # your lines here


check_answer(invisible, invisible_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def invisible_solution(x, s):
    return x - F.avg_pool2d(x, s).repeat_interleave(s, dim=2).repeat_interleave(s, dim=3)


invisible_law(invisible_solution)

# %% [markdown]
# ### Exercise 3 — two witnesses who agree
#
# *★★ medium · about 15 minutes*
#
# Show that consistency is not truth. Write `two_answers(y, s)`, for an even `s`: return two pictures, each `s` times
# larger than `y`, that both shrink to `y` and still differ by 0.1 or more on average over the pixels. Use
# [`enforce_consistency(picture, y, A)`](../book/api.md#enforce_consistency) if you like, with `A = AveragePool(s)`. The
# check measures both.
#
# <details><summary>Hint 1</summary>
#
# The blocks of `y`, `AveragePool(s).pinv(y)`, are one answer. Make the second from it: add
# something that $A$ does not see.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Vertical stripes, one pixel wide, of $+0.2$ and $-0.2$: as `s` is even, their mean over every
# block is 0, and they move each pixel by 0.2.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def two_answers_law(two_answers):
    A = AveragePool(4)
    y = torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    first, second = two_answers(y, 4)
    for name, answer in (("first", first), ("second", second)):
        assert answer.shape == (1, 3, 16, 16), f"the {name} must be (1, 3, 16, 16), yours is {tuple(answer.shape)}"
        decibels = consistency_db(A, answer, y).item()
        assert decibels > 100, f"the {name} does not shrink to y: PSNR(LR) is {decibels:.0f} dB"
    apart = (first - second).abs().mean()
    assert apart >= 0.1, f"both agree with y, but they differ by only {apart:.3f} on average"


# %%
def two_answers(y, s):
    raise NotImplementedError  # your lines here


check_answer(two_answers, two_answers_law)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def two_answers_solution(y, s):
    flat = AveragePool(s).pinv(y)
    checks = torch.ones_like(flat)
    checks[..., ::2] = -1  # vertical stripes, one pixel wide: their block means are 0
    return flat, enforce_consistency(flat + 0.2 * checks, y, AveragePool(s))


two_answers_law(two_answers_solution)

# %% [markdown]
# ## Summary
#
# - Shrink the answer and compare: PSNR(LR) says whether a restored picture contradicts what it was made from, without
#   knowing the truth.
# - $\hat x = A^\dagger y + (I - A^\dagger A) D(y)$ contradicts nothing, for any $D$. With block means it is one
#   pooling, one subtraction and one repetition, and adds no parameters.
# - The network keeps its say over everything that $y$ does not determine; there it may still be wrong. Consistency is
#   not truth.
# - Clamping and rounding come after the equality and break it a little.
#
# **Next**: [Range and null space](01_range_null.ipynb) derives the formula from two pixels and four equations.
