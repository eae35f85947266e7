# Epikrise. `make` alone lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev-ready
# One address or none: where pip takes torch from instead of its ordinary index.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PIP_PROGRESS_BAR ?= on

.PHONY: help setup demo peers test test-all check bench screenshots model lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## Make .venv with everything the product needs (TORCH_INDEX=URL: take torch from there, e.g. the CPU-only index shown on pytorch.org)

$(READY): pyproject.toml requirements.lock deploy/setup/install.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX="$(TORCH_INDEX)" bash deploy/setup/install.sh requirements.lock
	@touch $@

$(DEV): $(READY) requirements-dev.lock
	@echo "setup: tools for tests and checks" >&2
	@$(PIP) install --quiet --no-deps --require-hashes -r requirements-dev.lock >&2
	@touch $@

demo: $(READY) ## One discharge from MLLP to a signed letter, in your browser (ARGS="--once --json" to pass options)
	@$(BIN)/epikrise demo $(ARGS)

test: $(DEV) ## The test suite (about ten minutes on two cores)
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

peers: ## Programs of others from npm that test-all speaks with (needs Node.js 20.19 or newer)
	@bash deploy/peers/install.sh

test-all: $(DEV) ## Everything, also what is slow; installs the peers first where Node.js is
	@bash deploy/peers/install.sh --if-possible
	@$(BIN)/python -m pytest $(ARGS)

check: $(DEV) ## Format, lint, strict types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(DEV) ## Measure, side by side with peers; results in docs/results/
	@PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

screenshots: $(DEV) ## Make the pictures of the README anew (needs a Chromium)
	@$(BIN)/python -m tests.screenshots

model: $(DEV) ## Train the demonstration model anew (about 50 minutes on two cores)
	@$(BIN)/python -m workers.training.demo_model $(ARGS)

lock: $(DEV) ## Resolve the dependencies anew into the lock files
	@bash deploy/setup/lock.sh

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build
