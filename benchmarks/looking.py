"""How fast validate and clean look at pictures, beside CleanVision, plain Pillow and a bare JPEG decoder.

On the same files in one run, each in turn, `--runs` times; prints medians of images a second and ratios:
validate (two processes) against CleanVision (two processes, in an environment of its own, since its licence
is AGPL; `make bench-data` makes it); the passes of validate and clean over the files, one after the other,
against Pillow's open + full decode + resize on one core; and the time that decoding a JPEG at an eighth of
its size takes, which is that of its entropy coding: no decoder can be faster.
What a stage does once (imports, Great Expectations, figures) is not in it: see benchmarks/stage_overhead.py.

Run: python -m benchmarks.looking [--source ../shared/data/toum.zip] [--runs 3] [--cleanvision PYTHON]
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies import TOUM, look_at, params_for
from benchmarks.machine import describe_machine
from pipeline.collection.file_plan import plan_files
from pipeline.collection.fingerprints import Fingerprints
from pipeline.collection.known_files import KnownFiles
from pipeline.collection.shards import ShardWriter
from pipeline.images.fingerprint import VIEWS
from pipeline.params import Params
from pipeline.sources import open_source
from pipeline.stages import clean, validate
from pipeline.workers import WORKERS_VARIABLE

IMAGE_HW = (128, 128)
LARGE_PX, N_LARGE = (1200, 1168), 300  # 1.4 megapixels, as a scanner or a telephone makes them
CLEANVISION = """
import sys, time
from cleanvision import Imagelab

if __name__ == "__main__":
    lab = Imagelab(data_path=sys.argv[1])
    start = time.perf_counter()
    lab.find_issues(n_jobs=2, verbose=False)
    print("seconds", time.perf_counter() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, default=TOUM, help="a zip of a folder per class")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cleanvision", type=Path, default=Path(".bench/looking/bin/python"))
    options = parser.parse_args()
    print(describe_machine(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        collection, large = Path(folder, "collection"), Path(folder, "large")
        with zipfile.ZipFile(options.source) as archive:
            archive.extractall(collection)
        make_large(collection, large)
        report(f"{options.source.name}, as it is", collection, options.runs, options.cleanvision)
        report("1.4 megapixel JPEGs made of it", large, options.runs, options.cleanvision)


def make_large(collection: Path, large: Path) -> None:
    """Pictures of a collection, enlarged to 1.4 megapixels with grain, as JPEGs of quality 85."""
    files = sorted(path for path in collection.rglob("*") if path.is_file())
    for number, path in enumerate(files[:: max(1, len(files) // N_LARGE)][:N_LARGE]):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB").resize(LARGE_PX, Image.Resampling.BICUBIC), dtype=float)
        grain = np.random.default_rng(number).normal(0, 4, (*pixels.shape[:2], 1))
        target = large / path.parent.name / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)).save(target, quality=85)


def report(title: str, folder: Path, runs: int, cleanvision: Path) -> None:
    """Print the table for one folder of images."""
    params = params_for(folder, clean={"image_hw": list(IMAGE_HW)})
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    jpegs = [path for path in files if path.read_bytes()[:2] == b"\xff\xd8"]
    measured: dict[str, tuple[int, Callable[[], float]]] = {
        "Pillow, one core": (len(files), lambda: pillow(files)),
        "JPEG entropy floor, one core": (len(jpegs), lambda: floor(jpegs)),
        "validate, one process": (len(files), lambda: validate_pass(params, 1)),
        "validate, two processes": (len(files), lambda: validate_pass(params, 2)),
        "validate + clean, one process": (len(files), lambda: both_passes(params, 1)),
        "validate + clean, two processes": (len(files), lambda: both_passes(params, 2)),
    }
    if cleanvision.is_file():
        measured["CleanVision, two processes"] = len(files), lambda: cleanvision_pass(cleanvision, folder)
    seconds: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(runs):
        for name, (_, measure) in measured.items():
            seconds[name].append(measure())
    rate = {name: n / statistics.median(seconds[name]) for name, (n, _) in measured.items()}
    print(f"\n{title}: {len(files):,} files, {len(jpegs):,} of them JPEGs; {runs} runs")
    for name, images_a_second in rate.items():
        low, high = (measured[name][0] / end(seconds[name]) for end in (max, min))
        print(f"{name:<34}{images_a_second:>8.0f} images/s   ({low:.0f} to {high:.0f})")
    ratios = [
        ("validate / CleanVision", "validate, two processes", "CleanVision, two processes"),
        ("validate + clean (two) / Pillow", "validate + clean, two processes", "Pillow, one core"),
        ("validate + clean (one) / Pillow", "validate + clean, one process", "Pillow, one core"),
        ("validate (one) / floor", "validate, one process", "JPEG entropy floor, one core"),
        ("validate + clean (one) / floor", "validate + clean, one process", "JPEG entropy floor, one core"),
    ]
    for name, above, below in ratios:
        said = f"{rate[above] / rate[below]:.2f}x" if below in rate else "not measured: make bench-data"
        print(f"{name:<34}{said:>10}")


def pillow(files: list[Path]) -> float:
    """Seconds that opening, decoding and resizing takes, without any check."""
    start = time.perf_counter()
    for path in files:
        with Image.open(path) as image:
            image.convert("RGB").resize(IMAGE_HW, Image.Resampling.BICUBIC)
    return time.perf_counter() - start


def floor(files: list[Path]) -> float:
    start = time.perf_counter()
    for path in files:
        with Image.open(path) as image:
            image.draft("RGB", (1, 1))
            image.load()
    return time.perf_counter() - start


def cleanvision_pass(python: Path, folder: Path) -> float:
    command = [str(python), "-c", CLEANVISION, str(folder)]
    with tempfile.TemporaryDirectory() as elsewhere:
        script = Path(elsewhere, "look.py")  # a file: its workers import it again
        script.write_text(CLEANVISION, encoding="utf-8")
        command = [str(python.absolute()), str(script), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.rsplit("seconds", 1)[1])


def validate_pass(params: Params, n_workers: int) -> float:
    os.environ[WORKERS_VARIABLE] = str(n_workers)
    start = time.perf_counter()
    look_at(Path(params.data.source), params)
    return time.perf_counter() - start


def both_passes(params: Params, n_workers: int) -> float:
    """Seconds from files to a manifest, canonical pictures and fingerprints, with a store that is empty."""
    os.environ[WORKERS_VARIABLE] = str(n_workers)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        source = open_source(Path(params.data.source), params.data)
        manifest = validate.build_manifest(source, params, results)
        files = plan_files(manifest, [], source.labels)
        n = sum(file.at >= 0 for file in files.values())
        work = clean.plan_work(params, manifest, files)
        with (
            KnownFiles(results) as known,
            Fingerprints(Path(folder), n, len(VIEWS)) as prints,
            ShardWriter(Path(folder, "shards"), n, work.recipe.picture_shape, n) as writer,
        ):
            clean.develop_all(files, source, work, writer, prints, known=known)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
