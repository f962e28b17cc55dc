# `make demo` and `make test` need Python >= 3.11 and nothing else: the first run makes
# .venv and installs what constraints.txt pins.
PYTHON ?= python3
RUN = .venv/bin/python
# Test files run side by side; each process takes up to 4 GB.
PROCESSES ?= 2

.PHONY: demo demo-full test lint clean

demo: .venv/installed
	$(RUN) -m vidzoo demo --out=runs/demo

demo-full: .venv/installed
	$(RUN) -m vidzoo demo --full --out=runs/demo-full

test: lint
	$(RUN) -m pytest --numprocesses=$(PROCESSES) --dist=loadfile

lint: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

.venv/installed: setup.cfg setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"vidzoo needs Python >= 3.11; {sys.executable} is {sys.version.split()[0]}." \
	  " Run: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[cpu,test]'
	@touch $@

clean:
	rm -rf .venv runs
