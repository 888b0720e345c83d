# make demo | test | train | bench | lint: each creates .venv and installs what it needs first.
PYTHON ?= python3
PY := .venv/bin/python

.PHONY: help demo test train bench lint docs clean
help:
	@echo "make demo    hide a photograph in another and train an autoencoder, offline, in about three minutes"
	@echo "make test    run all tests, on TensorFlow and on JAX"
	@echo "make train   train the default model on DIV2K (downloads it where needed)"
	@echo "make bench   measure quality beside AVIF, JPEG XL and WebP, time and memory"
	@echo "make docs    write the reference of the library into outputs/reference"
	@echo "make lint    check format, style and notebooks"

demo: .venv/.installed
	mkdir -p outputs/demo
	PHOTOS=$$($(PY) -c "import skimage.data; print(skimage.data.__path__[0])"); \
	$(PY) -m stego_lib hide "$$PHOTOS/coffee.png" "$$PHOTOS/astronaut.png" -o outputs/demo/stego.png --force
	$(PY) -m stego_lib reveal outputs/demo/stego.png -o outputs/demo/revealed.png --force
	$(PY) -m stego_lib train --data bundled --preset small --embedding residual --output outputs/demo --restart
	$(PY) -m stego_lib evaluate outputs/demo/autoencoder.keras --data bundled --image-size 128 --output outputs/demo
	$(PY) -m stego_lib evaluate modular-8 --data bundled --split all --image-size 128 --output outputs/demo/modular-8
	@echo "Look in outputs/demo at stego.png (an astronaut hidden in a cup of coffee) and revealed.png;"
	@echo "at gallery/epoch_000.png to epoch_005.png and loss_history.png: what a residual autoencoder has learned from nothing;"
	@echo "at gallery.png and error_histogram.png: how it hides photographs that it was not trained on;"
	@echo "and at modular-8/gallery.png: the same by weights that come with the library."

test: .venv/.installed-dev
	KERAS_BACKEND=tensorflow $(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	KERAS_BACKEND=jax $(PY) -m pytest -m backend -n 2 --dist loadfile --no-loadscope-reorder

train: .venv/.installed
	$(PY) -m stego_lib train --preset default --output outputs/div2k

bench: .venv/.installed
	$(PY) -m stego_lib bench

lint: .venv/.installed-dev
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m nbstripout --verify notebooks/*.ipynb

docs: .venv/.installed-dev
	$(PY) -W error::UserWarning -m pdoc --docformat google --no-show-source --output-directory outputs/reference stego_lib !stego_lib.__main__

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
