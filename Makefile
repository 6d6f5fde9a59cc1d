# Everything the project does, from a fresh checkout on. `make help` lists it.
#
# Each target first makes .venv with the pinned dependencies and the package
# itself: once, and again when the lock file, setup.py or pyproject.toml
# changes.

PYTHON ?= python3.11
ifndef GPU
GPU := $(if $(shell command -v nvidia-smi 2>/dev/null),1,0)
endif
LOCK := $(if $(filter 1,$(GPU)),requirements-gpu.lock,requirements.lock)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed-$(LOCK)
INSTALLED_JAX := $(VENV)/.installed-requirements-jax.lock

# The shell reads these from its environment, where spaces and quotes in a
# path do no harm. An empty one is no flag at all.
VARIABLES := DATASET RAW SESSIONS PROTOCOL OUTPUT SEEDS SETTINGS PRESETS \
	MODEL CHECKPOINT HISTORY INPUT K TARGET PAIRS
export $(VARIABLES)
# TensorFlow is the backend that is shipped, whatever ~/.keras says.
export KERAS_BACKEND := tensorflow

DATA_FLAGS = $${RAW:+"--raw=$$RAW"} $${SESSIONS:+"--sessions=$$SESSIONS"}
COMMON_FLAGS = $(DATA_FLAGS) $${OUTPUT:+"--output=$$OUTPUT"}
# ML20 unless other data are named.
DATASET_FLAG = $(if $(DATASET)$(RAW)$(SESSIONS),$${DATASET:+"--dataset=$$DATASET"},--dataset=ml20)
TABLE = $(BIN)/python -m experiments.continual_learning \
	$(DATASET_FLAG) $(COMMON_FLAGS) \
	"--protocol=$${PROTOCOL:-release}" \
	"--presets=$${PRESETS:-release,paper,best}" \
	$${SETTINGS:+"--settings=$$SETTINGS"} $${SEEDS:+"--seeds=$$SEEDS"}

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install quickstart test test-all test-jax check lint format \
	reproduce-table1 reproduce-table2 reproduce-table3 reproduce-table4 \
	reproduce-table5 reproduce-table6 reproduce-table7 reproduce-figure1 \
	reproduce-figure2 reproduce-figure5 reproduce-figure6 step-times fidelity \
	conclusions report benchmark convert prepare train evaluate recommend clean

help: ## list the targets
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / \
		{ printf "  %-17s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'variables: PYTHON GPU $(VARIABLES)'
	@echo '           ARGS="--flag=value ..." is passed on as it is'

install: $(INSTALLED) ## only make .venv (every other target does, too)

# --- the main job ----------------------------------------------------------

quickstart: $(INSTALLED) ## a small Table 2 on generated data, into results/quickstart
	@$(BIN)/python -m experiments.quickstart $${OUTPUT:+"--output=$$OUTPUT"} \
		$(ARGS)

reproduce-table1: $(INSTALLED) ## Table 1: what the prepared data sets hold
	@$(BIN)/python -m experiments.dataset_statistics $(ARGS)

reproduce-table2: $(INSTALLED) ## StackRec's Table 2 (DATASET RAW PROTOCOL SETTINGS PRESETS SEEDS)
	@$(TABLE) $(ARGS)

reproduce-table3: $(INSTALLED) ## Table 3: transfer to a domain of cold users (RAW TARGET or PAIRS)
	@$(BIN)/python -m experiments.transfer $(DATASET_FLAG) $(COMMON_FLAGS) \
		"--protocol=$${PROTOCOL:-release}" \
		$${TARGET:+"--target=$$TARGET"} $${PAIRS:+"--pairs=$$PAIRS"} \
		$${PRESETS:+"--presets=$$PRESETS"} $${SEEDS:+"--seeds=$$SEEDS"} \
		$(ARGS)

reproduce-table4: $(INSTALLED) ## Table 4: what stacking must copy
	@$(TABLE) --table=4 $(ARGS)

reproduce-table5: $(INSTALLED) ## Table 5: growth short of doubling (DATASET=kuaibao in the paper)
	@$(TABLE) --table=5 $(ARGS)

reproduce-table6: $(INSTALLED) ## Table 6: with and without alpha
	@$(TABLE) --table=6 $(ARGS)

reproduce-table7: $(INSTALLED) ## Table 7: GRec, SASRec, SSE-PT (SETTINGS)
	@$(TABLE) --table=7 $(ARGS)

reproduce-figure1: $(INSTALLED) ## Figure 1: accuracy by depth, with 40 and with 100 % of the data
	@$(BIN)/python -m experiments.accuracy_by_depth $(DATASET_FLAG) \
		$(COMMON_FLAGS) "--protocol=$${PROTOCOL:-release}" \
		$${SEEDS:+"--seeds=$$SEEDS"} $(ARGS)

reproduce-figure2: $(INSTALLED) ## Figure 2: how alike the outputs of the blocks are
	@$(BIN)/python -m experiments.block_similarity $(DATASET_FLAG) \
		$(COMMON_FLAGS) "--protocol=$${PROTOCOL:-release}" $(ARGS)

reproduce-figure5: $(INSTALLED) ## Figure 5: convergence of stacked and scratch models (SETTINGS)
	@$(BIN)/python -m experiments.convergence $(DATASET_FLAG) $(COMMON_FLAGS) \
		"--protocol=$${PROTOCOL:-release}" \
		$${SETTINGS:+"--settings=$$SETTINGS"} \
		$${PRESETS:+"--presets=$$PRESETS"} $${SEEDS:+"--seeds=$$SEEDS"} $(ARGS)

reproduce-figure6: $(INSTALLED) ## Figure 6: training from scratch by way of shallow models
	@$(BIN)/python -m experiments.from_scratch $(DATASET_FLAG) $(COMMON_FLAGS) \
		"--protocol=$${PROTOCOL:-release}" $${SEEDS:+"--seeds=$$SEEDS"} \
		$${PRESETS:+"--presets=$$PRESETS"} $(ARGS)

step-times: $(INSTALLED) ## time a training step at each depth of Table 2, on an idle machine
	@$(TABLE) --measure_step_times $(ARGS)

fidelity: $(INSTALLED) ## docs/fidelity.md: what each departure from the release changes (DATASET RAW SEEDS)
	@$(BIN)/python -m experiments.fidelity $(DATASET_FLAG) $(COMMON_FLAGS) \
		$${SEEDS:+"--seeds=$$SEEDS"} $(ARGS)

conclusions: $(INSTALLED) ## results/README.md: which of the paper's conclusions the tables bear out
	@$(BIN)/python -m experiments.conclusions $(ARGS)

report: $(INSTALLED) ## results/index.html: all results on one page
	@$(BIN)/python -m experiments.report $(ARGS)

benchmark: $(INSTALLED) ## what steps, starting, reading cost, on an idle machine, into results/benchmark
	@$(BIN)/python -m experiments.benchmark $${OUTPUT:+"--output=$$OUTPUT"} \
		$(ARGS)

convert: need-CHECKPOINT-or-MODEL need-OUTPUT $(INSTALLED) ## the release's TF1 checkpoints to .keras and back (CHECKPOINT or MODEL, OUTPUT, SESSIONS)
	@$(BIN)/python -m experiments.convert \
		$${CHECKPOINT:+"--checkpoint=$$CHECKPOINT"} \
		$${MODEL:+"--model=$$MODEL"} $${SESSIONS:+"--sessions=$$SESSIONS"} \
		"--output=$$OUTPUT" $(ARGS)

# --- your own data ---------------------------------------------------------

prepare: need-RAW need-OUTPUT $(INSTALLED) ## raw file -> folder of sessions (RAW OUTPUT)
	@$(BIN)/python -m datasets.prepare "--raw=$$RAW" "--output=$$OUTPUT" $(ARGS)

train: need-RAW-or-SESSIONS $(INSTALLED) ## train on your own data (RAW or SESSIONS, OUTPUT)
	@$(BIN)/python -m experiments.train $(COMMON_FLAGS) \
		$${DATASET:+"--dataset=$$DATASET"} \
		$${PROTOCOL:+"--protocol=$$PROTOCOL"} $(ARGS)

evaluate: need-MODEL need-RAW-or-SESSIONS $(INSTALLED) ## metrics of a trained model (MODEL, RAW or SESSIONS)
	@$(BIN)/python -m experiments.evaluate "--model=$$MODEL" $(DATA_FLAGS) \
		$${DATASET:+"--dataset=$$DATASET"} \
		$${PROTOCOL:+"--protocol=$$PROTOCOL"} $(ARGS)

recommend: need-MODEL need-HISTORY-or-INPUT $(INSTALLED) ## items for a history (MODEL, HISTORY=1,2,3 or INPUT, K)
	@$(BIN)/python -m experiments.recommend "--model=$$MODEL" \
		$${HISTORY:+"--history=$$HISTORY"} $${INPUT:+"--input=$$INPUT"} \
		$${K:+"--k=$$K"} $(ARGS)

# --- development -----------------------------------------------------------

test: $(INSTALLED) ## tests and doctests but for the slow ones
	$(BIN)/pytest -q -m "not slow" $(ARGS)

test-all: $(INSTALLED) ## all tests
	$(BIN)/pytest -q $(ARGS)

test-jax: $(INSTALLED_JAX) ## models, stacking, losses, metrics on JAX without TensorFlow
	KERAS_BACKEND=jax $(BIN)/pytest -q tests/backend

check: lint test-jax ## what must hold besides the tests: lint, test-jax

lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED) ## let ruff repair what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove .venv and caches; data/ and results/ stay
	rm -rf $(VENV) build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find datasets experiments nextitnet_tf tests -name __pycache__ \
		-prune -exec rm -rf {} +

# --- set-up ----------------------------------------------------------------

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		2>/dev/null || { echo 'error: expected Python 3.11 as $(PYTHON);' \
		'install it or say where it is: make PYTHON=/path/to/python3.11' \
		>&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(LOCK) setup.py pyproject.toml | $(BIN)/pip
	@echo 'installing $(LOCK) into $(VENV): once, a few minutes'
	@$(PIP) -r $(LOCK)
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(INSTALLED_JAX): requirements-jax.lock $(INSTALLED)
	@echo 'installing requirements-jax.lock into $(VENV)'
	@$(PIP) -r requirements-jax.lock
	@touch $@

# `need-A-or-B` fails, before anything is installed, unless A or B is given.
need-%:
	@$(if $(strip $(foreach v,$(subst -or-, ,$*),$($(v)))),:,$(error \
		expected $(subst -or-, or ,$*): make $(firstword $(MAKECMDGOALS)) \
		$(firstword $(subst -or-, ,$*))=...))
