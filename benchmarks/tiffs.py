"""Whether valid TIFFs of every layout are read right: some thousand, by colour, depth and compression.

A TIFF is wrong if the developed picture differs from what it shows by 1.5 of 255 or more on average, and
called corrupt if that is its reason. Prints a row for each kind of samples; with `--list`, each failure.

Run: python -m benchmarks.tiffs [--every 1] [--list]
"""

import argparse
import time
from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from benchmarks.tiff_files import HEIGHT, WIDTH, Kind, list_kinds, make_tiff
from pipeline.errors import ImageError
from pipeline.images.picture import develop
from pipeline.images.recipe import Recipe

MAX_DIFFERENCE = 1.5
RECIPE = Recipe((HEIGHT, WIDTH), 3, "stretch", "bicubic", 0, ("TIFF",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="try one of so many")
    parser.add_argument("--list", action="store_true", help="print every failure")
    args = parser.parse_args()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    start, seconds = time.perf_counter(), 0.0
    for kind in list(list_kinds())[:: args.every]:
        data, shown = make_tiff(kind)
        start = time.perf_counter()
        said = judge(data, shown)
        seconds += time.perf_counter() - start
        outcome = said.split(" ")[0]
        counts[_name_row(kind)][outcome] += 1
        if args.list and outcome != "right":
            print(f"{kind}: {said}")
    outcomes = sorted({outcome for row in counts.values() for outcome in row})
    total = sum(counts.values(), Counter[str]())
    print(f"{'samples':<28}" + "".join(f"{outcome:>22}" for outcome in outcomes))
    for name, row in [*counts.items(), ("all", total)]:
        print(f"{name:<28}" + "".join(f"{row[outcome]:>22,}" for outcome in outcomes))
    print(f"{1000 * seconds / total.total():.1f} ms each")


def judge(data: bytes, shown: NDArray[np.uint8]) -> str:
    """right, wrong with the mean difference, or the reason."""
    try:
        picture = develop(data, RECIPE)
    except ImageError as error:
        return str(error).replace(": ", " ", 1)
    difference = float(np.abs(picture.astype(np.float64) - shown).mean())
    return "right" if difference < MAX_DIFFERENCE else f"wrong by {difference:.1f}"


def _name_row(kind: Kind) -> str:
    alpha = {None: "", 0: " + extra", 1: " + alpha, mult.", 2: " + alpha"}[kind.alpha]
    return f"{kind.colour}{alpha} {kind.sample}{kind.bits}"


if __name__ == "__main__":
    main()
