# Every target does its own set-up: a virtual environment in .venv, unless PYTHON= names an existing interpreter.

SHELL := /bin/bash

ifdef PYTHON
READY :=
else
PYTHON := .venv/bin/python
READY := .venv/ready
endif

WORKERS ?= 2

# Bytecode is written for what is imported: compiling all that is installed takes a minute and a half.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test fuzz lint types imports check bench reports clean

demo: $(READY)
	$(PYTHON) -m autola_analysis demo --out reports/demo --overwrite

test: $(READY)
	$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal

fuzz: $(READY)
	AUTOLA_TEST_FUZZ=all $(PYTHON) -m pytest tests/robustness

lint: $(READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types: $(READY)
	$(PYTHON) -m mypy

imports: $(READY)
	$(PYTHON) -c "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())"

check: lint types imports test

reports: $(READY)
	$(PYTHON) reports/regenerate.py

bench: $(READY)
	$(PYTHON) -m pip install --quiet --editable '.[dev,bench]'
	$(PYTHON) -m benchmarks $(if $(QUICK),--quick) $(addprefix --only ,$(ONLY))

.venv/ready: pyproject.toml
	python3 -m venv .venv
	.venv/bin/python -m pip install --quiet --no-compile --upgrade pip
	.venv/bin/python -m pip install --quiet --no-compile --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
