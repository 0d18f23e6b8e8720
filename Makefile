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
# make fuzz   broken and hostile files and texts at every door: CASES= of them by SEED=;
#             what breaks us is kept in build/fuzz
# make faults  kill every verb at random moments, KILLS= times each, and compare with runs
#             that nothing disturbed
# make soak   5,000 sentences through Lava and 100,000 through integer, memory measured,
#             into SOAK (MINUTES= of this slice; status 3: the same command goes on)
# make pythons  a new environment from constraints.txt for each of PYTHONS=, then Lava's
#             runtimes and the tests in it; a table at the end
# make audit  ask PyPI, by pip-audit, whether a vulnerability is known of what is installed;
#             it needs the network
PYTHON ?= python3
VENV ?= .venv
CONFORMANCE ?= .venv-conformance
AUDIT ?= .venv-audit
DATA ?= ../shared/data
PAPER ?=
RUN ?= runs/reproduce
MINUTES ?=
CASES ?= 20000
SEED ?= 0
ONLY ?=
KILLS ?= 20
PYTHONS ?= python3.11 python3.12 python3.13
SOAK ?= runs/soak
BIN = $(VENV)/bin
# Many tests wait for processes of their own: one more than there are cores. Neighbors stay
# together (worksteal in `test`): they share what is trained for them once in a process.
TESTERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
export HF_HUB_OFFLINE = 1

.PHONY: setup demo test docs conformance bench reproduce fuzz faults soak pythons audit clean

setup: $(VENV)/.installed

# torch first, at the version of constraints.txt: what follows must not choose another.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[train,lava,onnx,plots,cluster,test,docs]"
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --ignore-requires-python lava-nc==0.10.0
	touch $@

demo: setup
	$(BIN)/spikewright demo

test: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TESTERS) --dist worksteal -m "not long"

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

fuzz: setup
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[fuzz]"
	$(BIN)/python tests/fuzz/run.py --cases $(CASES) --seed $(SEED)

faults: setup
	$(BIN)/python benchmarks/faults.py --kills $(KILLS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long

# glibc keeps what was freed unless it is told when not to: what grows then is what is held
soak: export MALLOC_MMAP_THRESHOLD_ = 131072
soak: export MALLOC_TRIM_THRESHOLD_ = 131072
soak: setup
	$(BIN)/python benchmarks/soak.py lava --data $(DATA)/sst2_phrases --run $(SOAK)/lava $(if $(MINUTES),--minutes $(MINUTES))
	$(BIN)/python benchmarks/soak.py integer --data $(DATA)/sst2_phrases --run $(SOAK)/integer $(if $(MINUTES),--minutes $(MINUTES))
	$(BIN)/python benchmarks/soak.py table --run $(SOAK)/lava $(SOAK)/integer --picture $(SOAK)/soak.svg

pythons:
	OMP_NUM_THREADS=1 $(PYTHON) benchmarks/pythons.py $(PYTHONS) --testers $(TESTERS)

# an environment of its own, or the tool would be audited as a part of us; strict: what
# PyPI does not know fails, or an audit of nothing would pass
$(AUDIT)/.installed: constraints.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt pip-audit
	touch $@

audit: setup $(AUDIT)/.installed
	mkdir -p build
	$(BIN)/python -m pip freeze -q --disable-pip-version-check --exclude-editable | sed 's/+.*//' > build/audit.txt
	$(AUDIT)/bin/pip-audit --strict --no-deps --disable-pip -r build/audit.txt

clean:
	rm -rf $(VENV) $(CONFORMANCE) $(AUDIT) build dist *.egg-info
