"""The exam of two models, on answers made up here; the real chain is in test_end_to_end.py."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.evidence.exams import Exam
from pipeline.params import Params, PromoteParams
from pipeline.promotion.exam import compare, confirm_champion

ParamsOf = Callable[..., Params]

TRUE = np.array([0, 1] * 50)
IDS = np.array([f"{n:03d}" for n in range(100)])


def make_exam(n_right: int, *, names: tuple[str, ...] = ("cat", "dog"), first: int = 0) -> Exam:
    """An exam of 100 images from number `first` on, the first `n_right` of them answered right."""
    y_pred = np.where(np.arange(100) < n_right, TRUE, 1 - TRUE)
    ids = np.array([f"{n + first:03d}" for n in range(100)])
    return Exam(ids, TRUE, y_pred, names)


def read_params(params_of: ParamsOf, **changed: Any) -> PromoteParams:
    return params_of(promote=changed).promote


@pytest.mark.parametrize(
    ("challenger", "champion", "changed", "verdict", "reason"),
    [
        pytest.param(make_exam(80), None, {}, "PROMOTE", "majority guess", id="the first"),
        pytest.param(
            make_exam(50), None, {"min_class_recall": 0}, "HOLD", "gain +0.0000", id="no better than guessing"
        ),
        pytest.param(make_exam(81), make_exam(80), {}, "PROMOTE", "0.8100 against 0.8000", id="better"),
        pytest.param(make_exam(80), make_exam(80), {}, "HOLD", "does not exceed", id="equal"),
        pytest.param(make_exam(81), make_exam(80), {"min_gain": 0.05}, "HOLD", "0.05", id="too little"),
        pytest.param(make_exam(40), make_exam(80), {}, "REJECT", "min_accuracy", id="below a floor"),
        pytest.param(
            make_exam(90), make_exam(80, first=80), {}, "HOLD", "only 20 test images", id="few in common"
        ),
        pytest.param(
            make_exam(90), make_exam(80, first=500), {}, "HOLD", "only 0 test images", id="none in common"
        ),
        pytest.param(
            make_exam(90),
            make_exam(10, names=("a", "b")),
            {},
            "HOLD",
            "set promote.model_name",
            id="other classes",
        ),
    ],
)
def test_compare(
    challenger: Exam,
    champion: Exam | None,
    changed: dict[str, Any],
    verdict: str,
    reason: str,
    params_of: ParamsOf,
) -> None:
    decision = compare(challenger, champion, read_params(params_of, **changed))
    assert decision.verdict == verdict
    assert reason in decision.reasons[0]


def test_only_common_images_count(params_of: ParamsOf) -> None:
    """The champion is right on images 50 to 149; of the common ones (50 to 99) the challenger knows half."""
    decision = compare(make_exam(75), make_exam(100, first=50), read_params(params_of))
    assert (decision.n_common, decision.challenger, decision.reference) == (50, 0.5, 1.0)


def test_class_numbers_of_another_order_are_translated(params_of: ParamsOf) -> None:
    other_way = Exam(IDS, 1 - TRUE, 1 - TRUE, ("dog", "cat"))
    assert compare(make_exam(80), other_way, read_params(params_of)).reference == 1.0


@pytest.mark.parametrize(
    ("n_right", "verdict", "reason"),
    [
        pytest.param(80, "HOLD", "this model is the champion already", id="good enough"),
        pytest.param(40, "REJECT", "promote.min_accuracy", id="below a floor"),
    ],
)
def test_the_champion_against_itself(n_right: int, verdict: str, reason: str, params_of: ParamsOf) -> None:
    decision = confirm_champion(make_exam(n_right), read_params(params_of))
    assert (decision.verdict, decision.against) == (verdict, "champion")
    assert reason in decision.reasons[0]
    assert decision.challenger == decision.reference == n_right / 100
    assert (decision.gain, decision.n_common) == (0, 100)
