"""The decision, as a table of cases."""

from typing import Any

import pytest

from pipeline.promotion.gate import Floors, decide

EQUAL: dict[str, Any] = {
    "metric": "accuracy",
    "against": "champion",
    "challenger": 0.9,
    "reference": 0.9,
    "n_common": 100,
    "min_common_images": 30,
    "min_gain": 0.0,
}


@pytest.mark.parametrize(
    ("change", "verdict", "reason"),
    [
        pytest.param({"challenger": 0.91}, "PROMOTE", "0.9100 against 0.9000", id="better"),
        pytest.param({}, "HOLD", "does not exceed promote.min_gain 0", id="a tie never promotes"),
        pytest.param({"challenger": 0.8}, "HOLD", "gain -0.1000", id="worse"),
        pytest.param({"challenger": 0.91, "min_gain": 0.02}, "HOLD", "min_gain 0.02", id="gains too little"),
        pytest.param({"challenger": 1.0, "n_common": 29}, "HOLD", "only 29 test images", id="too few images"),
        pytest.param(
            {"challenger": 1.0, "obstacle": "other classes"}, "HOLD", "other classes", id="obstacle"
        ),
        pytest.param({"challenger": 1.0, "missed_floors": ("low",)}, "REJECT", "low", id="below a floor"),
        pytest.param(
            {"n_common": 0, "obstacle": "x", "missed_floors": ("low",)},
            "REJECT",
            "low",
            id="floor comes first",
        ),
    ],
)
def test_decide(change: dict[str, Any], verdict: str, reason: str) -> None:
    decision = decide(**EQUAL | change)
    assert decision.verdict == verdict
    assert reason in "; ".join(decision.reasons)


def test_decision_as_dict_is_plain_and_rounded() -> None:
    values = decide(**EQUAL | {"challenger": 0.9 + 1 / 3e7}).as_dict()
    assert values["gain"] == 0.0
    assert values["challenger"] == 0.9
    assert isinstance(values["reasons"], list)


@pytest.mark.parametrize(
    ("accuracy", "recall", "missed"),
    [
        pytest.param(0.5, {"a": 0.2, "b": 0.9}, [], id="exactly at both floors"),
        pytest.param(0.49, {"a": 0.9}, ["promote.min_accuracy"], id="accuracy"),
        pytest.param(0.9, {"b": 0.1, "a": 0.1}, ["class 'a' 0.1"], id="worst class, first by name"),
        pytest.param(0.1, {"a": 0.0}, ["promote.min_accuracy", "promote.min_class_recall"], id="both"),
    ],
)
def test_floors(accuracy: float, recall: dict[str, float], missed: list[str]) -> None:
    found = Floors(min_accuracy=0.5, min_class_recall=0.2).find_misses(accuracy=accuracy, class_recall=recall)
    assert len(found) == len(missed)
    for said, expected in zip(found, missed, strict=True):
        assert expected in said
