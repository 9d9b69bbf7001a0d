"""train: a small network on pictures it can tell apart, and what stops a training."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from ruamel.yaml import YAML

from pipeline.collection.pictures import Part, Pictures, read_part
from pipeline.collection.shards import ShardWriter
from pipeline.errors import ModelError
from pipeline.evidence.probability_scores import list_log_losses
from pipeline.images.recipe import Recipe
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.serving.classifier import Classifier
from pipeline.stages import train
from pipeline.tables.extra import EXTRA
from pipeline.tables.parquet import write_table
from pipeline.tables.split import NAMED
from pipeline.tracking.runs import Untracked
from pipeline.training.history import CURVES
from pipeline.training.policy import build_policy, write_policy
from pipeline.training.trainer import Places

Develop = Callable[..., Paths]
ParamsOf = Callable[..., Params]

NAMES = ["dark", "middle", "light"]
SMALL = {"model": "conv1", "epochs": 4, "batch_size": 16, "learning_rate": 0.01, "precision": "float32"}
SMALL |= {"tensorboard": True, "test_mirror": True}
AUGMENT = {"seed": 0, "rotation": 0.1, "zoom": 0.0, "shift": 0.0, "contrast": 0.0, "brightness": 0.02}


class Listener(Untracked):
    """A run that remembers what it was told."""

    def __init__(self) -> None:
        self.points: list[tuple[int | None, Mapping[str, float]]] = []
        self.logged: list[Path] = []
        self.tags: dict[str, str] = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.points.append((step, metrics))

    def log_classifier(self, folder: Path) -> None:
        self.logged.append(folder)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self.tags |= tags


@pytest.fixture(scope="module")
def params(params_of: ParamsOf) -> Params:
    return params_of(
        clean={"image_hw": [8, 8], "channels": 1, "fit": "pad"},
        split={"min_test_images": 0},
        train=SMALL,
        augment=AUGMENT,
    )


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
    write_policy(build_policy(params.augment, channels=1), paths.policy)
    train_stage = {"cmd": "train", "deps": [str(paths.policy.relative_to(paths.root))], "params": ["train"]}
    YAML().dump({"stages": {"train": train_stage}}, paths.dvc_yaml)
    YAML().dump({"train": params.train.model_dump()}, paths.params)
    return paths


@pytest.fixture(scope="module")
def trained(project: Paths, params: Params) -> tuple[Mapping[str, float], Listener]:
    listener = Listener()
    return train.main(params, project, listener), listener


def read_rows(project: Paths) -> list[dict[str, str]]:
    with project.history.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_validation(project: Paths) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    part = read_part("val", split_path=project.split, manifest_path=project.clean_manifest)
    return Pictures((project.shards, part)).gather(np.arange(len(part))), part.y


def test_outputs(project: Paths, trained: tuple[Mapping[str, float], Listener]) -> None:
    metrics, listener = trained
    files = [str(p.relative_to(project.stage("train"))) for p in project.stage("train").rglob("*")]
    assert sorted(files) == [
        "classifier",
        "classifier/classifier.json",
        "classifier/model.keras",
        "history.csv",
        "label_answers.parquet",
        "out_of_fold.parquet",
        "started_from.parquet",
    ]
    assert metrics["n_train"] == 50
    assert metrics["n_val"] == 12
    assert metrics["n_parameters"] == 37_699
    assert listener.logged == [project.classifier]


def test_history(project: Paths, trained: tuple[Mapping[str, float], Listener]) -> None:
    metrics, listener = trained
    rows = read_rows(project)
    assert list(rows[0]) == ["epoch", *CURVES]
    assert [row["epoch"] for row in rows] == [str(i + 1) for i in range(int(metrics["epochs"]))]
    assert float(rows[-1]["learning_rate"]) == pytest.approx(0, abs=1e-4)
    assert [step for step, _ in listener.points] == [int(row["epoch"]) for row in rows]
    for (_, point), row in zip(listener.points, rows, strict=True):
        assert point == pytest.approx({f"curve/{c}": float(row[c]) for c in CURVES}, rel=1e-4)


def test_the_saved_model_is_the_best_one_without_augmentation(
    project: Paths, params: Params, trained: tuple[Mapping[str, float], Listener]
) -> None:
    """Its answers on the validation pictures are those of the best epoch."""
    metrics, _ = trained
    pictures, y = read_validation(project)
    classifier = Classifier.load(project.classifier)
    y_prob = classifier.without_mirror().predict_pictures(pictures)
    assert classifier.settings.test_mirror
    assert (y_prob.argmax(axis=1) == y).mean() == pytest.approx(metrics["val_accuracy"])
    assert list_log_losses(y, y_prob).mean() == pytest.approx(metrics["val_loss"], rel=1e-3)
    least = min(float(row["val_loss"]) for row in read_rows(project))
    assert metrics["val_loss"] == pytest.approx(least, rel=1e-5)
    assert metrics["val_accuracy"] > 0.8
    assert classifier.class_names == tuple(NAMES)
    assert classifier.settings.recipe.fit == "pad"
    assert classifier.settings.recipe == Recipe.from_params(
        params.clean, formats=params.validate_.formats, max_pixels=params.validate_.max_pixels
    )


def test_what_it_computed_with_is_said(trained: tuple[Mapping[str, float], Listener]) -> None:
    metrics, listener = trained
    assert metrics["precision_bits"] == 32
    assert listener.tags["train.precision"] == "float32"
    assert listener.tags["train.backend"] == "tensorflow"
    assert listener.tags["train.hosts"] == "1"


def test_what_it_keeps_outside_its_outputs(
    project: Paths, trained: tuple[Mapping[str, float], Listener]
) -> None:
    """A checkpoint, logs of TensorBoard, and nothing in data/train."""
    assert sorted(p.name for p in project.cache.iterdir()) == ["checkpoints", "tensorboard"]
    assert len(list(project.cache.glob("checkpoints/*/checkpoint.npz"))) == 1
    assert list(project.cache.glob("tensorboard/*/train/events*"))
    assert list(project.cache.glob("tensorboard/*/validation/events*"))


def test_done_again_it_is_there_at_once(
    project: Paths, params: Params, trained: tuple[Mapping[str, float], Listener]
) -> None:
    """Killed between its last epoch and DVC's record, it is not done twice; curves are told again."""
    before = (project.classifier / "classifier.json").read_bytes(), project.history.read_bytes()
    weights = Classifier.load(project.classifier).predict_pictures(read_validation(project)[0])
    checkpoint = next(project.cache.glob("checkpoints/*/checkpoint.npz"))
    written_ns = checkpoint.stat().st_mtime_ns
    listener = Listener()
    assert train.main(params, project, listener) == trained[0]
    assert checkpoint.stat().st_mtime_ns == written_ns
    assert ((project.classifier / "classifier.json").read_bytes(), project.history.read_bytes()) == before
    again = Classifier.load(project.classifier).predict_pictures(read_validation(project)[0])
    assert np.array_equal(weights, again)
    assert [step for step, _ in listener.points] == [step for step, _ in trained[1].points]


class Stopped(BaseException):
    """Stands for a training: only its key is asked for."""


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        pytest.param("nothing", False, id="nothing"),
        pytest.param("policy", True, id="another policy"),
        pytest.param("params", True, id="another parameter"),
        pytest.param("machine", True, id="another machine"),
    ],
)
def test_another_training_has_another_key(
    what: str, changes: bool, project: Paths, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what dvc.yaml says that it depends on, and by what computes it."""
    from pipeline.training import assembly

    keys: list[str] = []

    def stop(*collections: Any, places: Places, **named: Any) -> None:
        assert places.checkpoints is not None
        keys.append(places.checkpoints.key)
        raise Stopped

    monkeypatch.setattr(assembly, "fit", stop)
    computation, policy = assembly.describe_computation(params.train), project.policy.read_bytes()
    for is_changed in (False, True):
        if is_changed and what == "policy":
            project.policy.write_bytes(policy + b" ")
        if is_changed and what == "params":
            params = params.model_copy(update={"train": params.train.model_copy(update={"epochs": 5})})
        other = {"backend": "b"} if is_changed and what == "machine" else {}
        found = computation | other
        monkeypatch.setattr(assembly, "describe_computation", lambda _, found=found: found)
        with pytest.raises(Stopped):
            train.main(params, project, Untracked())
    project.policy.write_bytes(policy)
    assert (keys[0] != keys[1]) == changes


def test_an_unknown_network(project: Paths, params_of: ParamsOf) -> None:
    params = params_of(clean={"image_hw": [8, 8], "channels": 1}, train=SMALL | {"model": "conv5"})
    with pytest.raises(ModelError, match=r"got 'conv5' \(did you mean conv"):
        train.main(params, project, Untracked())


def test_another_file_of_weights_is_another_training(tmp_path: Path) -> None:
    file = tmp_path / "a.weights.h5"
    file.write_bytes(b"one")
    before = train.hash_weights(str(file))
    file.write_bytes(b"two")
    assert train.hash_weights(str(file)) != before
    assert [train.hash_weights(name) for name in (None, "imagenet")] == ["", ""]


def test_where_few_pictures_are_tested_all_are_cross_validated(project: Paths, params: Params) -> None:
    """Without a test picture of a class, its score would be worth nothing. The model stays the same."""
    plain = train.main(params, project, Untracked())
    assert not [name for name in plain if name.startswith("cross_validated")]
    split = params.split.model_copy(update={"min_test_images": 1, "folds": 3})
    metrics = train.main(params.model_copy(update={"split": split}), project, Untracked())
    low, value, high = (metrics[f"cross_validated_accuracy{end}"] for end in ("_low", "", "_high"))
    assert 0.6 < low < value < high <= 1
    assert {name: metrics[name] for name in plain} == plain


@pytest.mark.parametrize(
    ("weights", "named", "is_asked"),
    [
        pytest.param("imagenet", True, True, id="sources"),
        pytest.param("imagenet", False, False, id="no sources"),
        pytest.param(None, True, False, id="the whole network learns"),
    ],
)
def test_labels_are_compared_with_answers_that_know_the_source(
    weights: str | None,
    named: bool,
    is_asked: bool,
    params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two sources a class of ten pairs of near-duplicates: folds divide sources, and no pair."""
    n = 80
    number = np.arange(n)
    part = Part(
        tuple(f"{i:03d}" for i in number),
        *(number, number, number // 40),
        duplicate_group=tuple(f"pair-{i // 2}" for i in number),
        fold_group=tuple(f"{NAMED if named else ''}{i // 20}" for i in number),
    )
    asked: list[npt.NDArray[np.int64]] = []
    monkeypatch.setattr(train, "answer_folds", lambda part, folds, *others: asked.append(folds))
    of_network = params.train.model_copy(update={"model": "efficientnet_lite0", "weights": weights})
    paths = Paths(tmp_path)
    paths.stage("train").mkdir(parents=True)
    train.answer_labels(part, number // 20 % 2, params.model_copy(update={"train": of_network}), paths)
    assert len(asked) == is_asked
    assert paths.label_answers.exists() == (not is_asked), "an empty table where nobody answers"
    for folds in asked:
        assert (folds[::2] == folds[1::2]).all(), "a pair is never divided"
        assert {tuple(np.unique(folds[number // 20 == source])) for source in range(4)} == {(0, 1)}
