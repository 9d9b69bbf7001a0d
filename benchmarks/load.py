"""Collections that are unusual or large, through the stages: does each end well, or in one line?

300 classes (as far as evaluate), a class of one picture, 2,000 times the same picture (the same bytes; other
bytes; in one class and in two), nothing but black, and 200,000 files. Prints for each stage its last line of
error or "ok", the seconds, and the peak memory of process and workers together. Wrong is a traceback or an
error of several lines.

Run: python -m benchmarks.load [--only WORD] [--files 200000]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.memory import MIB, REPO, pictures, resident

DATA = ("validate", "clean", "split")
ALL = (*DATA, "augment", "train", "evaluate")
Pictures = Iterator[tuple[str, bytes]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="collections whose name holds this word")
    parser.add_argument("--files", type=int, default=200_000)
    options = parser.parse_args()
    cases: dict[str, tuple[tuple[str, ...], Callable[[], Pictures]]] = {
        "300 classes": (ALL, lambda: draw_classes([20] * 300)),
        "a class of one picture": (DATA, lambda: draw_classes([30, 30, 1])),
        "2,000 equal files, one class": (DATA, lambda: repeat(1, same_bytes=True)),
        "2,000 equal files, two classes": (DATA, lambda: repeat(2, same_bytes=True)),
        "2,000 equal pictures, one class": (DATA, lambda: repeat(1, same_bytes=False)),
        "2,000 equal pictures, two classes": (DATA, lambda: repeat(2, same_bytes=False)),
        "nothing but black": (DATA, draw_black),
        f"{options.files:,} files": (DATA, lambda: pictures(options.files)),
    }
    print(f"{'collection':<36}{'stage':<10}{'s':>8}{'MB':>7}  outcome")
    n_wrong = sum(
        try_collection(name, stages, draw) for name, (stages, draw) in cases.items() if options.only in name
    )
    print(f"{n_wrong} wrong")
    sys.exit(bool(n_wrong))


def try_collection(name: str, stages: tuple[str, ...], draw: Callable[[], Pictures]) -> int:
    """Run the stages on a collection until one ends in an error; returns how many ended badly."""
    with tempfile.TemporaryDirectory() as folder:
        write_project(Path(folder), draw())
        for stage in stages:
            code, seconds, megabytes, said = run(stage, Path(folder))
            lines = [line for line in said.splitlines() if line.startswith("ERROR")]
            is_wrong = "Traceback" in said or (code != 0 and len(lines) != 1)
            outcome = "ok" if code == 0 else (lines or said.splitlines() or [f"exit code {code}"])[-1]
            shown = f"{'WRONG ' * is_wrong}{outcome.replace(folder, '')[:160]}"
            print(f"{name:<36}{stage:<10}{seconds:>8.1f}{megabytes:>7.0f}  {shown}", flush=True)
            if code:
                return int(is_wrong)
    return 0


def write_project(root: Path, drawn: Pictures) -> None:
    """The repository's code over a collection; one epoch is enough to see what a stage makes of it."""
    for name in ("dvc.yaml", "pipeline"):
        (root / name).symlink_to(REPO / name)
    values = YAML().load(REPO / "params.yaml")
    values["train"] |= {"epochs": 1, "warmup_epochs": 0}
    YAML().dump(values, root / "params.yaml")
    for name, data in drawn:
        path = root / "data" / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def run(stage: str, root: Path) -> tuple[int, float, float, str]:
    """Exit code, seconds, peak MB of process and workers, and standard error of a stage."""
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    start, peak = time.monotonic(), 0
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", f"pipeline.stages.{stage}"]
        with subprocess.Popen(command, cwd=root, env=environment, stderr=said) as process:
            watched = psutil.Process(process.pid)
            while process.poll() is None:
                peak = max(peak, resident(watched)[1])
                time.sleep(0.1)
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    return process.returncode, time.monotonic() - start, peak / MIB, text


def draw_classes(sizes: list[int]) -> Pictures:
    """So many pictures of each class."""
    drawn = pictures(sum(sizes))
    for number, size in enumerate(sizes):
        for _ in range(size):
            name, data = next(drawn)
            yield f"class_{number:03d}/{name.rpartition('/')[2]}", data


def repeat(n_classes: int, *, same_bytes: bool) -> Pictures:
    """One picture 2,000 times, beside 40 others, in one or two classes."""
    from PIL.PngImagePlugin import PngInfo

    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for number in range(2000):
        info, stream = PngInfo(), BytesIO()
        info.add_text("n", "0" if same_bytes else str(number))
        image.save(stream, "PNG", pnginfo=info)
        yield f"class_{number % n_classes}/same_{number:04d}.png", stream.getvalue()
    yield from pictures(40)


def draw_black() -> Pictures:
    for number in range(400):
        stream = BytesIO()
        Image.new("RGB", (64 + number % 20, 64)).save(stream, "PNG")
        yield f"class_{number % 2}/{number}.png", stream.getvalue()


if __name__ == "__main__":
    main()
