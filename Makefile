# Every verb of the project; `make` alone lists them. Needs Python 3.11 or newer, a C++ compiler and make.

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
WORKERS ?= 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)
# What an editable install does not see change by itself.
NATIVE := CMakeLists.txt $(wildcard native/*.cpp native/*.h native/*/*.cpp native/*/*.h)

MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow native-test native-sanitize native-slow check format bench clean
# Only what is installed in .venv counts.
unexport PYTHONPATH PYTHONHOME

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.12    the Python that makes .venv (default: python3)"
	@echo "  TORCH_INDEX=URL      a package index to look for torch in as well, e.g."
	@echo "                       https://download.pytorch.org/whl/cpu for the small build without CUDA"
	@echo "  WORKERS=4            so many processes for the quick tests (default: 2)"
	@echo "  ARGS='-x tests/data' more arguments for demo, test, test-slow or bench"

demo: .venv/built ## see the library at work
	@$(BIN)/unrolled demo $(ARGS)

test: .venv/built ## the quick tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-slow: .venv/built ## the slow tests
	@$(BIN)/python -m pytest -m slow $(ARGS)

native-test: .venv/packages ## the C++ core alone, with sanitizers, on every instruction set of this machine
	@$(BIN)/cmake -S . -B build/native-test -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DUNROLLED_TESTS=ON \
	    -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" >/dev/null
	@$(BIN)/cmake --build build/native-test --target native_test
	@build/native-test/native_test $(ARGS)

# An extension with sanitizers, in a Python without: their libraries must be loaded first.
SANITIZED := build/native-sanitize
SANITIZERS = $(foreach name,asan ubsan stdc++,$(shell $(CXX) -print-file-name=lib$(name).so))

native-sanitize: .venv/built ## cells on the C++ core with sanitizers: contract and drawn shapes
	@$(BIN)/cmake -S . -B $(SANITIZED) -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja \
	    -DPython_EXECUTABLE=$(abspath $(BIN))/python -DCMAKE_BUILD_TYPE=None \
	    -DCMAKE_CXX_FLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined" >/dev/null
	@$(BIN)/cmake --build $(SANITIZED)
	@UNROLLED_EXTENSION=$$(echo $(SANITIZED)/_native*.so) LD_PRELOAD="$(SANITIZERS)" ASAN_OPTIONS=detect_leaks=0 \
	    $(BIN)/python -m pytest -p tests.engines.native.sanitized -p no:cacheprovider -o timeout=900 \
	    tests/contract/test_engines.py tests/engines/native/test_shapes.py \
	    -k "(native and oracle and not renamed) or any_shape or without" $(ARGS)

native-slow: .venv/packages ## all 2^32 floats through sigmoid, tanh, exp, log and softplus; ARGS=avx2 names the set
	@$(BIN)/cmake -S . -B build/native-slow -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN))/ninja -DUNROLLED_TESTS=ON \
	    -DCMAKE_BUILD_TYPE=Release >/dev/null
	@$(BIN)/cmake --build build/native-slow
	@build/native-slow/native_every_float $(ARGS)

check: .venv/built ## lint, format, types, layer order, sizes, README tree
	@$(BIN)/ruff check --quiet --output-format concise . && echo "ruff check: no findings"
	@$(BIN)/ruff format --check --quiet --output-format concise . || { echo "ruff format: run make format" >&2; exit 1; }
	@echo "ruff format: nothing to change"
	@$(BIN)/mypy --strict src
	@$(BIN)/python -m checks

format: .venv/built ## write the code in the project's format
	@$(BIN)/ruff check --quiet --fix-only . ; $(BIN)/ruff format .

bench: .venv/built ## time the workloads against their competitors
	@test -f benchmarks/__main__.py || { echo "benchmarks/__main__.py does not exist: nothing to time" >&2; exit 1; }
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove .venv, build/ and all caches
	@rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/built: .venv/packages $(NATIVE)
	@echo "building unrolled ..."
	@$(PIP) install --no-build-isolation --constraint constraints.txt --editable .
	@touch $@

.venv/packages: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) checks/machine.py
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "making .venv ..."; $(PYTHON) -m venv --clear .venv; }
	@$(PIP) install --constraint constraints.txt pip
	@echo "installing $(TORCH) (the first time takes a minute or more) ..."
	@$(PIP) install --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(TORCH)
	@echo "installing the build tools and the test tools ..."
	@$(PIP) install --constraint constraints.txt --group build --group dev
	@touch $@
