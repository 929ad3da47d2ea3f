# Every command of the project. `make demo` and `make test` set up all they need on a fresh machine.

PYTHON ?= python3
ARGS ?=
JOBS ?= logical

VENV := .venv
BIN := $(VENV)/bin
ROOMS := agents api billing cli core embedded events exports jobs models payments portal runtime services standins stores tax_engines
TYPED := $(wildcard $(ROOMS))

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types openapi bench stop

help: ## Say what each target does.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.dependencies $(BIN)/busbar $(BIN)/busbar-agent ## Make .venv with the pinned dependencies and the commands busbar and busbar-agent.

demo: setup ## Run the whole story on simulated PDUs and print it; ARGS=--once checks every claim and exits.
	@$(BIN)/busbar demo $(ARGS)

test: lint types ## Check everything: style, types, layers, the OpenAPI file, and all tests, on a real PostgreSQL.
	$(BIN)/busbar openapi --check
	STOP_TEST_CLUSTER=yes $(BIN)/pytest -n $(JOBS) $(ARGS)

lint: setup ## Check style, format and who imports whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup ## Check types.
	$(BIN)/mypy $(TYPED)

openapi: setup ## Write openapi/openapi.json anew from the routes.
	$(BIN)/busbar openapi --write

bench: setup ## Measure the ingest path and the billing run beside PostgreSQL's raw COPY.
	$(BIN)/python -m benchmarks $(ARGS)

stop: setup ## Stop the embedded servers; their data stays under var/.
	@$(BIN)/busbar stop

# The stamps make a second run take a moment: nothing is asked of pip unless the pins changed.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Busbar needs Python 3.11 or newer as $(PYTHON); name another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment; Debian and Ubuntu keep that part apart: apt install python3-venv"; exit 2; }
	@touch $@

$(VENV)/.dependencies: constraints.txt $(VENV)/.made
	@echo "Installing the pinned dependencies into $(VENV) (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	@touch $@

$(BIN)/busbar $(BIN)/busbar-agent: cli/launcher.sh $(VENV)/.made
	@cp cli/launcher.sh $@ && chmod 755 $@
