# Needs Python 3.11 or newer and make; everything else goes into .venv. `make help` lists all.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first that runs and is new enough; a version manager's shim may be there and not run.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; \
	done)
BIN := .venv/bin
# The stamps carry a key of the lock files: other files, another stamp, a new installation.
RUN_KEY := $(shell cat requirements.txt | cksum | tr ' ' '-')
DEV_KEY := $(shell cat requirements.txt requirements-extra.txt requirements-dev.txt | cksum | tr ' ' '-')
RUN_READY := .venv/.ready-run-$(RUN_KEY)
DEV_READY := .venv/.ready-dev-$(DEV_KEY)
TEST_PROCESSES ?= 2
PIP := $(BIN)/python -m pip install --disable-pip-version-check --no-input --require-hashes --no-deps --no-compile

.PHONY: help run install install-extra install-dev check lint types layers test lock bench-serve bench-events \
	bench-durability bench-kafka faults bench-first-run bench-while-training bench-import bench-pages \
	bench-experiments bench-canary bench-rollback bench-drift bench-swaps screenshots accuracy docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## Serve on 127.0.0.1:5000; DATA=<folder or file> imports first (COLUMNS='user=a,item=b'), PORT=<n> listens there
	@exec $(if $(PORT),env FAIRREEL_PORT='$(PORT)') $(BIN)/python -m fairreel run \
		$(if $(DATA),--data '$(DATA)') $(if $(COLUMNS),--columns '$(COLUMNS)')

install: $(RUN_READY) ## Make .venv with what running needs

install-extra: $(RUN_READY) ## On top: snapshots on S3, the two-tower model
	$(PIP) -r requirements-extra.txt

install-dev: $(DEV_READY) ## Make .venv with what tests and linters need on top

check: lint types layers test ## All of lint, types, layers and test

lint: $(DEV_READY) ## Ruff
	$(BIN)/ruff check .

types: $(DEV_READY) ## Mypy, strict
	$(BIN)/mypy

layers: $(DEV_READY) ## Import-linter: who may know whom
	$(BIN)/lint-imports --no-logo

test: $(DEV_READY) ## All tests, in TEST_PROCESSES (2) processes; ARGS=... goes to pytest
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder $(ARGS)

lock: $(DEV_READY) ## Compile requirements*.in into the hash-pinned requirements*.txt (needs network)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		requirements-extra.in -o requirements-extra.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		requirements-dev.in -o requirements-dev.txt

bench-serve: $(RUN_READY) ## Recommendations a second against bare Flask (needs wrk)
	$(BIN)/python -m benchmarks.serve $(ARGS)

bench-events: $(RUN_READY) ## Ratings a second, from the request to the store (needs wrk)
	$(BIN)/python -m benchmarks.events $(ARGS)

bench-durability: $(RUN_READY) ## kill -9 at random moments: nothing lost, nothing twice
	$(BIN)/python -m benchmarks.durability $(ARGS)

bench-kafka: $(DEV_READY) ## Events a second over a Kafka broker of its own, and POST -> applied (needs java, mvn)
	$(BIN)/python -m benchmarks.kafka_rates $(ARGS)

faults: $(DEV_READY) ## Break broker, program, disk, clock under load (~20 min; ARGS='--events 100000'; java, mvn)
	$(BIN)/python -m benchmarks.faults $(ARGS)

bench-while-training: $(RUN_READY) ## Latency of /recommend while a retrain runs
	$(BIN)/python -m benchmarks.while_training $(ARGS)

bench-first-run: $(RUN_READY) ## Seconds from `make run` to the first personal list, in a copy of the checkout
	$(BIN)/python -m benchmarks.first_run $(ARGS)

bench-import: $(RUN_READY) ## Import, train and serve ML-100K and ML-1M; DATA=<their folder>
	$(BIN)/python -m benchmarks.import_train $(if $(DATA),--data '$(DATA)') $(ARGS)

bench-pages: $(DEV_READY) ## First paint of / and times of every page (needs chromium)
	$(BIN)/python -m benchmarks.pages $(ARGS)

bench-experiments: $(RUN_READY) ## Error rates and power of the tests of experiments, simulated
	$(BIN)/python -m benchmarks.experiments $(ARGS)

bench-canary: $(RUN_READY) ## What a canary rolls back and what it does not, simulated
	$(BIN)/python -m benchmarks.canary $(ARGS)

bench-rollback: $(RUN_READY) ## Seconds until a bad canary answers nobody, in the real program
	$(BIN)/python -m benchmarks.rollback $(ARGS)

bench-drift: $(RUN_READY) ## False alarms of the drift tests and what they find, simulated
	$(BIN)/python -m benchmarks.drift $(ARGS)

bench-swaps: $(RUN_READY) ## Hot swaps under load, and what a shadow costs
	$(BIN)/python -m benchmarks.swaps $(ARGS)

screenshots: $(DEV_READY) ## Pictures for README; ARGS='--all FOLDER' takes every page (needs chromium)
	$(BIN)/python -m scripts.screenshots $(ARGS)

accuracy: $(RUN_READY) ## Accuracy tables; DATA=<folder in one of the layouts>
	$(BIN)/python -m benchmarks.accuracy $(if $(DATA),--data '$(DATA)') $(ARGS)

docs: $(RUN_READY) ## Write docs/config.md from the settings
	$(BIN)/python -m fairreel config-doc --out docs/config.md

clean: ## Remove .venv and caches; data and models stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3' >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo 'error: $(PYTHON) is no Python 3.11 or newer' >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo 'error: $(PYTHON) cannot make environments; on Debian: apt-get install python3-venv' >&2; exit 2; }
	@rm -f .venv/.ready-*
	"$(PYTHON)" -m venv --clear .venv

$(RUN_READY): | $(BIN)/python
	$(PIP) -r requirements.txt
	@rm -f .venv/.ready-run-* && touch $@

$(DEV_READY): $(RUN_READY) | $(BIN)/python
	$(PIP) -r requirements-extra.txt
	$(PIP) -r requirements-dev.txt
	@rm -f .venv/.ready-dev-* && touch $@
