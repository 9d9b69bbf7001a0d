"""What a stage costs before it does any work, side by side in one run.

For each stage, on 75 pictures of 8x8 pixels (one epoch of `conv1`), where start-up, MLflow and imports are
all that takes time: the whole stage, how much of it went into importing (the sum of `python -X importtime`,
which itself costs some per cent), and the packages that took most. Then `dvc repro` with nothing to do
against `dvc status`, in pairs. Prints medians.

Run: python -m benchmarks.stage_overhead [--runs 3]
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from pipeline.paths import STAGES

REPO = Path(__file__).resolve().parents[1]
N_A_CLASS = 25
N_PACKAGES = 4


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
        print(f"{'stage':<10} {'whole, s':>9} {'imports, s':>11}   of which")
        for stage in STAGES:
            command = [sys.executable, "-m", f"pipeline.stages.{stage}"]
            whole = statistics.median(seconds(command, root, env) for _ in range(runs))
            imports = [import_seconds(stage, root, env) for _ in range(runs)]
            total = statistics.median(sum(found.values()) for found in imports)
            said = ", ".join(f"{name} {s:.1f}" for name, s in heaviest(imports[0]))
            print(f"{stage:<10} {whole:>9.2f} {total:>11.2f}   {said}", flush=True)
        pairs = [
            (seconds(["dvc", "status", "-q"], root, env), seconds(["dvc", "repro", "-q"], root, env))
            for _ in range(runs)
        ]
        status, repro = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(idle / asked for asked, idle in pairs)
        print(f"\ndvc repro with nothing to do {repro:.2f} s, dvc status {status:.2f} s: {ratio:.2f} times")


def heaviest(found: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(found.items(), key=lambda one: -one[1])[:N_PACKAGES]


def import_seconds(stage: str, root: Path, env: dict[str, str]) -> dict[str, float]:
    """Seconds that a stage spends importing, by top-level package."""
    # A stage silences standard error while it imports TensorFlow: here it may not.
    run = f"runpy.run_module('pipeline.stages.{stage}', run_name='__main__')"
    code = f"import os, runpy; os.dup2 = lambda *to: None; {run}"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    found: dict[str, float] = defaultdict(float)
    for microseconds, module in re.findall(
        r"^import time: +(\d+) \| +\d+ \| +(\S+)$", done.stderr, flags=re.M
    ):
        found[module.partition(".")[0]] += int(microseconds) / 1e6
    return found


def make_project(root: Path) -> None:
    """A copy of the repository's code with three classes of noise and the quickest settings."""
    for name in ("dvc.yaml", "pipeline"):
        (root / name).symlink_to(REPO / name)
    values = YAML().load(REPO / "params.yaml")
    values["clean"].update({"image_hw": [8, 8], "channels": 1})
    values["train"].update({"model": "conv1", "epochs": 1})
    values["promote"].update({"floors": {}})
    YAML().dump(values, root / "params.yaml")
    rng = np.random.default_rng(0)
    for label in ("a", "b", "c"):
        (root / "data" / "raw" / label).mkdir(parents=True)
        for number in range(N_A_CLASS):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "data" / "raw" / label / f"{number}.png")
    for name in ("overrides.csv", "confirmed_labels.csv"):  # clean and evaluate depend on them
        shutil.copy(REPO / "data" / name, root / "data")
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=root, check=True)


def seconds(command: list[str], root: Path, env: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode > 1 or (done.returncode and command[:2] != ["dvc", "status"]):
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
