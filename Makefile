# Every task of the project; each sets up what it needs.
PYTHON ?= $(shell for python in python3.11 python3.12 python3; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$python && break; done)
RUN := ./operations/in_environment
PYTEST := $(RUN) pytest
# Most of these tests wait; the longest module comes first.
SIDE_BY_SIDE := -n 4 --dist loadscope --no-loadscope-reorder
CODE := bus connect consumers delivery errors.py mapping operations producers sandbox schemas streams tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup stack up down demo test check test-integration e2e bench bench-quick chaos chaos-guards format reference lock lock-stack clean

help: ## list these tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## make the environment: .venv from the locked requirements, and the ODBC libraries
	@test -n "$(PYTHON)" || { echo "setup: Python 3.11 or 3.12 is needed and was not found" >&2; exit 1; }
	@$(PYTHON) operations/setup_environment.py

stack: setup ## start the local stack: Kafka, registry, Connect, two PostgreSQL clusters
	@./towpath stack up

up: stack ## the same

down: ## stop everything that runs here; data stays
	@./towpath down

demo: setup ## all of it with real traffic, both ways
	@./towpath demo

test: check ## everything: check, then integration and end to end on the real stack
	@ran=$$(./towpath stack status >/dev/null 2>&1 && echo yes); ./towpath stack up && \
		$(PYTEST) -q $(SIDE_BY_SIDE) tests/integration/stack tests/integration && $(PYTEST) -q tests/end_to_end; \
		code=$$?; [ -n "$$ran" ] || ./towpath stack down; exit $$code

check: setup ## format, lint, types, import contracts, unit and contract tests
	@$(RUN) ruff format --quiet --check --diff . && $(RUN) ruff check --quiet .
	@$(RUN) mypy $(wildcard $(CODE))
	@$(RUN) lint-imports --no-cache
	@$(PYTEST) -q -n auto tests/unit tests/contract

test-integration: setup ## single parts on the real stack
	@./towpath stack up && $(PYTEST) -q $(SIDE_BY_SIDE) tests/integration/stack tests/integration

e2e: setup ## webhook in, document in the ERP simulator out, on the real stack
	@$(PYTEST) -q tests/end_to_end

bench: stack ## the benchmarks beside their peers, and the page that tells them (QUESTION=transform: one of them)
	@$(RUN) python -m benchmarks $(QUESTION)

bench-quick: stack ## all of them in minutes; the kept results stay as they are
	@$(RUN) python -m benchmarks --quick $(QUESTION)

chaos: setup ## real traffic while everything is killed, stopped and troubled (SEED=, ORDERS=)
	@$(RUN) python -m operations.chaos $(if $(SEED),--seed $(SEED)) $(if $(ORDERS),--orders $(ORDERS))

chaos-guards: setup ## each guard of the promise taken out once: the defect must be seen, and none with it
	@./towpath stack up && $(PYTEST) -q tests/guards

format: setup ## put the code into its one format, and mend what the linter can
	@$(RUN) ruff check --quiet --fix . ; $(RUN) ruff format --quiet .

reference: setup ## write the pages of docs/reference anew that are made from the code
	@$(RUN) python -m operations.reference

lock: setup ## choose versions anew within pyproject.toml, with hashes
	@$(PYTHON) operations/setup_environment.py lock

lock-stack: setup ## resolve the stack's Java artifacts anew
	@$(RUN) python -m operations.stack.lock && $(RUN) python -m benchmarks.transforming.jvm

clean: ## stop everything here and drop its data, the environment and the caches of tools
	@# what is not stopped now could never be found again
	@if [ -x .venv/bin/python ]; then ./towpath down && ./towpath stack down --purge; fi
	@rm -rf .venv .cache .towpath .ruff_cache .import_linter_cache .hypothesis
