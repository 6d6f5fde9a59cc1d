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
INSTALLED_ONNX := $(VENV)/.installed-requirements-onnx.lock
INSTALLED_SERVE := $(VENV)/.installed-requirements-serve.lock
INSTALLED_SPARK := $(VENV)/.installed-requirements-spark.lock

# The shell reads these from its environment, where spaces and quotes in a
# path do no harm. An empty one is no flag at all.
VARIABLES := DATASET RAW SESSIONS PROTOCOL OUTPUT SEEDS SETTINGS PRESETS \
	MODEL CHECKPOINT HISTORY INPUT K TARGET PAIRS FROM FORMAT HOST PORT MASTER
export $(VARIABLES)
# TensorFlow is the backend that is shipped, whatever ~/.keras says.
export KERAS_BACKEND := tensorflow

DATA_FLAGS = $${RAW:+"--raw=$$RAW"} $${SESSIONS:+"--sessions=$$SESSIONS"}
COMMON_FLAGS = $(DATA_FLAGS) $${OUTPUT:+"--output=$$OUTPUT"} \
	$${DATASET:+"--dataset=$$DATASET"}
REPRODUCE = $(BIN)/python -m experiments.reproduce
REPRODUCE_FLAGS = $(COMMON_FLAGS) $${PROTOCOL:+"--protocol=$$PROTOCOL"} \
	$${SEEDS:+"--seeds=$$SEEDS"} $${SETTINGS:+"--settings=$$SETTINGS"} \
	$${PRESETS:+"--presets=$$PRESETS"} $${TARGET:+"--target_raw=$$TARGET"} \
	$${PAIRS:+"--pairs=$$PAIRS"}

# Which variables a target takes. One that it does not take, and one that is
# misspelt, is an error; which of them a table or figure takes, it says itself.
OF_TABLES := DATASET RAW SESSIONS PROTOCOL OUTPUT SEEDS SETTINGS PRESETS \
	TARGET PAIRS
TAKES_quickstart := OUTPUT SEEDS
TAKES_step-times := DATASET RAW SESSIONS PROTOCOL OUTPUT SEEDS SETTINGS PRESETS
TAKES_fidelity := DATASET RAW SESSIONS OUTPUT SEEDS
TAKES_benchmark := OUTPUT
TAKES_convert := CHECKPOINT MODEL SESSIONS OUTPUT
TAKES_prepare := RAW OUTPUT
TAKES_prepare-spark := RAW OUTPUT MASTER
TAKES_train := DATASET RAW SESSIONS PROTOCOL OUTPUT FROM
TAKES_tune := DATASET RAW SESSIONS OUTPUT
TAKES_evaluate := MODEL DATASET RAW SESSIONS PROTOCOL
TAKES_recommend := MODEL HISTORY INPUT OUTPUT K
TAKES_export := MODEL OUTPUT FORMAT
TAKES_serve := MODEL HOST PORT
TAKES_load-test := OUTPUT
GIVEN := $(foreach v,$(.VARIABLES),$(if \
	$(filter command,$(firstword $(origin $(v)))),$(v)))
UNKNOWN := $(filter-out PYTHON GPU ARGS KERAS_BACKEND $(VARIABLES),$(GIVEN))
ifneq ($(strip $(UNKNOWN)),)
MEANT := $(shell $(PYTHON) -c 'import difflib, sys; \
	print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1))' \
	$(firstword $(UNKNOWN)) PYTHON GPU ARGS $(VARIABLES) 2>/dev/null)
$(error expected variables among PYTHON GPU ARGS $(VARIABLES). \
	Received: $(strip $(UNKNOWN))$(if $(MEANT),. Did you mean $(MEANT)?))
endif
define check
UNUSED := $$(filter-out PYTHON GPU ARGS KERAS_BACKEND $(2),$$(GIVEN))
ifneq ($$(strip $$(UNUSED)),)
$$(error expected for `make $(1)` variables among PYTHON GPU ARGS $(2). \
	Received: $$(strip $$(UNUSED)))
endif
endef
$(foreach goal,$(or $(MAKECMDGOALS),help),$(eval $(call check,$(goal),$(if \
	$(filter reproduce-%,$(goal)),$(OF_TABLES),$(TAKES_$(goal))))))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install quickstart test test-all test-jax test-onnx test-kill \
	prepare-spark test-spark \
	test-fuzz check lint format \
	step-times fidelity conclusions report benchmark convert prepare train \
	tune evaluate recommend export serve load-test clean

help: ## list the targets
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / \
		{ printf "  %-24s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'tables and figures:'
	@awk 'FNR == 1 { text = $$0; takes = ""; name = "" } \
		FNR == 1 { sub(/^r?"""/, "", text); sub(/\.$$/, "", text) } \
		/^KIND = / { split(FILENAME, part, "/"); paper = part[3]; \
			name = part[4]; sub(/\.py$$/, "", name); gsub(/_/, "-", name); \
			if (paper != "stackrec" && paper != "field") \
				name = paper "-" name } \
		/^USES = / { takes = "DATASET RAW SESSIONS PROTOCOL OUTPUT SEEDS" } \
		/"presets"/ && !/^DEFAULTS/ { takes = takes " PRESETS" } \
		/"settings"/ && !/^DEFAULTS/ { takes = takes " SETTINGS" } \
		/"target_raw", "pairs"/ { takes = takes " TARGET PAIRS" } \
		/^DEFAULTS = / && name { printf "  %-24s %s (%s)\n", \
			"reproduce-" name, text, takes }' experiments/papers/*/*.py
	@printf '  %-24s %s\n' \
		reproduce-table1 'StackRec, Table 1: what the prepared data sets hold ()'
	@echo
	@echo 'variables: PYTHON GPU $(VARIABLES)'
	@echo '           ARGS="--flag=value ..." is passed on as it is'

install: $(INSTALLED) ## only make .venv (every other target does, too)

# --- the main job ----------------------------------------------------------

quickstart: $(INSTALLED) ## a small Table 2 on generated data, into results/quickstart (OUTPUT SEEDS)
	@$(BIN)/python -m experiments.quickstart $${OUTPUT:+"--output=$$OUTPUT"} \
		$${SEEDS:+"--seeds=$$SEEDS"} $(ARGS)

# A table or figure of a paper: experiments/papers/stackrec/table2.py is
# reproduce-table2.
reproduce-%: $(INSTALLED)
	@$(REPRODUCE) --target=$* $(REPRODUCE_FLAGS) $(ARGS)

step-times: $(INSTALLED) ## time a training step at each depth of Table 2, on an idle machine
	@$(REPRODUCE) --target=table2 --measure_step_times $(REPRODUCE_FLAGS) $(ARGS)

fidelity: $(INSTALLED) ## docs/fidelity.md: what each departure from the release changes (DATASET RAW SESSIONS OUTPUT SEEDS)
	@$(BIN)/python -m experiments.fidelity \
		$(if $(DATASET)$(RAW)$(SESSIONS),,--dataset=ml20) $(COMMON_FLAGS) \
		$${SEEDS:+"--seeds=$$SEEDS"} $(ARGS)

conclusions: $(INSTALLED) ## results/README.md: which of the paper's conclusions the tables bear out
	@$(BIN)/python -m experiments.conclusions $(ARGS)

report: $(INSTALLED) ## results/index.html: all results on one page
	@$(BIN)/python -m experiments.report $(ARGS)

benchmark: $(INSTALLED) ## what steps, starting, reading cost, on an idle machine, into results/benchmark (OUTPUT)
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

prepare-spark: need-RAW need-OUTPUT $(INSTALLED_SPARK) ## the same on Spark, byte for byte (RAW OUTPUT MASTER)
	@$(BIN)/python -m datasets.prepare_spark "--raw=$$RAW" \
		"--output=$$OUTPUT" $${MASTER:+"--master=$$MASTER"} $(ARGS)

train: need-RAW-or-SESSIONS $(INSTALLED) ## train on your own data (RAW or SESSIONS, OUTPUT DATASET PROTOCOL, FROM=model.keras to go on with)
	@$(BIN)/python -m experiments.train $(COMMON_FLAGS) \
		$${PROTOCOL:+"--protocol=$$PROTOCOL"} \
		$${FROM:+"--from=$$FROM"} $(ARGS)

tune: need-RAW-or-SESSIONS $(INSTALLED) ## look for the settings of a model: ARGS="--model=sasrec --trials=20" (RAW or SESSIONS, OUTPUT DATASET)
	@$(BIN)/python -m experiments.tune $(COMMON_FLAGS) $(ARGS)

evaluate: need-MODEL need-RAW-or-SESSIONS $(INSTALLED) ## metrics of a trained model (MODEL, RAW or SESSIONS, DATASET PROTOCOL)
	@$(BIN)/python -m experiments.evaluate "--model=$$MODEL" $(DATA_FLAGS) \
		$${DATASET:+"--dataset=$$DATASET"} \
		$${PROTOCOL:+"--protocol=$$PROTOCOL"} $(ARGS)

recommend: need-MODEL need-HISTORY-or-INPUT $(INSTALLED) ## items for a history (MODEL, HISTORY=1,2,3 or INPUT, OUTPUT, K)
	@$(BIN)/python -m experiments.recommend "--model=$$MODEL" \
		$${HISTORY:+"--history=$$HISTORY"} $${INPUT:+"--input=$$INPUT"} \
		$${OUTPUT:+"--output=$$OUTPUT"} $${K:+"--k=$$K"} $(ARGS)

# What is written for onnxruntime needs packages of its own.
export: need-MODEL need-OUTPUT $(INSTALLED) $(if $(filter onnx,$(FORMAT)),$(INSTALLED_ONNX)) ## a model for TensorFlow Serving, or FORMAT=onnx (MODEL OUTPUT FORMAT)
	@$(BIN)/python -m experiments.export "--model=$$MODEL" \
		"--output=$$OUTPUT" $${FORMAT:+"--format=$$FORMAT"} $(ARGS)

serve: need-MODEL $(INSTALLED_SERVE) ## answer over HTTP (MODEL HOST PORT)
	@$(BIN)/python -m experiments.serve "--model=$$MODEL" \
		$${HOST:+"--host=$$HOST"} $${PORT:+"--port=$$PORT"} $(ARGS)

load-test: $(INSTALLED_SERVE) ## how fast `make serve` answers, on an idle machine, into results/serving (OUTPUT)
	@$(BIN)/python -m experiments.load_test $${OUTPUT:+"--output=$$OUTPUT"} \
		$(ARGS)

# --- development -----------------------------------------------------------

# A process a core, each of which imports TensorFlow.
PYTEST := $(BIN)/pytest -q -n auto --maxprocesses=8 --dist=worksteal

# Without ARGS in two goes, each with processes of its own: XLA keeps what it has
# compiled as long as a process lives, gigabytes of it by the end.
FIRST := --ignore=tests/training --ignore-glob='tests/test_*.py'
SECOND := tests/training tests/test_*.py

test: $(INSTALLED) ## tests and doctests but for the slow ones
	$(PYTEST) -m "not slow" $(or $(ARGS),$(FIRST))
	$(if $(ARGS),,$(PYTEST) -m "not slow" $(SECOND))

test-all: $(INSTALLED) ## all tests
	$(PYTEST) $(or $(ARGS),$(FIRST))
	$(if $(ARGS),,$(PYTEST) $(SECOND))

test-jax: $(INSTALLED_JAX) ## models, stacking, losses, metrics on JAX without TensorFlow
	KERAS_BACKEND=jax $(BIN)/pytest -q tests/backend

test-onnx: $(INSTALLED_ONNX) ## what is exported for onnxruntime
	$(PYTEST) tests/test_exported.py -k onnx $(ARGS)

test-spark: $(INSTALLED_SPARK) ## preparation on Spark (without Java it is skipped)
	$(BIN)/pytest -q tests/preparation/test_spark.py $(ARGS)

test-kill: $(INSTALLED) ## kills training at 200 points, half an hour, into results/reliability
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.kills.harness $(ARGS)

test-fuzz: $(INSTALLED) ## 2,000 damaged files a reader, into results/reliability
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.fuzz.readers $(ARGS)

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

$(INSTALLED_ONNX): requirements-onnx.lock $(INSTALLED)
	@echo 'installing requirements-onnx.lock into $(VENV)'
	@$(PIP) -r requirements-onnx.lock
	@touch $@

$(INSTALLED_SERVE): requirements-serve.lock $(INSTALLED)
	@echo 'installing requirements-serve.lock into $(VENV)'
	@$(PIP) -r requirements-serve.lock
	@touch $@

$(INSTALLED_SPARK): requirements-spark.lock $(INSTALLED)
	@echo 'installing requirements-spark.lock into $(VENV)'
	@$(PIP) -r requirements-spark.lock
	@touch $@

# `need-A-or-B` fails, before anything is installed, unless A or B is given.
need-%:
	@$(if $(strip $(foreach v,$(subst -or-, ,$*),$($(v)))),:,$(error \
		expected $(subst -or-, or ,$*): make $(firstword $(MAKECMDGOALS)) \
		$(firstword $(subst -or-, ,$*))=...))
