"""What `darkroom tune` and `darkroom crossval` are worth, by their commands, in clones of this repository.

- planted: how near to a planted optimum 40 trials come, for each sampler and pruner, five seeds each.
- processes: trials a minute of two processes against one, each held to one core.
- kills: `darkroom tune -j 2` whose processes are killed again and again; is a trial lost, or run twice?
- asha: the same 20 settings on Fashion-MNIST (10,000 training pictures) with and without ASHA, beside
  KerasTuner's Hyperband on the same space.
- crossval: five folds of toum.zip with a frozen network, its features known.
- animals: one animal against all others, five folds, a plain network and a frozen one.
- ablation: what each part of the published augmentation of conv1 brings, on the same 10,000 pictures.
- smaller: five kinds of scans, and photo against the rest, with one network.

Run: make bench-search, or python -m benchmarks.search [part ...] [--source toum.zip] [--animals animals.zip]
Cost: about an hour on two shared cores; asha is half of it.
"""

import argparse
import csv
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cells import load
from benchmarks.copies import TOUM
from benchmarks.search_toys import SPACE, find_gap, learn
from pipeline.search import study as studies
from pipeline.search.study import Address
from pipeline.search.trials import Search, run_trials
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import read_table
from tests.clones import Clone, make_clone

REPO = Path(__file__).resolve().parents[1]
ANIMALS = TOUM.with_name("animals.zip")
KERAS_TUNER = Path(".bench/keras_tuner/bin/python")
FASHION: dict[str, dict[str, Any]] = {
    "data": {"source": "made/fashion"},
    "validate": {"min_local_contrast": 0.0},
    "clean": {"image_hw": [28, 28], "channels": 1},
    "split": {"train": 0.625, "val": 0.3125, "test": 0.0625},
    "augment": dict.fromkeys(("rotation", "zoom", "shift", "contrast", "brightness"), 0.0),
    "train": {"model": "conv1", "epochs": 20, "patience": 1000, "class_weights": False},
    "tune": {
        "space": {
            "train.learning_rate": {"log": [0.0001, 0.03]},
            "train.batch_size": {"choice": [64, 128, 256]},
            "train.dropout": {"float": [0.0, 0.5]},
            "train.units": {"choice": [64, 128, 256]},
        },
        "sampler": "random",
        "trials": 20,
    },
}
FROZEN = {"model": "efficientnet_lite0", "epochs": 30, "ema": 0.99, "patience": 30, "kernel_l2": 0.1}
PLAIN = {"model": "conv3", "epochs": 30, "batch_size": 32}
AT_64: dict[str, Any] = {"clean": {"image_hw": [64, 64]}, "train": PLAIN}
AT_224: dict[str, Any] = {"clean": {"image_hw": [224, 224]}, "train": FROZEN}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--source", type=Path, default=TOUM)
    parser.add_argument("--animals", type=Path, default=ANIMALS)
    options = parser.parse_args()
    for part in options.parts or PARTS:
        print(f"\n{part}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](options, Path(folder))


def measure_planted(options: argparse.Namespace, folder: Path) -> None:
    """The distance of the best of 40 trials from the planted optimum, which is 1."""
    print(f"{'sampler':<10}{'pruner':<12}{'within 0.01':>12}  1 - best value, each seed; share of the steps")
    for sampler in ("random", "tpe", "gp"):
        for pruner in ("none", "asha", "hyperband"):
            gaps, steps = [], []
            for seed in range(5):
                address = Address(f"sqlite:///{folder}/studies.db", f"{sampler} {pruner} {seed}")
                search = Search(SPACE, "accuracy", sampler, pruner, 40, n_steps=27, n_free=1, seed=seed)
                run_trials(address, search, learn, owner="benchmark")
                study = studies.open_study(address, metric="accuracy")
                gaps.append(find_gap(study))
                steps.append(sum(len(trial.intermediate_values) for trial in study.trials) / (40 * 27))
            each = ", ".join(f"{gap:.4f}" for gap in gaps)
            near = sum(gap <= 0.01 for gap in gaps)
            print(f"{sampler:<10}{pruner:<12}{near:>8} of 5  {each}; {np.mean(steps):.0%}", flush=True)


def measure_processes(options: argparse.Namespace, folder: Path) -> None:
    """Trials a minute, one process and two in turn, three times."""
    ratios = []
    for number in range(3):
        rates = [work_together(folder / f"{number}-{n}.db", n) for n in (1, 2)]
        ratios.append(rates[1] / rates[0])
        print(
            f"one process {rates[0]:.1f}, two {rates[1]:.1f} trials a minute: {ratios[-1]:.2f}x", flush=True
        )
    print(f"median {sorted(ratios)[1]:.2f}x")


def work_together(database: Path, n: int, n_trials: int = 24) -> float:
    """Trials a minute of `n` processes, each on a core of its own, from the first start to the last end."""
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "benchmarks.search_toys", f"sqlite:///{database}", str(n_trials)]
    alone = os.environ | dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    started = [subprocess.Popen([*command, str(i), str(cores[i % len(cores)])], env=alone) for i in range(n)]
    if any(process.wait() for process in started):
        sys.exit("a process failed")
    study = studies.open_study(Address(f"sqlite:///{database}", "work"), metric="accuracy")
    begun = [trial.datetime_start.timestamp() for trial in study.trials if trial.datetime_start]
    ended = [trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete]
    return 60 * n_trials / (max(ended) - min(begun))


def measure_kills(options: argparse.Namespace, folder: Path) -> None:
    """Kill a random process of `darkroom tune -j 2` every few seconds."""
    n_trials, rng = 16, random.Random(0)
    clone = prepare(folder / "clone", {"train": {"epochs": 3, "model": "conv1"}, "tune": {"pruner": "none"}})
    command = ["darkroom", "tune", "-j", "2", "--trials", str(n_trials), "--seeds", "2"]
    running = subprocess.Popen(
        command, cwd=clone.root, env=clone.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    n_kills = 0
    while running.poll() is None:
        time.sleep(rng.uniform(8, 14))
        if n_kills < 8 and (found := list_children(running.pid)):
            os.kill(rng.choice(found), signal.SIGKILL)
            n_kills += 1
    study = studies.open_study(Address(f"sqlite:///{clone.paths.studies}", "tune"), metric="accuracy")
    done = studies.list_finished(study)
    tried = [json.dumps(studies.read_settings(trial), sort_keys=True) for trial in done]
    left = [trial.number for trial in study.trials if not trial.state.is_finished()]
    given_up = sum(studies.WHY in trial.user_attrs for trial in done)
    print(
        f"{n_kills} kills, exit code {running.returncode}: {len(done)} of {n_trials} trials finished, "
        f"{len(tried) - len(set(tried))} twice, {given_up} given up, {len(left)} left behind; "
        f"{len(study.trials) - len(done)} were taken up again"
    )


def list_children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    said = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(word) for word in said.split()]


def measure_asha(options: argparse.Namespace, folder: Path) -> None:
    """The same 20 settings, with and without ASHA; then KerasTuner."""
    make_fashion(folder / "fashion")
    values = FASHION | {"data": {"source": str(folder / "fashion")}}
    clone = prepare(folder / "clone", values)
    found = {}
    for pruner in ("none", "asha"):
        clone.set_params({"tune": {"pruner": pruner}})
        with timed() as seconds:
            clone.run("darkroom", "tune", "--study", pruner, "--seeds", "2")
        rows = list(csv.DictReader((clone.paths.stage("search") / pruner / "trials.csv").open()))
        whole = [float(row["value"]) for row in rows if row["ended"] == "whole"]
        spent = sum(float(row["seconds"]) for row in rows)
        found[pruner] = (max(whole), spent)
        print(
            f"{pruner:<6} best {max(whole):.2%}, trials {spent:.0f} s, {len(whole)} of {len(rows)} whole; "
            f"the command with its contest {seconds():.0f} s",
            flush=True,
        )
    (best, spent), (best_asha, spent_asha) = found["none"], found["asha"]
    print(f"ASHA: {(best_asha - best) * 100:+.2f} points in {spent_asha / spent:.2f} of the time")
    if not KERAS_TUNER.exists():
        print("KerasTuner: not measured, its environment is missing (make bench-search makes it)")
        return
    save_parts(clone, folder / "parts.npz")
    script = REPO / "benchmarks" / "others_scripts" / "keras_tuner_hyperband.py"
    command = [str(KERAS_TUNER.absolute()), str(script), str(folder / "parts.npz"), str(folder / "tuner")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    print(done.stdout.splitlines()[-1] if done.returncode == 0 else done.stderr[-500:], flush=True)


def measure_ablation(options: argparse.Namespace, folder: Path) -> None:
    """The published augmentation, and each of its parts left out."""
    make_fashion(folder / "fashion")
    values = FASHION | {
        "data": {"source": str(folder / "fashion")},
        "augment": FASHION["augment"] | {"rotation": 8 / 360, "shift": 0.08, "shear": 0.005, "zoom": 0.08},
    }
    clone = prepare(folder / "clone", values)
    said = clone.run("darkroom", "compare", "--ablate", "rotation,shift,shear,zoom", "--seeds", "3")
    print(said, flush=True)


def make_fashion(folder: Path, n: int = 16_000) -> None:
    """The first `n` training pictures of Fashion-MNIST as IDX files."""
    x, y, _, _ = load("fashion")
    folder.mkdir()
    for name, values in (("images-idx3", x[:n, ..., 0]), ("labels-idx1", y[:n].astype(np.uint8))):
        head = bytes([0, 0, 8, values.ndim]) + b"".join(side.to_bytes(4, "big") for side in values.shape)
        (folder / f"train-{name}-ubyte").write_bytes(head + values.tobytes())


def save_parts(clone: Clone, path: Path) -> None:
    """The training and the validation pictures as split dealt them, for KerasTuner."""
    from pipeline.training.assembly import read_sets

    sets = read_sets(clone.paths)
    x_train, x_val = (part.gather(np.arange(len(part))) for part in (sets.train, sets.val))
    np.savez(path, x_train=x_train, y_train=sets.train.y, x_val=x_val, y_val=sets.val.y)


def measure_crossval(options: argparse.Namespace, folder: Path) -> None:
    """Seconds of the command, the second time."""
    clone = prepare(folder / "clone", AT_224 | {"data": {"source": str(options.source.resolve())}})
    for what in ("features computed", "features known"):
        with timed() as seconds:
            said = clone.run("darkroom", "crossval")
        print(f"{what}: {seconds():.0f} s; {find_line(said, 'accuracy')}", flush=True)


def measure_animals(options: argparse.Namespace, folder: Path) -> None:
    """Each animal against the rest, by two networks."""
    for name, sections in (("conv3", AT_64), ("efficientnet_lite0", AT_224)):
        clone = prepare(
            folder / name,
            sections
            | {"data": {"source": str(options.animals.resolve())}, "validate": {"min_images_per_class": 5}},
            until="clean",
        )
        for animal in ("elephant", "tiger", "fox"):
            clone.set_params({"data": {"classes": {animal: [animal], "other": ["*"]}}})
            clone.run("dvc", "repro", "-q", "augment")
            said = clone.run("darkroom", "crossval")
            print(f"{name}, {animal}: {find_line(said, 'accuracy')}")
            print(f"   {find_line(said, f'│ {animal}')}", flush=True)


def measure_smaller(options: argparse.Namespace, folder: Path) -> None:
    """Photo or not: by a network of five classes, and by one of two."""
    clone = prepare(folder / "clone", AT_224 | {"data": {"source": str(options.source.resolve())}})
    for what, classes in (("five", {}), ("two", {"Photo": ["Photo"], "other": ["*"]})):
        clone.set_params({"data": {"classes": classes}})
        clone.run("dvc", "repro", "-q", "augment")
        said = clone.run("darkroom", "crossval")
        answers = read_table(clone.paths.crossval, OUT_OF_FOLD).to_pandas()
        is_photo, says_photo = (answers[name] == "Photo" for name in ("class_name", "predicted"))
        recall = (says_photo & is_photo).sum() / is_photo.sum()
        other = (~says_photo & ~is_photo).sum() / (~is_photo).sum()
        print(f"{what} classes: {find_line(said, 'accuracy')}")
        print(
            f"   photo or not: {(is_photo == says_photo).mean():.2%} right; photos found {recall:.2%}, "
            f"others kept out {other:.2%}",
            flush=True,
        )


def prepare(root: Path, sections: Mapping[str, Mapping[str, Any]], until: str = "augment") -> Clone:
    """A clone with other parameters, its collection developed; the demo's digits unless a source is given."""
    clone = make_clone(REPO, root)
    clone.env["PYTHONPATH"] = str(root)
    clone.run("git", "init", "-q")
    if "data" not in sections:
        clone.run("darkroom", "demo", "digits")
    clone.set_params(sections)
    clone.run("dvc", "repro", "-q", until)
    return clone


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """A watch that stops with the block."""
    start, end = time.perf_counter(), math.nan
    yield lambda: end - start
    end = time.perf_counter()


def find_line(said: str, start: str) -> str:
    """The first line of what a command said that begins so."""
    return next((line for line in said.splitlines() if line.startswith(start)), "?")


PARTS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "planted": measure_planted,
    "processes": measure_processes,
    "kills": measure_kills,
    "asha": measure_asha,
    "ablation": measure_ablation,
    "crossval": measure_crossval,
    "animals": measure_animals,
    "smaller": measure_smaller,
}

if __name__ == "__main__":
    main()
