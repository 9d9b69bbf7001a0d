"""Made-up pictures: how far from real ones, what a classifier says, and whether they help a rare class.

Fashion-MNIST's Bag, learned from 4,200 pictures; the same cut to 60; and the foxes of animals.zip, of which
half (8 of 15) are learned from. Distances and verdicts stand beside those of noise, of another class and of
held-out real pictures. Then classifiers are trained with three seeds: as it is, with made-up pictures, and
with altered copies in their place. The generator is trained once.

Run: python -m benchmarks.synthesis [--quick] [--only bag few fox]
Cost: about 20 minutes on two busy cores; --quick some minutes, and its figures say little.
"""

import argparse
import gzip
import io
import logging
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.copies import params_for
from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part, Pictures
from pipeline.collection.shards import ShardWriter

Uint8 = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

FASHION = Path("/usr/share/datasets/fashion-mnist")
ANIMALS = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "animals.zip"
BAG, SNEAKER = 8, 7
SEEDS = 3
N_JUDGED = 200


class Case(NamedTuple):
    """A collection with one class to make up: all pictures, which are trained on, which are tested."""

    name: str
    x: Uint8
    y: Ints
    train: Ints
    test: Ints
    rare: int
    other: int
    learned: Ints  # what the generator learns from
    n_added: int  # made-up pictures that enter training; 0: the classifiers are not compared
    epochs: int  # of the generator


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--animals", type=Path, default=ANIMALS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    set_up_device()
    for name in options.only:
        start, cpu = time.perf_counter(), time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            measure(CASES[name](options.animals), Path(folder), quick=options.quick)
        spent = time.perf_counter() - start, time.process_time() - cpu
        print("   {:.0f} s, {:.0f} CPU s".format(*spent), flush=True)


def measure(case: Case, folder: Path, *, quick: bool) -> None:
    """Print the table of one case."""
    n_test = len(case.test)
    print(f"{case.name}: learned from {len(case.learned):,}; tested on {n_test:,}", flush=True)
    epochs, seeds = (2, 1) if quick else (case.epochs, SEEDS)
    made = make_up(case, folder, epochs=epochs, n=max(N_JUDGED, case.n_added))
    compare_looks(case, made[:N_JUDGED], folder, quick=quick)
    if not case.n_added:
        return
    arms: dict[str, Callable[[int], tuple[Uint8, Ints]]] = {
        "as it is": lambda seed: (case.x[:0], case.y[:0]),
        "made-up pictures added": lambda seed: (made[: case.n_added], np.full(case.n_added, case.rare)),
        "altered copies added": lambda seed: (repeat(case, seed), np.full(case.n_added, case.rare)),
    }
    for arm, add in arms.items():
        sys.stdout.write(f"   {arm:<26}")
        found = []
        for seed in range(seeds):
            y_prob = train_and_answer(case, add(seed), folder / f"{seed}", seed=seed, quick=quick)
            right = y_prob.argmax(axis=1) == case.y[case.test]
            of_rare = case.y[case.test] == case.rare
            found.append((right[of_rare].mean(), right.mean()))
            sys.stdout.write("recall {:.1%} accuracy {:.2%}  ".format(*found[-1]))
            sys.stdout.flush()
        print("mean: recall {:.1%}, accuracy {:.2%}".format(*np.mean(found, axis=0)), flush=True)


def make_up(case: Case, folder: Path, *, epochs: int, n: int) -> Uint8:
    """Made-up pictures of the rare class."""
    from pipeline.synthesis.learning import Settings, learn
    from pipeline.training.checkpoints import Checkpoints

    start = time.perf_counter()
    state = learn(
        store(case.x[case.learned], case.y[case.learned], folder / "learned"),
        Settings(epochs, 0, mirrored=case.x.shape[3] > 1),
        checkpoints=Checkpoints(folder, "generator"),
        sheet_every=epochs,
        on_epoch=lambda row: None,
        on_sheet=lambda epoch, pictures: None,
    )
    made: Uint8 = state.make_pictures(n, 0)
    print(f"   generator: {epochs} epochs, {time.perf_counter() - start:.0f} s", flush=True)
    return made


def compare_looks(case: Case, made: Uint8, folder: Path, *, quick: bool) -> None:
    """Print KID, nearness and verdict of the made-up pictures, and of what they can be compared with."""
    from pipeline.synthesis.features import open_eye
    from pipeline.synthesis.judge import compute_kid, compute_kid_of_halves, find_nearest, measure_copying
    from pipeline.synthesis.verdict import measure_acceptance

    eye = open_eye(case.x.shape[1:], folder)
    assert eye is not None
    real = case.x[case.learned][:1000]
    of_real = eye.look(real)
    held_out, other = (pick(case, label) for label in (case.rare, case.other))
    noise = np.random.default_rng(0).integers(0, 256, made.shape).astype(np.uint8)
    shown = {"made up": made, "real, held out": held_out, "another class": other, "noise": noise}
    every = np.arange(len(of_real))
    among = find_nearest(of_real, of_real, itself=every)
    nothing = (case.x[:0], case.y[:0])
    y_prob = train_and_answer(
        case, nothing, folder / "judge", seed=9, quick=quick, asked=np.concatenate(list(shown.values()))
    )
    halves = compute_kid_of_halves(of_real)
    print(f"   {'real, by halves':<26}KID {halves.mean:.4f} +- {halves.deviation:.4f}")
    start = 0
    for name, pictures in shown.items():
        features = eye.look(pictures)
        kid, near = compute_kid(features, of_real), measure_copying(find_nearest(features, of_real), among)
        said = measure_acceptance(y_prob[start : start + len(pictures)], case.rare)
        start += len(pictures)
        print(
            f"   {name:<26}KID {kid.mean:.4f} +- {kid.deviation:.4f}  nearest {near.made:.1f} (real"
            f" {near.real:.1f})  close {near.share:.0%}  accepted {said.share:.1%} ({said.probability:.2f})",
            flush=True,
        )


def train_and_answer(
    case: Case,
    added: tuple[Uint8, Ints],
    folder: Path,
    *,
    seed: int,
    quick: bool,
    asked: Uint8 | None = None,
) -> npt.NDArray[np.float32]:
    """Probabilities of the test pictures, or of those `asked`, by the default network and augmentation."""
    from pipeline.backend.inference import compute_outputs
    from pipeline.training.policy import build_policy
    from pipeline.training.trainer import fit

    x = np.concatenate([case.x[case.train], added[0]])
    y = np.concatenate([case.y[case.train], added[1]])
    n_classes = int(case.y.max()) + 1
    is_val = np.concatenate([choose_val(case, seed), np.zeros(len(added[1]), bool)])
    params = params_for(ANIMALS)
    train = params.train.model_copy(update={"seed": seed, "epochs": 2 if quick else 10})
    model, _ = fit(
        store(x[~is_val], y[~is_val], folder / "train"),
        store(x[is_val], y[is_val], folder / "val"),
        n_classes=n_classes,
        policy=build_policy(params.augment, channels=x.shape[3]),
        params=train,
    )
    return compute_outputs(model, case.x[case.test] if asked is None else asked)


def repeat(case: Case, seed: int) -> Uint8:
    """Copies of the rare class: augmentation alters them in training, as it does all pictures."""
    rare = case.train[(case.y[case.train] == case.rare) & ~choose_val(case, seed)]
    return case.x[np.random.default_rng(seed).choice(rare, case.n_added)]


def choose_val(case: Case, seed: int) -> npt.NDArray[np.bool_]:
    """Which of the training pictures choose the weights."""
    return np.random.default_rng([seed, 1]).random(len(case.train)) < 0.15


def pick(case: Case, label: int) -> Uint8:
    """Pictures of a class that the generator has not seen."""
    unseen = np.setdiff1d(np.flatnonzero(case.y == label), case.learned)
    return case.x[unseen][:N_JUDGED]


def store(x: Uint8, y: Ints, folder: Path) -> Pictures:
    """Pictures as shards on disk."""
    with ShardWriter(folder, len(x), x.shape[1:], max(len(x), 1)) as writer:
        for row, picture in enumerate(x):
            writer.write(0, row, picture)
    ids = tuple(f"{i:06d}" for i in range(len(x)))
    return Pictures((folder, Part(ids, np.zeros(len(x), np.int64), np.arange(len(x)), y.astype(np.int64))))


def read_fashion() -> Mapping[str, Any]:
    """All pictures of the training files, then those of the test files."""
    x, y = [], []
    for part in ("train", "t10k"):
        pixels = gzip.decompress((FASHION / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((FASHION / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        x.append(np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28, 1))
        y.append(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))
    return {"x": np.concatenate(x), "y": np.concatenate(y), "test": np.arange(60_000, 70_000)}


def list_bag(animals: Path) -> Case:
    """Bag with all that a split of 70 % leaves it; the verdict is that of 300 pictures a class."""
    found = read_fashion()
    train = choose_per_class(found["y"][:60_000], 300)
    learned = np.flatnonzero(found["y"][:60_000] == BAG)[:4200]
    return Case("Bag", **found, train=train, rare=BAG, other=SNEAKER, learned=learned, n_added=0, epochs=50)


def list_few(animals: Path) -> Case:
    """Bag cut to 60 pictures beside 300 of each other class; 240 made-up ones make it their equal."""
    found = read_fashion()
    train = choose_per_class(found["y"][:60_000], 300)
    few = train[found["y"][train] == BAG][:60]
    train = np.concatenate([train[found["y"][train] != BAG], few])
    return Case(
        *("Bag cut to 60", found["x"], found["y"], train, found["test"]),
        **{"rare": BAG, "other": SNEAKER, "learned": few, "n_added": 240, "epochs": 60},
    )


def list_fox(animals: Path) -> Case:
    """Half of the foxes are learned from, and 70 % of the others trained on; at 64 x 64."""
    with zipfile.ZipFile(animals) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        x = np.stack([shrink(archive.read(name)) for name in names])
    labels = [name.split("/")[-2] for name in names]
    classes = sorted(set(labels))
    y, fox = np.array([classes.index(label) for label in labels]), classes.index("fox")
    order = np.random.default_rng(0).permutation(len(y))
    foxes, others = order[y[order] == fox], order[y[order] != fox]
    n = int(0.7 * len(others))
    learned = foxes[:8]
    return Case(
        *("fox", x, y, np.concatenate([learned, others[:n]]), np.concatenate([foxes[8:], others[n:]])),
        **{"rare": fox, "other": classes.index("tiger"), "learned": learned, "n_added": 92, "epochs": 20},
    )


def shrink(data: bytes) -> Uint8:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC))


def choose_per_class(y: Ints, n: int) -> Ints:
    """The last n pictures of each class: the generator of `bag` learns from the first."""
    return np.sort(np.concatenate([np.flatnonzero(y == label)[-n:] for label in np.unique(y)]))


CASES: Mapping[str, Callable[[Path], Case]] = {"bag": list_bag, "few": list_few, "fox": list_fox}

if __name__ == "__main__":
    main()
