"""The gate on simulated models: how often luck makes a champion, and how often a better one is found.

All models answer 600 pictures of five classes, with two facts that cut slices. The share of pictures on which
only one of two models is right says how alike they are: 22 % is about that of two models of 85 and 90 % that
err independently. Printed are, for equal models, the share that is promoted, once and at least once in 20
exams in a row on one test set; for a model that is 5 points better, the share that is promoted; and for one
that ruins a class of 60 pictures and wins overall, the share that is rejected with that class named.

Run: python -m benchmarks.promotion [--tries 1000]
"""

import argparse
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.evidence.exams import Exam
from pipeline.evidence.slices import Fact
from pipeline.params import PromoteParams
from pipeline.params_file import load_params
from pipeline.promotion.budget import Use, sketch_ids
from pipeline.promotion.exam import Known, compare
from pipeline.promotion.gate import Decision

PARAMS = Path(__file__).resolve().parents[1] / "params.yaml"
N, N_IN_A_ROW = 600, 20
SHARES = (0.02, 0.06, 0.13, 0.22)  # of pictures on which only one of the two is right
CLASSES = ("Photo", "Painting", "Schematics", "Sketch", "Text")
ACCURACY, GAIN = 0.85, 0.05
RUINED = 0  # the class
N_RUINED = 60

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Rng = np.random.Generator
Play = Callable[[Rng], bool]


@functools.cache
def read_params() -> PromoteParams:
    """The gate as params.yaml has it, but for floors, which a ruined class would miss."""
    return load_params(PARAMS).promote.model_copy(update={"floors": {}})


def answer(y: Ints, is_right: Bools, rng: Rng) -> Exam:
    """An exam with these right answers; a wrong one is any other class."""
    k = len(CLASSES)
    y_pred = np.where(is_right, y, (y + rng.integers(1, k, len(y))) % k)
    return Exam(np.array([f"{number:06d}" for number in range(len(y))]), y, y_pred, CLASSES)


def draw_facts(rng: Rng) -> list[Fact]:
    """A word and a number of each picture, which have nothing to do with the answers."""
    words = np.array(["JPEG", "TIFF", "PNG"], dtype=object)[rng.integers(0, 3, N)]
    return [Fact("format", words), Fact("shorter side", rng.uniform(100, 3000, N), " px")]


def examine(y: Ints, challenger: Bools, champion: Bools, known: Known, rng: Rng) -> Decision:
    """The decision about two models with these right answers."""
    return compare(answer(y, challenger, rng), answer(y, champion, rng), known, read_params())


def draw_pair(share: float, gain: float, rng: Rng) -> tuple[Bools, Bools]:
    """Right answers of two models: on `share` of the pictures only one is right; the first gains `gain`."""
    won, lost = (share + gain) / 2, (share - gain) / 2
    place = rng.random(N)
    only_first, only_second = place < won, (place >= won) & (place < share)
    both = place >= share + 1 - ACCURACY - won
    assert lost >= 0
    return only_first | both, only_second | both


def promote_once(share: float, gain: float, *, group_size: int = 1) -> Play:
    """Whether a model that gains `gain` is promoted over a champion."""

    def play(rng: Rng) -> bool:
        y = rng.permutation(np.arange(N) % len(CLASSES))
        first, second = draw_pair(share, gain, rng)
        known = Known(facts=draw_facts(rng))
        if group_size > 1:  # near-duplicates have the same class, and are answered alike
            of_group = np.arange(N) // group_size
            y, first, second = y[of_group], first[of_group], second[of_group]
            known = replace(known, groups={f"{n:06d}": f"group {g}" for n, g in enumerate(of_group)})
        return examine(y, first, second, known, rng).verdict == "PROMOTE"

    return play


def promote_ever(share: float, n_exams: int = N_IN_A_ROW) -> Play:
    """Whether one of equal challengers is promoted, where the same test set decides about all of them.

    All models are sure of most pictures; of the others each gets half right, by luck of its own.
    """

    def play(rng: Rng) -> bool:
        y = rng.permutation(np.arange(N) % len(CLASSES))
        place = rng.random(N)
        is_open, is_known = place < 2 * share, place < 2 * share + ACCURACY - share
        known = Known(facts=draw_facts(rng))
        champion = np.where(is_open, rng.random(N) < 0.5, is_known)
        sketch = sketch_ids(answer(y, champion, rng).ids)
        for number in range(n_exams):
            challenger = np.where(is_open, rng.random(N) < 0.5, is_known)
            known = replace(known, models=(f"model {number}", "champion"))
            # Without a gain there is no promotion, only a use of the test set: half the time is saved.
            if (
                challenger.sum() > champion.sum()
                and examine(y, challenger, champion, known, rng).verdict == "PROMOTE"
            ):
                return True
            known = replace(known, uses=(*known.uses, Use(*known.models, sketch)))
        return False

    return play


def reject_ruin(recall: float) -> Play:
    """Whether a model is rejected that wins 10 points in four classes, and ruins the fifth of 60 pictures."""

    def play(rng: Rng) -> bool:
        others = 1 + np.arange(N - N_RUINED) % (len(CLASSES) - 1)
        y = np.concatenate([np.full(N_RUINED, RUINED), others])
        first, second = draw_pair(0.16, 0.10, rng)
        ruined = second[:N_RUINED] & (rng.random(N_RUINED) < recall / second[:N_RUINED].mean())
        first = np.concatenate([ruined, first[N_RUINED:]])
        decision = examine(y, first, second, Known(facts=draw_facts(rng)), rng)
        return decision.verdict == "REJECT" and f"class {CLASSES[RUINED]!r}" in decision.reasons[0]

    return play


def measure(play: Play, n_tries: int) -> float:
    """The share of tries in which it comes true."""
    return float(np.mean([play(np.random.default_rng(seed)) for seed in range(n_tries)]))


def list_plays() -> Mapping[str, tuple[Play, str]]:
    """What is simulated, by name, and what is asked of it."""
    equal = {
        f"equal, apart on {share:.0%}": (promote_once(share, 0.0), "promoted, <= 5 %") for share in SHARES
    }
    grouped = {
        "equal, apart on 13%, in groups of three": (promote_once(0.13, 0.0, group_size=3), "promoted, <= 5 %")
    }
    better = {
        f"+5 points, apart on {share:.0%}": (promote_once(share, GAIN), "promoted, >= 80 %")
        for share in SHARES[1:]
    }
    ruined = {
        f"a class from 85 to {recall:.0%}": (reject_ruin(recall), "rejected, >= 90 %")
        for recall in (0.5, 0.6, 0.7)
    }
    in_a_row = {
        f"equal, apart on {share:.0%}, {N_IN_A_ROW} in a row": (promote_ever(share), "ever, <= 5 %")
        for share in SHARES
    }
    return equal | grouped | better | ruined | in_a_row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tries", type=int, default=1000)
    n_tries = parser.parse_args().tries
    for name, (play, wanted) in list_plays().items():
        start = time.perf_counter()
        found = measure(play, n_tries)
        print(f"{name:42} {wanted:20} {found:7.1%}  {time.perf_counter() - start:6.0f} s", flush=True)


if __name__ == "__main__":
    main()
