# make run     serve www/ at http://localhost:8080/
# make test    run the tests; TESTS=tests/protocol runs some of them
# make lint    ruff and mypy
# make bench   measure: BENCH=cost, fairness, idle or spread
# make clean   remove what the others made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
BENCH ?= --help
ARGS ?=

.PHONY: run test lint bench clean

run: $(VENV)/installed
	@exec $(BIN)/phttpd --config etc/phttpd.yaml --foreground --verbose $(ARGS)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

lint: $(VENV)/installed-test $(VENV)/installed-lint $(VENV)/installed-bench
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed-bench
	$(BIN)/python -m tests.bench $(BENCH) $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("phttpd needs Python 3.11 or newer; give one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# One stamp for each extra: test, lint, bench.
$(VENV)/installed-%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
