"""How long `darkroom predict` takes for its first answer, beside importing Keras, which it cannot do without.

In a project of its own with the digits, run once. In each round, one after the other: a process that imports
Keras, `darkroom predict` of one picture by the champion and by the model of the last run, and of 1,797
pictures. Prints medians, and the medians of the ratios within a round.

Run: python -m benchmarks.first_answer [--runs 7]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        env = os.environ | {
            "PYTHONPATH": str(REPO),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        env.pop("MLFLOW_TRACKING_URI", None)
        make_project(root, env)
        one = str(next((root / "data" / "raw" / "3").iterdir()))
        commands = {
            "import keras": [sys.executable, "-c", "import keras"],
            "predict, champion": ["darkroom", "predict", one],
            "predict --last": ["darkroom", "predict", one, "--last"],
            "predict, 1,797 pictures": ["darkroom", "predict", "data/raw", "--json"],
        }
        rounds = [
            {name: seconds(command, root, env) for name, command in commands.items()} for _ in range(runs)
        ]
    print(f"{'':<24} {'s':>6} {'ratio':>6}   median of {runs}")
    for name in commands:
        times = statistics.median(found[name] for found in rounds)
        ratio = statistics.median(found[name] / found["import keras"] for found in rounds)
        print(f"{name:<24} {times:>6.2f} {ratio:>6.2f}")


def make_project(root: Path, env: dict[str, str]) -> None:
    """A finished run of the digits."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((REPO / name).read_bytes())
    for command in (["git", "init", "-q"], ["darkroom", "demo", "digits"], ["dvc", "repro", "-q"]):
        subprocess.run(command, cwd=root, env=env, capture_output=True, check=True)


def seconds(command: list[str], root: Path, env: dict[str, str]) -> float:
    start = time.monotonic()
    subprocess.run(command, cwd=root, env=env, capture_output=True, check=True)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
