"""What to try next: each thing that a run can show, and nothing where all is well."""

from typing import Any

import pytest

from pipeline.evidence.diagnosis import suggest_next
from pipeline.training.history import CURVES
from tests.conftest import ParamsOf

GOOD: dict[str, dict[str, float]] = {
    "split": {"n_train": 5000, "n_classes": 5, "metadata_accuracy": 0.3},
    "train": {"train_accuracy": 0.97, "val_accuracy": 0.95, "best_epoch": 12, "epochs": 20},
    "evaluate": {"n_test": 1000},
}
SCANS: dict[str, Any] = {"clean": {"image_hw": (128, 128)}}


@pytest.mark.parametrize(
    ("changes", "params", "expected"),
    [
        pytest.param({"split": {"n_train": 84, "n_classes": 3}}, SCANS, "84 training pictures", id="few"),
        pytest.param(
            {"train": {"val_accuracy": 0.8}},
            {},
            "training pictures (97%) better than others (80%)",
            id="over",
        ),
        pytest.param({"train": {"train_accuracy": 0.6}}, {}, "it gets 40% wrong", id="under"),
        pytest.param(
            {"split": {"metadata_accuracy": 0.9}},
            {},
            "file facts alone give away the class of 90%",
            id="facts",
        ),
        pytest.param(
            {
                "evaluate": {
                    "labels/share_suspect": 0.09412,
                    "labels/n_suspect": 208,
                    "labels/n_pictures": 2211,
                }
            },
            {},
            "208 labels of 2,211 may be wrong (9.4%): `darkroom labels list`",
            id="labels",
        ),
        pytest.param(
            {"evaluate": {"accuracy": 0.7, "class/a/b/recall": 0.3, "class/c/recall": 0.36}},
            {},
            "only 30% of the test pictures of a/b are found",
            id="a class that is missed",
        ),
        pytest.param({"evaluate": {"n_test": 50}}, {}, "50 test pictures leave", id="few tested"),
        pytest.param(
            {"evaluate": {"n_test": 18}},
            {},
            "18 test pictures cannot decide whether to replace a champion",
            id="held",
        ),
        pytest.param(
            {"train": {"val_accuracy": 0.8}},
            {"clean": {"image_hw": (224, 224)}, "train": {"model": "efficientnet_lite0"}},
            "hold the head back (train.kernel_l2)",
            id="frozen, which never sees altered pictures",
        ),
    ],
)
def test_each_cause_has_its_advice(
    changes: dict[str, dict[str, float]], params: dict[str, Any], expected: str, params_of: ParamsOf
) -> None:
    metrics = {stage: values | changes.get(stage, {}) for stage, values in GOOD.items()}
    (said,) = suggest_next(params_of(**params), metrics)
    assert expected in said


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        pytest.param([1.0, 0.8, 0.6, 0.4], ["the last epoch was the best"], id="still falling"),
        pytest.param([1.0, 0.4, 0.3991, 0.399], [], id="at a standstill"),
        pytest.param([1.0, 0.4, 0.3, 0.31], [], id="the last was not the best"),
        pytest.param([1.0, 0.8, 0.6], [], id="stopped early"),
    ],
)
def test_longer_training_is_for_a_network_that_still_learns(
    losses: list[float], said: list[str], params_of: ParamsOf
) -> None:
    history = [dict.fromkeys(CURVES, loss) | {"epoch": float(i)} for i, loss in enumerate(losses, start=1)]
    params = params_of(train={"epochs": 4, "monitor": "val_loss"})
    found = suggest_next(params, GOOD, history)
    assert [words.partition(":")[0] for words in found] == said


def test_nothing_is_said_where_all_is_well_or_unknown(params_of: ParamsOf) -> None:
    assert suggest_next(params_of(), GOOD) == suggest_next(params_of(), {}) == []


def test_facts_that_say_no_more_than_a_guess_are_no_advice(params_of: ParamsOf) -> None:
    facts = {"metadata_accuracy": 0.91, "metadata_chance": 0.9}
    assert suggest_next(params_of(), GOOD | {"split": GOOD["split"] | facts}) == []


def test_weights_from_elsewhere_need_fewer_pictures(params_of: ParamsOf) -> None:
    params = params_of(clean={"image_hw": (224, 224)}, train={"model": "efficientnet_lite0"})
    assert suggest_next(params, GOOD | {"split": {"n_train": 84, "n_classes": 3}}) == []
