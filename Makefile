# Everything here works on a bare machine with Python 3.11 or newer and make. `make` alone says what there is.

PYTHON ?= python3
# Which tests (`make test SUITE=tests/test_insz.py`), what else pytest is told, and how many at once.
SUITE ?= tests src/rrsync/core
PYTEST_ARGS ?=
# By half more than there are cores: a test waits for a disk, a server or a browser as long as it works.
WORKERS ?= $(shell expr \( $$(getconf _NPROCESSORS_ONLN) \* 3 + 1 \) / 2)
# What else the demo is told (`make demo DEMO_ARGS='--keep folder'`).
DEMO_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python requirements/install.py
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
LOCK := $(INSTALL) compile --universal --python-version 3.11 --only-binary :all: --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-header --no-annotate --upgrade
# What must be covered to the last branch: the rules, and the gate.
WHOLLY := */rrsync/core/*,*/rrsync/registry/gate.py,*/rrsync/registry/outcome.py

.DEFAULT_GOAL := help
.PHONY: help demo test check lint cover proofs hostile traffic ledger gigabyte desk screens figures bench texts lock clean
.DELETE_ON_ERROR:

help: ## say what there is
	@echo "rrsync: keeps library members' addresses true to the National Registry. Say:"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(VENV)/run.stamp ## a whole night on invented members, report and verified log, and the pages to go on with
	@$(BIN)/rrsync demo $(DEMO_ARGS)

test: $(VENV)/dev.stamp ## the whole suite; the long proofs run short
	$(PYTEST) $(PYTEST_ARGS) $(SUITE)

check: lint cover ## format, lint, types, imports, and the suite with its coverage: what CI runs

lint: $(VENV)/dev.stamp ## format, lint, types and imports alone: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

cover: ## the suite with its coverage, which must be whole for the rules and the gate
	$(MAKE) test PYTEST_ARGS="--cov --cov-report=term $(PYTEST_ARGS)"
	$(BIN)/coverage report --include='$(WHOLLY)' --fail-under=100

proofs: $(VENV)/dev.stamp ## the long proofs in full (kills, tamperings, forgeries, fuzzing, every picture): hours
	RRSYNC_PROOFS=whole $(BIN)/python -m pytest -n 2 --dist worksteal -m "proof or whole" -rP --timeout 7200 $(PYTEST_ARGS) $(SUITE)

hostile: $(VENV)/dev.stamp ## what a hostile server costs: bombs, drips, laughs, in seconds and megabytes
	$(BIN)/python -m bench.hostile

traffic: $(VENV)/dev.stamp ## nights and a desk against a register that throttles at ten a second: two minutes
	$(BIN)/python -m bench.traffic

ledger: $(VENV)/dev.stamp ## a million entries: appended, verified, proved
	$(BIN)/python -m bench.ledger

gigabyte: $(VENV)/dev.stamp ## a member file of 1 GiB imported: half an hour, 5 GB of disk
	$(BIN)/python -m bench.gigabyte

desk: $(VENV)/dev.stamp ## two hundred people at the pages at once, on both databases: an hour
	$(BIN)/python -m bench.desk

screens: $(VENV)/dev.stamp ## pictures of every page, light and dark, wide and narrow, into docs/screens: five minutes
	mkdir -p docs/screens
	RRSYNC_SHOTS=docs/screens $(BIN)/python -m pytest -p no:randomly tests/web/test_day.py -k picture

figures: $(VENV)/dev.stamp ## modules, lines, cycles, and how much code one query runs through: seconds
	$(BIN)/python -m bench.figures

bench: $(VENV)/dev.stamp ## members a second against a bare loop, and peak memory
	$(BIN)/python -m bench.night

CATALOGUE := src/rrsync/text/locale/nl/LC_MESSAGES/rrsync
texts: $(VENV)/dev.stamp ## collect the texts of code and pages into the Dutch catalogue, and compile it
	mkdir -p build
	$(BIN)/pybabel -q extract -F babel.cfg --add-location=file --width=120 --project=rrsync -o build/rrsync.pot src/rrsync
	$(BIN)/pybabel -q update -l nl -i build/rrsync.pot -o $(CATALOGUE).po --width=120 --no-fuzzy-matching \
		--ignore-obsolete --ignore-pot-creation-date
	$(BIN)/pybabel -q compile -l nl -i $(CATALOGUE).po -o $(CATALOGUE).mo

# Run is what the package says it needs; dev is a superset of run and build, in the same versions.
lock: $(VENV)/dev.stamp ## lock the newest versions, with hashes and without addresses
	$(LOCK) pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/run.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	echo uv | $(LOCK) - -o requirements/uv.txt
	@$(MAKE) --no-print-directory test SUITE=tests/test_install.py WORKERS=0

clean: ## remove what was built here; settings, keys and databases stay
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "rrsync needs Python 3.11 or newer, and '$(PYTHON)' is not that. Nothing was installed." \
			"Say which one to use: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON)' cannot make a virtual environment. Nothing was installed." \
			"On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/run.stamp: pyproject.toml requirements/run.txt requirements/build.txt requirements/uv.txt | $(BIN)/python
	@echo "Installing what rrsync runs on, by its locked hashes, into $(VENV) (a minute, once)." >&2
	@$(INSTALL) locked -r requirements/run.txt -r requirements/build.txt
	@$(INSTALL) package --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing what tests and checks it, likewise." >&2
	@$(INSTALL) locked -r requirements/dev.txt
	@touch $@
