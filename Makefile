# make demo   set up what is missing and run the example
# make check  set up what is missing and run what answers fast: lint, types, tests/unit
# make test   set up what is missing and run every check
# make test-batch  only those with Slurm, HTCondor, XRootD and catalogs
# make test-coffeas  with other coffeas than the newest, in environments of their own
# make docs   set up what is missing, write the keywords of wq_runner.run and build the site into build/site
# make coverage  which lines the tests of tests/unit and tests/process run, or those of RINGS=...
# make lock   write environments/lock.txt anew: the versions that make setup installs
# make dist   build the packages, into dist/
# make bench  set up what is missing and compare wq-run with coffea's own executors

export PATH := $(shell environments/setup.sh bin):$(PATH)

# each file of tests has its own processes and directories, and most of them wait: see tests/scheduling.py
DIVIDED := --dist loadfile --numprocesses
# in this order: the long ones first, so that none is left at the end
RINGS_OF_TEST := $(addprefix tests/, packed fitting executors ledger engine batch process browser packages unit)

.PHONY: setup lock demo check ring test test-batch test-coffeas docs coverage dist bench lint clean

setup:
	@environments/setup.sh

lock:
	@environments/setup.sh lock

demo: setup
	@python examples/dimuon/make_data.py
	wq-run --chunksize 50000 --workers local:2 --fresh -o wq-run-demo examples/dimuon/samples.cfg
	@python examples/dimuon/plot.py wq-run-demo/output.coffea -o wq-run-demo/mass.png

lint: setup
	@ruff check
	@ruff format --check
	@mypy

check: lint
	@repo-review . >/dev/null || repo-review .
	@pytest tests/unit --numprocesses 2 --quiet

test: lint
	@environments/setup.sh test
	@pytest $(RINGS_OF_TEST) $(DIVIDED) 4 --durations 20

# one directory of tests, such as RING=engine: what a job of the workflow runs
ring: setup
	@environments/setup.sh test
	@pytest tests/$(RING) --durations 10 $(DIVIDED) $(if $(filter batch packed,$(RING)),4,2)

test-batch: lint
	@environments/setup.sh batch
	@pytest tests/batch $(DIVIDED) 4

# not in `test`: it takes minutes to make the environments
test-coffeas: setup
	@environments/setup.sh coffeas
	@pytest tests/coffeas --numprocesses 2 --durations 10

docs: setup
	@python docs/_ext/keywords.py
	@sphinx-build -W --keep-going --nitpicky --quiet docs build/site
	@echo "build/site/index.html"

RINGS ?= tests/unit tests/process

coverage: setup
	@rm -f .coverage .coverage.*
	@pytest --cov --cov-report= $(RINGS)
	@coverage report
	@coverage xml -q

dist: setup
	@rm -rf dist
	@python -m build --no-isolation --outdir dist .
	@python -m build --no-isolation --sdist --outdir dist bindings

bench: setup
	@python benchmarks/run.py

clean:
	rm -rf .venv .coffeas wq-run-* build dist .coverage* coverage.xml bindings/build bindings/src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
