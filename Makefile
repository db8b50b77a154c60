# Everything a person types: `make study` and `make test` do their own set-up.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: study test lint check verify bench screenshots clean

study: $(VENV)/.app ## install what the app needs and open it
	$(BIN)/studyapp

test: lint $(VENV)/.dev ## install what the tests need and run them all
	$(BIN)/python -m pytest -q

lint: $(VENV)/.dev ## style, types and who may import whom
	$(BIN)/ruff check studyapp demos tests
	$(BIN)/mypy
	$(BIN)/lint-imports

check: $(VENV)/.app ## the rules of the bank
	$(BIN)/studyapp check

verify: $(VENV)/.app ## run every demo
	$(BIN)/studyapp verify

clean:
	rm -rf $(VENV) dist build

$(VENV)/.app: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@ $(VENV)/.app
