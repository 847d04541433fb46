# make course   set up, run every notebook, build the site     (PROFILE=smoke for a quick look)
# make test     set up and pass the tests                      (ARGS="tests/operators -x" for a part)
# make setup    only set up
# make lab      JupyterLab on the first notebook
# make notebooks  re-execute the committed notebooks from their .py sources (NB=01 for one)
# make pdf      the text and its figures as one PDF, without code, from the site (needs Chromium)
# make measure  how much of each lesson is open code, where its figures are, what is too wide (needs Chromium)
# make handout  the lessons for a class: without solutions, answers and outputs
# make quizzes  the quizzes for a learning platform, as Moodle XML
# make dist     wheel and sdist in build/dist
# make release  check, tag, build the site and the PDF, check their links: nothing is sent anywhere
# make lint     ruff, types (mypy) and the import floors
# make sweep    the tables of lessons 07 and 08, an executed notebook for each run, a report (PROFILE=gpu, EXECUTOR=slurm, SWEEP=mine.yaml)
# make preflight  what a sweep needs and does not find: data, priors, GPU memory, disk (PROFILE=gpu GPU=24)
# make evening  preflight and sweep at the gpu profile: the course's first large results, from one GPU in one evening
# make gpu-check  what this GPU does: its tests, speed, memory, in ten minutes; stored for the page on paper scale
# make bench    timings against references, side by side: ratios, on a quiet machine
# make lines    lines of code by room, and the longest functions
# make clean    remove what was built; rm -rf .venv removes the environment as well

PYTHON  ?= python3
PROFILE ?= laptop
NB      ?=
ARGS    ?=
# where the sweep runs: a folder of workflow/profiles; and its table of runs
EXECUTOR ?= local
SWEEP    ?= $(firstword $(wildcard workflow/$(PROFILE).yaml) workflow/runs.yaml)
# an image that its jobs run in, where Apptainer is there
CONTAINER ?=
# memory of the GPU that a sweep will have, GB; empty: of this machine's
GPU ?=
# processes that share the tests, with one thread each
WORKERS ?= 2
# public address of your copy, https://github.com/you/ganprior-null: the site gets Binder and Colab buttons
REPOSITORY ?=
# cpu | gpu: gpu takes PyPI's default build (CUDA on Linux), cpu asks PyTorch's own index for the small one
TORCH   ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)

BIN = .venv/bin
# pip would compile on one core; what follows it does so on all
PIP = $(BIN)/python -m pip --disable-pip-version-check install -qq --no-compile -c constraints.txt

PACKAGE = $(shell find ganprior_null -name '*.py' -o -name '*.js' -o -name '*.toml')
LESSONS = $(filter-out notebooks/10_report.ipynb,$(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb)))
BUILD   = build/$(PROFILE)
RUNS    = $(LESSONS:notebooks/%=$(BUILD)/notebooks/%)
SITE    = $(BUILD)/site/index.html

.DELETE_ON_ERROR:
.PHONY: help setup course pdf measure handout quizzes dist release test lab notebooks lint sweep preflight evening gpu-check bench lines clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# --- set-up: a stamp for each purpose, renewed when the list of packages changes ------------------------------------

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=, for example make course PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; $(PYTHON) -m venv --without-pip .venv \
	  && $(PYTHON) -m pip -q --python .venv/bin/python install pip; } \
	  || { rm -rf .venv; echo "cannot make .venv; on Debian and Ubuntu: sudo apt-get install python3-venv python3-pip"; exit 1; }

.venv/torch.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "setting up .venv with the $(TORCH) build of torch, some minutes the first time (TORCH=cpu or TORCH=gpu to choose)"
ifeq ($(TORCH),cpu)
	@$(PIP) --no-deps --retries 0 --timeout 15 --index-url https://download.pytorch.org/whl/cpu torch 2>/dev/null \
	  || echo "PyTorch's own index cannot be reached; taking torch from the default index"
endif
	@touch $@

.venv/course.stamp: EXTRAS = course
.venv/dev.stamp: EXTRAS = course,dev
.venv/sweep.stamp: EXTRAS = course,sweep
.venv/course.stamp .venv/dev.stamp .venv/sweep.stamp: .venv/torch.stamp
	@$(PIP) -e ".[$(EXTRAS)]"
	@$(BIN)/python -m compileall -qq -j 0 .venv/lib || true  # templates that are no Python are among the files
	@touch $@

setup: .venv/course.stamp

# --- the course: a notebook runs again when it, or the package, changed ---------------------------------------------

course: $(SITE)
	@echo "The course is ready: file://$(CURDIR)/$(SITE)"

$(BUILD)/notebooks/%.ipynb: notebooks/%.ipynb $(PACKAGE) | .venv/course.stamp
	@$(BIN)/python -m ganprior_null run $< --profile $(PROFILE) --out $(@D) --overwrite

$(BUILD)/notebooks/10_report.ipynb: $(RUNS)

$(SITE): $(RUNS) $(BUILD)/notebooks/10_report.ipynb $(wildcard book/* book/vendor/*)
	@echo "building the site"
	@$(BIN)/python book/build.py $(BUILD)/notebooks $(BUILD)/site --repository "$(REPOSITORY)"

pdf: $(BUILD)/ganprior-null.pdf

$(BUILD)/ganprior-null.pdf: $(SITE) book/print.py | .venv/dev.stamp
	@$(BIN)/python book/print.py $(BUILD)/site $@

measure: $(SITE) | .venv/dev.stamp
	@$(BIN)/python book/measure.py $(BUILD)/site

handout: .venv/course.stamp
	@$(BIN)/python book/handout.py build/handout

quizzes: .venv/course.stamp
	@$(BIN)/python book/quizzes.py build/quizzes

dist: .venv/course.stamp
	@rm -rf build/dist && mkdir -p build/dist
	@$(PIP) "setuptools>=77"
	@$(BIN)/python -c "from setuptools import build_meta as b; b.build_sdist('build/dist'); b.build_wheel('build/dist')" >/dev/null
	@ls build/dist

release: $(SITE) $(BUILD)/ganprior-null.pdf
	@$(BIN)/python book/release.py $(BUILD)

# --- working on it --------------------------------------------------------------------------------------------------

test: .venv/dev.stamp
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lab: .venv/course.stamp
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

notebooks: .venv/course.stamp
	$(BIN)/python book/execute.py $(NB)

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

sweep: .venv/sweep.stamp
	$(BIN)/snakemake --snakefile workflow/Snakefile --workflow-profile workflow/profiles/$(EXECUTOR) \
	  $(ARGS) --config profile=$(PROFILE) table=$(SWEEP) $(if $(CONTAINER),container=$(CONTAINER))

preflight: .venv/sweep.stamp
	@$(BIN)/python -m ganprior_null preflight --profile $(PROFILE) --table $(SWEEP) $(if $(GPU),--gpu-memory $(GPU))

evening:
	@$(MAKE) --no-print-directory preflight PROFILE=gpu
	@$(MAKE) --no-print-directory sweep PROFILE=gpu

gpu-check: .venv/dev.stamp
	$(BIN)/python benchmarks/gpu_check.py

bench: .venv/course.stamp
	$(BIN)/python benchmarks/pooling.py
	$(BIN)/python benchmarks/stylegan2.py
	$(BIN)/python benchmarks/kernelgan.py
	$(BIN)/python benchmarks/glean.py
	$(BIN)/python benchmarks/pulse.py

lines:
	@$(PYTHON) benchmarks/lines.py

clean:
	rm -rf build .snakemake .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
	find ganprior_null tests notebooks book benchmarks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
