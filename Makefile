# `make demo` and `make test` are all that a newcomer needs; both set up .venv first and are quick the second time.
PYTHON ?= python3
OUT    ?= build/demo

VENV := .venv
# Warnings of build tools to their own developers are left out.
PIP  := PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip --quiet --disable-pip-version-check install --constraint constraints.txt
DESCRIPTION := setup.py setup.cfg pyproject.toml package.xml constraints.txt

.DELETE_ON_ERROR:
.PHONY: help demo test lint chromium gcc clean

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## play a camera bag through the node: BAG=bag TOPIC=topic MODEL=model OUT=folder
	@$(VENV)/bin/python -m avtar_ros.demo $(if $(BAG),--bag '$(BAG)') $(if $(TOPIC),--topic '$(TOPIC)') \
	    $(if $(MODEL),--model '$(MODEL)') --out '$(OUT)'

test: lint chromium gcc  ## check style and types, then run every test
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --durations 15

lint: $(VENV)/test.stamp  ## check style and types alone
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

# What tests use and skip without, saying so: a browser to open the report, a compiler to link NVIDIA's builder.
chromium gcc:
	@if ! command -v $@ >/dev/null && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    echo 'installing $@'; \
	    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $@; } \
	        >/dev/null </dev/null || echo '$@ could not be installed: tests that need it are skipped'; \
	fi

clean:  ## remove everything that was made here
	rm -rf $(VENV) build dist install log *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo 'avtar_ros needs Python 3.10 or later: make PYTHON=/path/to/python3'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/tools.stamp: constraints.txt | $(VENV)/bin/python
	$(PIP) --upgrade pip setuptools wheel
	@touch $@

# The project is installed editable, with the setuptools of the constraints rather than whichever pip would fetch.
$(VENV)/demo.stamp: $(DESCRIPTION) $(VENV)/tools.stamp
	$(PIP) --no-build-isolation --editable '.[onnxruntime,ros-wheels]'
	@touch $@

$(VENV)/test.stamp: $(DESCRIPTION) $(VENV)/tools.stamp
	$(PIP) --no-build-isolation --editable '.[compile-check,onnxruntime,ros-wheels,test,train]'
	@touch $@ $(VENV)/demo.stamp
