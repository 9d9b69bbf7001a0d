"""`darkroom predict` of 5,000 JPEGs from a zip: pictures a second, beside decoding and the network alone.

The JPEGs have 0.96 megapixels (ten different ones, each often). Networks: the default one (`compact`) at the
sizes of the demo and of scans, with weights as they begin, since only time counts. Decoding alone is the same
workers, which hand their pictures on to nobody; the network alone gets pictures that are there already. Each
is measured `--runs` times in turn, without the time that imports take, and the medians are printed. On two
cores decoding and network share the processor, so no run can be faster than 1 / (1 / a + 1 / b): that bound
is printed too, as are processor times, which other work on the machine changes little, the share of facts,
the peak of memory with workers, and what each further file takes.

With `--alike` it prints instead how many of ten drawn photographs of digits, written with a felt-tip, are
answered rightly by the model of `make run` (or `--model`), before and after `--fit pad --content 0.7 --invert
auto`.

Run: python -m benchmarks.predict [--files 5000] [--runs 3] [--sides 16 64] [--alike [--model FOLDER]]
"""

import argparse
import io
import os
import statistics
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image, ImageFilter

from benchmarks.machine import describe_machine
from pipeline.images.recipe import Recipe
from pipeline.serving.decoding import make_scanners
from pipeline.serving.drift import Drift
from pipeline.serving.files import find_files
from pipeline.serving.predictions import predict_files
from pipeline.serving.settings import Settings, save_classifier
from pipeline.serving.training_facts import TrainingFacts, summarise_facts

FORMATS = ("JPEG", "PNG")
CLASSES = tuple(f"class {number}" for number in range(5))
TARGET, MAX_MB = 0.8, 1500
LISTED = 200_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--sides", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--alike", action="store_true")
    parser.add_argument("--model", type=Path, default=Path("data/train/classifier"))
    asked = parser.parse_args()
    if asked.alike:
        count_alike(asked.model)
        return
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        path = write_zip(Path(folder), asked.files)
        for side in asked.sides:
            measure(path, save_network(Path(folder) / str(side), side), side, asked.runs)
        measure_listing(Path(folder))
    print(f"load {os.getloadavg()[0]:.1f} after")


def measure(path: Path, folder: Path, side: int, runs: int) -> None:
    """Print the rates of one network."""
    from pipeline.backend.device import set_up_device
    from pipeline.serving.classifier import Classifier

    set_up_device()
    classifier = Classifier.load(folder)
    found = find_files([path])
    n = len(found[0].entries)
    facts_every = -(-max(n, 5000) // 2000)  # as of 5,000 files, also where fewer are asked for
    recipe = classifier.settings.recipe
    pictures = np.random.default_rng(0).integers(0, 256, (256, *recipe.picture_shape)).astype(np.uint8)
    classifier.predict_pictures(pictures[:32])

    def decode(*, with_facts: bool = False) -> None:
        items = ((None, (one.data, with_facts)) for one in found[0].read())
        with make_scanners(recipe) as scanners:
            for _ in scanners.map(items, n_bytes=lambda item: len(item[0])):
                pass

    def answer() -> None:
        for _ in range(0, n, len(pictures)):
            classifier.predict_pictures(pictures)

    def predict() -> None:
        drift = Drift(TrainingFacts(summarise_facts({"brightness": list(range(100))}), 100, 0, 1))
        with make_scanners(recipe) as scanners:
            for one in predict_files(found, classifier, scanners, top=1, facts_every=facts_every):
                drift.add(one.facts or {}, "")

    tasks = {
        "decoding alone": decode,
        "decoding, all facts": lambda: decode(with_facts=True),
        "network alone": answer,
        "predict": predict,
    }
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    spent: dict[str, list[float]] = {name: [] for name in tasks}
    with watch_memory() as peak:
        for _ in range(runs):
            for name, task in tasks.items():
                start, before = time.monotonic(), count_seconds()
                task()
                rates[name].append(n / (time.monotonic() - start))
                spent[name].append((count_seconds() - before) / n * 1000)
    said = {name: statistics.median(found) for name, found in rates.items()}
    print(f"\ncompact at {side} x {side}, {n:,} JPEGs of 0.96 megapixels from a zip, median of {runs}")
    for name, rate in said.items():
        print(f"  {name:<20} {rate:>8,.0f} pictures/s   ({', '.join(f'{one:,.0f}' for one in rates[name])})")
    slower = min(said["decoding alone"], said["network alone"])
    bound = 1 / (1 / said["decoding alone"] + 1 / said["network alone"])
    print(f"  predict / the slower of the two: {said['predict'] / slower:.2f} (asked: {TARGET})")
    least = {name: min(found) for name, found in spent.items()}
    print(f"  processor time, ms a picture: {', '.join(f'{name} {one:.2f}' for name, one in least.items())}")
    busiest = max(least["decoding alone"], least["network alone"])
    print(f"  the slower of the two / predict, by processor time: {busiest / least['predict']:.2f}")
    facts = 1 - said["decoding, all facts"] / said["decoding alone"]
    print(f"  what two shared cores allow: {bound:,.0f} pictures/s, {bound / slower:.2f} of the slower one")
    print(f"  predict / what they allow: {said['predict'] / bound:.2f}. Facts of all files cost {facts:.1%}")
    print(f"  peak of memory with workers: {peak[0]:,.0f} MB (asked: {MAX_MB:,})")


def count_seconds() -> float:
    """Processor time of this process and of its workers that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def measure_listing(folder: Path) -> None:
    """Print what each further file of a zip takes: all else does not grow with their number."""
    with zipfile.ZipFile(folder / "many.zip", "w") as archive:
        for number in range(LISTED):
            archive.writestr(f"folder{number % 100}/a name of some length {number:07d}.jpg", b"")
    before = psutil.Process().memory_info().rss
    found = find_files([folder / "many.zip"])
    each = (psutil.Process().memory_info().rss - before) / len(found[0].entries)
    print(f"\neach file that is listed takes {each:,.0f} bytes: {each:,.0f} MB for a million")


def count_alike(model: Path) -> None:
    """Print how many of ten photographs are answered rightly, as they are and made alike."""
    from tests.photographs import FELT_TIP, list_ten

    with tempfile.TemporaryDirectory() as folder:
        for name, data in list_ten("digit", FELT_TIP):
            (Path(folder) / f"{name}.jpg").write_bytes(data)
        ways: dict[str, list[str]] = {
            "as they are": [],
            "--fit pad --content 0.7 --invert auto": ["--fit", "pad", "--content", "0.7", "--invert", "auto"],
            "--fit pad --content 1 --invert auto": ["--fit", "pad", "--content", "1", "--invert", "auto"],
        }
        for way, options in ways.items():
            out = Path(folder).with_suffix(".csv")
            command = ["darkroom", "predict", folder, "--model", str(model), "--out", str(out), *options]
            subprocess.run(command, check=True, capture_output=True)
            lines = [line.split(",") for line in out.read_text().splitlines()[1:]]
            out.unlink()
            right = sum(Path(line[0]).stem == line[3] for line in lines)
            print(f"{way:<40} {right} of {len(lines)} right: {' '.join(line[3] for line in lines)}")


def write_zip(folder: Path, n: int) -> Path:
    """A zip of JPEGs that are as hard to decode as photographs."""
    chance = np.random.default_rng(0)
    made = []
    for _ in range(10):
        coarse = Image.fromarray(chance.integers(0, 256, (50, 75, 3)).astype(np.uint8)).resize((1200, 800))
        noise = Image.fromarray(chance.integers(0, 256, (800, 1200, 3)).astype(np.uint8))
        mixed = Image.blend(coarse, noise.filter(ImageFilter.GaussianBlur(1)), 0.3)
        stream = io.BytesIO()
        mixed.save(stream, "JPEG", quality=85)
        made.append(stream.getvalue())
    with zipfile.ZipFile(folder / "scans.zip", "w") as archive:
        for number in range(n):
            archive.writestr(f"{number:05d}.jpg", made[number % len(made)])
    print(f"JPEGs of {statistics.mean(map(len, made)) / 1000:,.0f} kB")
    return folder / "scans.zip"


def save_network(folder: Path, side: int) -> Path:
    """The default network, untrained."""
    from pipeline.models import build_model

    model = build_model("compact", image_hw=(side, side), channels=3, n_classes=len(CLASSES))
    recipe = Recipe((side, side), 3, "stretch", "bicubic", equalise=0, formats=FORMATS)
    save_classifier(model, Settings(CLASSES, recipe, test_mirror=False), folder)
    return folder


@contextmanager
def watch_memory() -> Iterator[list[float]]:
    """The highest sum of what this process and its workers hold, in MB, while the block runs."""
    peak, is_over, process = [0.0], threading.Event(), psutil.Process()

    def watch() -> None:
        while not is_over.wait(0.2):
            held = 0
            for one in (process, *process.children(recursive=True)):
                try:
                    held += one.memory_full_info().pss
                except psutil.Error:
                    continue
            peak[0] = max(peak[0], held / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


if __name__ == "__main__":
    main()
