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

# %% tags=["parameters"]
profile: str = ""  # smoke | laptop | gpu | paper; empty: GANPRIOR_PROFILE or laptop

# %% tags=["remove-cell"]
from collections import Counter

import matplotlib.pyplot as plt
from IPython.display import Markdown

from ganprior_null import report
from ganprior_null.profiles import profile_name

profile = profile_name(profile)

# %% [markdown]
# ## How a verdict comes about
#
# A claim is an entry of `data/claims.toml`. It names what is measured and two bounds; the verdict is nothing but a
# comparison of one stored number with them:
#
# $$
# \text{verdict}(v) = \begin{cases}
# \text{reproduced} & \text{if } v \text{ satisfies the first bound,}\\
# \text{partly} & \text{if it satisfies only the second,}\\
# \text{not reproduced} & \text{otherwise.}
# \end{cases}
# $$
#
# Six more words keep the table honest. *Needs the … profile*: there is a number, but it was measured at a smaller size
# than the claim speaks of, so it decides nothing. *Not measured yet*: nothing is stored for it. *Older than the code that
# made it*: the lesson changed after its number was stored. *Run … is missing* and *has changed since*: the number rests on
# stored runs, and one of them is gone, or was replaced after the number was stored. *Damaged*: the stored file cannot be
# read, and says nothing.
#
# For example, the first claim reads:

# %% tags=["nbval-check-output"]
for field, value in vars(report.load_claims()["C1"]).items():
    print(f"{field:12}{value}")

# %% [markdown]
# ## At a glance
#
# One square per claim, in the order of the table; the letter inside repeats what the colour says: R reproduced, P partly,
# N not reproduced, … anything still open.

# %% tags=["hide-input"] mystnb={"image": {"alt": "One coloured square per claim, with the first letter of its verdict"}}
rows = report.rows()
LOOK = {"reproduced": ("R", "#005F99"), "partly": ("P", "#8A5A00"), "not reproduced": ("N", "#B03A00")}
figure, axes = plt.subplots(figsize=(9, 1.6), dpi=100)
for i, row in enumerate(rows):
    letter, colour = LOOK.get(row["verdict"], ("…", "#707070"))
    axes.add_patch(plt.Rectangle((i, 0), 0.92, 0.92, color=colour))
    axes.text(i + 0.46, 0.46, letter, ha="center", va="center", color="white", weight="bold")
    axes.text(i + 0.46, -0.12, row["id"], ha="center", va="top", fontsize=8)
axes.set(xlim=(0, len(rows)), ylim=(-0.5, 1), aspect="equal")
axes.axis("off")
plt.show()

# %% tags=["hide-input"]
for word, count in Counter(row["verdict"] for row in rows).most_common():
    print(f"{count:3d}  {word}")

# %% [markdown]
# ## The table
#
# C1 to C19 are claims of the paper and, in C15 to C17, of work that it builds on; B1 to B7 are ours. Behind each of our numbers stands the profile it was measured at
# (`laptop` runs on two cores without a GPU, `paper` is the paper's own setting), and, where the lesson stored them, how many seeds,
# runs or images it rests on and how far those spread or how bad the worst of them was. The links after a verdict lead to the cell
# that measures the claim, to the stored value with all its details, and to the runs behind it.

# %% tags=["hide-input"]
Markdown(report.as_markdown(rows, report.ROOT / "notebooks"))

# %% [markdown]
# The same table in a terminal, or for another program:
#
# ```bash
# python -m ganprior_null report
# python -m ganprior_null report --format markdown
# python -m ganprior_null report --format json
# ```
#
# ## The rules
#
# Each rule applies to the one number that the metric names.

# %% tags=["hide-input"]
lines = ["| | metric | reproduced if | partly if | profile that decides |", "|---|---|---|---|---|"]
for this in report.load_claims().values():
    bounds = f"{this.reproduced} {this.unit} | {this.partly} {this.unit}"
    lines.append(f"| {this.id} | {this.metric} | {bounds} | {this.profile} |")
Markdown("\n".join(lines))

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
