"""Near-duplicate groups among many fingerprints, with planted copies: time, recall, false groups, memory.

Random fingerprints; a hundredth of them gets a near-copy: a few bits flipped, in one of the eight
orientations. Searched as clean does, here in the eight orientations alone (a random fingerprint has no
picture to crop).

With `--faiss PYTHON`, an interpreter that has faiss, the same search of fewer fingerprints runs there too, by
its binary hash index and by brute force, for a share of the queries; their seconds are scaled to all.

Run: python -m benchmarks.near_duplicates [n] [--distance 31] [--faiss .bench/looking/bin/python]
"""

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.collection.near_duplicates import link_near
from pipeline.collection.near_links import Links, find_components
from pipeline.params_file import load_params
from pipeline.paths import Paths, project_root

N_ORIENTATIONS = 8
N_FOR_FAISS, QUERIES_SHARE = 100_000, 0.1
FAISS = """
import sys, time
import faiss
import numpy as np

data = np.load(sys.argv[1])
prints, queries, distance = data["prints"], data["queries"], int(data["distance"])
hashed = faiss.IndexBinaryMultiHash(256, 16, 16)  # 16 tables of 16 bits each, and all keys a bit away:
hashed.nflip = 1  # misses one pair in 5,000 at a distance of 31
for name, index in (("multi-hash", hashed), ("brute force", faiss.IndexBinaryFlat(256))):
    index.add(prints)
    start = time.perf_counter()
    n_found = 0
    for view in range(queries.shape[1]):
        ends, _, _ = index.range_search(np.ascontiguousarray(queries[:, view]), distance + 1)
        n_found += int(ends[-1])
    print(name, time.perf_counter() - start, n_found, sep="\\t")
"""


def main() -> None:
    default = load_params(Paths(project_root()).params).clean.near_duplicate_distance
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--distance", type=int, default=default)
    parser.add_argument("--faiss", type=Path, default=Path(".bench/looking/bin/python"))
    options = parser.parse_args()
    if options.faiss.is_file():
        compare(options.faiss, options.distance)
    n, n_copies = options.n, options.n // 100
    bits, original, flipped = planted(n, n_copies, options.distance)
    views = orientations(bits)
    start = time.perf_counter()
    links = search(bits, views, options.distance)
    group = find_components(n + n_copies, links.a, links.b)
    seconds = time.perf_counter() - start
    found = group[n:] == group[original]
    n_false = len(links) - int(found.sum())
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{n:,} fingerprints and {n_copies:,} near-copies, 1 to {options.distance} bits, 8 orientations")
    print(f"{'seconds':<28}{seconds:>10.1f}")
    print(f"{'recall':<28}{found.mean():>10.4f}")
    print(f"{'recall at the last 4 bits':<28}{found[flipped > options.distance - 4].mean():>10.4f}")
    print(f"{'false links':<28}{n_false:>10,}")
    print(f"{'peak memory, MB':<28}{peak_mb:>10,.0f}")


def search(prints: NDArray[np.uint8], views: NDArray[np.uint8], distance: int) -> Links:
    usable = np.ones(len(prints), dtype=bool)
    return link_near(prints, usable, lambda a, b: views[a:b], max_distance=distance)


def compare(python: Path, distance: int) -> None:
    """Print the seconds of our search and of faiss' for the same fingerprints."""
    prints, _, _ = planted(N_FOR_FAISS, N_FOR_FAISS // 100, distance)
    views = orientations(prints)
    start = time.perf_counter()
    search(prints, views, distance)
    own = time.perf_counter() - start
    print(f"{len(prints):,} fingerprints, 8 orientations, two cores\n{'this search':<28}{own:>10.1f} s")
    n_queries = int(len(prints) * QUERIES_SHARE)
    with tempfile.TemporaryDirectory() as folder:
        data, script = Path(folder, "data.npz"), Path(folder, "search.py")
        np.savez(data, prints=prints, queries=views[:n_queries], distance=distance)
        script.write_text(FAISS, encoding="utf-8")
        command = [str(python.absolute()), str(script), str(data)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        name, seconds, _ = line.split("\t")
        scaled = float(seconds) / QUERIES_SHARE
        print(f"{f'faiss, {name} (scaled)':<28}{scaled:>10.1f} s   {scaled / own:.1f}x")
    print()


def planted(
    n: int, n_copies: int, distance: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Fingerprints uint8 [n + n_copies, 32], the row each copy is of, and the bits flipped in it."""
    rng = np.random.default_rng(0)
    prints = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    original = rng.choice(n, n_copies, replace=False)
    flipped = rng.integers(1, distance + 1, n_copies)
    ranks = rng.random((n_copies, 256)).argsort(axis=1).argsort(axis=1)
    turned = orientations(prints[original])
    one = turned[np.arange(n_copies), rng.integers(0, N_ORIENTATIONS, n_copies)]
    copies = one ^ np.packbits(ranks < flipped[:, None], axis=1)
    return np.concatenate([prints, copies]), original, flipped


def orientations(prints: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fingerprints uint8 [n, 32] in eight orientations [n, 8, 32], as frequencies with median 0 turn."""
    turned = []
    for start in range(0, len(prints), 1 << 16):
        grid = np.unpackbits(prints[start : start + (1 << 16)], axis=1).reshape(-1, 16, 16)
        odd = np.arange(16) % 2 == 0
        masks = [odd & False, odd, odd[:, None], odd ^ odd[:, None]]
        views = [g ^ mask for g in (grid, grid.transpose(0, 2, 1)) for mask in masks]
        turned.append(np.packbits(np.stack(views, axis=1).reshape(len(grid), 8, 256), axis=2))
    return np.concatenate(turned)


if __name__ == "__main__":
    main()
