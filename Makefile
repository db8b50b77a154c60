# Everything a person types: `make study` and `make test` do their own set-up.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin

.PHONY: study test lint check verify bench screenshots clean

study: $(VENV)/.app ## install what the app needs and open it
	$(BIN)/studyapp

test: lint $(VENV)/.dev ## install what the tests need and run them all
	$(BIN)/python -m pytest -q --dist worksteal -n $$($(BIN)/python -c "import os; print((os.cpu_count() or 1) + 1)")  # one more than cores: many wait for processes

lint: $(VENV)/.dev ## style, types and who may import whom
	$(BIN)/ruff check studyapp demos tests benchmarks scripts
	$(BIN)/mypy
	$(BIN)/lint-imports

check: $(VENV)/.app ## the rules of the bank
	$(BIN)/studyapp check

verify: $(VENV)/.app ## run every demo
	$(BIN)/studyapp verify

bench: $(VENV)/.dev ## measure start-up, answering, searching and exporting, beside Anki (ten minutes)
	$(BIN)/python benchmarks/screens.py
	$(BIN)/python benchmarks/reviews.py

screenshots: $(VENV)/.app ## make the README's pictures anew
	$(BIN)/python scripts/screenshots.py

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
