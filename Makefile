# Everything a user or a machine runs. `make help` lists the targets.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SPARK := $(VENV)/.spark
RESOLVE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
  --python-version 3.11
export OMP_NUM_THREADS ?= 1
# Containers often set it; each of the many processes would then compile again whatever it imports, for seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test check browser screenshots notebooks evidence slow faults bench systems lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(INSTALLED) ## everything into .venv, from requirements.lock

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $(INSTALLED)

# Spark's own tests want PySpark (470 MB) and Java; without Java they are skipped, so nothing is fetched for them.
$(SPARK): requirements-spark.lock $(INSTALLED)
	@if command -v java >/dev/null; then \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-spark.lock && touch $(SPARK); fi

demo: $(INSTALLED) ## the main job on a simulated company, then its pages and API until Ctrl-C (two and a half minutes)
	$(BIN)/keepwell demo saas --serve

test: $(INSTALLED) $(SPARK) ## lint, types, import rules and the whole test suite (under 15 minutes)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -rs -m "not slow"

check: $(INSTALLED) ## only lint, types and import rules (a minute)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

browser: ## Chromium from Debian's or Ubuntu's packages, which the browser tests drive (they are skipped without)
	@command -v chromium chromium-browser google-chrome >/dev/null || { \
	  command -v apt-get >/dev/null || { echo "install Chromium with your system's package manager"; exit 1; }; \
	  root=""; [ "$$(id -u)" = 0 ] || root=sudo; \
	  $$root apt-get update -qq && $$root apt-get install -y -qq --no-install-recommends chromium; }

screenshots: $(INSTALLED) ## pictures of every page, wide and narrow, light and dark, in .keepwell/screenshots (a minute)
	KEEPWELL_SCREENSHOTS=.keepwell/screenshots $(BIN)/python -m pytest -q tests/browser

notebooks: $(INSTALLED) ## run the notebooks and save them, executed, under .keepwell/notebooks (3 minutes)
	KEEPWELL_NOTEBOOKS_OUT=.keepwell/notebooks $(BIN)/python -m pytest -q tests/test_notebooks.py

evidence: $(INSTALLED) ## train on the real data sets and print their evidence (5 minutes)
	$(BIN)/keepwell demo grocery

slow: $(INSTALLED) $(SPARK) ## the slow suites: weight recovery over 100 companies, planted leaks, companies on Spark (an hour)
	$(BIN)/python -m pytest -q -n 2 -m "slow and not faults"

faults: $(INSTALLED) $(SPARK) ## kill -9, overload, hostile bodies, failing neighbours, at length (two hours; `make test` runs them short)
	$(BIN)/python -m pytest -q -m "slow and faults"

bench: $(INSTALLED) $(SPARK) ## every benchmark against its control, into docs/benchmarks.md (hours; `ONLY="explain book"` for some)
	$(BIN)/python -P benchmarks/tools/report.py $(if $(ONLY),--only $(ONLY))

systems: $(INSTALLED) ## docs/systems.md: every system, where it is shown and which tests prove it
	$(BIN)/python docs/systems.py

lock: $(INSTALLED) ## resolve requirements.lock and requirements-spark.lock again
	$(RESOLVE) --extra grocery --group dev pyproject.toml -o requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["spark"])' \
	  | $(RESOLVE) --constraint requirements.lock - -o requirements-spark.lock

clean: ## remove what was installed and built
	rm -rf $(VENV) .keepwell dist
