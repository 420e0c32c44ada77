# Every command of swipewatch; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Compiled once, not at each of the many starts.
unexport PYTHONDONTWRITEBYTECODE

CACHE := .cache
VENV := .venv
BIN := $(VENV)/bin
# Passed on: `make demo ARGS="--port 8080"`, `make test ARGS="-k reversal"`.
ARGS ?=
# The first of these that is Python 3.11; `make setup PYTHON=/path/to/python3.11` names another.
PYTHON ?= $(shell for name in python3.11 /usr/bin/python3.11 python3; do \
	if "$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then echo "$$name"; break; fi; done)

# One line a package instead of pip's five; what goes wrong still comes on standard error.
SHOW_PACKAGES = awk -v total="$$(grep -c '==' $(1))" ' \
	/^Collecting |^Requirement already satisfied: / { \
		name = /^Collecting/ ? $$2 : $$4; printf "  %d/%d %s\n", ++n, total, name; fflush() } \
	/^Installing collected packages/ { print "  unpacking"; fflush() }'

TWO_PROCESSES := --numprocesses 2 --dist worksteal
# On two cores: whoever waits for a server leaves them to the others.
THREE_PROCESSES := --numprocesses 3 --dist worksteal
# What the tests' cameras are served with, by the system's own Python.
RTSP_SERVER := /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0"); \
	from gi.repository import Gst; Gst.init(None); \
	raise SystemExit(not all(map(Gst.ElementFactory.find, ("h264parse", "rtph264pay", "matroskademux"))))'
# Lanes of pyproject.toml; each process of the tests starts servers of its own, on free ports.
WITH_SERVERS := postgres or kafka or video or crash or browser
# What pytest says when ARGS leave no test of a lane.
NONE_SELECTED := 5

##@ Run
.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.* ## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\nARGS="…" is passed on to the command: make demo ARGS="--port 8080"\n'

.PHONY: setup
setup: $(CACHE)/demo/.complete ## create .venv, install the locked packages, fetch the demo's photographs

.PHONY: demo
demo: setup ## set up, then run everything on this machine, dashboard on port 8000; Ctrl-C ends it
	@$(BIN)/swipewatch demo $(ARGS)

##@ Check
.PHONY: setup-test
setup-test: setup ## set up, and install the browser, fonts, strace, systemd, Kafka, PostgreSQL and RTSP server that the tests need
	@missing=(); \
	command -v chromium-headless-shell >/dev/null || missing+=(chromium-headless-shell); \
	command -v strace >/dev/null || missing+=(strace); \
	command -v systemd-analyze >/dev/null || missing+=(systemd); \
	command -v npm >/dev/null || missing+=(npm); \
	command -v java >/dev/null || missing+=(openjdk-17-jre-headless); \
	command -v mvn >/dev/null || missing+=(maven); \
	compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql); \
	$(RTSP_SERVER) 2>/dev/null || missing+=(python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad); \
	[ -n "$$(fc-list :lang=zh 2>/dev/null)" ] || missing+=(fonts-wqy-zenhei); \
	.ci/apt-install "$${missing[@]}"
	@$(MAKE) $(CACHE)/axe/$(AXE)/axe.min.js $(CACHE)/compose-spec/$(COMPOSE_SPEC)/compose-spec.json $(CACHE)/kafka/.complete

.PHONY: test
test: setup-test ## set up, then run every test, the quick ones first
	@echo "· the lanes without servers, a process for each core"
	@$(BIN)/pytest $(TWO_PROCESSES) -m "not ($(WITH_SERVERS))" $(ARGS) || [ $$? -eq $(NONE_SELECTED) ]
	@echo "· the lanes with servers, cameras, browsers and killed processes, which wait for each other: three processes"
	@$(BIN)/pytest $(THREE_PROCESSES) -m "($(WITH_SERVERS)) and not (alone or patient)" $(ARGS) || [ $$? -eq $(NONE_SELECTED) ]
	@echo "· what promises something by the clock, beside what mostly waits"
	@$(BIN)/pytest $(TWO_PROCESSES) -m "alone or patient" $(ARGS) || [ $$? -eq $(NONE_SELECTED) ]

.PHONY: test-unit
test-unit: setup ## the quick tests only: no page, browser, video, broker, server or killed process
	@$(BIN)/pytest $(TWO_PROCESSES) -m "not (slow or pages or $(WITH_SERVERS))" $(ARGS)

.PHONY: mutants
mutants: setup ## plant faults into every rule (< for ≤, an edge moved by 1 ms, …); each must turn a test red
	@$(BIN)/python -m tests.mutants $(ARGS)

.PHONY: lint
lint: $(VENV)/.installed ## formatting, ruff, mypy --strict and the import rules; changes nothing
	@echo "· ruff format --check"; $(BIN)/ruff format --check .
	@echo "· ruff check"; $(BIN)/ruff check .
	@echo "· mypy"; $(BIN)/mypy .
	@echo "· import-linter"; $(BIN)/lint-imports --cache-dir $(CACHE)/import-linter

.PHONY: fmt
fmt: $(VENV)/.installed ## format the code and apply ruff's safe corrections
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

##@ Measure
.PHONY: bench
bench: setup ## measure event to reminder on this machine; prints JSON
	@$(BIN)/python -m bench.latency $(ARGS)

.PHONY: screenshots
screenshots: setup-test ## take the README's pictures from a running demo
	@$(BIN)/python -m bench.screenshots $(ARGS)

##@ Keep
.PHONY: lock
lock: require-python ## resolve requirements*.in anew into the two lock files; ARGS="--upgrade" takes newer versions
	@echo "· making a throwaway environment for the resolver"
	@rm -rf $(CACHE)/lock && $(PYTHON) -m venv $(CACHE)/lock && $(CACHE)/lock/bin/pip install --quiet uv
	@echo "· resolving requirements.lock"
	@$(CACHE)/lock/bin/uv pip compile $(LOCK_OPTIONS) $(ARGS) \
		--output-file requirements.lock requirements.in requirements-dev.in
	@echo "· resolving requirements-faces.lock"
	@$(CACHE)/lock/bin/uv pip compile $(LOCK_OPTIONS) --no-deps $(ARGS) \
		--output-file requirements-faces.lock requirements-faces.in
	@rm -rf $(CACHE)/lock

.PHONY: clean
clean: ## remove .venv, caches and build leftovers; the product's data stays
	rm -rf $(VENV) $(CACHE) build dist *.egg-info .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# No address of an index or a mirror gets into a lock file: each machine has its own.
LOCK_OPTIONS := --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11

# ------------------------------------------------------------------------------------------------- files behind it

.PHONY: require-python
require-python:
	@if [ -z "$(PYTHON)" ] && [ "$$(. /etc/os-release 2>/dev/null; echo "$${ID:-}$${VERSION_ID:-}")" = debian12 ]; then \
		.ci/apt-install python3.11 python3.11-venv; \
	elif [ -z "$(PYTHON)" ]; then \
		echo "swipewatch needs Python 3.11 and found none. Install it, for example with 'pyenv install 3.11' or" >&2; \
		echo "'uv python install 3.11', and run: make setup PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	elif ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
		.ci/apt-install python3.11-venv; \
	fi

# Two steps of make, because PYTHON is looked for again after require-python has installed it.
.PHONY: new-venv
new-venv: require-python
	@echo "· creating $(VENV) with $$($(PYTHON) --version) ($$(command -v $(PYTHON)))"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.created:
	@$(MAKE) new-venv
	@touch $@

$(VENV)/.locked: requirements.lock | $(VENV)/.created
	@echo "· installing the packages of requirements.lock (about 180 MB the first time)"
	@$(BIN)/pip install --progress-bar off --no-deps --require-hashes --only-binary :all: --requirement $< \
		| $(call SHOW_PACKAGES,$<)
	@touch $@

$(VENV)/.faces: requirements-faces.lock $(VENV)/.locked
	@echo "· installing the face engines of requirements-faces.lock (about 110 MB the first time)"
	@$(BIN)/pip install --progress-bar off --no-deps --require-hashes --only-binary :all: --requirement $< \
		| $(call SHOW_PACKAGES,$<)
	@touch $@

$(VENV)/.installed: pyproject.toml requirements.in $(VENV)/.faces
	@echo "· installing swipewatch itself, so that $(BIN)/swipewatch runs the code in this folder"
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What the tests look for barriers with. The hash is of the package as the registry published it.
AXE := axe-core@4.14.1
AXE_SHA512 := 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5

$(CACHE)/axe/$(AXE)/axe.min.js:
	@echo "· fetching $(AXE)"
	@mkdir -p $(@D)
	@npm pack --silent --pack-destination $(@D) $(AXE) >/dev/null
	@echo "$(AXE_SHA512)  $$(ls $(@D)/*.tgz)" | sha512sum --check --quiet
	@tar --extract --gzip --file $$(ls $(@D)/*.tgz) --directory $(@D) --strip-components 1 package/axe.min.js
	@touch $@

# The form of a compose file, as this checker of forms carries it. Its form alone is taken.
COMPOSE_SPEC := check-jsonschema-0.39.0
COMPOSE_SPEC_SHA256 := 14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b

$(CACHE)/compose-spec/$(COMPOSE_SPEC)/compose-spec.json: | $(VENV)/.created
	@echo "· fetching the form of compose files from $(COMPOSE_SPEC)"
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(BIN)/pip download --quiet --no-deps --only-binary :all: --dest $(@D) $(subst jsonschema-,jsonschema==,$(COMPOSE_SPEC))
	@echo "$(COMPOSE_SPEC_SHA256)  $$(ls $(@D)/*.whl)" | sha256sum --check --quiet
	@$(BIN)/python -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
		$(@D)/*.whl check_jsonschema/builtin_schemas/vendor/compose-spec.json >$@

# A real Kafka without Docker: its jars, about 45 MB, checked against the checksums they were published with.
$(CACHE)/kafka/.complete: tests/kafka/pom.xml
	@echo "· fetching Apache Kafka through Maven (about 45 MB)"
	@rm -rf $(@D)
	@mvn --batch-mode --quiet --strict-checksums --file $< dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory=$(CURDIR)/$(@D)
	@touch $@

$(CACHE)/demo/.complete: simulator/photographs.lock $(VENV)/.installed
	@mkdir -p $(@D)
	@$(BIN)/python -m simulator.photographs $(@D)
	@touch $@
