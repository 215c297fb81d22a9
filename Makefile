# Two commands matter: `make play` and `make test`. Both set up whatever is missing first; a second run finds it all there.
#   make play  [ARGS="--model NAME"]   system packages, .venv, install without torch, then `rtstyle play`
#   make test                          install with the lab and the checkers, then every check
#   make bench [DURATION=600]          every benchmark, DURATION seconds per paced figure
#   make lint                          ruff, mypy and the import contracts alone

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := play
MAKEFLAGS += --no-print-directory

ARGS ?=
DURATION ?= 600
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: play test bench lint clean system-play system-test

play: system-play $(VENV)/.installed-core
	@$(BIN)/rtstyle play $(ARGS)

test: system-test $(VENV)/.installed-full lint
	@$(BIN)/python -m pytest

lint: $(VENV)/.installed-full
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: system-test $(VENV)/.installed-full
	@$(BIN)/python -m benchmarks --duration $(DURATION)

clean:
	rm -rf $(VENV) play build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- system packages: asked for only where their files are missing -----------------------------------------------------
# $(1): "file-or-command package" pairs, one per word pair
define apt_install
	missing=""; \
	need() { command -v "$$1" >/dev/null 2>&1 || [ -e "$$1" ] || /sbin/ldconfig -p 2>/dev/null | grep "$$1" >/dev/null || missing="$$missing $$2"; }; \
	$(1) \
	if [ -n "$$missing" ]; then \
		if ! command -v apt-get >/dev/null 2>&1; then \
			echo "Please install with your system's package manager:$$missing" >&2; \
		else \
			sudo=""; [ "$$(id -u)" = 0 ] || sudo="sudo"; \
			echo "Installing$$missing ..."; \
			$$sudo apt-get update -qq; \
			$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
		fi; \
	fi
endef

system-play:
	@if [ "$$(uname)" = Linux ]; then $(call apt_install,need python3 python3; need libportaudio.so.2 libportaudio2; \
		python3 -c 'import ensurepip' 2>/dev/null || missing="$$missing python3-venv";) fi

system-test: system-play
	@if [ "$$(uname)" = Linux ]; then $(call apt_install,need jackd jackd2; need fluidsynth fluidsynth; \
		need /usr/share/sounds/sf2/FluidR3_GM.sf2 fluid-soundfont-gm;) fi

# --- Python environment: a stamp per set of packages -------------------------------------------------------------------
$(BIN)/python: | system-play
	@for python in python3 python3.12 python3.11 python3.13; do \
		if "$$python" -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
			echo "Making $(VENV) with $$("$$python" --version) ..."; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo "rtstyle needs Python 3.11, 3.12 or 3.13 with its venv module (Debian: apt-get install python3 python3-venv)." >&2; exit 1

$(VENV)/.installed-core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing rtstyle into $(VENV) (once; some hundred megabytes) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-full: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing rtstyle with the lab (torch) and the checkers into $(VENV) (once) ..."
	@$(PIP) --editable '.[lab,dev]'
	@touch $(VENV)/.installed-core $@
