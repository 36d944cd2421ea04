.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON_IN_VENV := .venv/bin/python
BENCHMARKS ?=

.PHONY: help setup setup-dev run test check fmt bench stress schemathesis audit sbom lock clean

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: ## Everything the service needs: environment, system libraries, models
	@scripts/setup.sh run

setup-dev: ## The same, and what the tests need
	@scripts/setup.sh dev

run: setup ## Set up and serve on 127.0.0.1:8000 (BALLAST_* changes anything)
	@exec .venv/bin/ballast serve

test: setup-dev ## Set up and run the tests (ARGS="-k name" for some of them)
	@scripts/test.sh $(ARGS)

check: setup-dev ## Format, lint, types and import rules
	@$(PYTHON_IN_VENV) -m ruff format --check .
	@$(PYTHON_IN_VENV) -m ruff check .
	@$(PYTHON_IN_VENV) -m mypy
	@.venv/bin/lint-imports

fmt: setup-dev ## Format, and fix what the linter can
	@$(PYTHON_IN_VENV) -m ruff format .
	@$(PYTHON_IN_VENV) -m ruff check --fix .

bench: setup-dev ## Run the benchmarks (BENCHMARKS="footprint stream" for some, BENCHMARKS=--short for a quick look)
	@$(PYTHON_IN_VENV) -m benchmarks $(BENCHMARKS)

stress: setup-dev ## Heavy load in a real memory cgroup
	@$(PYTHON_IN_VENV) -m pytest -m stress $(ARGS)

schemathesis: setup-dev ## Ask a service everything that /openapi.json says, and much that it forbids
	@scripts/schemathesis.sh

audit: ## Look for known vulnerabilities of what the service runs with
	@scripts/audit.sh

sbom: setup ## Write sbom.json: what the service is made of (CycloneDX)
	@$(PYTHON_IN_VENV) -m scripts.sbom >sbom.json && echo "sbom.json is written"

lock: ## Compile requirements/*.txt from pyproject.toml (UPGRADE=1 for newer versions)
	@scripts/lock.sh

clean: ## Remove the environment and the caches; media and models stay
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
