"""cross_validation: answers by networks that have not seen the picture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part, Pictures
from pipeline.collection.shards import ShardWriter
from pipeline.params import Params, TrainParams
from pipeline.training import cross_validation
from pipeline.training.cross_validation import FoldAnswerer
from pipeline.training.fold_work import answer_all
from pipeline.training.folds import Fold
from pipeline.training.trainer import Places, read_features
from tests.training.conftest import N

Ints = npt.NDArray[np.int64]


def answer_once(
    shards: Path, part: Part, fold: Fold, *, params: TrainParams, **how: Any
) -> npt.NDArray[np.float32]:
    """The answers to one fold."""
    return FoldAnswerer(shards, part, params=params, **how).answer(fold, params)


class Shade:
    """A network that answers with how light a picture is, and how dark."""

    output_shape = (None, 2)

    def predict_on_batch(self, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        light = pictures[:, 0, 0, 0] / np.float32(255)
        return np.stack([light, 1 - light], axis=1)


def test_answers_come_in_the_order_of_the_fold(
    part: Part, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the network learns from the other pictures alone."""
    heard: dict[str, Any] = {}

    def fit(learnt: Pictures, validated: Pictures, **named: Any) -> tuple[Any, list[Any]]:
        heard.update(named, shown=[list_shades(learnt), list_shades(validated)], groups=learnt.groups)
        return Shade(), []

    monkeypatch.setattr(cross_validation, "fit", fit)
    order = np.random.default_rng(0).permutation(N)
    fold = Fold(order[:14], order[14:17], order[17:])
    policy = [{"class_name": "RandomFlip", "config": {}}]
    how: dict[str, Any] = {"policy": policy, "params": params, "features": tmp_path / "features"}
    y_prob = answer_once(tmp_path, part, fold, **how)
    assert y_prob[:, 0] == pytest.approx(10 * fold.test / 255)
    assert (y_prob.dtype.name, y_prob.shape) == ("float32", (7, 2))
    assert heard["shown"] == [sorted(10 * fold.train), sorted(10 * fold.val)]
    assert len(set(heard["groups"])) == len({i // 2 for i in fold.train})
    assert (heard["n_classes"], heard["policy"], heard["params"]) == (3, policy, params)
    assert heard["places"] == Places(features=tmp_path / "features")


def list_shades(pictures: Pictures) -> list[int]:
    """The shade of each picture."""
    return [int(shade) for shade in pictures.gather(np.arange(len(pictures)))[:, 0, 0, 0]]


def test_a_fold_is_answered_by_a_trained_network(part: Part, params: TrainParams, tmp_path: Path) -> None:
    set_up_device()  # the same bits each time need it
    fold = Fold(np.arange(0, 12), np.arange(12, 18), np.arange(18, N))
    how: dict[str, Any] = {"policy": (), "params": params, "features": None}
    y_prob = answer_once(tmp_path, part, fold, **how)
    assert (y_prob.dtype.name, y_prob.shape) == ("float32", (6, 3))
    assert y_prob.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(answer_once(tmp_path, part, fold, **how), y_prob)
    backwards = fold._replace(test=fold.test[::-1])
    assert np.array_equal(answer_once(tmp_path, part, backwards, **how), y_prob[::-1])


def test_a_frozen_backbone_sees_each_picture_once(
    params_of: Callable[..., Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its head alone is trained a fold; the answers are those of a network trained as a whole, nearly."""
    with ShardWriter(tmp_path, N, (32, 32, 3), N) as writer:
        for i in range(N):
            writer.write(0, i, np.full((32, 32, 3), 80 * (i % 3), np.uint8))
    part = Part(tuple(f"id-{i:02d}" for i in range(N)), np.zeros(N, np.int64), np.arange(N), np.arange(N) % 3)
    frozen = {"model": "efficientnet_lite0", "features": "all", "epochs": 40, "precision": "float32"}
    params = params_of(train=frozen | {"learning_rate": 0.01, "batch_size": 8, "patience": 40}).train
    set_up_device()
    seen: list[int] = []

    def count(pictures: Pictures, *given: Any, **named: Any) -> Any:
        seen.append(len(pictures))
        return read_features(pictures, *given, **named)

    monkeypatch.setattr(cross_validation, "read_features", count)
    folds = np.arange(N) // 3 % 4
    y_prob = answer_all(tmp_path, part, folds, policy=[], params=params, features=tmp_path / "features")
    assert seen == [N]
    assert (y_prob.argmax(axis=1) == part.y).all()
    assert y_prob.sum(axis=1) == pytest.approx(1, abs=1e-5)
