"""Peak memory of validate and clean, process and workers together, for few images and for many.

Generated JPEGs of 64x64 pixels, half of them in each of two classes, in a folder and in a zip. Resident
memory is sampled every 50 ms; pages that processes share count in each. A stage whose memory does not grow
with the collection has a ratio near 1.

Run: python -m benchmarks.memory [2000 50000] [--kinds folder zip] [--stages validate clean]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from PIL import Image
from ruamel.yaml import YAML

REPO = Path(__file__).resolve().parents[1]
MIB = 1 << 20
SIDE_PX, N_CELLS = 64, 8
RAW = argparse.RawDescriptionHelpFormatter


class Peak(NamedTuple):
    whole_mb: float  # process and workers
    main_mb: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RAW)
    parser.add_argument("sizes", type=int, nargs="*", default=[2_000, 50_000])
    parser.add_argument("--kinds", nargs="+", default=["folder", "zip"], choices=["folder", "zip"])
    parser.add_argument("--stages", nargs="+", default=["validate", "clean"], choices=["validate", "clean"])
    options = parser.parse_args()
    print(f"{'stage':<10}{'source':<8}{'images':>8}{'peak, MB':>10}{'of it main':>12}{'s':>8}{'ratio':>8}")
    for kind in options.kinds:
        found: dict[tuple[str, int], Peak] = {}
        for n in options.sizes:
            with tempfile.TemporaryDirectory() as folder:
                make_project(Path(folder), n, kind)
                for stage in ("validate", "clean"):
                    found[stage, n] = peak_of(stage, Path(folder))
        for stage in options.stages:
            for n in options.sizes:
                peak = found[stage, n]
                ratio = peak.whole_mb / found[stage, options.sizes[0]].whole_mb
                print(
                    f"{stage:<10}{kind:<8}{n:>8,}{peak.whole_mb:>10.0f}{peak.main_mb:>12.0f}"
                    f"{peak.seconds:>8.1f}{ratio:>8.2f}"
                )


def make_project(root: Path, n: int, kind: str) -> None:
    """The repository's code and parameters over `n` generated images."""
    for name in ("dvc.yaml", "pipeline"):
        (root / name).symlink_to(REPO / name)
    values = YAML().load(REPO / "params.yaml")
    values["data"]["source"] = "images.zip" if kind == "zip" else "images"
    YAML().dump(values, root / "params.yaml")
    if kind == "zip":
        with zipfile.ZipFile(root / "images.zip", "w") as archive:
            for name, data in pictures(n):
                archive.writestr(name, data)
        return
    for name, data in pictures(n):
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def pictures(n: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of JPEGs that look unlike each other: random colours, interpolated."""
    rng = np.random.default_rng(0)
    for i in range(n):
        cells = Image.fromarray(rng.integers(0, 256, (N_CELLS, N_CELLS, 3), dtype=np.uint8))
        stream = BytesIO()
        cells.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
        yield f"class_{i % 2}/collection_{i // 1000:03d}__picture_{i:06d}.jpg", stream.getvalue()


def peak_of(stage: str, root: Path) -> Peak:
    """Run a stage in a project and watch it.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    env = os.environ | {"PYTHONPATH": str(REPO)}
    env.pop("MLFLOW_TRACKING_URI", None)
    start, whole, alone = time.monotonic(), 0, 0
    command = [sys.executable, "-m", f"pipeline.stages.{stage}"]
    with subprocess.Popen(command, cwd=root, env=env, stderr=subprocess.PIPE, text=True) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            own, all_of_it = resident(watched)
            whole, alone = max(whole, all_of_it), max(alone, own)
            time.sleep(0.05)
        said = process.stderr.read() if process.stderr else ""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=said[-2000:])
    return Peak(whole / MIB, alone / MIB, time.monotonic() - start)


def resident(process: psutil.Process) -> tuple[int, int]:
    """Resident bytes of a process, and of it with all that it started; 0 for what has just ended."""
    sizes = []
    try:
        for one in (process, *process.children(recursive=True)):
            sizes.append(one.memory_info().rss)
    except psutil.NoSuchProcess:
        pass
    return (sizes[0] if sizes else 0), sum(sizes)


if __name__ == "__main__":
    main()
