# The verbs of this book. `make` alone lists them.
# Any Python from 3.11 on will do: make PYTHON=python3.13 test
PYTHON ?= python3
# Chapters for `make notebooks`: NAMES="03 04"
NAMES ?=

BIN := .venv/bin
SITE_BIN := .venv-site/bin

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
.PHONY: help book test test-portable lint format lab notebooks lock address clean site-environment environment

help:
	@echo "make book            build the website from the stored outputs (no torch, under a minute)"
	@echo "make test            run every check, and every chapter again"
	@echo "make test-portable   run the chapters as on the simplest processor"
	@echo "make lab             open the chapters in JupyterLab"
	@echo "make notebooks       make the executed notebooks from text/ (NAMES=\"03 04\" for some)"
	@echo "make lint, format    check the form of the code; repair it"
	@echo "make lock            write requirements.lock anew, with the newest versions"
	@echo "make address         bring the repository's address from pyproject.toml to where it is used"
	@echo "make clean           remove what was built (not the environments)"

book: site-environment
	@$(SITE_BIN)/python tools/website.py

test: environment
	@$(BIN)/python tools/run_tests.py

test-portable: environment
	@$(BIN)/python tools/run_tests.py portable

lint: environment
	@$(BIN)/python tools/run_tests.py lint

format: environment
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .
	@$(BIN)/python tools/notebooks.py --format $(NAMES)

lab: environment
	@$(BIN)/python -m jupyterlab --notebook-dir=book

notebooks: environment
	@$(BIN)/python tools/notebooks.py $(NAMES)

lock: environment
	@$(BIN)/python -m uv pip compile -q pyproject.toml --group test --universal --python-version 3.11 \
		--no-annotate --no-header --upgrade -o requirements.lock
	@echo "requirements.lock is new: run make notebooks, and commit both together"

address: environment
	@$(BIN)/python tools/address.py

clean:
	rm -rf _build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path "./.venv*" -prune -exec rm -rf {} +

site-environment environment: have-python
site-environment:
	@$(PYTHON) tools/environment.py site
environment:
	@$(PYTHON) tools/environment.py full

.PHONY: have-python
have-python:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Python 3.11 or newer is needed (Debian: apt install python3 python3-venv), or name one: make PYTHON=..."; exit 1; }
