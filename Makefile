# make reproduce | test | test-page | test-syncnet | test-slurm | smoke | real | lint | restore | clean-results: each makes .venv first where it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
CORES ?= 8
WORKERS ?= 2
BIN := .venv/bin
READY := .venv/.installed
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: reproduce smoke real media ablations test test-page test-syncnet test-slurm lint restore clean-results env

reproduce: $(READY)
	$(SNAKEMAKE) reproduce_all

smoke: $(READY)
	$(SNAKEMAKE) reproduce_all --configfile workflow/config/smoke.yaml

real: media $(READY)
	$(SNAKEMAKE) reproduce_all --configfile workflow/config/real.yaml

media:
	@test -d "$$SEMO_MEDIA" || { echo "Set SEMO_MEDIA to a folder of real clips with their manifest.csv: its entries\
	 in workflow/config/datasets.yaml are real-broadcast, real-street and real-studio." >&2; exit 2; }

# What the grid gave is in git, so its last step is asked for.
ablations: $(READY)
	$(SNAKEMAKE) ablations --forcerun release_ablations --configfile workflow/config/grid.yaml

test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests

# The report page in headless Chromium, which is installed where it may be; without it these tests skip and say so.
test-page: $(READY)
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq\
	 && apt-get install -y -qq --no-install-recommends chromium; } || true
	$(BIN)/python -m pytest -rs tests/page

# syncnet-python runs on seeded weights in an environment of its own; ours must give the same.
SYNCNET := .venv-syncnet
test-syncnet: $(READY) $(SYNCNET)/.installed
	mkdir -p build
	PATH="$(abspath $(SYNCNET))/bin:$$PATH" $(SYNCNET)/bin/python tests/syncnet/reference.py build/syncnet.npz
	SEMO_SYNCNET_REFERENCE=build/syncnet.npz $(BIN)/python -m pytest tests/unit/test_sync_reference.py

$(SYNCNET)/.installed: workflow/envs/syncnet.sh
	workflow/envs/syncnet.sh $(SYNCNET) $(PYTHON)

# Starts a SLURM of one machine as root, sends the smoke run through it, kills a job, and stops it again.
test-slurm: $(READY)
	tests/slurm/install.sh
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[slurm]"
	SEMO_TEST_SLURM=1 $(BIN)/python -m pytest tests/slurm

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/snakemake --lint

# After a dvc pull into a fresh clone the files carry the time of the checkout; tell Snakemake that they are current.
restore: $(READY)
	$(BIN)/dvc pull
	$(SNAKEMAKE) --touch reproduce_all

clean-results:
	rm -rf results .snakemake

env: $(READY)

# torch goes first, alone, so that pip's own settings (an index or folder of CPU wheels) decide which build it is.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,corpus,parity]"
	touch $@
