"""What a stage costs before it does any work, side by side in one run.

For each stage: importing its module, and the whole stage on 75 pictures of 8x8 pixels (one epoch of
`conv1`), where start-up, MLflow and imports are all that takes time; beside a bare interpreter. Prints
medians and the ratio to the bare interpreter.

Run: python -m benchmarks.stage_overhead [--runs 3]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from pipeline.paths import STAGES

REPO = Path(__file__).resolve().parents[1]
N_A_CLASS = 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_project(root)
        env = os.environ | {
            "PYTHONPATH": str(REPO),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        env.pop("MLFLOW_TRACKING_URI", None)
        seconds(["dvc", "repro", "-q"], root, env)
        bare = median([sys.executable, "-c", "pass"], root, env, runs)
        print(f"{'stage':<10} {'import, s':>10} {'whole, s':>10} {'whole / bare interpreter':>26}")
        print(f"{'(bare)':<10} {'':>10} {bare:>10.2f} {1:>26.0f}")
        for stage in STAGES:
            module = f"pipeline.stages.{stage}"
            imported = median([sys.executable, "-c", f"import {module}"], root, env, runs)
            whole = median([sys.executable, "-m", module], root, env, runs)
            print(f"{stage:<10} {imported:>10.2f} {whole:>10.2f} {whole / bare:>26.0f}")
        idle = median(["dvc", "repro", "-q"], root, env, runs)
        print(f"\ndvc repro with nothing to do: {idle:.2f} s")


def make_project(root: Path) -> None:
    """A copy of the repository's code with three classes of noise and the quickest settings."""
    for name in ("dvc.yaml", "pipeline"):
        (root / name).symlink_to(REPO / name)
    values = YAML().load(REPO / "params.yaml")
    values["clean"].update({"image_hw": [8, 8], "channels": 1})
    values["train"].update({"model": "conv1", "epochs": 1})
    values["promote"].update({"min_accuracy": 0.0, "min_class_recall": 0.0})
    YAML().dump(values, root / "params.yaml")
    rng = np.random.default_rng(0)
    for label in ("a", "b", "c"):
        (root / "data" / "raw" / label).mkdir(parents=True)
        for number in range(N_A_CLASS):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "data" / "raw" / label / f"{number}.png")
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=root, check=True)


def median(command: list[str], root: Path, env: dict[str, str], runs: int) -> float:
    return statistics.median(seconds(command, root, env) for _ in range(runs))


def seconds(command: list[str], root: Path, env: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
