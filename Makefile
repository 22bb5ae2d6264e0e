# `make run TASK="..."` and `make test` are all that a newcomer needs; both set up everything themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find orchestrator planner executors workflows unified_api -type f ! -name '*.pyc' 2>/dev/null)
TASK ?= Compare solar and wind power in two short paragraphs, then write a one-line headline for the comparison
# As typed: a dollar sign in a task is no variable of make's.
override TASK := $(value TASK)
export TASK
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test lint bench dev clean

help:
	@echo 'make run TASK="..."   plan a task in plain words and run it (no key needed)'
	@echo 'make test             lint, types, import contracts and tests, against an installed package'
	@echo 'make bench            the benchmarks, printed as ratios'
	@echo 'make dev              an editable install with all extras'
	@echo 'make clean            remove the environment and caches'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	@echo "Making the environment $(VENV) ..." >&2
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt $(SOURCES)
	@echo "Installing meta-orchestrator (once; a minute at most) ..." >&2
	@$(PIP) install -c constraints.txt '.[local]'
	@$(BIN)/orchestrate models pull local
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt $(SOURCES)
	@echo "Installing meta-orchestrator with its test tools ..." >&2
	@$(PIP) install -c constraints.txt '.[local,test,lint]'
	@touch $@

run: $(VENV)/.run
	@$(BIN)/orchestrate run "$$TASK"

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/orchestrate models pull local
	$(BIN)/pytest --cov --cov-report=term

bench: $(VENV)/.test
	$(BIN)/python -m benchmarks

dev: $(BIN)/python
	$(PIP) install -e '.[local,test,lint]'

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
