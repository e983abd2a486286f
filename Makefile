# Two commands: `make chat` and `make test`. Both may be run again at any time; they do only what is missing.
# The plain pip lines are in README.md; they work on Windows too.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A CPU build of torch, where its index can be reached; else what pip finds.
TORCH ?= torch==2.13.0
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: help chat test lint install clean

help:
	@echo "make chat   install the runtime into $(VENV), get the default models, start the chat"
	@echo "make test   install everything (CPU torch too) into $(VENV), run the whole test suite"
	@echo "make lint   ruff, mypy --strict and the layer checks"

chat: $(VENV)/.runtime
	@echo "== getting the default models"
	@$(BIN)/so8t models pull
	@echo "== starting the chat (Ctrl-D leaves)"
	@$(BIN)/so8t chat

test: $(VENV)/.everything
	@echo "== getting the default models"
	@$(BIN)/so8t models pull
	@echo "== running the tests"
	@$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/.everything
	@$(BIN)/python .ci/lint.py

install: $(VENV)/.runtime

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "so8t needs Python 3.11 or newer as $(PYTHON): set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { echo "so8t needs a C++ compiler: on Debian, apt-get install g++ make" >&2; exit 1; }
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: on Debian, apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.runtime: $(VENV)/.venv pyproject.toml
	@echo "== installing the runtime (llama-cpp-python is compiled the first time: about five minutes)"
	@$(BIN)/python -m pip install --quiet -e . || { echo "the installation failed: the lines above say why" >&2; exit 1; }
	@touch $@

$(VENV)/.everything: $(VENV)/.venv pyproject.toml
	@echo "== installing torch (CPU)"
	@$(BIN)/python -m pip install --quiet --retries 1 --extra-index-url $(TORCH_INDEX) "$(TORCH)" || { echo "torch could not be installed: the lines above say why" >&2; exit 1; }
	@echo "== installing so8t with the extras train and dev (llama-cpp-python is compiled the first time: about five minutes)"
	@$(BIN)/python -m pip install --quiet -e ".[train,dev]" || { echo "the installation failed: the lines above say why" >&2; exit 1; }
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build dist *.egg-info
