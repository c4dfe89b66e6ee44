# `make chat` and `make test` set up all that they need. On a fresh machine: Python 3.11 or newer, a C++ compiler.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n auto
MODELS := tiny starter qwen2.5-coder-0.5b-instruct-q4_k_m

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev chat test test-all models lint format docs benchmarks clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

setup: $(BIN)/.installed ## make a virtual environment and install into it
setup-dev: $(BIN)/.installed-dev

chat: setup ## set up, pull the starter model, open the chat
	@$(BIN)/assistant models path starter >/dev/null 2>&1 || $(BIN)/assistant models pull starter
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/assistant chat; else \
		echo "Ready. Open the chat in a terminal with: make chat"; \
		echo "Or ask from here: $(BIN)/assistant ask \"Why is the sky blue?\""; fi

test: setup-dev models ## set up, pull the models of the tests, run the tests
	$(PYTEST) -m "not slow"

test-all: setup-dev models ## all tests, the slow ones too
	$(PYTEST)

models: setup
	@for m in $(MODELS); do $(BIN)/assistant models path $$m >/dev/null 2>&1 || \
		$(BIN)/assistant models pull $$m || exit; done

lint: setup-dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup-dev ## write docs/cli.md and the man page anew from --help
	$(BIN)/python docs/write_cli.py
	$(BIN)/python docs/write_man.py

benchmarks: setup-dev models ## measure, and write benchmarks/results
	for b in benchmarks/bench_*.py; do $(BIN)/python $$b || exit; done

clean: ## remove the virtual environment and caches; models and chats stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(BIN)/.installed: pyproject.toml packaging/install.sh
	@VENV="$(VENV)" PYTHON="$(PYTHON)" sh packaging/install.sh .
	@touch $@

$(BIN)/.installed-dev: $(BIN)/.installed
	@VENV="$(VENV)" PYTHON="$(PYTHON)" sh packaging/install.sh '.[dev]'
	@touch $@
