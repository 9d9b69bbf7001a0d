"""Ablation: what is trained and what is not, that seeds are paired, and what MLflow holds of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.params_file import check_params
from pipeline.paths import Paths
from pipeline.search.ablation import OnValidation, OverFolds, Plan, judge, list_plans, train_plans
from pipeline.search.changes import Change, parse_changes
from pipeline.search.questions import ask
from pipeline.tracking import connection
from pipeline.tracking.runs import Untracked
from pipeline.tracking.search_runs import open_search_run
from pipeline.training.assembly import Sets, read_sets
from tests.conftest import values_with
from tests.search.rows import write_no_extra

SMALL = {"model": "conv1", "epochs": 1, "batch_size": 8, "precision": "float32", "learning_rate": 0.01}


@pytest.fixture
def augmented(developed: Paths) -> Paths:
    """The small collection as augment leaves it, without copies."""
    write_no_extra(developed)
    return developed


def plan(augmented: Paths, said: str, **train: Any) -> tuple[list[Change], list[Plan], dict[str, str], Sets]:
    """The changes, what is trained of them, why the others are not, and the pictures."""
    values = values_with(train=SMALL | train)
    sets = read_sets(augmented)
    changes = parse_changes(said, values, n_classes=3)
    return changes, *list_plans(check_params(values, "params"), changes, sets), sets


@pytest.mark.parametrize(
    ("said", "train", "trained", "idle"),
    [
        pytest.param("augment,dropout", {}, ["augment", "dropout"], {}, id="both alter something"),
        pytest.param(
            "ema,dropout=default", {}, [], {"ema": "so it is", "dropout=default": "so it is"}, id="so it is"
        ),
        pytest.param("activation=relu", {}, [], {"activation=relu": "alters nothing"}, id="as published"),
        pytest.param(
            "weight_decay,momentum=0.5",
            {"optimizer": "adam"},
            [],
            dict.fromkeys(("weight_decay", "momentum=0.5"), "alters nothing"),
            id="of other optimizers",
        ),
        pytest.param(
            "early_stopping", {"patience": 1, "epochs": 2}, [], {"early_stopping": "nothing"}, id="2 epochs"
        ),
        pytest.param(
            "class_weights,weights,fine_tune_epochs=3",
            {},
            [],
            {"class_weights": "nothing", "weights": "nothing", "fine_tune_epochs=3": "nothing"},
            id="balanced classes, and a network that begins at random",
        ),
        pytest.param(
            "dropout,train.dropout=0", {}, ["dropout"], {"train.dropout=0": "same as dropout"}, id="twice"
        ),
    ],
)
def test_what_alters_nothing_is_said_and_not_trained(
    said: str, train: dict[str, Any], trained: list[str], idle: dict[str, str], augmented: Paths
) -> None:
    _, plans, found, _ = plan(augmented, said, **train)
    assert [one.name for one in plans] == ["as it is", *trained]
    assert found.keys() == idle.keys()
    assert all(words in found[name] for name, words in idle.items())


def test_a_change_of_augmentation_is_one_of_its_layers(augmented: Paths) -> None:
    _, plans, _, _ = plan(augmented, "augment,rotation")
    layers = [[entry["class_name"] for entry in one.policy] for one in plans]
    assert layers[0][:2] == ["RandomRotation", "RandomZoom"]
    assert layers[1] == []
    assert layers[2] == layers[0][1:]


@pytest.fixture
def tracked(tracking_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.resolve_uri(tracking_root))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of-ablation")
    return tracking_root


def test_each_training_is_a_run_below_the_search(augmented: Paths, tracked: Path) -> None:
    changes, plans, idle, sets = plan(augmented, "learning_rate=0.000001,ema")
    asked = OnValidation(sets, augmented.cache / "features")
    steps = iter(range(9))
    with open_search_run(tracked, "ablate", {}) as parent:
        answered = train_plans(plans, asked, n_seeds=2, root=tracked, parent=parent, steps=steps)
    assert next(steps) == 4, "a step a training"
    base, (slow, off) = judge(changes, idle, answered, asked)
    right = {name: [one.right for one in several] for name, several in answered.items()}
    assert base.accuracy == pytest.approx(np.mean(right["as it is"]))
    assert slow.accuracy == pytest.approx(np.mean(right["learning_rate=0.000001"]))
    assert slow.brought.value == pytest.approx(slow.accuracy - base.accuracy)
    assert slow.learnt == np.mean([one.learnt for one in answered["learning_rate=0.000001"]])
    assert base.learnt != slow.learnt
    assert off.idle
    assert not np.array_equal(*right["learning_rate=0.000001"]) or not np.array_equal(*right["as it is"])

    client = connection.connect(tracked)
    experiment = client.get_experiment_by_name("of-ablation-search")
    assert experiment
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    head, *trainings = runs
    seeds = [(run.info.run_name, run.data.params["train.seed"]) for run in trainings]
    pair = ["as it is, seed {}", "learning_rate=0.000001, seed {}"]
    assert seeds == [(name.format(seed), str(seed)) for seed in range(2) for name in pair]
    assert {run.data.tags["mlflow.parentRunId"] for run in trainings} == {head.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(client.get_metric_history(trainings[0].info.run_id, "curve/val_loss")) == 1
    metrics = trainings[0].data.metrics
    assert metrics["val_accuracy"] == pytest.approx(right["as it is"][0].mean())
    assert metrics["train_accuracy"] == pytest.approx(metrics["curve/accuracy"])


def test_the_same_seed_gives_the_same_answers_and_the_test_pictures_stay_out(augmented: Paths) -> None:
    _, plans, _, sets = plan(augmented, "ema")
    asked = OnValidation(sets, augmented.cache / "features")
    train = plans[0].params.train
    first, second = (asked.train(plans[0], train, Untracked(), iter([0])) for _ in range(2))
    assert np.array_equal(first.right, second.right)
    assert first.learnt == second.learnt
    assert len(first.right) == len(sets.val) == 15


def test_over_folds_every_picture_is_asked(
    augmented: Paths, tracked: Path, params_of: Callable[..., Any]
) -> None:
    changes, plans, idle, _ = plan(augmented, "augment")
    asked = OverFolds(ask(augmented, n_folds=2, pattern="", with_test=False), augmented)
    assert asked.n_steps == 2

    def count() -> Iterator[int]:
        yield from range(9)

    steps = count()
    answered = train_plans(plans, asked, n_seeds=1, root=tracked, parent=Untracked(), steps=steps)
    assert next(steps) == 4, "a step a network"
    base, (without,) = judge(changes, idle, answered, asked)
    scores = [answered[name][0].score_folds()[:, 0] for name in ("augment", "as it is")]
    assert without.brought.value == pytest.approx((scores[0] - scores[1]).mean())
    assert base.accuracy == pytest.approx(scores[1].mean())
    assert base.fit == without.fit == "", "folds keep no answers to what they have learned from"
    assert len(answered["augment"][0].question.part) == 45
    assert not np.array_equal(*(answered[name][0].y_prob for name in ("augment", "as it is")))
