# The verbs of the book. `make help` lists them.
NAMES ?=

.PHONY: notebooks
notebooks:   ## make the executed notebooks from text/ (NAMES="03 04" for some)
	@.venv/bin/python tools/notebooks.py $(NAMES)
