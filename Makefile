# Everything a bare machine needs is Python 3.11 or newer, git and make; nothing here needs root.

PYTHON ?= python3
PIP := pip==26.3
CORES ?= $(shell nproc 2>/dev/null || echo 2)
BIN := .venv/bin

# Modules are compiled when first imported; that is kept even where the environment says not to.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check mutations bench env

# Build the demo's nine-row table from nothing and print it.
demo: env
	@$(BIN)/python -m snakemake --cores $(CORES)
	@cat results/demo/report/table.txt

# The tests, and the checks of style and types that go with them.
test: check
	$(BIN)/python -m pytest --numprocesses 2

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict --num-workers 2 pipeline
	$(BIN)/snakefmt --check Snakefile workflow

# What the fast parts cost beside floors and peers; at most 15 minutes on 2 cores.
bench: env
	$(BIN)/python -m benchmarks

# The virtual environment, made again whenever the lock differs from what it was made of. This pip takes
# half the time of the one that comes with Python 3.11.
env:
	@cmp -s requirements.lock .venv/requirements.lock || { \
	  rm -rf .venv && \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/python -m pip install --disable-pip-version-check --quiet $(PIP) && \
	  $(BIN)/python -m pip install --quiet --no-compile -r requirements.lock && \
	  cp requirements.lock .venv/requirements.lock; }

# Break the published semantics on purpose, place by place: a test must notice each (minutes).
mutations: env
	$(BIN)/python -m tests.mutations
