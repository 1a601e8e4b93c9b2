# Two commands for a fresh machine with Python, pip and make. A second call does only what has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs clean

# Detect the sounds of a recording with the model that comes with the package.
demo: $(VENV)/listening
	$(BIN)/python examples/demo.py

# The whole test suite, one thread per process.
test: $(VENV)/development
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

# Format, lint, types and layers.
check: $(VENV)/development
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

# The manual as a site in build/site; its reference pages are written anew before.
docs: $(VENV)/development
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/make_site.py

clean:
	rm -rf $(VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/listening: pyproject.toml constraints.txt | $(BIN)/python
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --disable-pip-version-check -q -e .
	touch $@

$(VENV)/development: pyproject.toml constraints.txt | $(BIN)/python
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	touch $@ $(VENV)/listening
