"""Very many pictures on one machine: validate, clean and split, with the peak of their memory.

Tiny distinct JPEGs of ten classes, in one zip or in folders of 10,000. `dvc repro split` runs on them as a
user would. For each stage it prints the seconds, the pictures a second, and the largest sum of what the stage
and its workers keep in memory of their own: RssAnon and RssShmem of /proc/PID/status (pages of mapped files
do not count: the system takes them back at will). The same of DVC, which hashes the source and stores the
outputs. What the commands say goes to standard error, each line with its moment.

Run: python -m benchmarks.many_pictures [--images 1000000] [--kind zip|folders] [--folder DIR]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.scale import CLASSES, STAGES, make_project

MIB = 1 << 20
SIZE, N_CELLS = (32, 32), (4, 4, 3)
A_FOLDER = 10_000
_OWN = ("RssAnon:", "RssShmem:")
_STAGE = re.compile(r"pipeline\.stages\.(\w+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=["zip", "folders"], default="zip")
    parser.add_argument("--folder", type=Path, help="where the project is made; default: a temporary folder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        measure(Path(folder).resolve(), asked.images, asked.kind)


def measure(root: Path, n_images: int, kind: str) -> None:
    """Print a line for each stage, and one for the whole command."""
    print(describe_machine(), flush=True)
    make_project(root)
    start = time.perf_counter()
    source = root / ("scans.zip" if kind == "zip" else "data/raw")
    n_bytes = write_zip(source, n_images) if kind == "zip" else write_folders(source, n_images)
    params = YAML().load(root / "params.yaml")
    params["data"].update(source=str(source.relative_to(root)), layout="first_folder")
    YAML().dump(params, root / "params.yaml")
    print(
        f"{n_images:,} JPEGs of {SIZE[0]} x {SIZE[1]} pixels, {n_bytes / n_images:,.0f} bytes each, {kind};"
    )
    print(f"made in {time.perf_counter() - start:.0f} s\n", flush=True)
    seconds, peaks, whole_s = watch(root)
    print(f"{'stage':<10}{'s':>9}{'a second':>10}{'own memory, MB':>16}")
    for stage in STAGES:
        took_s = seconds.get(stage, float("nan"))
        print(f"{stage:<10}{took_s:>9.1f}{n_images / took_s:>10,.0f}{peaks.get(stage, 0) / MIB:>16,.0f}")
    rest_s = whole_s - sum(seconds.values())
    print(f"{'DVC':<10}{rest_s:>9.1f}{n_images / rest_s:>10,.0f}{peaks.get('dvc', 0) / MIB:>16,.0f}")
    print(f"{'all':<10}{whole_s:>9.1f}{n_images / whole_s:>10,.0f}   load {os.getloadavg()[0]:.1f} after")


def draw(n_images: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of pictures that look unlike each other: random colours, interpolated."""
    rng = np.random.default_rng(0)
    for number in range(n_images):
        cells = Image.fromarray(rng.integers(0, 256, N_CELLS, dtype=np.uint8))
        stream = BytesIO()
        cells.resize(SIZE, Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
        a_class = CLASSES[number % len(CLASSES)]
        folder = number // len(CLASSES) // A_FOLDER
        yield f"{a_class}/{folder:03d}/{number:07d}.jpg", stream.getvalue()


def write_zip(file: Path, n_images: int) -> int:
    """The pictures in a zip, as they are; their bytes in all."""
    n_bytes = 0
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in draw(n_images):
            archive.writestr(name, data)
            n_bytes += len(data)
    return n_bytes


def write_folders(root: Path, n_images: int) -> int:
    """The pictures as files, 10,000 a folder; their bytes in all."""
    n_bytes = 0
    for name, data in draw(n_images):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        n_bytes += len(data)
    return n_bytes


def watch(root: Path) -> tuple[dict[str, float], dict[str, int], float]:
    """Seconds of each stage, peaks of memory in bytes, and seconds of the whole command."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = os.environ | {"PYTHONPATH": str(root), "PATH": path}
    env.pop("MLFLOW_TRACKING_URI", None)
    start, peaks, seconds, tail = time.perf_counter(), dict[str, int](), dict[str, float](), list[str]()
    command = ["dvc", "repro", "split"]
    with subprocess.Popen(
        command, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        sampler = threading.Thread(target=sample, args=(process.pid, peaks), daemon=True)
        sampler.start()
        for line in process.stdout or ():
            tail = [*tail[-40:], line]
            print(f"{time.perf_counter() - start:9.1f} s  {line.rstrip()}", file=sys.stderr, flush=True)
            if found := re.search(r"(\w+): done in ([\d.]+) s", line):
                seconds[found[1]] = float(found[2])
    whole_s = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{''.join(tail)}")
    return seconds, peaks, whole_s


def sample(pid: int, peaks: dict[str, int]) -> None:
    """Keep the peaks of a process of DVC and of the stages that it starts, until it ends."""
    with suppress(psutil.NoSuchProcess):
        watched = psutil.Process(pid)
        while watched.is_running():
            found = {"dvc": own_memory(watched)}
            for child in watched.children():
                with suppress(psutil.NoSuchProcess, IndexError):
                    named = _STAGE.search(" ".join(child.cmdline()))
                    family = (child, *child.children(recursive=True))
                    found[named[1] if named else "other"] = sum(map(own_memory, family))
            for name, n_bytes in found.items():
                peaks[name] = max(peaks.get(name, 0), n_bytes)
            time.sleep(0.2)


def own_memory(process: psutil.Process) -> int:
    """RssAnon + RssShmem of a process, in bytes: what belongs to no file; 0 for what has just ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_OWN))
    return 0


if __name__ == "__main__":
    main()
