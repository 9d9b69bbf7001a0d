"""What to label next: 30 pictures of a source that the model has never seen, by the queue and at random.

One source of toum.zip after the other is hidden (the part of a file name before `__`). A network learns from
the others. A third of the hidden source, whole near-duplicate groups, is tested and never asked. Of the rest
30 pictures are labelled and added: those that `darkroom labels queue` would choose, or 30 at random, several
times. Printed is the accuracy on the tested third; and on all pictures of the source that were not labelled,
where a queue that takes the hard ones leaves the easy ones to the test. The backbone is frozen: its features
are computed once, and heads alone are trained.

With --mixed, as many pictures of other sources lie among those that may be asked. Nothing was learned from
them.

Run: python -m benchmarks.labels_queue [--source ../shared/data/toum.zip] [--draws 5] [--mixed]
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.copies import TOUM, params_for
from benchmarks.scans import RECIPES, developed_scans
from pipeline.backend.anatomy import collect_inputs, find_embedding, trace_steps
from pipeline.backend.device import set_up_device
from pipeline.backend.inference import compute_outputs
from pipeline.collection.pictures import Pictures
from pipeline.evidence.calibration import fit_temperature
from pipeline.evidence.label_choice import choose_pictures
from pipeline.params import TrainParams
from pipeline.paths import Paths
from pipeline.serving.answer_rule import temper
from pipeline.tables.parquet import read_table
from pipeline.tables.split import SPLIT
from pipeline.training.frozen_features import Features
from pipeline.training.trainer import fit_head, read_features

LEAST, N_LABELLED = 60, 30  # pictures of a source that is hidden, and of them labelled
VAL_SHARE, TEST_SHARE = 10, 3  # one in so many
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]


class Hidden(NamedTuple):
    """Positions of pictures: others to learn from and to choose weights on; the two parts of a source.

    `known` are pictures of other sources that lie among the asked ones, and are not learned from.
    """

    train: Ints
    val: Ints
    asked: Ints
    known: Ints
    test: Ints


class Result(NamedTuple):
    """Accuracy on the tested third, and on all pictures of the source that were not labelled."""

    apart: float
    rest: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--recipe", choices=RECIPES, default="new_sources")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument(
        "--mixed", action="store_true", help="ask among as many pictures of known sources, too"
    )
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    set_up_device()
    with tempfile.TemporaryDirectory() as folder:
        params = params_for(options.source.resolve(), **RECIPES[options.recipe])
        paths = Paths(Path(folder))
        scans = developed_scans(paths, options.source.resolve(), params)
        alike = read_table(paths.split, SPLIT).to_pandas().sort_values("id")["group"].to_numpy(str)
        pictures = Pictures((scans.shards, scans.part))
        seen = read_features(pictures, "all", params=params.train, folder=paths.root / "features")
    compare(np.array(scans.part.group), seen, alike, params.train, options.draws, is_mixed=options.mixed)


def compare(
    source: Names, seen: Features, alike: Names, params: TrainParams, n: int, *, is_mixed: bool
) -> None:
    """Print a row a source, and the means over sources."""
    names = [name for name in np.unique(source) if (source == name).sum() >= LEAST]
    print(f"{'':<16}{'':>6}{'third apart':^32}{'all not labelled':^32}")
    heads = "".join(f"{word:>8}" for word in ("before", "queue", "random", "gain")) * 2
    print(f"{'source':<16}{'n':>6}{heads}{'s':>6}", flush=True)
    rows = []
    for name in names:
        start = time.perf_counter()
        before, queue, random = measure(seen, hide(source, name, alike, is_mixed=is_mixed), params, n)
        rows.append((before, queue, average(random)))
        print_row(name.split(":")[-1], int((source == name).sum()), rows[-1], time.perf_counter() - start)
    print_row("mean", len(rows), [average([row[i] for row in rows]) for i in range(3)], 0.0)
    for part in Result._fields:
        gains = [getattr(queue, part) - getattr(random, part) for _, queue, random in rows]
        n_better = sum(gain > 0 for gain in gains)
        error = statistics.stdev(gains) / len(gains) ** 0.5
        print(
            f"{part}: queue minus random {statistics.mean(gains):+.2%} (standard error {error:.2%}), "
            f"better in {n_better}, worse in {sum(gain < 0 for gain in gains)} of {len(gains)}"
        )


def print_row(name: str, n: int, results: Sequence[Result], took_s: float) -> None:
    before, queue, random = results
    cells = "".join(
        f"{getattr(before, part):>8.1%}{getattr(queue, part):>8.1%}{getattr(random, part):>8.1%}"
        f"{getattr(queue, part) - getattr(random, part):>+8.1%}"
        for part in Result._fields
    )
    print(f"{name:<16}{n:>6}{cells}{took_s:>6.0f}", flush=True)


def average(results: Sequence[Result]) -> Result:
    return Result(*(statistics.mean(values) for values in zip(*results, strict=True)))


def hide(source: Names, name: str, alike: Names, *, is_mixed: bool) -> Hidden:
    """The parts of a collection in which one source is hidden; near-duplicates are on one side."""
    rng = np.random.default_rng(0)
    own, others = np.flatnonzero(source == name), rng.permutation(np.flatnonzero(source != name))
    place = {group: i for i, group in enumerate(rng.permutation(np.unique(alike[own])))}
    in_order = own[np.argsort([place[group] for group in alike[own]], kind="stable")]
    test = in_order[: len(own) // TEST_SHARE]
    asked = np.setdiff1d(own[~np.isin(alike[own], alike[test])], test)
    n_val = len(others) // VAL_SHARE
    n_known = len(asked) if is_mixed else 0
    known, val, train = np.split(others, [n_known, n_known + n_val])
    return Hidden(np.sort(train), np.sort(val), asked, known, test)


def measure(
    seen: Features, hidden: Hidden, params: TrainParams, n_draws: int
) -> tuple[Result, Result, list[Result]]:
    """Before anything of the source is labelled; with the queue; with each random draw."""
    pool, nothing = np.concatenate([hidden.asked, hidden.known]), hidden.asked[:0]
    head = train(seen, hidden, nothing, params)
    temperature = fit_temperature(seen.y[hidden.val], compute_outputs(head, seen.values[hidden.val]))
    y_prob = temper(compute_outputs(head, seen.values[pool]), temperature)
    layer = find_embedding(trace_steps(head, seen.values[0]))
    chosen = choose_pictures(collect_inputs(head, layer, seen.values[pool]), y_prob, N_LABELLED)
    draws = [np.random.default_rng(seed).permutation(len(pool))[:N_LABELLED] for seed in range(n_draws)]
    queue, *random = (
        judge(seen, hidden, train(seen, hidden, pool[index], params), pool[index])
        for index in (chosen, *draws)
    )
    return judge(seen, hidden, head, nothing), queue, random


def train(seen: Features, hidden: Hidden, labelled: Ints, params: TrainParams) -> Any:
    learnt = seen.choose(np.sort(np.concatenate([hidden.train, labelled])))
    return fit_head(learnt, seen.choose(hidden.val), n_classes=int(seen.y.max()) + 1, params=params)


def judge(seen: Features, hidden: Hidden, head: Any, labelled: Ints) -> Result:
    rest = np.setdiff1d(np.concatenate([hidden.asked, hidden.test]), labelled)
    is_right = compute_outputs(head, seen.values[rest]).argmax(axis=1) == seen.y[rest]
    return Result(float(is_right[np.isin(rest, hidden.test)].mean()), float(is_right.mean()))


if __name__ == "__main__":
    main()
