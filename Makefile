# make demo   trains, evaluates and draws with what is at hand; nothing else needs to be installed before
# make test   the test suite without its slow tests
# Another interpreter: make test PYTHON=python3.12 (3.11 to 3.13)

PYTHON ?= python3
PYTEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SOURCES := mnist_keras tests benchmarks tools docs examples setup.py

.PHONY: help demo test test-slow test-full test-minimum coverage audit lint docs notebooks clean

help:
	@echo "make demo          trains mlp_128_64_dropout with the data at hand, evaluates it and draws the plots"
	@echo "make test          runs the test suite without its slow tests (five minutes on two cores)"
	@echo "make test-slow     runs the slow tests (five minutes)"
	@echo "make test-full     runs all of it, at full counts (hours)"
	@echo "make test-minimum  runs some tests with the oldest versions of the dependencies"
	@echo "make coverage      says which lines the tests do not run; fails with a module under 90% (seven minutes)"
	@echo "make audit         looks for known vulnerabilities in what is installed"
	@echo "make lint          ruff and mypy"
	@echo "make docs          builds the site into build/docs (half a minute); warnings are errors"
	@echo "make notebooks     makes the notebooks from the examples and runs them on MNIST (nine minutes)"
	@echo "make clean         removes .venv, caches and built files; runs/ stays"

demo: $(VENV)/installed
	@$(BIN)/mnist-keras demo

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -m "not slow and not full and not network" -n $(PYTEST_WORKERS) --dist worksteal

test-slow: $(VENV)/installed-test
	$(BIN)/python -m pytest -m "slow and not full and not network" -n $(PYTEST_WORKERS) --dist worksteal

test-full: $(VENV)/installed-test
	$(BIN)/python -m pytest --timeout 7200

test-minimum:
	tools/minimum_versions.sh $(PYTHON)

# Without the tests of benchmarks, pages and examples, which test no module. It does not see what runs in processes that
# tests start or in TensorFlow's own threads.
coverage: $(VENV)/installed-dev
	$(BIN)/python -m pytest -q -m "not full and not network" -n $(PYTEST_WORKERS) --dist worksteal \
	  --ignore tests/benchmarks --ignore tests/docs --ignore tests/test_examples.py --ignore tests/tools \
	  --cov mnist_keras --cov-report term-missing:skip-covered
	@$(BIN)/coverage report | awk '/%$$/ && $$1 != "TOTAL" && $$NF + 0 < 90 { print "under 90%:", $$1, $$NF; bad = 1 } END { exit bad }'

# OSV and not PyPI: where a mirror answers 404 in place of PyPI, pip-audit skips every package and reports success.
audit: $(VENV)/installed-dev
	$(BIN)/pip-audit --local --skip-editable --vulnerability-service osv

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs
	@echo "The site is in build/docs/index.html"

# NOTEBOOKS=examples/01_mlp_128.py makes one of them.
notebooks: $(VENV)/installed-dev
	$(BIN)/python examples/make_notebooks.py $(NOTEBOOKS)

clean:
	rm -rf $(VENV) build dist docs/api docs/examples docs/api.md docs/gallery.md *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written last, so an interrupted or failed installation is done again. That of the environment holds the
# interpreter's name: asked for another one, make sets the environment up anew.
ifneq ($(shell cat $(VENV)/created 2>/dev/null),$(PYTHON))
.PHONY: $(VENV)/created
endif
$(VENV)/created:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "$(PYTHON) was not found. Name a Python 3.11 to 3.13, for example: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "mnist-keras needs Python 3.11 to 3.13, and $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
	    "Name another one, for example: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) lacks the modules venv and ensurepip." \
	    "On Debian and Ubuntu: apt install python3-venv. Or name another Python: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Creating $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(if $(wildcard $(VENV)/created),--clear) $(VENV)
	@echo "$(PYTHON)" > $@

$(VENV)/installed: $(VENV)/created pyproject.toml
	@echo "Installing mnist-keras and TensorFlow into $(VENV); the first time this takes some minutes"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-%: $(VENV)/created pyproject.toml
	@echo "Installing mnist-keras[$*] and TensorFlow into $(VENV); the first time this takes some minutes"
	@$(PIP_INSTALL) --editable ".[$*]"
	@touch $@
