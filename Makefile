# Every target prepares what it needs; nothing but Python 3.11 or newer and make is expected.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON_ENV := .venv/bin/python
DEMO_READY := .venv/.ready-demo
DEV_READY  := .venv/.ready-dev

.PHONY: help demo test test-aws sweep storm soak check bench docs format build clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(DEMO_READY) ## Build a sample lake and walk through it
	@$(PYTHON_ENV) scripts/demo.py

test: $(DEV_READY) ## Everything CI runs: check, then the whole suite against the built wheel
	@scripts/system-packages.sh
	@scripts/checkov.sh
	@scripts/check.sh --without-tests
	@scripts/test-wheel.sh

sweep: $(DEV_READY) ## Let every write and statement fail once, in every way
	@scripts/system-packages.sh
	@PENSTOCK_SWEEP=full $(PYTHON_ENV) -P -m pytest tests/faults -rP -o faulthandler_timeout=0 --timeout 14400

storm: $(DEV_READY) ## SIGKILLs, races, lost answers, a busy day: the storms of the suite, larger
	@scripts/system-packages.sh
	@PENSTOCK_STORM=full PENSTOCK_UPKEEP=full $(PYTHON_ENV) -P -m pytest tests/storms tests/queue tests/aws/test_storms.py tests/upkeep/test_busy_lake.py \
		-rP -o faulthandler_timeout=0 --timeout 14400

soak: $(DEV_READY) ## A lake that is up for 20 minutes while everything happens to it
	@scripts/system-packages.sh
	@PENSTOCK_SOAK_SECONDS=$${PENSTOCK_SOAK_SECONDS:-1200} $(PYTHON_ENV) -P -m pytest tests/soak -o faulthandler_timeout=0

check: $(DEV_READY) ## Format, lint, types, layers and documentation tests
	@scripts/check.sh

test-aws: $(DEV_READY) ## The walk through a lake on AWS, for real: with your account, for a few cents
	@$(PYTHON_ENV) scripts/walk.py

bench: $(DEV_READY) ## Measure speed beside others (30 minutes), and write docs/benchmarks.md
	@$(PYTHON_ENV) benchmarks/bench.py --write-docs

docs: $(DEV_READY) ## Build the documentation site in site/
	@scripts/docs.sh

format: $(DEV_READY) ## Rewrite the code in the house style
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

build: $(DEV_READY) ## Build the wheel in dist/
	@scripts/build-wheel.sh

clean: ## Remove everything that make created
	@rm -rf .venv .venv-wheel .venv-checkov dist site .cache .bench .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(DEMO_READY): pyproject.toml scripts/bootstrap.sh
	@scripts/bootstrap.sh demo

$(DEV_READY): pyproject.toml scripts/bootstrap.sh
	@scripts/bootstrap.sh dev
