# Two commands set everything up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help install demo test test-slow lint types contract unit schema format clean

help:  ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED)  ## make the virtual environment and install budgetnet and its tools into it

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "budgetnet needs Python 3.11 or newer; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(INSTALLED)  ## plan a scenario and run a small search on the built-in data set
	$(BIN)/budgetnet plan scenarios/urban.yaml
	$(BIN)/budgetnet search scenarios/demo.yaml --trials 6
	@echo
	@echo "Plan:    reports/urban/plan.md"
	@echo "Search:  reports/demo/search.md"
	@echo "Picture: reports/demo/pareto.png"

test: lint types contract unit  ## everything that must hold: lint, types, import contract, unit tests

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

contract: $(INSTALLED)
	$(BIN)/lint-imports

unit: $(INSTALLED)
	$(BIN)/pytest -n 2 --dist worksteal -m 'not slow'

test-slow: $(INSTALLED)  ## the tests that take minutes
	$(BIN)/pytest -n 2 --dist worksteal -m slow

schema: $(INSTALLED)  ## write the JSON schema of scenario files again, after a change of fields or plug-ins
	$(BIN)/budgetnet scenario schema > scenarios/scenario.schema.json.new
	mv scenarios/scenario.schema.json.new scenarios/scenario.schema.json

format: $(INSTALLED)  ## put the code into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## throw the virtual environment and the caches away
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
