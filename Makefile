# Needs: Python >= 3.11, make, a package index. Everything else is made here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PART ?= all
DATA ?= data

.DEFAULT_GOAL := help
.PHONY: help install quickstart test test-full test-kit check bench domains docs gpu clean

help:
	@echo "make quickstart   real ratings in, a small student and a report out (5 minutes)"
	@echo "make test         what CI runs first: lint, types, tests"
	@echo "make test-full    more seeds, more families, the quickstart over three seeds"
	@echo "make test-kit     every law on every mutant and every correct component (half an hour)"
	@echo "make check        ruff and mypy alone"
	@echo "make bench        speeds, side by side in one run; PART=sweep for one part"
	@echo "make domains      a small real run in each of five domains; DATA=FOLDER says where the data are"
	@echo "make docs         the pages that are written from the code"
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

install: $(VENV)/installed

quickstart: $(VENV)/installed
	$(BIN)/shortstack run examples/quickstart.toml --out runs/quickstart

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

test-full: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m full -n 2

test-kit: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -m kit -n 2 tests/conformance

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks --part $(PART)

domains: $(VENV)/installed
	$(BIN)/python -m benchmarks.domains --data $(DATA)

docs: $(VENV)/installed-dev
	$(BIN)/python docs/generate.py

# A lent machine has a Python with torch and transformers, and nothing can be installed there.
gpu:
	PYTHONPATH=framework:plugins/importance:plugins/students:plugins/datasets:plugins/losses:. $(PYTHON) -m benchmarks.gpu --part $(PART)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
