# make demo   set everything up, then classify sentences on Lava with an energy report
# make test   set everything up, then lint, type-check and test
# make conformance   load our exports in snnTorch, SpikingJelly and Norse, compare spikes;
#                    count nets with NeuroBench and SpikingJelly, compare counts
# make docs   the site, into build/site; open build/site/index.html, or, to search in it,
#             python -m http.server -d build/site
# make bench  the figures of benchmarks/RESULTS.md (DATA=folder of the data sets,
#             PAPER=folder `paper` of github.com/neuromorphs/NIR, left out if not given)
# make reproduce   the trainings of benchmarks/RESULTS.md again, tables and pictures into
#             RUN/tables (DATA=, RUN=, MINUTES= of this slice, ONLY= one part of
#             benchmarks/reproduce.py); status 3 of its program: the same command goes on
PYTHON ?= python3
VENV ?= .venv
CONFORMANCE ?= .venv-conformance
DATA ?= ../shared/data
PAPER ?=
RUN ?= runs/reproduce
MINUTES ?=
ONLY ?=
BIN = $(VENV)/bin
export HF_HUB_OFFLINE = 1

.PHONY: setup demo test docs conformance bench reproduce clean

setup: $(VENV)/.installed

# torch first, at the version of constraints.txt: what follows must not choose another.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[train,lava,onnx,plots,test,docs]"
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --ignore-requires-python lava-nc==0.10.0
	touch $@

demo: setup
	$(BIN)/spikewright demo

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# torch first again, and nothing after it with dependencies: they ask for a torchvision
# that replaces torch by another build.
$(CONFORMANCE)/.installed: requirements-conformance.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(CONFORMANCE)
	$(CONFORMANCE)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(CONFORMANCE)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r requirements-conformance.txt
	$(CONFORMANCE)/bin/python -m pip install -q --disable-pip-version-check --no-deps -e .
	touch $@

conformance: $(CONFORMANCE)/.installed
	OMP_NUM_THREADS=1 $(CONFORMANCE)/bin/python -m pytest tests/conformance

bench: setup
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[teacher]"
	$(BIN)/python benchmarks/parity.py
	$(BIN)/python benchmarks/lowering.py
	$(BIN)/python benchmarks/export.py
	$(BIN)/python benchmarks/attention.py --measure
	$(BIN)/python benchmarks/integer_rate.py
	$(BIN)/python benchmarks/counting.py --data $(DATA)
	$(BIN)/python benchmarks/lava_speed.py
	$(BIN)/python benchmarks/backends.py
	$(BIN)/python benchmarks/accuracy.py --data $(DATA)
	$(if $(PAPER),$(BIN)/python benchmarks/nir_paper.py --paper $(PAPER))

reproduce: setup
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[teacher]"
	$(BIN)/python benchmarks/reproduce.py --data $(DATA) --run $(RUN) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

clean:
	rm -rf $(VENV) $(CONFORMANCE) build dist *.egg-info
