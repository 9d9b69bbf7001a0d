"""What a collection that grows costs: the first run, a new batch, another picture size.

`new_batch`: N small distinct JPEGs in ten class folders. `dvc repro split` on them (the first run), with 1 %
of new ones, with nothing new, and with another `clean.image_hw`. For each it prints the seconds of the whole
command, the seconds that processors computed for it (other work on the machine matters less to these), the
seconds of each stage, and what is left: DVC's own work (it hashes the source, and stores outputs) and the
start of processes. Then all once more without a store, whose outputs must be the same byte for byte.

Run: python -m benchmarks.scale [new_batch] [--images 50000] [--folder DIR]
"""

import argparse
import hashlib
import io
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine

REPO = Path(__file__).resolve().parents[1]
STAGES = ("validate", "clean", "split")
CLASSES = tuple("abcdefghij")
SIZE = (128, 96)  # of a picture, in pixels
SHARE_NEW = 0.01
OTHER_HW = [48, 48]


class Took(NamedTuple):
    """Seconds of a command by the clock and of computing, and by the clock of each stage that it ran."""

    whole_s: float
    computed_s: float
    stages: dict[str, float]

    def describe(self, name: str, first: "Took | None" = None) -> str:
        """One line of the table; a share of `first`, if it is given."""
        stages = "".join(
            f"{self.stages[stage]:>10.1f}" if stage in self.stages else f"{'-':>10}" for stage in STAGES
        )
        pairs = ((self.whole_s, first and first.whole_s), (self.computed_s, first and first.computed_s))
        both = "".join(f"{mine:>9.1f}{f'{mine / its:.1%}' if its else '':>9}" for mine, its in pairs)
        return f"{name:<26}{both}{stages}{self.whole_s - sum(self.stages.values()):>16.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=["new_batch"], default="new_batch")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument(
        "--folder", type=Path, help="where the collection is made; default: a temporary folder"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        measure_new_batch(Path(folder).resolve(), asked.images)


def measure_new_batch(root: Path, n_images: int) -> None:
    """Print a line for each run."""
    n_new = max(1, round(n_images * SHARE_NEW))
    print(describe_machine(), flush=True)
    make_project(root)
    start = time.perf_counter()
    n_bytes = add_pictures(root, 0, n_images)
    took_s = time.perf_counter() - start
    print(f"{n_images:,} JPEGs of {SIZE[0]} x {SIZE[1]} pixels, {n_bytes / n_images:,.0f} bytes each,")
    print(f"made in {took_s:.0f} s; then {n_new:,} more\n")
    print(f"{'dvc repro split':<26}{'seconds':>9}{'of first':>9}{'CPU s':>9}{'of first':>9}", end="")
    print("".join(f"{stage:>10}" for stage in STAGES) + f"{'DVC and start':>16}", flush=True)
    first = repro(root)
    print(first.describe("from nothing"), flush=True)
    add_pictures(root, n_images, n_images + n_new)
    print(repro(root).describe("1 % new", first), flush=True)
    print(repro(root).describe("nothing new", first), flush=True)
    written = hash_outputs(root)
    set_params(root, OTHER_HW)
    print(repro(root).describe("another clean.image_hw", first), flush=True)
    n_store = sum(path.stat().st_size for path in (root / ".darkroom" / "results").iterdir())
    set_params(root)
    print(repro(root, "--force", DARKROOM_CACHE_GB="0").describe("all, without a store", first), flush=True)
    is_same = hash_outputs(root) == written
    print(f"\noutputs with and without a store: {'the same bytes' if is_same else 'THEY DIFFER'}")
    print(f"the store: {n_store / 1e6:,.0f} MB, {n_store / (n_images + n_new) / 1000:.1f} kB a picture")
    if not is_same:
        sys.exit(1)


def make_project(root: Path) -> None:
    """The repository's code and settings, copied, so that edits meanwhile do not count."""
    shutil.copytree(REPO / "pipeline", root / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "dvc.yaml", root)
    set_params(root)
    for file in ("data/overrides.csv", "data/labels/README.md", ".dvcignore"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes((REPO / file).read_bytes())
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=root, check=True)


def set_params(root: Path, image_hw: list[int] | None = None) -> None:
    """The repository's params, with another size where it is given."""
    values = YAML().load(REPO / "params.yaml")
    if image_hw:
        values["clean"]["image_hw"] = image_hw
    YAML().dump(values, root / "params.yaml")


def add_pictures(root: Path, start: int, stop: int) -> int:
    """Make the pictures of some numbers, each of large random patches; their bytes in all."""
    n_bytes = 0
    for number in range(start, stop):
        rng = np.random.default_rng(number)
        patches = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        stream = io.BytesIO()
        patches.resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
        file = root / "data" / "raw" / CLASSES[number % len(CLASSES)] / f"{number:07d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(stream.getvalue())
        n_bytes += len(stream.getvalue())
    return n_bytes


def repro(root: Path, *options: str, **variables: str) -> Took:
    """Run the chain up to split, as a user does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PYTHONPATH": str(root), "PATH": path} | variables
    env.pop("MLFLOW_TRACKING_URI", None)
    start, before_s = time.perf_counter(), count_computed()
    command = ["dvc", "repro", *options, "split"]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    whole_s = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    said = re.findall(r"(\w+): done in ([\d.]+) s", done.stdout + done.stderr)
    return Took(whole_s, count_computed() - before_s, {stage: float(seconds) for stage, seconds in said})


def count_computed() -> float:
    """Seconds of computing of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def hash_outputs(root: Path) -> dict[str, str]:
    """The sha256 of every file that the three stages wrote."""
    files = [file for stage in STAGES for file in (root / "data" / stage).rglob("*") if file.is_file()]
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


if __name__ == "__main__":
    main()
