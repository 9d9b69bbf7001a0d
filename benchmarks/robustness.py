"""MNIST and Fashion-MNIST under corruptions of MNIST-C: how a `compact` answers that learned without them.

MNIST-C is Mu and Gilmer (2019), arXiv:1906.02337. Its data set holds each of fifteen corruptions at one
severity: the default one of `corruptions.py` in github.com/google-research/mnist-c. Of these, Darkroom's list
(`pipeline.images.graded_alterations`) has three as they are, and one in a harder form. Printed are the
accuracy on all 10,000 test pictures at that severity, the mean over five severities of each alteration, on
1,000 of them, and which corruptions of either list have no counterpart.

The accuracies that the paper prints for its simple CNN, corruption by corruption, were not at hand when this
was written. So none is printed: put them beside these yourself, and none of them into this file from memory.

Run: python -m benchmarks.robustness [mnist] [fashion] [--seeds 3]
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.cells import collection, load
from benchmarks.copies import params_for
from benchmarks.training import RECIPE, SHORT
from pipeline.backend.device import name_processor, read_cpuinfo, set_up_device
from pipeline.evidence.intervals import bound_share
from pipeline.images.graded_alterations import ALTERATIONS, MAX_SEVERITY, alter

_N_VAL, _N_CLASSES = 1_000, 10
_CONFIDENCE = 0.95
_BATCH = 500
_N_MEANT = 1_000  # pictures


class Counterpart(NamedTuple):
    """A corruption of MNIST-C and what Darkroom has for it."""

    theirs: str
    ours: str
    severity: int  # of both: the one at which MNIST-C was published
    likeness: str


COUNTERPARTS = (
    Counterpart("rotate", "rotation", 2, "the same: 0.4 radians (23 degrees) either way, about the centre"),
    Counterpart("translate", "shift", 3, "the same: 3 of 28 pixels both ways"),
    Counterpart("brightness", "brightness", 5, "the same: half of full scale is added"),
    Counterpart("scale", "imperfect", 3, "NOT the same: to 70 %, theirs at the centre, ours anywhere"),
)
OTHERS = {
    "only MNIST-C": "shot_noise, impulse_noise, glass_blur, motion_blur, shear, stripe, fog, spatter, "
    "dotted_line, zigzag, canny_edges",
    "only Darkroom": "noise (Gaussian), blur (Gaussian), jpeg, contrast, occlusion, grayscale",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", choices=["mnist", "fashion", []], default=[])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    set_up_device()
    print(f"{name_processor(read_cpuinfo())}, {os.cpu_count()} processors; compact, {SHORT['epochs']} epochs")
    for data in options.data or ("mnist", "fashion"):
        start = time.perf_counter()
        networks = [train(data, seed) for seed in range(options.seeds)]
        train_s = time.perf_counter() - start
        print(f"\n{data}: {options.seeds} trainings on clean pictures, {train_s:.0f} s")
        print_counterparts(data, networks)
        print_means(data, networks)
    print()
    for whose, names in OTHERS.items():
        print(f"{whose}: {names}")
    print("The paper's accuracies were not at hand: none is printed.")


def train(data: str, seed: int) -> Any:
    """A network that learned from unaltered pictures by the short recipe of benchmarks.training."""
    from pipeline.training.trainer import fit

    x, y, *_ = load(data)
    params = params_for(Path("none"), train=RECIPE | SHORT | {"seed": seed})
    order = np.random.default_rng(0).permutation(len(x))
    val, learnt = order[:_N_VAL], order[_N_VAL:]
    with tempfile.TemporaryDirectory() as folder:
        model, _ = fit(
            collection(Path(folder) / "train", x[learnt], y[learnt]),
            collection(Path(folder) / "val", x[val], y[val]),
            n_classes=_N_CLASSES,
            policy=[],
            params=params.train,
        )
    return model


def print_counterparts(data: str, networks: list[Any]) -> None:
    print(f"{'MNIST-C':<13}{'Darkroom':<13}{'severity':>8}{'mean':>9}  {'interval':<17}each seed")
    for one in (Counterpart("identity", "none", 0, ""), *COUNTERPARTS):
        right = find_right(data, networks, one.ours, one.severity)
        interval = bound_share(right.mean(axis=0), np.arange(right.shape[1]), confidence=_CONFIDENCE)
        each = ", ".join(f"{share:.2%}" for share in right.mean(axis=1))
        ends = f"{interval.low:.2%}-{interval.high:.2%}"
        print(
            f"{one.theirs:<13}{one.ours:<13}{one.severity:>8}{interval.value:>9.2%}  {ends:<17}{each}",
            one.likeness,
            sep="  ",
            flush=True,
        )


def print_means(data: str, networks: list[Any]) -> None:
    """The mean over the severities of each alteration that changes a grey picture, on the first pictures."""
    found = {}
    for name in [name for name in ALTERATIONS if name != "grayscale"]:
        severities = range(1, MAX_SEVERITY + 1)
        found[name] = statistics.mean(
            find_right(data, networks, name, severity, _N_MEANT).mean() for severity in severities
        )
    said = ", ".join(f"{name} {share:.1%}" for name, share in found.items())
    print(f"mean over five severities: {said}; of all {statistics.mean(found.values()):.1%}", flush=True)


def find_right(
    data: str, networks: list[Any], name: str, severity: int, n: int | None = None
) -> npt.NDArray[np.float64]:
    """1 where the answer to one of the first n test pictures is right [n_networks, n]."""
    _, _, x, y = load(data)
    x, y = x[:n], y[:n]
    ids = [f"{data}/{i}" for i in range(len(x))]
    altered = alter(x, ids, name, severity) if severity else x
    answers = [network.predict(altered, batch_size=_BATCH, verbose=0) for network in networks]
    return np.stack([one.argmax(axis=1) == y for one in answers]).astype(np.float64)


if __name__ == "__main__":
    main()
