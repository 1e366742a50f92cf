# make demo   hear the demo night with the embedded weights, and print its worst calls first
# make test   everything: lint, then all tests (about 15 minutes on two cores once installed)
# make lint   ruff, pyright, hadolint
#
# Every goal makes its own environment in .venv from constraints.txt, and fetches the embedded weights once.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= demo-night

.PHONY: demo test lint weights tools clean help

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

# What tests need beyond Python: Chromium drives the review page, PostgreSQL holds its verdicts, OpenSSL makes it a certificate, strace
# watches that nothing leaves. Without them, and without the right to install them, the tests that need them are skipped with that reason (and fail where CI=true).
TOOLS := chromium:chromium strace:strace openssl:openssl
tools:
	@missing=""; for pair in $(TOOLS); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "make: installing$$missing for the tests"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing fonts-noto-cjk >/dev/null; } \
	    || echo "make: cannot install$$missing here; the tests that need them will say so" >&2; \
	else echo "make: missing$$missing; on Debian: sudo apt-get install$$missing" >&2; fi

test: weights tools lint
	$(BIN)/pytest $(PYTEST_ARGS)

clean:
	rm -rf $(VENV) $(OUT) .pytest_cache .ruff_cache .hypothesis
