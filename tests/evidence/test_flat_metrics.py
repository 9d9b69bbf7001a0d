"""Flat metrics: which are compared and which are details."""

import numpy as np

from pipeline.evidence.flat_metrics import flatten_classes, flatten_others, flatten_overall
from pipeline.evidence.intervals import Interval
from pipeline.evidence.metrics import score_answers


def test_what_people_compare_has_no_slash() -> None:
    y = np.array([0, 1, 1])
    scores = score_answers(y, np.array([0, 1, 0]), np.arange(3), 3, n_resamples=100, confidence=0.9, seed=0)
    overall = flatten_overall(scores)
    compared = {name for name in overall if "/" not in name}
    ends = ("", "_low", "_high")
    assert compared == {f"{s}{end}" for s in ("accuracy", "balanced_accuracy", "macro_f1") for end in ends}
    assert "overall/macro_precision_low" in overall
    classes = flatten_classes(scores, ("a", "b/c", "odd"), np.array([1, 2, 0]))
    assert classes["class/a/recall"] == 1
    assert {name for name in classes if name.startswith("class/odd")} == {"class/odd/support"}
    assert all(name.count("/") == 2 for name in classes)


def test_the_intervals_of_other_accuracies_are_details() -> None:
    flat = flatten_others({"imperfect_accuracy": Interval(0.5, 0.4, 0.6)})
    assert flat == {
        "imperfect_accuracy": 0.5,
        "overall/imperfect_accuracy_low": 0.4,
        "overall/imperfect_accuracy_high": 0.6,
    }
