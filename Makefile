# make demo   hear the demo night with the embedded weights, and print its worst calls first
# make test   everything: lint, then all tests (about 15 minutes on two cores once installed)
# make lint   ruff, pyright, hadolint
#
# Every goal makes its own environment in .venv from constraints.txt, and fetches the embedded weights once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= demo-night

.PHONY: demo test lint weights browser clean help

help:
	@sed -n '1,3s/^# //p' Makefile

# The stamp is newer than both files exactly when the environment holds what they name.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than Python 3.11; try: make $(or $(MAKECMDGOALS),demo) PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "make: no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

weights: $(VENV)/.installed
	$(BIN)/futing weights fetch

demo: weights
	$(BIN)/futing demo --out $(OUT)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/hadolint Dockerfile

# Debian's Chromium drives the review page's tests; without it and without the right to install it, they say so.
browser:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "make: installing chromium for the browser tests"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null \
	    || echo "make: chromium cannot be installed here; the browser tests will say what they miss" >&2; \
	else echo "make: no chromium; the browser tests will say what they miss (on Debian: sudo apt-get install chromium)" >&2; fi

test: weights browser lint
	$(BIN)/pytest $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) $(OUT) .pytest_cache .ruff_cache .hypothesis
