"""How long evaluate takes with everything on: 10,000 test pictures of 28x28, and 1,000 of 128x128.

The small ones are Fashion-MNIST's test set, the large ones scans of toum.zip. Both go through the stages of a
project of their own, as processes, with MLflow. `compact` learns from few pictures for one epoch: what it
answers does not change how long it takes. Printed are the seconds of the whole stage, with starting and
MLflow, those of each part as the stage logs them, and those of all figures, wherever they are drawn.

`--isa AVX2` limits oneDNN to AVX2 and computes in float32, to stand for a processor without AVX-512.

Run: python -m benchmarks.evaluate_time [small] [large] [--isa AVX2] [--source ../shared/data/toum.zip]
"""

import argparse
import importlib
import json
import os
import pkgutil
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from benchmarks.cells import Uint8, load
from benchmarks.copies import TOUM
from pipeline.backend.device import name_processor, read_cpuinfo
from pipeline.paths import STAGES

REPO = Path(__file__).resolve().parents[1]
_N_LEARNT = 2_000  # pictures of Fashion-MNIST to learn from
_N_SCANS, _N_LARGE = 2_600, 1_000
_PART = re.compile(r"^INFO ([\w ]+): (\d+\.\d) s$", flags=re.M)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", choices=[*ASKED, []], default=[])
    parser.add_argument("--isa", default="")
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--stage", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        run_evaluate()
        return
    limited = f", limited to {options.isa}, float32" if options.isa else ""
    print(f"{name_processor(read_cpuinfo())}, {os.cpu_count()} processors{limited}")
    for size in options.sizes or ASKED:
        with tempfile.TemporaryDirectory() as folder:
            time_size(size, Path(folder), options)


def time_size(size: str, root: Path, options: argparse.Namespace) -> None:
    """Prepare a project, run its stages up to evaluate, and print what evaluate took."""
    make_project(root, size, options.source.resolve(), precision="float32" if options.isa else "auto")
    env = os.environ | {"PYTHONPATH": str(REPO), "TF_CPP_MIN_LOG_LEVEL": "3"}
    env |= {"ONEDNN_MAX_CPU_ISA": options.isa} if options.isa else {}
    env.pop("MLFLOW_TRACKING_URI", None)
    for stage in STAGES[: STAGES.index("evaluate")]:
        run([sys.executable, "-m", f"pipeline.stages.{stage}"], root, env)
    before = os.getloadavg()[0]
    start, cpu_before_s = time.perf_counter(), read_cpu_s()
    done = run([sys.executable, "-m", "benchmarks.evaluate_time", "--stage"], root, env)
    whole_s, cpu_s = time.perf_counter() - start, read_cpu_s() - cpu_before_s
    found = json.loads(done.stdout.splitlines()[-1])
    parts = [(name, float(seconds)) for name, seconds in _PART.findall(done.stderr)]
    print(
        f"\n{size}: {found['n_test']:,} test pictures; "
        f"load before {before:.1f}, after {os.getloadavg()[0]:.1f}"
    )
    print(f"{'part':<32}{'s':>8}{'asked':>8}")
    print(f"{'evaluate, the whole process':<32}{whole_s:>8.1f}{ASKED[size]:>8}")
    print(f"{'the same, seconds of processors':<32}{cpu_s:>8.1f}")
    for name, seconds in parts:
        print(f"  {name:<30}{seconds:>8.1f}")
    print(f"  {'answers, tables, start, MLflow':<30}{whole_s - sum(s for _, s in parts):>8.1f}")
    print(f"{'all figures, within these':<32}{found['figures_s']:>8.1f}{30:>8}", flush=True)


def read_cpu_s() -> float:
    """Seconds of all processors that finished child processes took, which other work makes no longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str], root: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done


def make_project(root: Path, size: str, source: Path, *, precision: str) -> None:
    """The repository's code and settings for a source, with all that evaluate can do."""
    for name in ("dvc.yaml", "pipeline"):
        (root / name).symlink_to(REPO / name)
    values = YAML().load(REPO / "params.yaml")
    values["augment"]["imperfect"] = 0.1
    values["train"].update({"model": "compact", "epochs": 1, "out_of_fold": True, "precision": precision})
    (root / "data").mkdir()
    if size == "small":
        write_fashion(root / "data" / "raw")
        values["clean"].update({"image_hw": [28, 28], "channels": 1})
    else:
        values["data"]["source"] = str(source)
        values["clean"].update({"image_hw": [128, 128], "channels": 3})
        test = round(_N_LARGE / _N_SCANS, 4)
        shares = {"train": 0.5, "val": round(0.5 - test, 4), "test": test}
        values["split"].update(shares | {"exact_below": 10_000, "folds": 2})  # folds are not what is timed
    YAML().dump(values, root / "params.yaml")
    for name in ("overrides.csv", "confirmed_labels.csv"):  # clean and evaluate depend on them
        shutil.copy(REPO / "data" / name, root / "data")
    run(["dvc", "init", "-q", "--no-scm"], root, dict(os.environ))


def write_fashion(folder: Path) -> None:
    """Fashion-MNIST as IDX files, with the first pictures alone to learn from, and its whole test set."""
    x, y, x_test, y_test = load("fashion")
    folder.mkdir()
    for part, pictures, labels in (("train", x[:_N_LEARNT], y[:_N_LEARNT]), ("t10k", x_test, y_test)):
        write_idx(pictures[..., 0], folder / f"{part}-images-idx3-ubyte")
        write_idx(labels.astype(np.uint8), folder / f"{part}-labels-idx1-ubyte")


def write_idx(values: Uint8, path: Path) -> None:
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(head + values.tobytes())


def run_evaluate() -> None:
    """Run the stage in the working folder; print the seconds of its figures, and how many pictures it had."""
    clock = Clock()
    clock.watch_figures()
    from pipeline.json_file import read_json
    from pipeline.paths import Paths, project_root
    from pipeline.runner import execute, set_up_logging
    from pipeline.stages import evaluate

    set_up_logging()
    paths = Paths(project_root())
    execute("evaluate", evaluate.main, paths)
    metrics = read_json(paths.metrics("evaluate"), "evaluate")
    print(json.dumps({"figures_s": clock.seconds, "n_test": metrics["n_test"]}), flush=True)


class Clock:
    """Seconds spent in functions, where one that calls another counts once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def watch_figures(self) -> None:
        """Watch every `draw_...` of pipeline.figures; what imports them later gets the watched ones."""
        import pipeline.figures

        for found in pkgutil.iter_modules(pipeline.figures.__path__):
            module = importlib.import_module(f"pipeline.figures.{found.name}")
            for name in [name for name in vars(module) if name.startswith("draw_")]:
                setattr(module, name, self._watch(getattr(module, name)))

    def _watch(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **how: Any) -> Any:
            start = time.perf_counter()
            self._depth += 1
            try:
                return function(*args, **how)
            finally:
                self._depth -= 1
                self.seconds += 0 if self._depth else time.perf_counter() - start

        return watched


ASKED = {"small": 60, "large": 90}  # seconds

if __name__ == "__main__":
    main()
