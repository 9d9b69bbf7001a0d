"""trainer: the same weights each time, also when a training was broken off anywhere."""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part, Pictures
from pipeline.collection.shards import ShardWriter
from pipeline.errors import ModelError
from pipeline.models import FAMILIES
from pipeline.params import Params
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.frozen_features import Features
from pipeline.training.history import Row
from pipeline.training.policy import build_policy
from pipeline.training.trainer import Phase, Places, feed, fit, read_knobs

ParamsOf = Callable[..., Params]

SMALL: dict[str, Any] = {"model": "conv1", "epochs": 3, "batch_size": 16, "precision": "float32"}
STILL = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "contrast": 0.0, "brightness": 0.0}
APPLICATION = "keras.applications.MobileNet"  # of all, it has the fewest layers to make a graph of


class Stopped(BaseException):
    """Stands for a kill: nothing in the trainer may catch it."""


@pytest.fixture(scope="module", autouse=True)
def _device() -> None:
    """The same bits each time need what a stage sets up first."""
    set_up_device()


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> list[Pictures]:
    return make_collections(tmp_path_factory.mktemp("pictures"), (16, 16, 1))


def make_collections(root: Path, shape: tuple[int, int, int]) -> list[Pictures]:
    """48 pictures of three shades to learn from, and 12 to validate with."""
    rng = np.random.default_rng(0)
    found = []
    for name, n in (("train", 48), ("val", 12)):
        y = np.arange(n) % 3
        with ShardWriter(root / name, n, shape, n) as writer:
            for i in range(n):
                writer.write(0, i, (y[i] * 70 + rng.integers(0, 100, shape)).astype(np.uint8))
        place = np.arange(n)
        part = Part(tuple(f"{i:02d}" for i in place), place * 0, place, y)
        found.append(Pictures((root / name, part)))
    return found


@pytest.fixture
def train(collections: list[Pictures], params_of: ParamsOf) -> Callable[..., tuple[Any, list[Row]]]:
    """`train(model="conv1", augment={"flip": "both"}, places=Places(...), on_epoch=...)`."""

    def train(*, augment: dict[str, Any] | None = None, **named: Any) -> tuple[Any, list[Row]]:
        passed = {name: named.pop(name) for name in ("places", "on_epoch", "start") if name in named}
        params = params_of(train=SMALL | named, augment=STILL | (augment or {}))
        policy = build_policy(params.augment, channels=1)
        return fit(*collections, n_classes=3, policy=policy, params=params.train, **passed)

    return train


def are_same(mine: Any, theirs: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True))


KINDS = [
    pytest.param({}, id="plain"),
    pytest.param({"augment": {"rotation": 0.1, "flip": "both", "noise": 0.05}}, id="augmented"),
    pytest.param(
        {"augment": {"mixup": 0.4, "cutmix": 1.0, "flip": "alternating"}}, id="mixed, mirrored by turns"
    ),
    pytest.param({"optimizer": "sgd", "ema": 0.9, "schedule": "triangular"}, id="sgd, averaged"),
    pytest.param({"optimizer": "muon", "warmup_epochs": 0.5, "kernel_l2": 0.001}, id="muon, penalised"),
    pytest.param({"precision": "mixed_bfloat16", "label_smoothing": 0.1}, id="bfloat16"),
    pytest.param({"model": "compact", "monitor": "val_accuracy"}, id="compact"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_broken_off_and_continued(
    kind: dict[str, Any], train: Callable[..., tuple[Any, list[Row]]], tmp_path: Path
) -> None:
    """Broken off in the second and again in the third epoch, it ends with the bits of one that was not."""
    whole, rows = train(**kind)
    places = Places(Checkpoints(tmp_path, "a"))
    for n_epochs in (2, 3):
        with pytest.raises(Stopped):
            train(**kind, places=places, on_epoch=stop_after(n_epochs))
    heard: list[Row] = []
    resumed, rows_again = train(**kind, places=places, on_epoch=heard.append)
    assert are_same(whole, resumed)
    assert rows == rows_again == heard
    again, rows_again = train(**kind, places=places, on_epoch=stop_after(4))
    assert are_same(whole, again)
    assert rows == rows_again


def stop_after(n_epochs: int) -> Callable[[Row], None]:
    """Break off when the n-th epoch is done, and not yet saved."""

    def on_epoch(row: Row) -> None:
        if row["epoch"] == n_epochs:
            raise Stopped

    return on_epoch


def test_one_that_stopped_early_stays_so(train: Callable[..., tuple[Any, list[Row]]], tmp_path: Path) -> None:
    kind = {"epochs": 30, "patience": 1, "monitor": "val_accuracy", "learning_rate": 0.01}
    places = Places(Checkpoints(tmp_path, "a"))
    whole, rows = train(**kind, places=places)
    assert len(rows) < 30
    again, rows_again = train(**kind, places=places)
    assert rows == rows_again
    assert are_same(whole, again)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_network_trains_an_epoch(name: str, train: Callable[..., tuple[Any, list[Row]]]) -> None:
    model, rows = train(model=name, epochs=1, augment={"rotation": 0.1})
    assert model.name == name
    assert np.isfinite([rows[0]["loss"], rows[0]["val_loss"]]).all()


@pytest.mark.parametrize(
    ("head", "precision"),
    [("softmax", "mixed_bfloat16"), ("one_vs_rest", "float32"), ("one_vs_rest", "mixed_float16")],
)
def test_what_comes_back_computes_in_float32(
    head: str, precision: str, train: Callable[..., tuple[Any, list[Row]]], collections: list[Pictures]
) -> None:
    """And says of the validation pictures what the best epoch said, as far as its precision goes."""
    model, rows = train(head=head, precision=precision, epochs=6, learning_rate=0.01)
    assert {layer.compute_dtype for layer in model.layers[1:]} == {"float32"}
    val = collections[1]
    y_prob = np.asarray(model(val.gather(np.arange(len(val)))))
    best = min(rows, key=lambda row: row["val_loss"])
    assert (y_prob.argmax(axis=1) == val.y).mean() == pytest.approx(best["val_accuracy"])
    assert best["val_accuracy"] > 0.8
    if head == "softmax":
        assert -np.log(y_prob[np.arange(12), val.y]).mean() == pytest.approx(best["val_loss"], rel=0.05)


def test_a_loss_that_is_no_number(train: Callable[..., tuple[Any, list[Row]]], tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a")
    with pytest.raises(ModelError, match=r"loss is (nan|inf) in epoch 1 at learning rate 1000; lower"):
        train(
            learning_rate=1000.0,
            schedule="constant",
            warmup_epochs=0.0,
            optimizer="sgd",
            places=Places(checkpoints),
        )
    assert checkpoints.load() is None


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a small backbone, by chance, as a file."""
    import keras

    from pipeline.models import applications

    keras.utils.set_random_seed(7)
    backbone = applications.build_backbone(APPLICATION, image_hw=(32, 32), channels=1, weights=None)
    path = tmp_path_factory.mktemp("weights") / "own.weights.h5"
    backbone.save_weights(path)
    return str(path)


def test_frozen_then_fine_tuned(
    weights: str, params_of: ParamsOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two phases, broken off in each; the features are computed once a picture, whatever happens."""
    caplog.set_level("INFO")
    train, val = make_collections(tmp_path, (32, 32, 1))
    section = {"model": APPLICATION, "weights": weights, "epochs": 2, "fine_tune_epochs": 2}
    params = params_of(train=SMALL | section, augment=STILL | {"flip": "horizontal"})
    how: dict[str, Any] = {"n_classes": 3, "params": params.train}
    how["policy"] = build_policy(params.augment, channels=1)
    whole, rows = fit(train, val, **how)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    places = Places(Checkpoints(tmp_path / "checkpoints", "a"), features=tmp_path / "features")
    for n_epochs in (2, 3, 4):
        with pytest.raises(Stopped):
            fit(train, val, **how, places=places, on_epoch=stop_after(n_epochs))
    resumed, rows_again = fit(train, val, **how, places=places)
    assert rows == rows_again
    assert are_same(whole, resumed)
    said = [message for message in caplog.messages if "known from before" in message]
    assert (
        said[:4]
        == [
            "features of 48 training pictures: 0 known from before",
            "features of 12 validation pictures: 0 known from before",
        ]
        * 2
    )
    assert set(said[4:]) == {
        "features of 48 training pictures: 48 known from before",
        "features of 12 validation pictures: 12 known from before",
    }


def test_it_starts_from_given_weights(train: Callable[..., tuple[Any, list[Row]]], tmp_path: Path) -> None:
    """A tiny step from a trained network stays at its loss; broken off, it goes on from where it was."""
    trained, rows = train(epochs=4, learning_rate=0.01)
    best = min(row["val_loss"] for row in rows)
    tiny: dict[str, Any] = {"epochs": 3, "learning_rate": 1e-6, "warmup_epochs": 0.0}
    start = trained
    whole, from_there = train(**tiny, start=start)
    assert [row["val_loss"] for row in from_there] == pytest.approx([best] * 3, rel=1e-2)
    _, from_nothing = train(**tiny)
    assert min(row["val_loss"] for row in from_nothing) > 1.05 * best
    places = Places(Checkpoints(tmp_path, "a"))
    with pytest.raises(Stopped):
        train(**tiny, start=start, places=places, on_epoch=stop_after(2))
    resumed, rows_again = train(**tiny, start=start, places=places)
    assert are_same(whole, resumed)
    assert from_there == rows_again


def test_another_network_is_no_start(train: Callable[..., tuple[Any, list[Row]]]) -> None:
    start = train(epochs=1)[0]
    for named in ({"model": "conv2"}, {"activation": "tanh"}):
        with pytest.raises(
            ModelError, match=r"^train\.start_from: its network is another one \(it has [A-Z]\w+ "
        ):
            train(**named, start=start)


def test_a_start_with_a_backbone(weights: str, params_of: ParamsOf, tmp_path: Path) -> None:
    """Its backbone makes the features, and its head goes on, with the scale that it had."""
    train, val = make_collections(tmp_path, (32, 32, 1))
    section = {"model": APPLICATION, "weights": weights, "features": "all", "epochs": 3}
    params = params_of(train=SMALL | section | {"fine_tune_epochs": 1, "learning_rate": 0.01}, augment=STILL)
    trained, rows = fit(train, val, n_classes=3, policy=[], params=params.train)
    best = min(row["val_loss"] for row in rows)
    tiny = {"epochs": 1, "fine_tune_epochs": 0, "learning_rate": 1e-6, "warmup_epochs": 0.0}
    params = params_of(train=SMALL | section | tiny, augment=STILL)
    how: dict[str, Any] = {"n_classes": 3, "policy": [], "params": params.train}
    _, again = fit(train, val, **how, start=trained)
    assert again[0]["val_loss"] == pytest.approx(best, rel=1e-3)
    _, anew = fit(train, val, **how)
    assert anew[0]["val_loss"] != pytest.approx(best, rel=1e-3)


def test_weights_of_pictures_follow_the_params(params_of: ParamsOf) -> None:
    import keras

    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    pictures = Features(np.zeros((4, 1), np.float32), np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]))
    phase = Phase(network, pictures, pictures, (), n_epochs=1, learning_rate=0.1)
    for by_class, by_group, expected in (
        (False, False, [1, 1, 1, 1]),
        (True, False, [2 / 3, 2 / 3, 2 / 3, 2]),
        (False, True, [0.75, 0.75, 1, 1.5]),
        (True, True, [0.5, 0.5, 1, 2]),
    ):
        params = params_of(train={"class_weights": by_class, "group_weights": by_group}).train
        fed, validated = feed(phase, params, first_epoch=0, n_replicas=1)
        assert sorted(fed[0][2]) == pytest.approx(expected)
        assert validated[0][2].tolist() == [1, 1, 1, 1]


def test_knobs_are_those_of_the_params(params_of: ParamsOf) -> None:
    section = {"filters": 3, "units": 4, "activation": "tanh", "dropout": 0.1, "kernel_l2": 0.2}
    knobs = read_knobs(params_of(train=section).train)
    assert vars(knobs) == section | {"all_levels": False}
    assert read_knobs(params_of(train={"features": "all"}).train).all_levels


# Trains on so many devices, for each number given; in one process, since importing a backend takes longer.
IN_A_PROCESS = """
import sys
from functools import partial
from pathlib import Path
root, repo, numbers = Path(sys.argv[1]), sys.argv[2], [int(n) for n in sys.argv[3:]]
sys.path.insert(0, repo)
import keras
is_tensorflow = keras.backend.backend() == "tensorflow"
if is_tensorflow:
    import tensorflow as tf
    several = [tf.config.LogicalDeviceConfiguration()] * max(numbers)
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], several)
from pipeline.backend.device import set_up_device, share_batches
set_up_device()
import numpy as np
from pipeline.errors import ModelError
from pipeline.params import Params
from pipeline.training import trainer
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.policy import build_policy
from tests.conftest import values_with
from tests.training.test_trainer import SMALL, STILL, make_collections
train, val = make_collections(root, (16, 16, 1))
section = SMALL | {"epochs": 8, "learning_rate": 0.01, "batch_size": 15, "ema": 0.5}
values = values_with(train=section, augment=STILL | {"rotation": 0.02, "mixup": 0.1})
params = Params.model_validate(values)
how = {"n_classes": 3, "params": params.train, "policy": build_policy(params.augment, channels=1)}
for n in numbers:
    devices = [f"{'CPU' if is_tensorflow else 'cpu'}:{i}" for i in range(n)]
    trainer.share_batches = partial(share_batches, devices) if n > 1 else share_batches
    places = trainer.Places(Checkpoints(root, f"on {n}"))
    model, rows = trainer.fit(train, val, **how, places=places)
    assert rows[-1]["val_accuracy"] > 0.8, rows
    again, rows_again = trainer.fit(train, val, **how, places=places)
    assert rows == rows_again
    model.save(root / f"{n}.keras")
    np.save(root / f"{n}.npy", np.asarray(model(val.gather(np.arange(12)))))
wild = {"learning_rate": 1000.0, "weight_decay": 1.0, "optimizer": "sgd", "warmup_epochs": 0.0}
wild["batch_size"] = 1
try:
    trainer.fit(train, val, **(how | {"params": params.train.model_copy(update=wild)}))
except ModelError as error:
    (root / "error.txt").write_text(str(error))
"""

Elsewhere = Callable[..., Path]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """`elsewhere("jax", 1, 2)`: the folder with what a process of its own trained, once for all tests."""

    @functools.cache
    def train(backend: str, *numbers: int) -> Path:
        folder = tmp_path_factory.mktemp(backend)
        env = {**os.environ, "KERAS_BACKEND": backend, "DARKROOM_DEVICE": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
        env["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={max(numbers)}"
        env["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # compiling takes longer than all that is computed
        env["NPROC"] = "8"  # threads of XLA: with two, two devices may wait for each other for ever
        repo = str(Path(__file__).resolve().parents[2])
        command = [sys.executable, "-c", IN_A_PROCESS, str(folder), repo, *map(str, numbers)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder

    return train


@pytest.mark.parametrize(
    ("backend", "numbers", "n_devices"),
    [
        pytest.param("jax", (1, 2), 1, id="JAX"),
        pytest.param("jax", (1, 2), 2, id="JAX, two devices"),
        pytest.param("tensorflow", (2,), 2, id="TensorFlow, two devices"),
    ],
)
def test_another_backend_or_several_devices(
    backend: str, numbers: tuple[int, ...], n_devices: int, collections: list[Pictures], elsewhere: Elsewhere
) -> None:
    """In a process of its own it learns, is saved, answers alike here, and says if it cannot learn.

    10 to 20 s each process.
    """
    import keras

    folder = elsewhere(backend, *numbers)
    model = keras.saving.load_model(folder / f"{n_devices}.keras", compile=False)
    y_prob: npt.NDArray[np.float32] = np.load(folder / f"{n_devices}.npy")
    val = collections[1]
    assert np.asarray(model(val.gather(np.arange(12)))) == pytest.approx(y_prob, abs=1e-4)
    assert re.match(r"the loss is (nan|inf) in epoch 1 at learning rate ", (folder / "error.txt").read_text())
