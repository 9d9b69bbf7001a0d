"""Random crops of real pictures: how many are near their original, and which views find them.

Every picture is cropped by 1 to 6 % on each side, with its aspect kept and not, at one corner, at one side,
or by 4 % all round. The crop is saved as JPEG of quality 88, every other one after shrinking by up to a half.

`choose` prints the pairs of parts that `images/fingerprint.py` holds. A view that is q off (the root mean
square of what its edges are off, as a share of the side) misses a crop with a probability that was measured;
pairs are added one by one, each where it lowers the expected misses most.

Run: python -m benchmarks.crops [--source ../shared/data/toum.zip] [--pictures 600], or
     python -m benchmarks.crops choose
"""

import argparse
import io
import random
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.copies import TOUM, on_white
from pipeline.images.fingerprint import VIEWS, Fingerprint, find_margins, is_small, shrink, take_fingerprint
from pipeline.params_file import load_params
from pipeline.paths import Paths, project_root

Floats = NDArray[np.float64]

KINDS = ("each side", "aspect kept", "one corner", "one side", "4 % all round")
EDGES = (0.003, 0.019, 0.036, 0.053)  # as in images/fingerprint.py
N_PAIRS = 144
# Measured on 350 pictures of toum.zip: at this q, so many views are more than 31 bits away.
Q = (0, 0.004, 0.006, 0.007, 0.008, 0.009, 0.010, 0.012, 0.014, 0.016, 0.018, 0.02)
MISSED = (0, 0, 0.003, 0.02, 0.05, 0.10, 0.2, 0.45, 0.71, 0.87, 0.95, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=["measure", "choose"], default="measure")
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--pictures", type=int, default=600)
    options = parser.parse_args()
    if options.what == "choose":
        print(*choose(), sep="\n")
        return
    section = load_params(Paths(project_root()).params).clean
    margins = np.array(find_margins())
    found: dict[tuple[str, str], list[int]] = defaultdict(list)
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(options.source) as archive:
        names = sorted(name for name in archive.namelist() if name[-1] != "/")
        for name in random.Random(7).sample(names, min(options.pictures, len(names))):
            image = on_white(archive.read(name))
            original = fingerprint(image)
            for kind in KINDS if original.quality >= section.near_duplicate_min_quality else ():
                copy = fingerprint(altered(image, draw(kind, rng), rng))
                if copy.quality >= section.near_duplicate_min_quality:
                    distance = min(compare(original, copy, margins), compare(copy, original, margins))
                    for group in (kind, "all"):
                        found["text" if name.startswith("Text/") else "others", group].append(distance)
    print(
        f"{'pictures':<10}{'crop':<16}{'copies':>8}{'recall':>9}{'99 % within':>13}{'farthest':>10}  (bits)"
    )
    for (what, kind), distances in sorted(found.items()):
        near = np.mean(np.array(distances) <= section.near_duplicate_distance)
        most = np.percentile(distances, 99)
        print(f"{what:<10}{kind:<16}{len(distances):>8,}{near:>9.4f}{most:>13.0f}{max(distances):>10}")


def fingerprint(image: Image.Image) -> Fingerprint:
    return take_fingerprint(shrink(image, None), small=is_small(image.size))


def compare(one: Fingerprint, other: Fingerprint, margins: NDArray[np.int64]) -> int:
    """Bits between the other and the nearest view of the one, with the margins of crops added."""
    views = np.frombuffer(one.views, np.uint8).reshape(len(VIEWS), 32)
    apart = np.bitwise_count(views ^ np.frombuffer(other.pdq, np.uint8)).sum(axis=1)
    return int((apart + margins).min())


def draw(kind: str, rng: np.random.Generator) -> Floats:
    """What a crop takes at the left, right, top and bottom, as shares."""
    cut = rng.uniform(0.01, 0.06, 4)
    match kind:
        case "aspect kept":  # the same in width and height, divided between their ends at random
            total = rng.uniform(0.02, 0.12)
            low, high = max(0.01, total - 0.06), min(0.06, total - 0.01)
            left, top = rng.uniform(low, high, 2)
            return np.array([left, total - left, top, total - top])
        case "one corner":
            sides = rng.integers(0, 2, 2) + np.array([0, 2])
            return np.where(np.isin(np.arange(4), sides), cut, 0)
        case "one side":
            return np.where(np.arange(4) == rng.integers(4), cut, 0)
        case "4 % all round":
            return np.full(4, 0.04)
    return cut


def altered(image: Image.Image, cut: Floats, rng: np.random.Generator) -> Image.Image:
    width, height = image.size
    left, right, top, bottom = cut * np.array([width, width, height, height])
    image = image.crop((round(left), round(top), round(width - right), round(height - bottom)))
    if rng.random() < 0.5:
        share = rng.uniform(0.5, 1)
        image = image.resize((max(32, round(image.width * share)), max(32, round(image.height * share))))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return Image.open(stream).convert("RGB")


def choose() -> list[str]:
    """For each part of the height the parts of the width, as hexadecimal digits."""
    rng = np.random.default_rng(0)
    cuts = np.stack([draw(kind, rng) for kind in KINDS[:4] for _ in range(2000)])
    parts = np.array([(start, stop) for start in EDGES for stop in EDGES])
    off = [measure_off(cuts[:, axis : axis + 2], parts) for axis in (2, 0)]
    missed = np.interp(np.sqrt(off[0][:, :, None] + off[1][:, None]), Q, MISSED).reshape(len(cuts), -1)
    whole = measure_off(cuts[:, :2], np.zeros((1, 2))) + measure_off(cuts[:, 2:], np.zeros((1, 2)))
    left = np.interp(np.sqrt(whole[:, 0]), Q, MISSED)
    chosen = []
    for _ in range(N_PAIRS):
        chosen.append(int(np.minimum(missed, left[:, None]).mean(axis=0).argmin()))
        left = np.minimum(left, missed[:, chosen[-1]])
    return ["".join(f"{pair % 16:x}" for pair in sorted(chosen) if pair // 16 == v) for v in range(16)]


def measure_off(cuts: Floats, parts: Floats) -> Floats:
    """The mean square of what each part's edges are off, along a side: [cuts, parts]."""
    start, stop = np.moveaxis(cuts[:, None] - parts, -1, 0)
    return np.asarray((start**2 - start * stop + stop**2) / 3)


if __name__ == "__main__":
    main()
