# Everything a newcomer needs: `make demo`, `make test`, `make lab`, `make dashboard`, `make bench`, `make check`.
# The virtual environment is made once, from pinned versions, and made anew when the pins change.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= reports
# Pinned for users; a lab's server and workers, PDF and language models are pinned for the tests alone.
EXTRAS := --extra notebook --extra anndata --extra excel --extra enrichment
DEV_EXTRAS := $(EXTRAS) --extra postgres --extra dask --extra slurm --extra pdf --extra llm
# What the benchmarks measure against pins other versions than we do, so it lives in an environment of its own.
PEERS := $(VENV)-peers

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all lab dashboard bench check lock wheel wheels clean

# A compiler for every platform in one package, for the part that is compiled, and what it and pip call each platform.
ZIG := ziglang==0.17.1
PLATFORMS := x86_64-linux-gnu.2.17=manylinux_2_17_x86_64 aarch64-linux-gnu.2.17=manylinux_2_17_aarch64 \
	x86_64-linux-musl=musllinux_1_2_x86_64 aarch64-macos.11.0=macosx_11_0_arm64 \
	x86_64-macos.10.15=macosx_10_15_x86_64 x86_64-windows-gnu=win_amd64

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/.run: requirements.lock pyproject.toml hatch_build.py omics_nb/geo/rows.c
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "omics_nb needs Python 3.11 or newer; say make PYTHON=python3.12")'
	@echo "Making an environment in $(VENV) and installing the pinned packages into it; this takes some minutes, once."
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

test-slow: $(BIN)/.dev  ## the longest tests alone
	$(BIN)/python -m pytest -m slow

test-all: test test-slow  ## every test

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

lab: $(BIN)/.run  ## JupyterLab on the notebooks, on this machine only
	$(BIN)/omics-nb dashboard --notebooks notebooks --lab

dashboard: $(BIN)/.run  ## the notebooks as dashboards, on this machine only
	$(BIN)/omics-nb dashboard --notebooks notebooks

wheel: $(BIN)/.dev  ## build the wheel and try it in a clean environment, away from this folder
	$(BIN)/python tests/try_wheel.py

wheels: $(BIN)/.dev  ## wheels with the compiled reader for the usual platforms, and one without for the others
	$(BIN)/python -m pip install --quiet $(ZIG)
	OMICS_COMPILED=0 $(BIN)/python -m build --wheel --no-isolation --outdir dist
	set -e; for one in $(PLATFORMS); do \
		CC="$(BIN)/python -m ziglang cc -s -target $${one%=*}" OMICS_PLATFORM=$${one#*=} \
			$(BIN)/python -m build --wheel --no-isolation --outdir dist; \
	done

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

lock: $(BIN)/uv  ## pin anew what pyproject.toml asks for
	$(BIN)/uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --upgrade pyproject.toml $(EXTRAS) --group build --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header pyproject.toml $(DEV_EXTRAS) --group build --group dev --constraint requirements.lock \
		--output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --no-strip-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --upgrade pyproject.toml $(EXTRAS) --extra postgres --extra dask --group build \
		--group peers --output-file tests/benchmarks/peers.lock

clean:  ## remove the environment and everything that was made
	rm -rf $(VENV) $(PEERS) build dist reports .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
