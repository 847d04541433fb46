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
# # 10 · The report: every claim, with a verdict
#
# *5 minutes · no GPU · reads what the lessons measured*
#
# **What you will find**
#
# - each claim of the paper {cite}`wang2023gan` and each of our own, with the paper's number beside ours;
# - the rule that decides, so that you can disagree with it;
# - where a number comes from, and how to make it again.
#
# **Before you start**: nothing; but a verdict means more after the lesson that measures it.

# %% tags=["parameters", "hide-input"] jupyter={"source_hidden": true}
profile: str = ""  # smoke | laptop | night | gpu | paper; empty: GANPRIOR_PROFILE or laptop

# %% tags=["remove-cell"]
from collections import Counter

from IPython.display import Markdown
from matplotlib.patches import Rectangle

from ganprior_null import report
from ganprior_null.profiles import profile_name
from ganprior_null.widgets import plot, table

profile = profile_name(profile)

# %% [markdown]
# ## What to believe after all this
#
# 1. *The algebra holds, exactly.* PD, and the exact operator of any other downsampler, make $A \hat x = y$ to
#    rounding, at no parameters and next to no time (C1, C2, C13, C19). Nothing learned can spoil that.
# 2. *In files too*, if they are rounded with care: clipping breaks consistency, the box and our rounding restore it
#    (C10, B2).
# 3. *Know your $A$.* Where $y$ is not made by pooling, the exact operator beats PD, before and after training (B1,
#    C18). Behind the five trained systems of Table 3, at 16x, PD raises PSNR, but neither SSIM nor the colour of eyes
#    (C20, B8).
# 4. *A network can beat what costs nothing, if it is trained long enough.* Lesson 07's night runs of GLEAN and
#    Panini-Net are above all that costs nothing on unseen people, in PSNR, SSIM and distance; on cats and buildings
#    in distance only. The laptop runs behind the other claims are not, so read those as comparisons, not as results.
# 5. *Most of PD's head start needs no training.* At 8x it raises PSNR and SSIM of Panini-Net in all categories, of
#    GLEAN in none; and in none of the six pairs is training with PD better in both than PD put behind the network
#    that was trained without it (C3). The speed-up of C4 was large in short runs and is 1.3 in the night runs, 1.05
#    against PD put behind the other network; what C5 and C11 find at 16x is the smaller adversarial weight: at equal
#    weight one figure of six rises, and GLEAN without PD gains as much by the smaller one (one seed). Their controls
#    say so.
# 6. *An adversary alone* needs PD (C9), samples many answers, and is realistic rather than right; it copies the noise
#    of bad training images less than a regressor (C8).
# 7. *Searching* a prior (C16) is realistic and unfaithful: at 8x a decibel below interpolation in PSNR, where
#    predicting in a single pass is one above (C17).
# 8. *A kernel can be estimated* from one photograph, with a repaired program (B4, C15), and is worth it (B5); most of
#    what it is worth comes from the Gaussian that the search starts from.
# 9. *Small and large backbones* gain alike in short runs (C14a fails), diverse data gain less (C14b); in long ones
#    GLEAN gains nothing to compare. Behind published networks the gain follows their raw consistency (B7, lesson 09).
# 10. What none of these figures say: that a restored face is the person's. Consistency is not truth.
#
# ## How a verdict comes about
#
# A claim is an entry of `ganprior_null/report/claims.toml`. It names what is measured and two bounds; the verdict is
# nothing but a comparison of one stored number with them:
#
# $$
# \text{verdict}(v) = \begin{cases}
# \text{reproduced} & v \text{ within the first,}\\
# \text{partly} & \text{only the second,}\\
# \text{not reproduced} & \text{neither.}
# \end{cases}
# $$
#
# A claim with a cheaper explanation names it as its *control*, with a rule of its own. A verdict that holds by the
# first two bounds becomes *…, but the control explains it* where the control fails its rule.
#
# Six more words keep the table honest. *Needs the … profile*: there is a number, but it was measured at a smaller size
# than the claim speaks of, so it decides nothing. *Not measured yet*: nothing is stored for it. *Older than the code
# that made it*: the lesson changed after its number was stored. *Run … is missing* and *has changed since*: the number
# rests on stored runs, and one of them is gone, or was replaced after the number was stored. *Damaged*: the stored file
# cannot be read, and says nothing.
#
# For example, the first claim reads:

# %% tags=["nbval-check-output", "hide-input"] jupyter={"source_hidden": true}
for field, value in vars(report.load_claims()["C1"]).items():
    print(f"{field:12}{value}")

# %% [markdown]
# ## At a glance
#
# One square per claim, in the order of the table; the letter inside repeats what the colour says.

# %% tags=["hide-input"] jupyter={"source_hidden": true} mystnb={"image": {"alt": "One coloured square per claim, with the first letter of its verdict"}}
rows = report.rows()
LOOK = {"reproduced": ("R", "#005F99"), "partly": ("P", "#8A5A00"), "not reproduced": ("N", "#B03A00")}
WIDE = 15  # squares in a row
with plot(height=2.2) as ax:
    for i, row in enumerate(rows):
        word, _, doubt = row["verdict"].partition(", ")
        letter, colour = LOOK.get(word, ("…", "#707070"))
        x, y = i % WIDE, -1.6 * (i // WIDE)
        ax.add_patch(Rectangle((x, y), 0.92, 0.92, color=colour))
        said = letter + "?" * bool(doubt)
        ax.text(x + 0.46, y + 0.46, said, ha="center", va="center", color="white", weight="bold")
        ax.text(x + 0.46, y - 0.12, row["id"], ha="center", va="top")
    ax.set(xlim=(0, WIDE), ylim=(-1.6 * ((len(rows) - 1) // WIDE) - 0.6, 1), aspect="equal")
    ax.axis("off")

# %% [markdown]
# **Figure 10.1.** Every claim and its verdict: R reproduced, P partly, N not reproduced, … still open; a question
# mark, that the control explains the figure.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
for word, count in Counter(row["verdict"] for row in rows).most_common():
    print(f"{count:3d}  {word}")

# %% [markdown]
# ## The table
#
# C1 to C20 are claims of the paper and, in C15 to C17, of work that it builds on; B1 to B8 are ours. Behind each of our
# numbers stands the profile it was measured at (`laptop` runs on two cores without a GPU, `night` as well, for 10 to 45
# minutes a run, `paper` is the paper's own setting), and, where the lesson stored them, how many seeds, runs or images
# it rests on and how far those spread or how bad the worst of them was. The links after a verdict lead to the cell that
# measures the claim, to the stored value with all its details, and to the runs behind it.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
Markdown(report.as_markdown(rows, report.ROOT / "notebooks"))

# %% [markdown]
# The same table in a terminal, or for another program:
#
# ```bash
# python -m ganprior_null report
# python -m ganprior_null report --full
# python -m ganprior_null report --format markdown
# python -m ganprior_null report --format json
# ```
#
# ## The rules
#
# Each rule applies to the one number that the metric names.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
rules = []
for this in report.load_claims().values():
    bounds = [f"{bound} {this.unit}" for bound in (this.reproduced, this.partly)]
    control = f"{this.control}: {this.control_rule} {this.unit}" if this.control else ""
    rules.append([this.id, this.metric, *bounds, control, this.profile])
heads = ["metric", "reproduced if", "partly if", "control, which must be", "profile that decides"]
table(["claim", *heads], rules)

# %% [markdown]
# ## Making a number again
#
# Run the lesson that measures it, at the profile that decides, and print the report again. New results go to
# `build/results` and hide the committed ones until the lesson changes and its committed results with it; delete that
# folder to see those at once.
#
# ```bash
# python -m ganprior_null run notebooks/02_pooling_decomposition.ipynb --profile paper
# python -m ganprior_null report
# ```
