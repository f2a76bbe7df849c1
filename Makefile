# Everything here sets itself up: the first call creates .venv and installs what the
# target needs; later calls install again only after pyproject.toml or
# constraints.txt changed. On a machine without GPU, see "Smaller torch" in README.md.

PYTHON ?= python3.11 python3.12 python3.13 python3.14 python3 python
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
DATA := $(or $(STEPSIZE_DATA),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stepsize/data)
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS)

# Material for MkDocs advertises its successor at every build otherwise.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-all soak cover check format bench bench-guard \
  bench-find bench-find-truth curves data proof proof-full docs changelog clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

demo: $(VENV)/.demo ## train and compare on real data; table and report.html
	@$(BIN)/stepsize demo

test: $(VENV)/.test ## the tests, at most 10 minutes
	@$(PYTEST) -m "not slow and not peers and not soak"

test-all: $(VENV)/.test $(VENV)/.bench $(VENV)/.debian data ## the tests that `make test` leaves out
	@$(PYTEST) -m "(slow or peers) and not soak"

soak: $(VENV)/.test $(VENV)/.bench ## the long repetitions: hours, not minutes
	@STEPSIZE_HYPOTHESIS_PROFILE=soak $(PYTEST)

cover: $(VENV)/.test ## branches of schedules and control that no fast test takes
	@$(PYTEST) -m "not slow and not peers and not soak" --cov --cov-report=term

check: $(VENV)/.lint $(VENV)/.docs $(VENV)/.test ## style, types, layers, changelog, docs
	@$(BIN)/ruff format --check --quiet . || { echo "hint: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/towncrier build --draft --version next >/dev/null
	@$(BIN)/mkdocs build --quiet --strict

format: $(VENV)/.lint ## put the code into the form that `make check` asks for
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

bench: $(VENV)/.bench ## time and harm against hand-written loops and other libraries
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks

bench-guard: $(VENV)/.bench ## all runs of the guard's benchmark: two hours
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.guard

bench-find: $(VENV)/.bench ## the finder's regret against other finders: 10 minutes
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.find

bench-find-truth: $(VENV)/.bench ## the best rates that regret is measured against: an hour
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.find truth

curves: $(VENV)/.bench ## train the curves that the laws are tested on again: 40 minutes
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.laws.bank

data: $(VENV)/.base ## fetch the data that no Python package brings (130 MB, once)
	@sh benchmarks/proof/fetch.sh "$(DATA)" $(BIN)/python \
	  || echo "not all data could be fetched (it needs Debian's or Ubuntu's apt-get):" \
	    "its workloads are left out; see docs/proof/data.md"

proof: $(VENV)/.proof data ## what schedules do, into docs/proof/: an hour, resumable
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.proof

proof-full: $(VENV)/.proof data ## the same with longer budgets: two hours more
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.proof --full

docs: $(VENV)/.docs ## the documentation, into site/
	@$(BIN)/mkdocs build --quiet --strict
	@echo "site/index.html"

changelog: $(VENV)/.lint ## preview the notes of the next release
	@$(BIN)/towncrier build --draft --version next

clean: ## remove what the targets made, .venv included
	@rm -rf $(VENV) site build dist .hypothesis .pytest_cache .mypy_cache .ruff_cache

# --- installation -----------------------------------------------------------------
# One stamp per set of packages. The interpreter must be able to make environments
# (Debian ships that part of Python in a package of its own).

$(VENV)/.base:
	@for python in $(PYTHON); do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	    >/dev/null 2>&1; then \
	    echo "setting up $(VENV) with $$($$python --version)"; \
	    $$python -m venv $(VENV) && \
	    $(BIN)/python -m pip install --quiet --quiet --upgrade "pip>=25.1" && \
	    touch $@ && exit 0; \
	    exit 1; \
	  fi; \
	done; \
	echo "stepsize needs Python 3.11 or newer with venv; tried: $(PYTHON)." \
	  "hint: name one with 'make PYTHON=/path/to/python3.12 ...'" \
	  "(on Debian and Ubuntu: apt install python3-venv)." >&2; \
	exit 1

define install
@echo "installing into $(VENV) (once; a minute or two): $(1)"
@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
  --constraint constraints.txt $(1)
@touch $@
endef

NEEDS := $(VENV)/.base pyproject.toml constraints.txt

$(VENV)/.demo: $(NEEDS)
	$(call install,--editable '.[proof]')

$(VENV)/.proof: $(NEEDS)
	$(call install,--editable '.[plot$(,)proof]')

$(VENV)/.test: $(NEEDS)
	$(call install,--editable '.[torch$(,)jax$(,)keras$(,)plot$(,)proof$(,)sql$(,)serve]' --group test)

$(VENV)/.lint: $(NEEDS)
	$(call install,--group lint)

$(VENV)/.docs: $(NEEDS)
	$(call install,--editable . --group docs)

# A real PostgreSQL server for the tests of the ledger, and Chromium for those of the
# dashboard; where one cannot be installed, its tests are skipped (and fail where CI is
# set).
$(VENV)/.debian: $(VENV)/.base
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 \
	  || command -v postgres >/dev/null 2>&1 \
	  || { apt-get update -qq && apt-get install -qq -y postgresql; } >/dev/null 2>&1 \
	  || echo "no PostgreSQL server: its tests are skipped. hint: apt install postgresql"
	@command -v chromium >/dev/null 2>&1 \
	  || { apt-get update -qq && apt-get install -qq -y chromium; } >/dev/null 2>&1 \
	  || echo "no Chromium: the tests of pages are skipped. hint: apt install chromium"
	@touch $@

# timm and fastai last and alone: they ask for torchvision, which their schedulers do not
# use and which must match the build of torch to the letter.
$(VENV)/.bench: $(NEEDS)
	$(call install,--editable '.[torch$(,)jax$(,)keras$(,)proof]' --group bench)
	$(call install,--no-deps timm fastai)

, := ,
