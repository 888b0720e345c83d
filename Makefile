# make demo | test | train | lint: each creates .venv and installs what it needs first.
PYTHON ?= python3
PY := .venv/bin/python

.PHONY: help demo test train lint clean
help:
	@echo "make demo    hide photographs in photographs, offline, in about two minutes"
	@echo "make test    run all tests, on TensorFlow and on JAX"
	@echo "make train   train the default model on DIV2K (downloads it where needed)"
	@echo "make lint    check format, style and notebooks"

demo: .venv/.installed
	$(PY) -m stego_lib train --data bundled --preset small --output outputs/demo --restart
	$(PY) -m stego_lib evaluate outputs/demo/autoencoder.keras --data bundled --split validation --output outputs/demo
	@echo "Look at gallery.png, error_histogram.png and loss_history.png in outputs/demo, and at the files in outputs/demo/stego."

test: .venv/.installed-dev
	KERAS_BACKEND=tensorflow $(PY) -m pytest
	KERAS_BACKEND=jax $(PY) -m pytest -m backend

train: .venv/.installed
	$(PY) -m stego_lib train --preset default --output outputs/div2k

lint: .venv/.installed-dev
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m nbstripout --verify notebooks/*.ipynb

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	@echo "Installing into .venv, a few minutes the first time ..."
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet -e ".[notebooks]"
	touch $@

.venv/.installed-dev: .venv/.installed
	$(PY) -m pip install --quiet -e ".[notebooks,dev]"
	touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache
