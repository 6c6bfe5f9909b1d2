# The verbs of this book. `make` alone lists them.
# Any Python from 3.11 on will do: make PYTHON=python3.13 test
PYTHON ?= python3
# Notebooks for `make notebooks`, `make format` and `make test`: NAMES="03 05_fine_tuning/using_it"
NAMES ?=
# What JupyterLab is told by `make lab`: OPTIONS="--no-browser --port=8890"; bench, determinism and mutants have options too
OPTIONS ?=
# For `make bench`: rows by number, ratios only, the folder of what is done, and the device
ROWS ?=
QUICK ?=
KEEP ?=
DEVICE ?=

BIN := .venv/bin
SITE_BIN := .venv-site/bin
# For `make lint` and `make format`: the full environment where it is there (types are checked too), else a small one.
LINT := $(if $(wildcard .venv/.ready),environment,lint-environment)
LINT_BIN := $(if $(wildcard .venv/.ready),.venv/bin,.venv-lint/bin)
ONLY := $(if $(strip $(NAMES)),--names $(NAMES))

# The kernel of a notebook works in book/, so a relative data folder is made absolute here.
ifneq ($(strip $(RESNET_BOOK_DATA)),)
override GIVEN := $(RESNET_BOOK_DATA)
override RESNET_BOOK_DATA := $(shell cd "$(GIVEN)" 2>/dev/null && pwd)
ifeq ($(RESNET_BOOK_DATA),)
$(error RESNET_BOOK_DATA is set to "$(GIVEN)", but there is no such folder (seen from $(CURDIR)). Give an existing one, or unset it)
endif
export RESNET_BOOK_DATA
endif

.DEFAULT_GOAL := help
.PHONY: help book messages notebooks-zh pdf bench test test-portable test-lowest test-keras determinism mutants lint format lab notebooks lock address publish-check clean \
	site-environment pdf-environment lint-environment environment lowest-environment keras-environment

help:
	@echo "make book            build the website from the stored outputs, in both languages (no torch)"
	@echo "make messages        bring the Chinese catalogue up to date with the texts; OPTIONS=--check only looks"
	@echo "make notebooks-zh    write the notebooks in Chinese into _build/notebooks-zh/, for JupyterLab"
	@echo "make pdf             the whole book as one PDF, printed by a Chromium from the website"
	@echo "make test            run every check, and every chapter again (NAMES=\"03 04\": only these chapters)"
	@echo "make test-portable   run the chapters as on the simplest processor"
	@echo "make test-lowest     run tests and chapters with the lowest versions that pyproject.toml allows"
	@echo "make test-keras      run chapter 7's tests on TensorFlow and on JAX, in an environment of their own"
	@echo "make bench           measure how fast it is, on a quiet machine (QUICK=1: five minutes; ROWS=\"1 5\": only these)"
	@echo "make determinism     run a sample of the chapters elsewhere: other threads, instructions, languages, clocks, paths"
	@echo "                     (OPTIONS=\"--seed 1 --executions 64\"; OPTIONS=--list only says what it would run)"
	@echo "make mutants         plant bugs one at a time, and see whether a test or a chapter turns red (hours;"
	@echo "                     OPTIONS=\"models/blocks --count 30 --workers 2\" and others are handed on)"
	@echo "make lab             open the chapters in JupyterLab (OPTIONS=--allow-root and others are handed on)"
	@echo "make notebooks       make the executed notebooks from text/ (NAMES=\"03 04\" for some)"
	@echo "make lint, format    check the form of the code; repair it (no torch)"
	@echo "make lock            write requirements.lock anew, with the newest versions"
	@echo "make address         bring the repository's address from pyproject.toml to where it is used"
	@echo "make publish-check   say what is still to do before the book can be published"
	@echo "make clean           remove what was built (not the environments)"

book: site-environment
	@$(SITE_BIN)/python tools/website.py

messages: site-environment
	@$(SITE_BIN)/python tools/messages.py $(OPTIONS)

notebooks-zh: site-environment
	@$(SITE_BIN)/python tools/portable/translated.py _build/notebooks-zh

pdf: pdf-environment
	@.venv-pdf/bin/python tools/website.py
	@.venv-pdf/bin/python tools/pdf.py

test: environment
	@$(BIN)/python tools/run_tests.py $(ONLY)

test-portable: environment
	@$(BIN)/python tools/run_tests.py portable $(ONLY)

test-lowest: lowest-environment
	@.venv-lowest/bin/python tools/run_tests.py $(or $(ONLY),unit notebooks)

test-keras: keras-environment
	@.venv-keras/bin/python tools/run_tests.py keras

bench: environment
	@$(BIN)/python -m benchmarks.all $(if $(ROWS),--rows $(ROWS)) $(if $(QUICK),--quick) $(if $(KEEP),--keep "$(KEEP)") \
		$(if $(DEVICE),--device $(DEVICE)) $(OPTIONS)

determinism: environment
	@$(BIN)/python tools/determinism.py $(OPTIONS) $(NAMES)

mutants: environment
	@$(BIN)/python tools/mutants.py $(OPTIONS)

lint: $(LINT)
	@$(LINT_BIN)/python tools/run_tests.py lint

format: $(LINT)
	@$(LINT_BIN)/python -m ruff check --fix .
	@$(LINT_BIN)/python -m ruff format .
	@$(LINT_BIN)/python tools/notebooks.py --format $(NAMES)

lab: environment
	@$(BIN)/python tools/lab.py $(OPTIONS)

notebooks: environment
	@$(BIN)/python tools/notebooks.py $(NAMES)

lock: environment
	@$(BIN)/python -m uv pip compile -q pyproject.toml --group test --universal --python-version 3.11 \
		--generate-hashes --no-header --upgrade -o requirements.lock
	@echo "requirements.lock is new: run make notebooks, and commit both together"

address: have-python
	@$(PYTHON) tools/address.py

publish-check: have-python
	@$(PYTHON) tools/publish.py

clean:
	rm -rf _build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./.venv*" -prune -exec rm -rf {} +

site-environment pdf-environment lint-environment environment lowest-environment keras-environment: have-python
site-environment:
	@$(PYTHON) tools/environment.py site
pdf-environment:
	@$(PYTHON) tools/environment.py pdf
lint-environment:
	@$(PYTHON) tools/environment.py lint
lowest-environment:
	@$(PYTHON) tools/environment.py lowest
keras-environment:
	@$(PYTHON) tools/environment.py keras
environment:
	@$(PYTHON) tools/environment.py full

.PHONY: have-python
have-python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Python 3.11 or newer is needed (Debian: apt install python3 python3-venv), or name one: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) -V 2>&1). If another one is installed, name it: make PYTHON=python3.12 ..."; exit 1; }
