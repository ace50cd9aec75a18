# Run `make` to see what there is. PYTHON, VENV, CUDA, RAY and ARGS can be set:
#   make demo PYTHON=python3.12 VENV=.venv-3.12
#   make venv CUDA=1
#   make venv RAY=1
#   make test ARGS='tests/config_test.py -x'
PYTHON ?= python3
VENV ?= .venv
CUDA ?=
RAY ?=
ARGS ?=

run := $(VENV)/bin/python
pip := $(run) -m pip --disable-pip-version-check --no-input install --quiet --no-deps

# A stamp's name holds the checksum of the lock that it stands for, so another
# lock means another stamp. It is made last: an interrupted install leaves none.
# Stamps of earlier locks go first, so that going back to one installs it again.
stamp = $(VENV)/.installed-$(1)-$(firstword $(shell cksum <$(1)))
installed := $(call stamp,requirements.txt)
installed_dev := $(call stamp,requirements-dev.txt)
installed_ray := $(call stamp,requirements-ray.txt)
installed_cuda := $(if $(filter-out 0,$(CUDA)),$(call stamp,requirements-cuda.txt))

.PHONY: help venv demo test test-faults lint lock docs check-stack clean

help: ## This list.
	@echo 'Targets (each installs what it needs into $(VENV) first):'
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 16

venv: $(installed) $(installed_cuda) $(if $(filter-out 0,$(RAY)),$(installed_ray)) ## Install the lock; with CUDA=1 the CUDA libraries, with RAY=1 Ray too.

demo: venv ## Train an LSTM on scikit-learn's digits, with a privacy report.
	$(run) -m rnn_tf.train $(ARGS)

test: venv $(installed_dev) $(installed_ray) ## Run the tests.
	$(run) -m pytest -q -n auto --maxprocesses=4 --dist=loadfile $(ARGS)

test-faults: venv $(installed_dev) ## Kill, damage, fill and starve it (about 30 minutes).
	$(run) -m pytest -q -s -c setup.cfg -o python_files='*_faults.py' tests/faults $(ARGS)

lint: $(installed_dev) ## Check style, formatting and which module may import which.
	$(run) -m ruff check
	$(run) -m ruff format --check
	$(VENV)/bin/lint-imports

lock: ## Make the four requirements files anew; ARGS=--upgrade for newer versions.
	PYTHON='$(PYTHON)' .ci/lock $(ARGS)

docs: venv ## Draw the guide's diagrams and write the tables of reports/README.md.
	$(run) docs/diagrams.py
	$(run) docs/gallery.py

check-stack: venv ## Run TF Privacy's own tests against the lock (about 10 minutes).
	$(run) .ci/check_stack.py $(ARGS)

clean: ## Remove caches and build leftovers; keeps .venv and runs/.
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache
	find rnn_tf tests .ci -name __pycache__ -type d -prune -exec rm -rf {} +

$(installed): | check-python
	@$(run) -m pip --version >/dev/null 2>&1 || '$(PYTHON)' -m venv $(VENV)
	@rm -f $(VENV)/.installed-*
	@echo 'Installing requirements.txt into $(VENV): a few minutes, about 3 GB.'
	@$(pip) $$($(run) -c 'import sys; \
	  print("--ignore-requires-python" * (sys.version_info >= (3, 12)))') \
	  -r requirements.txt
	@touch $@

$(installed_dev): $(installed)
	@rm -f $(VENV)/.installed-requirements-dev.txt-*
	@echo 'Installing requirements-dev.txt into $(VENV).'
	@$(pip) -r requirements-dev.txt
	@touch $@

$(installed_cuda): $(installed)
	@rm -f $(VENV)/.installed-requirements-cuda.txt-*
	@echo 'Installing requirements-cuda.txt into $(VENV): several GB more.'
	@$(pip) -r requirements-cuda.txt
	@touch $@

$(installed_ray): $(installed)
	@rm -f $(VENV)/.installed-requirements-ray.txt-*
	@echo 'Installing requirements-ray.txt into $(VENV).'
	@$(pip) -r requirements-ray.txt
	@touch $@

# Of an environment that is there already its own Python counts, else $(PYTHON).
.PHONY: check-python
check-python:
	@python='$(run)'; next='delete $(VENV) and try again'; \
	"$$python" -c '' 2>/dev/null || { \
	  python='$(PYTHON)'; next='name one, such as: make demo PYTHON=python3.12'; }; \
	version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
	  2>/dev/null) || version='not found'; \
	case $$version in \
	  3.11|3.12|3.13) ;; \
	  *) echo "$$python: $$version; Python 3.11, 3.12 or 3.13 is needed: $$next" >&2; \
	    exit 1;; \
	esac; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$$python cannot make virtual environments: on Debian or Ubuntu," \
	    "sudo apt install python$$version-venv" >&2; exit 1; }
