"""fold_work: every fold is answered, here or on a cluster, with the same bits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.backend.device import set_up_device
from pipeline.collection.pictures import Part
from pipeline.errors import WorkersError
from pipeline.params import TrainParams
from pipeline.training import fold_work
from pipeline.training.cross_validation import FoldAnswerer
from pipeline.training.fold_work import FoldWork, answer_all
from pipeline.training.folds import Fold, choose_fold
from pipeline.training.workplace import Workplace
from pipeline.workers.engine import ENGINE_VARIABLE
from pipeline.workers.ray_map import map_on_cluster
from tests.ray_cluster import Cluster, choose_cluster, find_port
from tests.training.conftest import N

FOLDS = np.arange(N) // 2 % 4


def test_all_pictures_are_answered_each_in_its_fold(
    part: Part, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def answer(self: FoldAnswerer, fold: Fold, params: TrainParams) -> "npt.NDArray[np.float32]":
        asked.append(fold.test.tolist())
        assert not set(fold.test) & {*fold.train, *fold.val}
        return np.eye(3, dtype=np.float32)[part.y[fold.test]]

    monkeypatch.setattr(FoldAnswerer, "answer", answer)
    y_prob = answer_all(tmp_path, part, FOLDS, policy=[], params=params, features=None)
    assert (y_prob.argmax(axis=1) == part.y).all()
    assert asked == [np.flatnonzero(number == FOLDS).tolist() for number in range(4)]


@pytest.mark.slow
def test_folds_on_a_cluster_have_the_same_bits_though_a_machine_dies(
    cluster: Cluster, part: Part, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_device()
    how: dict[str, Any] = {"policy": [], "params": params, "features": None}
    with monkeypatch.context() as here:
        here.setenv(ENGINE_VARIABLE, "local")
        expected = answer_all(tmp_path, part, FOLDS, **how)
    mortal = cluster.start_node()

    def lose(*args: Any, **options: Any) -> Any:
        for one in map_on_cluster(*args, **options):
            yield one
            if mortal.poll() is None:
                cluster.kill_node(mortal)

    monkeypatch.setattr(fold_work, "map_on_cluster", lose)
    assert np.array_equal(answer_all(tmp_path, part, FOLDS, **how), expected)
    assert mortal.poll() is not None


@pytest.mark.slow
def test_a_machine_that_does_not_see_the_project_is_named(
    cluster: Cluster, part: Part, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Workplace.describe()
    monkeypatch.setattr(Workplace, "describe", lambda: replace(here, folder="/nowhere"))
    with pytest.raises(WorkersError, match=r"on the machine \S+ of the Ray cluster: /nowhere is not there"):
        answer_all(tmp_path, part, FOLDS, policy=[], params=params, features=None)


def test_a_machine_with_other_pictures_answers_nothing(
    part: Part, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = FoldWork(tmp_path, part, [], params, None)
    monkeypatch.setattr(Workplace, "enter", lambda _: None)
    task = fold_work._Distant(work, Workplace("", {}, {}, 1), "another")
    with pytest.raises(WorkersError, match=f"pictures {work.hash_sample()} in place of another"):
        task((choose_fold(FOLDS, 0, 0), params))


def test_a_cluster_that_is_away_is_one_line(
    part: Part, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_cluster(f"127.0.0.1:{find_port()}", monkeypatch)
    with pytest.raises(WorkersError, match=r"the Ray cluster at 127\.0\.0\.1:\d+ does not answer"):
        answer_all(tmp_path, part, FOLDS, policy=[], params=params, features=None)
