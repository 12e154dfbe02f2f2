# Everything a developer runs. Each target does its own set-up, once; nothing but make and a
# Python need be installed first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Azure runs the app on 3.13, so development does too; the demo takes whatever fits.
DEV := .venv
DEMO := .venv-demo
OLDEST := .venv-3.11
# More than a small machine has cores: many tests wait for services, hosts and storage.
WORKERS := 4
# What takes long to set up is set up once: tests of a group share a worker.
PARALLEL := -n $(WORKERS) --dist loadgroup
# Whole runs and the functions are tested on the Python that Azure runs them on.
UNIT := $(addprefix tests/,dataverse fno mapping odata sandbox settings storage sync templates contract)

PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --require-hashes
UV_COMPILE = $(DEV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-annotate

.PHONY: help
help:  ## List the targets
	@grep -hE '^[a-z0-9.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: setup
setup: $(DEV)/.installed  ## Make .venv on Python 3.13 with everything that development needs

$(DEV)/.installed: requirements-dev.txt
	test -x $(DEV)/bin/python || "$$(tools/find-python 3.13)" -m venv $(DEV)
	$(DEV)/bin/python $(PIP_INSTALL) -r requirements-dev.txt
	touch $@

.PHONY: check
check: setup  ## Lint, formatting, types and layers
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy p2c tools $(wildcard function_app.py)
	$(DEV)/bin/lint-imports

.PHONY: test
test: setup  ## All tests on 3.13; where there is a Python 3.11, the package's tests on it too
	$(DEV)/bin/python -m pytest $(PARALLEL)
	@if tools/find-python 3.11 >/dev/null 2>&1; then \
		$(MAKE) --no-print-directory test-3.11; \
	else \
		echo "There is no Python 3.11 here, so the tests did not run on it."; \
	fi

.PHONY: test-3.11
test-3.11: $(OLDEST)/.installed  ## The package's tests on the oldest Python it supports
	$(OLDEST)/bin/python -m pytest $(PARALLEL) -m "not slow and not worker" $(UNIT)

$(OLDEST)/.installed: requirements-dev.txt | $(DEV)/.installed
	test -x $(OLDEST)/bin/python || "$$(tools/find-python 3.11)" -m venv $(OLDEST)
	$(DEV)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --require-hashes -r requirements-dev.txt
	touch $@

.PHONY: demo
demo: $(DEMO)/.installed  ## Run three templates on a made-up company, here and now
	$(DEMO)/bin/python -m tools.demo

$(DEMO)/.installed: requirements.txt
	@echo "Setting up (once, about a minute) ..."
	test -x $(DEMO)/bin/python || "$$(tools/find-python 3.13 newer 3.12 3.11)" -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP_INSTALL) -r requirements.txt
	touch $@

.PHONY: bench
bench: setup  ## Measure p2c beside a plain loop and the ceiling; one table in about ten minutes
	$(DEV)/bin/python -m tools.bench

.PHONY: local
local: setup  ## Run Azurite and the sandbox until interrupted, as local.settings.sample.json wants
	$(DEV)/bin/python -m tools.local

.PHONY: azurite
azurite: setup  ## Run an empty Azurite until interrupted and print its connection string
	$(DEV)/bin/python -m tools.azurite

.PHONY: audit
audit: setup  ## Check pins, licences and known vulnerabilities; write dist/sbom.cdx.json
	$(DEV)/bin/python -m tools.audit

.PHONY: release-notes
release-notes:  ## Print what the changelog says: VERSION=1.2.0, or TAG=v1.2.0 if it is to be released
	@test -n "$${VERSION:-}$${TAG:-}" || \
		{ echo "Say of what: make release-notes VERSION=1.2.0, or TAG=v1.2.0." >&2; exit 2; }
	@"$$(tools/find-python 3.13 newer 3.12 3.11)" -m tools.release_notes \
		$${TAG:+--tag "$$TAG"} $${VERSION:+"$$VERSION"} --links-to "$${LINKS_TO:-}"

.PHONY: format
format: setup  ## Put the code into shape
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

.PHONY: lock
lock: setup  ## Take up newer versions of everything that is pinned
	$(UV_COMPILE) requirements.in -o requirements.txt
	$(UV_COMPILE) requirements-dev.in -o requirements-dev.txt
	$(UV_COMPILE) tools/node-requirements.in -o tools/node-requirements.txt
	$(UV_COMPILE) tools/bicep_check/requirements.in -o tools/bicep_check/requirements.txt
	$(UV_COMPILE) tools/audit/requirements.in -o tools/audit/requirements.txt
	for folder in tools/node tools/bicep_check/node tools/kql_check/node; do \
		(cd $$folder && npm install --package-lock-only --omit-lockfile-registry-resolved); \
	done

TYPES := .p2c/bicep-check/venv
.PHONY: azure-types
azure-types:  ## Make tools/bicep_check/types anew, after a newer version was locked (Linux, x64)
	"$$(tools/find-python 3.13)" -m venv $(TYPES)
	$(TYPES)/bin/python $(PIP_INSTALL) -r tools/bicep_check/requirements.txt
	$(TYPES)/bin/python -m tools.bicep_check.azure_types

.PHONY: clean
clean:  ## Remove what these targets made
	rm -rf $(DEV) $(DEMO) $(OLDEST) .p2c dist .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
