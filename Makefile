# `make` alone lists the targets. Each one does its own set-up, and redoes none that is fresh.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV ?= .venv
DEMO_ARGS ?=
UP_ARGS ?= --lab
PYTEST_ARGS ?=
WORKERS ?= auto
BENCH_ARGS ?=
SBOM_ARGS ?=

BIN := $(VENV)/bin
# One environment serves the demo, the tests and the checks. The test tools cost a few seconds more at the first
# set-up, and whoever runs the demo first never waits for a second environment.
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
CLIENT := clients/typescript
CLIENT_READY := $(CLIENT)/node_modules/.ready
NPM := npm --prefix $(CLIENT) --silent
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11

.PHONY: help
help: ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
	  while IFS=$$'\t' read -r name what; do printf '  %-8s %s\n' "$$name" "$$what"; done

.PHONY: setup
setup: $(READY) ## Make the environment in .venv from the hashed locks

# Standard output belongs to the target that was asked for (`make demo DEMO_ARGS="--once --json" > summary.json`).
$(READY): requirements/test.txt pyproject.toml
	@{ $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "EUCORA needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	         "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }; \
	  echo "Setting up $(VENV) …"; \
	  $(PYTHON) -m venv $(VENV); \
	  $(PIP) install --require-hashes -r requirements/test.txt; \
	  $(PIP) install --no-deps --no-build-isolation -e .; \
	  touch $@; } >&2

$(BENCH_READY): $(READY) requirements/bench.txt
	@$(PIP) install --require-hashes -r requirements/bench.txt >&2
	@touch $@

$(CLIENT_READY): $(CLIENT)/package.json $(CLIENT)/package-lock.json
	@{ command -v npm >/dev/null || \
	  { echo "The typed client and the API's linter need Node 20 with npm on PATH."; exit 1; }; \
	  $(NPM) ci && touch $@; } >&2

.PHONY: demo
demo: $(READY) ## Tell the whole story on simulated vendors (DEMO_ARGS="--once --json")
	@$(BIN)/eucora demo $(DEMO_ARGS)

.PHONY: up
up: $(READY) ## Run everything on this machine and stay up (UP_ARGS="--lab")
	@$(BIN)/eucora up $(UP_ARGS)

.PHONY: test
test: $(READY) ## Run the tests, on every core (PYTEST_ARGS="-k gates -x", WORKERS=0 for one process)
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile \
	  --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: test-long
test-long: $(READY) ## Let the state machines try 100,000 steps, and whatever else takes long
	@EUCORA_TEST_LONG=1 $(BIN)/python -m pytest -m machine --timeout=3600 \
	  -o faulthandler_timeout=3700 $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: $(READY) ## Try some 100,000 requests on every operation of the API (FUZZ_SEED=17)
	@EUCORA_FUZZ_EXAMPLES=750 EUCORA_FUZZ_SEED=$${FUZZ_SEED:-$$RANDOM} $(BIN)/python -m pytest tests/api/test_fuzz.py \
	  --timeout=5400 -o faulthandler_timeout=5500 -rP $(PYTEST_ARGS)

.PHONY: check
check: $(READY) $(CLIENT_READY) ## Format, lint, types, layers, OpenAPI file and client, migrations, container files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/eucora openapi --check
	$(BIN)/eucora schema --check
	$(BIN)/eucora migrate --check
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(NPM) run check
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/hadolint Dockerfile

.PHONY: bench
bench: $(BENCH_READY) ## Measure the design's ratios beside their floors (BENCH_ARGS="--help")
	@$(BIN)/python -m bench $(BENCH_ARGS)

.PHONY: openapi
openapi: $(READY) ## Write openapi/ from the routes and the intent file
	@$(BIN)/eucora openapi
	@$(BIN)/eucora schema

.PHONY: client
client: $(CLIENT_READY) ## Write the TypeScript client's types from openapi/
	@$(NPM) run generate

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew and write the hashed locks (needs uv: pip install uv)
	@[ -x $(BIN)/uv ] || { echo "make lock needs uv in $(VENV): $(BIN)/pip install uv" >&2; exit 1; }
	$(LOCK) pyproject.toml --extra embedded --extra lab --extra aws -o requirements/runtime.txt
	$(LOCK) requirements/test.in pyproject.toml --extra embedded --extra lab --extra aws -c requirements/runtime.txt -o requirements/test.txt
	$(LOCK) requirements/bench.in -c requirements/test.txt -o requirements/bench.txt
	$(LOCK) pyproject.toml --extra aws -c requirements/runtime.txt -o requirements/image.txt
	$(LOCK) requirements/build.in -c requirements/runtime.txt -o requirements/build.txt

.PHONY: sbom
sbom: $(READY) ## Print the image's bill of materials, CycloneDX 1.6 (SBOM_ARGS="runtime" for another lock)
	@$(BIN)/python scripts/sbom.py $(SBOM_ARGS)

.PHONY: clean
clean: ## Remove the environment, caches and build output; data in var/ stays
	rm -rf $(VENV) $(CLIENT)/node_modules build dist htmlcov .coverage .coverage.* src/*.egg-info \
	  .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests bench migrations -name __pycache__ -type d -prune -exec rm -rf {} +
