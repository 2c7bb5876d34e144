# Everything happens in a private environment, .venv. `make help` lists what there is to make.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
WHEELS := $(VENV)/wheels
INSTALL := $(RUN) -m pip install --quiet

MANIFESTS := Cargo.toml Cargo.lock pyproject.toml README.md LICENSE-MIT LICENSE-APACHE
SOURCES := $(MANIFESTS) $(shell find src python -type f ! -name '*.so' ! -name '*.pyd' ! -path '*/__pycache__/*')
PYTHON_DIRECTORIES := python tests examples benches
# By name: `cargo fmt` does not see modules that a macro declares.
RUST_FILES := $(shell find src benches -name "*.rs")

export PYO3_PYTHON := $(abspath $(RUN))
export KERAS_BACKEND ?= jax
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint test-rust test-python bench wheel format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/installed ## build, install, and watch a convolutional network learn digits
	$(RUN) examples/digits_demo.py

test: lint test-rust test-python ## run every check: format, lints, types, Rust tests, Python tests

lint: $(VENV)/installed $(VENV)/tools ## check format, lints and types
	@rustfmt --edition 2024 --check $(RUST_FILES)
	cargo clippy --quiet --locked --all-targets -- -D warnings
	cargo clippy --quiet --locked --features python -- -D warnings
	$(RUN) -m ruff format --check --quiet $(PYTHON_DIRECTORIES)
	$(RUN) -m ruff check --quiet $(PYTHON_DIRECTORIES)
	$(RUN) -m mypy python/rustnet
	$(RUN) -m mypy.stubtest rustnet._core

test-rust: ## run the Rust tests; they need no Python
	cargo test --locked

test-python: $(VENV)/installed $(VENV)/tools ## run the Python tests, with Keras as the oracle
	$(RUN) -m pytest

bench: $(VENV)/installed $(VENV)/peers ## compare with PyTorch, TensorFlow, JAX and ONNX Runtime, and print tables
	$(RUN) benches/compare.py

wheel: $(VENV)/installed ## build the wheel into dist/
	@mkdir -p dist
	@cp $(WHEELS)/*.whl dist/
	@ls -lh dist

format: $(VENV)/tools ## format and mend what can be mended automatically
	@rustfmt --edition 2024 $(RUST_FILES)
	$(RUN) -m ruff format $(PYTHON_DIRECTORIES)
	$(RUN) -m ruff check --fix $(PYTHON_DIRECTORIES)

clean: ## remove everything that was built or installed here
	rm -rf target $(VENV) dist
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Some systems ship Python without the part of `venv` that installs pip; their own pip then does it.
$(VENV)/created:
	@command -v cargo > /dev/null || { echo "rustnet builds with cargo: install Rust first, see https://rustup.rs"; exit 1; }
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 10), f"rustnet needs Python 3.10 or later. Received: {sys.version}"'
	$(PYTHON) -m venv --clear $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(RUN) install --quiet pip; }
	@touch $@

$(VENV)/installed: $(VENV)/created $(SOURCES)
	@echo "Building rustnet. The first time takes a few minutes."
	@rm -rf $(WHEELS)
	$(RUN) -m pip wheel --quiet --no-deps --wheel-dir $(WHEELS) .
	$(INSTALL) --force-reinstall --no-deps $(WHEELS)/*.whl
	$(INSTALL) $(WHEELS)/*.whl
	@touch $@

$(VENV)/tools: $(VENV)/installed
	$(INSTALL) "$$(echo $(WHEELS)/*.whl)[test,lint]"
	@touch $@

$(VENV)/peers: $(VENV)/installed
	$(INSTALL) "$$(echo $(WHEELS)/*.whl)[bench]"
	@touch $@
