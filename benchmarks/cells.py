"""One training in a process of its own, for the tables of benchmarks.training: bare Keras, or Darkroom.

A cell is told by JSON on the command line, and says what it found as a line of JSON. `how: bare` is what a
Keras user writes: float32 pictures in memory and `model.fit`, without anything that Darkroom sets up.

Run: python -m benchmarks.cells '{"how": "bare", "model": "conv4", "data": "fashion", "epochs": 1}'
"""

import gzip
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.copies import params_for
from pipeline.collection.alterations import make_imperfect
from pipeline.collection.demos import FASHION_MNIST
from pipeline.collection.pictures import Part, Pictures
from pipeline.collection.shards import ShardWriter, count_rows_per_shard
from pipeline.training.policy import build_policy

Uint8 = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

MNIST = Path(__file__).resolve().parents[1] / ".bench" / "mnist"
_N_VAL = 5000


def main() -> None:
    cell = json.loads(sys.argv[1])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    done = bare(**cell) if cell.pop("how") == "bare" else darkroom(**cell)
    print(json.dumps(done), flush=True)


def read_idx(path: Path) -> Uint8:
    """The pictures [n, h, w, 1] or labels [n] of an IDX file, gzipped or not."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    shape = np.frombuffer(data, ">u4", data[3], 4)
    values: Uint8 = np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
    return values[..., None] if len(shape) == 3 else values


def load(data: str) -> tuple[Uint8, Ints, Uint8, Ints]:
    """Training and test pictures and labels of "fashion" or "mnist"; of "made 100 28x28x1" no test ones."""
    if data.startswith("made "):
        n, shape = data.split()[1:]
        x, y = make_pictures(int(n), tuple(map(int, shape.split("x"))))
        return x, y, x[:0], y[:0]
    local = FASHION_MNIST.local
    assert local is not None
    folder = {"fashion": local, "mnist": MNIST}[data]
    found = []
    for part in ("train", "t10k"):
        for what in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            path = folder / f"{part}-{what}"
            found.append(read_idx(path if path.exists() else path.with_name(f"{path.name}.gz")))
    return found[0], found[1].astype(np.int64), found[2], found[3].astype(np.int64)


def make_pictures(n: int, shape: tuple[int, ...]) -> tuple[Uint8, Ints]:
    """Noise of ten classes that can be learnt: how high a bright band lies says the class."""
    rng, y = np.random.default_rng(0), np.arange(n) % 10
    x = rng.integers(0, 156, (n, *shape), dtype=np.uint8)
    thickness = shape[0] // 10
    for label in range(10):
        x[label::10, label * thickness : (label + 1) * thickness] += 100
    return x, y


def bare(
    *,
    model: str,
    data: str,
    epochs: int,
    batch: int = 256,
    seed: int = 0,
    n: int | None = None,
    precision: str = "float32",
) -> dict[str, Any]:
    """`model.fit` on float32 arrays; seconds of the whole fit and of each epoch, test accuracy."""
    import keras

    from pipeline.models import FAMILIES
    from pipeline.models.knobs import Knobs

    keras.config.set_dtype_policy(precision)
    keras.utils.set_random_seed(seed)
    x, y, x_test, y_test = load(data)
    x, y = (x[:n] / 255).astype(np.float32), y[:n]
    inputs = keras.Input(x.shape[1:])
    features = FAMILIES[model].features(inputs, Knobs())
    network = keras.Model(inputs, keras.layers.Dense(10, activation="softmax", dtype="float32")(features))
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    watch = stopwatch()
    start = time.perf_counter()
    network.fit(x, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[watch])
    found = {"fit_s": time.perf_counter() - start, "epoch_s": watch.epoch_s, "n": len(x)}
    keras.config.set_dtype_policy("float32")
    if len(x_test):
        _, accuracy = network.evaluate((x_test / 255).astype(np.float32), y_test, batch_size=1000, verbose=0)
        found["accuracy"] = float(accuracy)
    return found


def darkroom(
    *,
    data: str,
    train: dict[str, Any],
    augment: dict[str, Any] | None = None,
    n: int | None = None,
    n_val: int = _N_VAL,
) -> dict[str, Any]:
    """Darkroom's trainer on shards; seconds of the fit and of each epoch, test accuracy, and mirrored."""
    from pipeline.backend.device import set_up_device
    from pipeline.training.trainer import fit

    set_up_device()
    x, y, x_test, y_test = load(data)
    x, y = x[:n], y[:n]
    off = dict.fromkeys(("rotation", "zoom", "shift", "contrast", "brightness"), 0.0)
    params = params_for(Path("none"), train=train, augment=off | (augment or {}))
    watch = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        order = np.random.default_rng(0).permutation(len(x))
        val, learnt = order[:n_val], order[n_val:]
        seen, shown = with_imperfect(x[learnt], y[learnt], "train", share=params.augment.imperfect)
        pictures = collection(Path(folder) / "train", seen, shown)
        validated = collection(Path(folder) / "val", x[val], y[val])
        start = time.perf_counter()
        model, rows = fit(
            pictures,
            validated,
            n_classes=10,
            policy=build_policy(params.augment, channels=x.shape[3]),
            params=params.train,
            on_epoch=lambda row: watch.append(time.perf_counter()),
        )
        fit_s = time.perf_counter() - start
    found = {
        "fit_s": fit_s,
        "epoch_s": np.diff(watch).tolist(),
        "epoch_at": watch,
        "n": len(pictures),
        "val_accuracy": rows[-1]["val_accuracy"],
    }
    return found | (score(model, x_test, y_test, params.augment.imperfect) if len(x_test) else {})


def score(model: Any, x_test: Uint8, y_test: Ints, imperfect: float) -> dict[str, float]:
    """Accuracy on test pictures, on them and their imperfect copies, and with mirror images."""
    n_test = len(x_test)
    x_test, y_test = with_imperfect(x_test, y_test, "test", share=float(imperfect > 0))
    plain, mirror = (model.predict(t, batch_size=500, verbose=0) for t in (x_test, x_test[:, :, ::-1]))
    is_right = plain.argmax(1) == y_test
    return {
        "accuracy": float(is_right[:n_test].mean()),
        "mixed": float(is_right.mean()),
        "mirrored": float(((plain + mirror).argmax(1) == y_test)[:n_test].mean()),
    }


def with_imperfect(x: Uint8, y: Ints, name: str, *, share: float) -> tuple[Uint8, Ints]:
    """Pictures, and behind them the imperfect copies of the first of them, as many as `share` says."""
    n = round(share * len(x))
    copies = make_imperfect(x[:n], [f"{name}/{i}" for i in range(n)], seed=0)
    return np.concatenate([x, copies]), np.concatenate([y, y[:n]])


def collection(folder: Path, x: Uint8, y: Ints) -> Pictures:
    """Pictures in shards of a folder, as the clean stage leaves them."""
    shape = x.shape[1:]
    per_shard = count_rows_per_shard(len(x), (shape[0], shape[1], shape[2]))
    place = np.arange(len(x))
    with ShardWriter(folder, len(x), (shape[0], shape[1], shape[2]), per_shard) as writer:
        for i in place:
            writer.write(int(i) // per_shard, int(i) % per_shard, x[i])
    ids = tuple(f"{i:08d}" for i in place)
    return Pictures((folder, Part(ids, place // per_shard, place % per_shard, y)))


def stopwatch() -> Any:
    """A callback with the seconds of each epoch."""
    import keras

    class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.epoch_s: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.epoch_s.append(time.perf_counter() - self.start)

    return Stopwatch()


if __name__ == "__main__":
    main()
