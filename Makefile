# Everything a newcomer needs: `make demo`, `make test`, `make lab`, `make dashboard`, `make bench`, `make check`.
# The virtual environment is made once, from pinned versions, and made anew when the pins change.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= reports
# Pinned for users; a lab's server and workers are pinned for the tests alone.
EXTRAS := --extra notebook --extra anndata --extra excel
DEV_EXTRAS := $(EXTRAS) --extra postgres --extra dask
# What the benchmarks measure against pins other versions than we do, so it lives in an environment of its own.
PEERS := $(VENV)-peers

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lab dashboard bench check lock wheel clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/.run: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "omics_nb needs Python 3.11 or newer; say make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(BIN)/.dev: requirements-dev.lock $(BIN)/.run
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

demo: $(BIN)/.run  ## a question, answered on the embedded studies, with a report
	$(BIN)/omics-nb demo --out $(OUT)

test: $(BIN)/.dev  ## the tests, without the longest
	$(BIN)/python -m pytest

test-all: $(BIN)/.dev  ## every test, the longest too
	$(BIN)/python -m pytest -m ""

check: $(BIN)/.dev  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(PEERS)/.done: tests/benchmarks/peers.lock pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --require-hashes --requirement tests/benchmarks/peers.lock
	$(PEERS)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

bench: $(PEERS)/.done  ## speed, against the limit and against peers, in one run
	$(PEERS)/bin/python -m tests.benchmarks

lab: $(BIN)/.run  ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir notebooks

dashboard: $(BIN)/.run  ## the notebooks as dashboards, on this machine only
	$(BIN)/python -m omics_widgets.dashboard notebooks

wheel: $(BIN)/.dev  ## build the wheel and try it in a clean environment, away from this folder
	$(BIN)/python tests/try_wheel.py

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

lock: $(BIN)/uv  ## pin anew what pyproject.toml asks for
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --upgrade pyproject.toml $(EXTRAS) --group build --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header pyproject.toml $(DEV_EXTRAS) --group build --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --upgrade pyproject.toml --extra anndata --extra excel --extra postgres --extra dask --group build \
		--group peers --output-file tests/benchmarks/peers.lock

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) $(PEERS) build dist reports .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
