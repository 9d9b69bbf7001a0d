"""The score of settings: on the validation pictures, over folds, ended early, and continued."""

from typing import Any

import numpy as np
import pytest

from pipeline.errors import DataError, ParamsError, StudyError
from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.search.scores import Scorer, score
from pipeline.search.terms import make_terms

Values = dict[str, Any]


def make_scorer(paths: Paths, values: Values, **tune: Any) -> Scorer:
    values["tune"] |= tune
    return Scorer(paths, make_terms(values, check_params(values, "params.yaml"), paths), values)


def keep(seen: list[tuple[int, float]]) -> Any:
    return lambda step, value: seen.append((step, value))


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_the_score_is_that_of_the_epoch_that_is_kept(
    metric: str, augmented: Paths, params_values: Values
) -> None:
    seen: list[tuple[int, float]] = []
    scorer = make_scorer(augmented, params_values, metric=metric)
    value = scorer(0, {"train.epochs": 3}, keep(seen))
    assert [step for step, _ in seen] == [1, 2, 3]
    assert seen[-1][1] == value
    assert value == scorer(1, {"train.epochs": 3}, keep([]))
    assert value != scorer(1, {"train.epochs": 3, "train.seed": 5, "train.dropout": 0.9}, keep([]))


def test_a_training_that_was_stopped_continues(augmented: Paths, params_values: Values) -> None:
    def stop(step: int, value: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    scorer, seen = make_scorer(augmented, params_values), list[tuple[int, float]]()
    with pytest.raises(KeyboardInterrupt):
        scorer(0, {"train.epochs": 3}, stop)
    (kept,) = (augmented.cache / "search").glob("*/checkpoint.npz")
    before = kept.stat().st_mtime_ns
    scorer(1, {"train.epochs": 3}, keep(seen))
    assert len(seen) == 3
    assert kept.stat().st_mtime_ns > before


def test_over_folds_it_is_the_mean(augmented: Paths, params_values: Values) -> None:
    seen: list[tuple[int, float]] = []
    value = make_scorer(augmented, params_values, folds=3)(0, {}, keep(seen))
    assert [step for step, _ in seen] == [1, 2, 3]
    assert seen[-1][1] == value
    assert 0 <= value <= 1


def test_a_class_with_fewer_pictures_than_folds_is_one_line(augmented: Paths, params_values: Values) -> None:
    with pytest.raises(DataError, match="20 folds need 20 groups"):
        make_scorer(augmented, params_values, folds=20)


def test_another_collection_is_refused(augmented: Paths, params_values: Values) -> None:
    scorer = make_scorer(augmented, params_values)
    augmented.clean_manifest.write_bytes(augmented.clean_manifest.read_bytes() + b" ")
    with pytest.raises(StudyError, match="the collection has changed"):
        scorer(0, {}, keep([]))


def test_settings_that_cannot_be_together_are_one_line(augmented: Paths, params_values: Values) -> None:
    with pytest.raises(ParamsError, match=r"the settings: train\.epochs"):
        make_scorer(augmented, params_values)(0, {"train.epochs": 0}, keep([]))


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 0.5), ("log_loss", -np.log(0.9 * 1e-7) / 2)])
def test_probabilities_are_scored(metric: str, value: float) -> None:
    assert score(np.array([0, 1]), np.array([[0.9, 0.1], [1.0, 0.0]]), metric) == pytest.approx(value)
