"""How long `darkroom compare` takes to read many rows: 500 by default, as promote leaves them.

In a new SQLite database, each row has all parameters, 22 scores, a curve of 20 epochs, and answers to 270
test pictures. Prints the seconds of reading and comparing after imports and connection, with the answers of
the rows that a terminal shows and with those of all, and of the whole command.

Run: python -m benchmarks.comparison [--rows 500] [--keep FOLDER]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.evidence.answers import build_answers
from pipeline.params_file import load_params
from pipeline.paths import Paths
from pipeline.tables.parquet import write_table
from pipeline.tracking.connection import connect
from pipeline.tracking.runs import create_run

REPO = Path(__file__).resolve().parents[1]
N_TEST, N_CLASSES, N_EPOCHS = 270, 10, 20
CURVES = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="a folder for the project, used again if it is there")
    options = parser.parse_args()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["MLFLOW_EXPERIMENT_NAME"] = "digits"
    with tempfile.TemporaryDirectory() as scratch:
        root = options.keep or Path(scratch) / "project"
        if not (root / "dvc.yaml").exists():
            make_project(root, options.rows)
        measure(root)


def measure(root: Path) -> None:
    from pipeline.search.comparison import compare_rows
    from pipeline.tracking.artifacts import fetch_answers
    from pipeline.tracking.runs import search_runs

    client = connect(root)
    params = load_params(root / "params.yaml").promote
    search_runs(client, "attributes.status = 'FINISHED' and attributes.run_name = ''", row=True)  # warm
    start = time.perf_counter()
    rows = search_runs(client, "attributes.status = 'FINISHED'", row=True)
    read = time.perf_counter() - start
    print(f"{len(rows)} rows with {len(rows[0].data.params)} parameters read in {read:.2f} s")
    for n_tested in (20, len(rows)):
        start = time.perf_counter()
        compare_rows(
            rows,
            sort=params.metric,
            metric=params.metric,
            fetch=lambda row: fetch_answers(root, row),
            n_tested=n_tested,
            min_common=params.min_common_images,
        )
        print(f"compared, the answers of {n_tested} rows read: {time.perf_counter() - start:.2f} s")
    for words in ([], ["--csv", str(root / "all.csv")]):
        command = [sys.executable, "-m", "pipeline.cli.app", "compare", *words]
        env = os.environ | {"PYTHONPATH": str(REPO), "DVC_ROOT": ""}
        start = time.perf_counter()
        subprocess.run(command, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL)
        print(f"darkroom compare {' '.join(words[:1])}: {time.perf_counter() - start:.2f} s, imports and all")


def make_project(root: Path, n_rows: int) -> None:
    """A project of rows that differ in some parameters, in their answers, and so in their scores."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "params.yaml", root)
    (root / "dvc.yaml").write_text("stages: {}\n")
    client, rng = connect(root), np.random.default_rng(0)
    params = load_params(Paths(root).params).flatten()
    ids = [f"{number:064x}" for number in range(N_TEST)]
    names = [f"class {number}" for number in range(N_CLASSES)]
    y = rng.integers(0, N_CLASSES, N_TEST)
    made = root / "made"
    (made / "split").mkdir(parents=True)
    (made / "split" / "classes.json").write_text(json.dumps(names))
    for number in range(n_rows):
        skill = 0.8 + 0.18 * number / n_rows
        y_prob = rng.dirichlet(np.ones(N_CLASSES), N_TEST).astype(np.float32)
        y_prob[np.arange(N_TEST), y] += rng.random(N_TEST) < skill
        right = float((y_prob.argmax(axis=1) == y).mean())
        write_table(build_answers(ids, ids, y, y_prob, names), made / "evaluate" / "predictions.parquet")
        told = {"train.epochs": 5 + number % 40, "augment.rotation": number % 7 / 100, "train.seed": number}
        tags = {"verdict": "HOLD", "promote.decision": json.dumps({"reasons": ["x" * 300]})}
        row = create_run(client, root, f"epochs {number}", row=True, tags=tags)
        row.log_params(params | told)
        scores = {"accuracy": right, "accuracy_low": right - 0.03, "accuracy_high": right + 0.02}
        scores |= {f"score_{i}": right for i in range(15)}
        scores |= {"train_seconds": 20.0, "train_accuracy": 0.99, "val_accuracy": right}
        row.log_metrics(scores | {"n_test": N_TEST, "n_parameters": 120_000 + number})
        for epoch in range(1, N_EPOCHS + 1):
            row.log_metrics({f"curve/{name}": right for name in CURVES}, epoch)
        for folder in ("evaluate", "split"):
            row.log_artifact(made / folder, folder)
        row.finish("FINISHED")


if __name__ == "__main__":
    main()
