# hwqat: two commands on a fresh machine, `make export` and `make test`; both set up .venv themselves.
#
#   NET=   digitnet, toynet, resnet20, mobilenetv2      DATA=  digits, cifar10
#   OUT=   the BUILD folder                             ARGS=  more arguments for the command
NET  ?= digitnet
DATA ?= digits
RUN  ?= runs/$(NET)-$(DATA)
OUT  ?= build/$(NET)
ARGS ?=
FLOOR = 2.8.0

PYTHON ?= python3
BIN     = .venv/bin
HWQAT   = $(BIN)/hwqat
PYTEST  = $(BIN)/python -m pytest
# A file's tests share trained networks and compiled builds, so that each process takes whole files; torch gets one thread in each.
JOBS    = 2
TESTS   = OMP_NUM_THREADS=1 $(PYTEST) --numprocesses $(JOBS) --dist loadfile
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: help setup train export csim cosim synth sweep report docs test test-all floor soak clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "make TARGET [NET=$(NET)] [DATA=$(DATA)] [RUN=$(RUN)] [OUT=$(OUT)] [ARGS=...]"; echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/ready ## .venv with hwqat and all it needs
.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "hwqat needs Python 3.11 or newer; $(PYTHON) is older. Say make PYTHON=python3.12, for example."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv: Python packages, torch among them, some minutes the first time ..."
	@$(PIP) '.[test]'
	@touch $@

train: .venv/ready ## train NET on DATA: float, then quantised, into RUN
	$(HWQAT) train $(NET) --data $(DATA) --out $(RUN) $(ARGS)

export: train ## train if needed, write HLS C++ and SystemVerilog to OUT, check both, print a summary
	$(HWQAT) export $(RUN) --out $(OUT) --check

csim: .venv/ready ## C-simulate OUT against golden
	$(HWQAT) csim $(OUT) $(ARGS)

cosim: .venv/ready ## co-simulate the RTL of OUT against golden
	$(HWQAT) cosim $(OUT) $(ARGS)

synth: .venv/ready ## resources of OUT's RTL as Yosys counts them; on ECP5 its clock, too
	@$(PIP) '.[synth]'
	$(HWQAT) synth $(OUT) $(ARGS)

sweep: train ## accuracy of RUN over the widths of its constants, kept in OUT-sweep
	$(HWQAT) sweep $(RUN) --rescale 4:32 --int-bits auto,16 --rounding AP_TRN,AP_RND --out $(OUT)-sweep $(ARGS)

report: .venv/ready ## one HTML page about OUT
	$(HWQAT) report $(OUT) $(if $(wildcard $(RUN)/run.json),--run $(RUN)) $(if $(wildcard $(OUT)-sweep/sweep.json),--sweep $(OUT)-sweep) $(ARGS)

docs: .venv/ready ## the documentation as a site, in build/site
	@$(PIP) '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: .venv/ready ## the tests, at most 12 minutes on 2 cores; JOBS=N processes
	$(TESTS) -m "not slow" $(ARGS)

test-all: .venv/ready ## every test, the slow proofs included
	@$(PIP) '.[test,synth,search,docs]'
	$(TESTS) $(ARGS)

floor: ## the same tests with the oldest torch that is allowed, and the package as its wheel, in build/floor
	$(PYTHON) -m venv build/floor
	@echo "setting up build/floor: torch $(FLOOR) and what the tests need, some minutes ..."
	@build/floor/bin/python -m pip install --quiet --disable-pip-version-check torch==$(FLOOR) '.[test]'
	PYTHONSAFEPATH=1 OMP_NUM_THREADS=1 build/floor/bin/python -m pytest --numprocesses $(JOBS) --dist loadfile -m "not slow" $(ARGS)

soak: .venv/ready ## random graphs through every engine, N= of them
	HWQAT_SOAK=$(or $(N),2000) $(PYTEST) tests/test_equivalence.py -m soak -s $(ARGS)

clean: ## remove what was built; runs and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .hypothesis
