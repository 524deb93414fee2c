# Every target works from a bare clone; `make help` says what there is.
SHELL := /bin/sh
# Modules are compiled once, not by each of the many processes that are started.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

PYTHON := $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$name"; break; }; done)
MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml cli/pyproject.toml)
RUN := .venv/bin/python -m
WORKERS ?= 3
SOURCES := libs services cli tests bench tools examples conftest.py

.PHONY: help up down test campaign check format bench schemas lock

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.ready: requirements.lock $(MEMBERS) tools/bootstrap.py
	@test -n "$(PYTHON)" || { echo "fettle: Python 3.11 or newer is missing. Bring it with: apt-get install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" tools/bootstrap.py
	@touch $@

up: .venv/.ready ## bring up everything, with a simulated fleet, and the console to look at
	@.venv/bin/fettle up

down: .venv/.ready ## stop what `make up` left running
	@.venv/bin/fettle down

test: .venv/.ready ## run all tests on real servers
	@$(RUN) pytest -m "not campaign" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(TESTS)

campaign: .venv/.ready ## run the long forms of the tests; what they found goes to bench/results
	@$(RUN) tools.campaign $(LEGS)

check: .venv/.ready ## lint, types, import rules, schemas, the project's own rules
	@$(RUN) ruff check $(SOURCES)
	@$(RUN) ruff format --check $(SOURCES)
	@$(RUN) mypy
	@for tests in libs/*/tests services/*/tests; do echo "$$tests"; MYPYPATH=$$tests $(RUN) mypy $$tests || exit 1; done
	@.venv/bin/lint-imports --no-cache
	@$(RUN) fettle_contracts.generate --check
	@$(RUN) fettle_workflow_engine.generate --check
	@$(RUN) tools.synchronous --check
	@$(RUN) tools.lints

format: .venv/.ready ## let ruff lay out the code
	@$(RUN) ruff check --fix $(SOURCES)
	@$(RUN) ruff format $(SOURCES)

bench: .venv/.ready ## run every benchmark; tables here, JSON lines in bench/results
	@$(RUN) bench $(BENCH)

schemas: .venv/.ready ## write JSON Schemas, AsyncAPI, the table of codes and the plain client anew
	@$(RUN) fettle_contracts.generate
	@$(RUN) fettle_workflow_engine.generate
	@$(RUN) tools.synchronous

lock: .venv/.ready ## resolve the lock files anew; UPGRADE=1 takes the newest of everything
	@$(RUN) tools.lock $(if $(UPGRADE),--upgrade)
