"""Near-duplicate groups among many fingerprints, with planted copies: time, recall, false groups, memory.

Random fingerprints; a hundredth of them gets a near-copy: a few bits flipped, in one of the eight
orientations. Searched as clean does, here in the eight orientations alone (a random fingerprint has no
picture to crop).

Run: python -m benchmarks.near_duplicates [n] [--distance 31]
"""

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from pipeline.duplicates import components, near_links
from pipeline.params import load_params
from pipeline.paths import Paths, project_root

N_ORIENTATIONS = 8


def main() -> None:
    default = load_params(Paths(project_root()).params).clean.near_duplicate_distance
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--distance", type=int, default=default)
    options = parser.parse_args()
    n, n_copies = options.n, options.n // 100
    bits, original, flipped = planted(n, n_copies, options.distance)
    views = orientations(bits)
    start = time.perf_counter()
    usable = np.ones(len(bits), dtype=bool)
    links = near_links(bits, usable, lambda a, b: views[a:b], max_distance=options.distance)
    group = components(n + n_copies, links.a, links.b)
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
