"""The figures of training: accuracy for time against a plain Keras run, speed of every network, the digits.

Each training is a process of its own (benchmarks.cells), one after the other, bare Keras and Darkroom in
turn, so that both meet the same machine. Prints a table a part, and how often a seed was tried.

Run: python -m benchmarks.training [race] [speed] [published] [digits] [--seeds 3]
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.models import FAMILIES

# What `compact` is trained by. Both begin from nothing; the short one may take a fifth of conv4's time.
RECIPE: dict[str, Any] = {
    "model": "compact",
    "batch_size": 128,
    "optimizer": "sgd",
    "learning_rate": 0.5,
    "weight_decay": 0.0005,
    "schedule": "triangular",
    "label_smoothing": 0.1,
    "class_weights": False,
    "monitor": "val_accuracy",
    "patience": 1000,
}
SHORT: dict[str, Any] = {"epochs": 3, "warmup_epochs": 0.6, "dropout": 0.0}
LONG: dict[str, Any] = {"epochs": 10, "warmup_epochs": 2.0, "filters": 24}
DIGITS: dict[str, Any] = {"epochs": 6, "warmup_epochs": 1.2}
FLIP = {"flip": "alternating"}
CONV = {
    "batch_size": 256,
    "optimizer": "adam",
    "learning_rate": 0.001,
    "schedule": "constant",
    "warmup_epochs": 0.0,
}
CONV |= {"class_weights": False, "patience": 1000}
PUBLISHED = {"conv1, 10 epochs": 0.9082, "conv1, augmented, 50 epochs": 0.9175}
_N_VAL = 1_000  # of the race: conv4 learns from every picture, Darkroom keeps some to validate
_SPEED_EPOCHS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--networks", nargs="*", choices=list(FAMILIES), default=list(FAMILIES), help="of speed"
    )
    parser.add_argument("--pictures", type=int, default=4_096, help="in an epoch of speed")
    options = parser.parse_args()
    for part in options.parts or PARTS:
        PARTS[part](options)


def cell(how: str, **values: Any) -> dict[str, Any]:
    """Run one training in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cells", json.dumps({"how": how} | values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def race(options: argparse.Namespace) -> None:
    """compact against conv4 as a Keras user trains it: Fashion-MNIST, seconds from the first batch on."""
    print(
        f"Fashion-MNIST: conv4 is model.fit, batch 256, Adam, float32, 10 epochs; {_N_VAL:,} validate compact"
    )
    print(f"{'seed':<6}{'conv4 s':>9}{'acc.':>8}{'short s':>9}{'share':>7}{'acc.':>8}{'mirror':>8}"
          f"{'long s':>9}{'share':>7}{'acc.':>8}{'mirror':>8}", flush=True)  # fmt: skip
    rows = []
    for seed in range(options.seeds):
        conv4 = cell("bare", model="conv4", data="fashion", epochs=10, seed=seed)
        conv4_s = sum(conv4["epoch_s"])
        found: list[float] = [conv4_s, conv4["accuracy"]]
        for recipe in (SHORT, LONG):
            of = seeded({"train": RECIPE | recipe, "augment": FLIP, "n_val": _N_VAL}, seed)
            found += [of["fit_s"], of["fit_s"] / conv4_s, of["accuracy"], of["mirrored"]]
        rows.append(found)
        print(raced(str(seed), found), flush=True)
    print(raced("mean", [statistics.mean(column) for column in zip(*rows, strict=True)]), flush=True)


def raced(name: str, f: list[float]) -> str:
    columns = [f"{f[0]:>9.0f}{f[1]:>8.2%}"]
    columns += [f"{f[i]:>9.0f}{f[i + 1]:>7.2f}{f[i + 2]:>8.2%}{f[i + 3]:>8.2%}" for i in (2, 6)]
    return f"{name:<6}{''.join(columns)}"


def speed(options: argparse.Namespace) -> None:
    """Pictures a second in the last epochs, every network, against bare Keras: one run each, batch 256.

    Darkroom's epochs include what bare Keras leaves out: 256 pictures validated.
    """
    print(
        f"{'network':<10}{'bare fit':>10}{'float32':>10}{'ratio':>7}{'bfloat16':>10}{'ratio':>7}", flush=True
    )
    for name in options.networks:
        bare = rate(cell("bare", model=name, data="fashion", epochs=_SPEED_EPOCHS, n=options.pictures))
        line = f"{name:<10}{bare:>10,.0f}"
        for precision in ("float32", "mixed_bfloat16"):
            train = CONV | {"model": name, "epochs": _SPEED_EPOCHS, "precision": precision}
            ours = rate(cell("darkroom", data="fashion", train=train, n=options.pictures + 256, n_val=256))
            line += f"{ours:>10,.0f}{ours / bare:>7.2f}"
        print(line, flush=True)


def rate(found: Mapping[str, Any]) -> float:
    """Pictures a second in the epochs after the first, which also builds the graph."""
    return float(found["n"] / min(found["epoch_s"][1:]))


def published(options: argparse.Namespace) -> None:
    """What conv1 reaches here, beside what was published; conv4 runs in the race, three times as long."""
    shaken = {"rotation": 8 / 360, "zoom": 0.08, "shift": 0.08, "shear": math.radians(0.3), "flip": "none"}
    runs: dict[str, dict[str, Any]] = {
        "conv1, 10 epochs": {"train": CONV | {"model": "conv1", "epochs": 10}},
        "conv1, augmented, 50 epochs": {
            "train": CONV | {"model": "conv1", "epochs": 50},
            "augment": shaken,
        },
    }
    print(f"{'network':<30}{'published':>10}{'mean':>8}  each seed", flush=True)
    for name, how in runs.items():
        found = [seeded(how, seed)["accuracy"] for seed in range(options.seeds)]
        each = ", ".join(f"{value:.2%}" for value in found)
        print(f"{name:<30}{PUBLISHED[name]:>10.2%}{statistics.mean(found):>8.2%}  {each}", flush=True)


def digits(options: argparse.Namespace) -> None:
    """MNIST, and MNIST trained with and tested on imperfect digits."""
    moved = {"shift": 0.07, "rotation": 0.02, "zoom": 0.07}
    print(f"{'MNIST':<30}{'asked':>8}{'mean':>9}  each seed", flush=True)
    for name, asked, share, score, filters in (
        ("as it is", 0.996, 0.0, "accuracy", 24),
        ("with imperfect digits, mixed", 0.985, 1.0, "mixed", None),
    ):
        train = RECIPE | DIGITS | {"filters": filters}
        how = {"train": train, "data": "mnist", "augment": moved | {"imperfect": share}}
        found = [seeded(how, seed)[score] for seed in range(options.seeds)]
        each = ", ".join(f"{value:.2%}" for value in found)
        print(f"{name:<30}{asked:>8.1%}{statistics.mean(found):>9.2%}  {each}", flush=True)


def seeded(how: Mapping[str, Any], seed: int) -> dict[str, Any]:
    values = {"data": "fashion"} | dict(how) | {"train": how["train"] | {"seed": seed}}
    return cell("darkroom", **values)


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "race": race,
    "speed": speed,
    "published": published,
    "digits": digits,
}

if __name__ == "__main__":
    main()
