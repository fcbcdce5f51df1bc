# Two commands do everything: `make demo` and `make test`. Each sets itself up first, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-alone test-random test-uvloop test-floor test-newest test-pythons fuzz chaos check format lint types floors cov recordings cassettes bench docs clean

demo: $(VENV)/.local
	@$(BIN)/python scripts/demo.py

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 3 --dist loadfile

# The same tests in other ways: see scripts/suites.py.
test-alone test-random test-uvloop test-floor test-newest test-pythons: $(VENV)/.dev
	$(BIN)/python scripts/suites.py $(@:test-%=%)

MINUTES ?= 2
fuzz: $(VENV)/.dev
	$(BIN)/python scripts/fuzz.py $(MINUTES) $(if $(SEED),--seed $(SEED))

chaos: $(VENV)/.dev
	$(BIN)/python scripts/chaos.py $(if $(SEED),--seed $(SEED))

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 3 --dist loadfile

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

floors: $(VENV)/.dev
	$(BIN)/lint-imports

cov: $(VENV)/.dev
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

recordings: $(VENV)/.dev
	$(BIN)/python scripts/recordings_table.py

cassettes: $(VENV)/.dev
	$(BIN)/python scripts/record_cassettes.py --local
	$(BIN)/python scripts/record_cassettes.py --synthetic

bench: $(VENV)/.dev
	$(BIN)/python scripts/bench.py

docs: $(VENV)/.dev
	$(BIN)/python scripts/provider_table.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=python3.12 ..."'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.local: $(BIN)/python pyproject.toml
	@echo "Installing prompture into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet -e '.[local]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	@echo "Installing prompture and what its tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@ $(VENV)/.local

clean:
	rm -rf $(VENV) build dist *.egg-info
