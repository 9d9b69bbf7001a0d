"""assembly: the pictures of a training, the key that it goes by, and where it keeps its state."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.backend import device
from pipeline.backend.hosts import ALONE
from pipeline.collection.pictures import Part
from pipeline.collection.shards import ShardWriter
from pipeline.errors import DataError
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table
from pipeline.training import assembly
from pipeline.training.assembly import (
    Sets,
    check_classes,
    describe_computation,
    list_facts,
    read_sets,
    train_network,
)
from pipeline.training.checkpoints import N_KEPT
from pipeline.training.history import Row
from pipeline.training.trainer import Places

Develop = Callable[..., Paths]
ParamsOf = Callable[..., Params]

NAMES = ("dark", "middle", "light")
COMPUTATION = {"backend": "a", "precision": "float32"}


@pytest.fixture
def project(develop: Develop, tmp_path: Path) -> Paths:
    """Nine training pictures of three classes, three for validation, and two extra copies."""
    pictures = np.arange(12, dtype=np.uint8)[:, None, None, None].repeat(4, axis=1).repeat(4, axis=2)
    paths = develop(tmp_path, pictures, np.arange(12) % 3, ["train"] * 9 + ["val"] * 3, list(NAMES))
    rows = [
        {"id": "id-001", "copy": k, "kind": "altered", "class_index": 1, "shard": 0, "row": k}
        for k in range(2)
    ]
    write_table(pa.Table.from_pylist(rows, schema=EXTRA), paths.extra / "manifest.parquet")
    with ShardWriter(paths.extra, 2, (4, 4, 1), 2) as writer:
        for row in range(2):
            writer.write(0, row, np.full((4, 4, 1), 100 + row, np.uint8))
    return paths


class Fit:
    """Stands for `trainer.fit` and remembers what it was called with."""

    def __init__(self) -> None:
        self.places: list[Places] = []
        self.named: dict[str, Any] = {}

    def __call__(self, train: Any, val: Any, *, places: Places, **named: Any) -> tuple[Any, list[Row]]:
        self.places.append(places)
        self.named = named | {"train": train, "val": val}
        return "model", [{"epoch": 1.0}]


@pytest.fixture
def fit(monkeypatch: pytest.MonkeyPatch) -> Fit:
    fit = Fit()
    monkeypatch.setattr(assembly, "fit", fit)
    return fit


def train(sets: Sets, whole: Params, cache: Path, **changed: Any) -> Any:
    """Train with one of the arguments changed."""
    how: dict[str, Any] = {"policy": (), "computation": COMPUTATION, "inputs": {"deps": {"a": "1"}}}
    return train_network(sets, **how | {"params": whole.train, "cache": cache, "on_epoch": print} | changed)


def test_pictures_come_as_the_stages_left_them(project: Paths) -> None:
    sets = read_sets(project)
    assert sets.class_names == NAMES
    assert (len(sets.train), sets.n_extra, len(sets.val)) == (11, 2, 3)
    shades = sets.train.gather(np.arange(11))[:, 0, 0, 0]
    assert shades.tolist() == [*range(9), 100, 101]
    assert sets.train.y.tolist() == [0, 1, 2] * 3 + [1, 1]
    assert sets.val.gather(np.arange(3))[:, 0, 0, 0].tolist() == [9, 10, 11]


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
        check_classes(part, "val", NAMES)
    else:
        with pytest.raises(DataError, match=message):
            check_classes(part, "val", NAMES)


@pytest.mark.parametrize(("lacking", "other"), [("train", "val"), ("val", "train")])
def test_each_of_the_two_has_every_class(lacking: str, other: str, develop: Develop, tmp_path: Path) -> None:
    pictures = np.zeros((4, 4, 4, 1), np.uint8)
    paths = develop(tmp_path, pictures, [0, 1, 0, 0], [other] * 2 + [lacking] * 2, ["a", "b"])
    with pytest.raises(DataError, match=rf"^{lacking} has no picture of 1 of 2 classes \(b\)"):
        read_sets(paths)


def test_what_computes_is_said_with_its_precision(
    params_of: ParamsOf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DARKROOM_DEVICE", "cpu")
    for choice, precision in (("float32", "float32"), ("mixed_float16", "mixed_float16")):
        said = describe_computation(params_of(train={"precision": choice}).train)
        assert said == device.describe_machine() | {"precision": precision}
    assert [record.getMessage() for record in caplog.records] == [
        "train.precision: this machine only emulates mixed_float16, which is slow; set it to auto"
    ]


def test_what_is_trained_and_where_it_is_kept(
    project: Paths, params_of: ParamsOf, fit: Fit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    params, sets = params_of(train={"model": "conv1", "tensorboard": True}), read_sets(project)
    policy = [{"class_name": "RandomFlip", "config": {}}]
    assert train(sets, params, project.cache, policy=policy) == ("model", [{"epoch": 1.0}])
    assert fit.named == {
        "train": sets.train,
        "val": sets.val,
        "hosts": ALONE,
        "n_classes": 3,
        "policy": policy,
        "params": params.train,
        "start": None,
        "on_epoch": print,
    }
    (places,) = fit.places
    assert places.checkpoints is not None
    key = places.checkpoints.key
    assert places.checkpoints.path.parent == project.cache / "checkpoints" / key
    assert places.features == project.cache / "features"
    assert places.tensorboard == project.cache / "tensorboard" / key[:8]
    said = "conv1 in float32: 11 training pictures (2 of them extra), 3 for validation"
    assert caplog.messages == [said]
    train(sets, params_of(train={"model": "conv1", "tensorboard": False}), project.cache)
    assert fit.places[-1].tensorboard is None


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        pytest.param("nothing", False, id="nothing"),
        pytest.param("inputs", True, id="other inputs"),
        pytest.param("params", True, id="another parameter"),
        pytest.param("machine", True, id="another machine"),
    ],
)
def test_another_training_has_another_key(
    what: str, changes: bool, project: Paths, params_of: ParamsOf, fit: Fit
) -> None:
    sets, params = read_sets(project), params_of()
    changed: dict[str, dict[str, Any]] = {
        "nothing": {},
        "inputs": {"inputs": {"deps": {"a": "2"}}},
        "params": {"params": params.train.model_copy(update={"epochs": params.train.epochs + 1})},
        "machine": {"computation": COMPUTATION | {"backend": "b"}},
    }
    for more in ({}, changed[what]):
        train(sets, params, project.cache, **more)
    before, after = (places.checkpoints.key for places in fit.places if places.checkpoints)
    assert (before != after) == changes


def test_the_very_same_training_waits_for_the_other_process(
    project: Paths, params_of: ParamsOf, fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lock while it trains, and gives it back."""
    from filelock import FileLock, Timeout

    held: list[bool] = []

    def try_lock(places: Places) -> None:
        assert places.checkpoints is not None
        try:
            with FileLock(project.cache / "checkpoints" / f"{places.checkpoints.key}.lock", timeout=0):
                held.append(False)
        except Timeout:
            held.append(True)

    def watch(*collections: Any, places: Places, **named: Any) -> tuple[Any, list[Row]]:
        try_lock(places)
        return fit(*collections, places=places, **named)

    monkeypatch.setattr(assembly, "fit", watch)
    train(read_sets(project), params_of(), project.cache)
    try_lock(fit.places[0])
    assert held == [True, False]


def test_only_the_latest_trainings_are_kept(project: Paths, params_of: ParamsOf, fit: Fit) -> None:
    sets, params = read_sets(project), params_of()
    for number in range(N_KEPT + 2):
        train(sets, params, project.cache, inputs={"deps": {"a": str(number)}})
        checkpoints = fit.places[-1].checkpoints
        assert checkpoints is not None
        checkpoints.save({}, {})
    folders = [path for path in (project.cache / "checkpoints").iterdir() if path.is_dir()]
    assert len(folders) == N_KEPT


def test_what_hosts_that_train_together_have_alike(params_of: ParamsOf) -> None:
    inputs = {"cmd": "train", "deps": {"pipeline/a.py": "5f"}, "weights": "", "start": "91"}
    facts = list_facts(inputs, params_of(train={"epochs": 7}).train, COMPUTATION)
    assert (facts["pipeline/a.py"], facts["start"], facts["train.epochs"]) == ("5f", "91", 7)
    assert COMPUTATION.items() <= facts.items()
