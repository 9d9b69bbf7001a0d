"""train: a small network on pictures it can tell apart, and what stops a training."""

import csv
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pipeline.augmentations import policy_of, write_policy
from pipeline.classifier import Classifier
from pipeline.errors import DataError, ModelError
from pipeline.feed import Part, Pictures, read_extra, read_part
from pipeline.metrics import log_loss
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.runs import Untracked
from pipeline.shards import ShardWriter
from pipeline.stages import train
from pipeline.tables import EXTRA, write_table

Develop = Callable[..., Paths]
ParamsOf = Callable[..., Params]

NAMES = ["dark", "middle", "light"]
SMALL = {"model": "conv1", "epochs": 4, "batch_size": 16, "learning_rate": 0.01}
AUGMENT = {"seed": 0, "rotation": 0.1, "zoom": 0.0, "shift": 0.0, "contrast": 0.0, "brightness": 0.02}


class Listener(Untracked):
    """A run that remembers what it was told."""

    def __init__(self) -> None:
        self.points: list[tuple[int | None, Mapping[str, float]]] = []
        self.logged: list[Path] = []

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.points.append((step, metrics))

    def log_classifier(self, folder: Path) -> None:
        self.logged.append(folder)


@pytest.fixture(scope="module")
def params(params_of: ParamsOf) -> Params:
    return params_of(clean={"image_hw": [8, 8], "channels": 1, "fit": "pad"}, train=SMALL, augment=AUGMENT)


@pytest.fixture(scope="module")
def project(develop: Develop, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """48 training pictures of three shades, 12 for validation, two extra copies, and a policy."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    noise = rng.integers(0, 70, (60, 8, 8, 1))
    pictures = (y[:, None, None, None] * 70 + noise).astype(np.uint8)
    paths = develop(tmp_path_factory.mktemp("train"), pictures, y, ["train"] * 48 + ["val"] * 12, NAMES)
    with ShardWriter(paths.extra, 2, (8, 8, 1), 2) as writer:
        for row in range(2):
            writer.write(0, row, pictures[row])
    rows = [{"id": f"id-00{i}", "copy": 0, "class_index": i, "shard": 0, "row": i} for i in range(2)]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), paths.extra / "manifest.parquet")
    write_policy(policy_of(params.augment, channels=1), paths.policy)
    return paths


@pytest.fixture(scope="module")
def trained(project: Paths, params: Params) -> tuple[Mapping[str, float], Listener]:
    listener = Listener()
    return train.main(params, project, listener), listener


def history_of(project: Paths) -> list[dict[str, str]]:
    with project.history.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def validation(project: Paths) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    part = read_part("val", split_path=project.split, manifest_path=project.clean_manifest)
    return Pictures((project.shards, part)).gather(np.arange(len(part))), part.y


def fit(project: Paths, params: Params, **changed: Any) -> tuple[Any, list[dict[str, float]]]:
    """Train without files, on the project's pictures, with some values of `train` replaced."""
    learnt, val = (
        read_part(name, split_path=project.split, manifest_path=project.clean_manifest)
        for name in ("train", "val")
    )
    return train.fit(
        Pictures((project.shards, learnt), (project.extra, read_extra(project.extra))),
        Pictures((project.shards, val)),
        image_hw=(8, 8),
        channels=1,
        n_classes=3,
        policy=policy_of(params.augment, channels=1),
        params=params.train.model_copy(update=changed),
    )


def test_outputs(project: Paths, trained: tuple[Mapping[str, float], Listener]) -> None:
    metrics, listener = trained
    files = [str(p.relative_to(project.stage("train"))) for p in project.stage("train").rglob("*")]
    assert sorted(files) == [
        "classifier",
        "classifier/classifier.json",
        "classifier/model.keras",
        "figures",
        "figures/curves.png",
        "history.csv",
    ]
    assert metrics["n_train"] == 50
    assert metrics["n_val"] == 12
    assert metrics["n_parameters"] == 37_699
    assert listener.logged == [project.classifier]


def test_history(project: Paths, trained: tuple[Mapping[str, float], Listener]) -> None:
    metrics, listener = trained
    rows = history_of(project)
    assert list(rows[0]) == ["epoch", *train.CURVES]
    assert [row["epoch"] for row in rows] == [str(i + 1) for i in range(int(metrics["epochs"]))]
    assert float(rows[-1]["learning_rate"]) == pytest.approx(0, abs=1e-4)
    assert [step for step, _ in listener.points] == [int(row["epoch"]) for row in rows]
    for (_, point), row in zip(listener.points, rows, strict=True):
        assert point == pytest.approx({f"curve/{c}": float(row[c]) for c in train.CURVES}, rel=1e-4)


def test_the_saved_model_is_the_best_one_without_augmentation(
    project: Paths, trained: tuple[Mapping[str, float], Listener]
) -> None:
    """Its answers on the validation pictures are those of the best epoch."""
    metrics, _ = trained
    pictures, y = validation(project)
    classifier = Classifier.load(project.classifier)
    y_prob = classifier.predict_pictures(pictures)
    assert (y_prob.argmax(axis=1) == y).mean() == pytest.approx(metrics["val/accuracy"])
    assert log_loss(y, y_prob) == pytest.approx(metrics["val/loss"], rel=1e-3)
    assert metrics["val/loss"] == pytest.approx(min(float(row["val_loss"]) for row in history_of(project)))
    assert metrics["val/accuracy"] > 0.8
    assert classifier.class_names == tuple(NAMES)
    assert classifier.settings.fit == "pad"


def test_the_same_seed_gives_the_same_weights(
    project: Paths, params: Params, trained: tuple[Mapping[str, float], Listener]
) -> None:
    import keras

    model, _ = fit(project, params)
    saved = keras.saving.load_model(project.classifier / "model.keras", compile=False)
    assert trained[0]["epochs"] == params.train.epochs
    for mine, theirs in zip(model.get_weights(), saved.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_stops_when_nothing_gets_better(
    project: Paths, params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model, rows = fit(project, params, epochs=30, patience=1, monitor="val_accuracy", schedule="constant")
    best = train.best_row(rows, "val_accuracy")
    assert best["epoch"] < len(rows) < 30
    pictures, y = validation(project)
    assert log_loss(y, np.asarray(model(pictures))) == pytest.approx(best["val_loss"], rel=1e-3)
    assert caplog.messages[-len(rows)].startswith("epoch  1/30: loss ")
    assert caplog.messages[-1].endswith(" s left")


def test_a_loss_that_is_no_number(project: Paths, params: Params) -> None:
    with pytest.raises(ModelError, match=r"loss is nan .* after epoch 1 at learning rate 1e\+30; lower"):
        fit(project, params, learning_rate=1e30, schedule="constant", optimizer="adam")


def test_an_unknown_network(project: Paths, params_of: ParamsOf) -> None:
    params = params_of(clean={"image_hw": [8, 8], "channels": 1}, train=SMALL | {"model": "conv5"})
    with pytest.raises(ModelError, match=r"got 'conv5'; did you mean conv"):
        train.main(params, project, Untracked())


@pytest.mark.parametrize(
    ("changed", "step", "rate"),
    [
        pytest.param({"schedule": "constant"}, 0, 0.01, id="constant, start"),
        pytest.param({"schedule": "constant"}, 99, 0.01, id="constant, end"),
        pytest.param({"warmup_epochs": 2}, 0, 0.0005, id="warm-up starts low"),
        pytest.param({"warmup_epochs": 2}, 20, 0.01, id="warm-up ends at the rate"),
        pytest.param({"warmup_epochs": 2}, 60, 0.005, id="half-way down"),
        pytest.param({"warmup_epochs": 2}, 100, 0.0, id="ends at zero"),
        pytest.param({"warmup_epochs": 0}, 0, 0.01, id="no warm-up"),
        pytest.param({"warmup_epochs": 0}, 50, 0.005, id="no warm-up, half-way"),
        pytest.param({"epochs": 1, "warmup_epochs": 2}, 0, 0.01, id="one epoch has no room for it"),
        pytest.param({"epochs": 2, "warmup_epochs": 9}, 10, 0.01, id="warm-up leaves one epoch"),
    ],
)
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_learning_rate(params: Params, name: str, changed: dict[str, Any], step: int, rate: float) -> None:
    """Ten steps an epoch, ten epochs, peak 0.01."""
    section = params.train.model_copy(
        update={"epochs": 10, "schedule": "cosine", "optimizer": name} | changed
    )
    optimizer = train.optimizer(section, n_steps_an_epoch=10)
    optimizer.iterations.assign(step)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == pytest.approx(rate, abs=1e-6)


@pytest.mark.parametrize(
    ("monitor", "epoch"),
    [
        pytest.param("val_loss", 2, id="least loss"),
        pytest.param("val_accuracy", 3, id="first of the best accuracies"),
    ],
)
def test_best_row(monitor: str, epoch: int) -> None:
    values = [(0.5, 0.8), (0.3, 0.7), (0.4, 0.9), (0.6, 0.9)]
    rows = [{"epoch": i + 1.0, "val_loss": a, "val_accuracy": b} for i, (a, b) in enumerate(values)]
    assert train.best_row(rows, monitor)["epoch"] == epoch


@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param([0, 1, 2], None, id="all there"),
        pytest.param([0, 0, 2], r"val has no picture of 1 of 3 classes \(middle\)", id="one missing"),
        pytest.param([], r"no picture of 3 of 3 classes \(dark, middle, light\)", id="none"),
    ],
)
def test_classes_without_pictures(y: list[int], message: str | None) -> None:
    place = np.zeros(len(y), np.int64)
    part = Part(tuple(str(i) for i in range(len(y))), place, place, np.array(y, np.int64))
    if message is None:
        train.check_classes(part, "val", NAMES)
    else:
        with pytest.raises(DataError, match=message):
            train.check_classes(part, "val", NAMES)
