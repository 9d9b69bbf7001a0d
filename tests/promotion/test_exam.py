"""The exam of two models, on answers made up here; the real chain is in test_end_to_end.py."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.evidence.exams import Exam
from pipeline.evidence.slices import Fact
from pipeline.params import Params, PromoteParams
from pipeline.promotion.budget import Use, sketch_ids
from pipeline.promotion.exam import Known, accept_first, compare, confirm_champion, miss_champion

ParamsOf = Callable[..., Params]

N = 400
TRUE = np.arange(N) % 2
IDS = np.array([f"{n:03d}" for n in range(N)])


def make_exam(
    n_right: int, *, names: tuple[str, ...] = ("cat", "dog"), first: int = 0, start: int = 0
) -> Exam:
    """An exam of 400 images from number `first` on, `n_right` of them answered right, from `start` on."""
    is_right = (np.arange(N) - start) % N < n_right
    ids = np.array([f"{n + first:03d}" for n in range(N)])
    return Exam(ids, TRUE, np.where(is_right, TRUE, 1 - TRUE), names)


def read_params(params_of: ParamsOf, **changed: Any) -> PromoteParams:
    return params_of(promote=changed).promote


@pytest.mark.parametrize(
    ("challenger", "champion", "changed", "verdict", "reason"),
    [
        pytest.param(make_exam(350), make_exam(300), {}, "PROMOTE", "0.8750 against 0.7500", id="better"),
        pytest.param(make_exam(320), make_exam(320), {}, "HOLD", "not better", id="equal"),
        pytest.param(
            make_exam(302), make_exam(300), {}, "HOLD", "not better by more than luck", id="too little"
        ),
        pytest.param(make_exam(280), make_exam(350), {}, "REJECT", "worse for class 'cat'", id="worse"),
        pytest.param(make_exam(160), make_exam(300), {}, "REJECT", "floors.accuracy", id="below a floor"),
        pytest.param(
            make_exam(380), make_exam(300, first=380), {}, "HOLD", "only 20 test images", id="few in common"
        ),
        pytest.param(
            make_exam(380), make_exam(300, first=500), {}, "HOLD", "only 0 test images", id="none in common"
        ),
        pytest.param(
            make_exam(380),
            make_exam(10, names=("a", "b")),
            {},
            "HOLD",
            "set promote.model_name",
            id="other classes",
        ),
        pytest.param(
            make_exam(380), make_exam(300), {"metric": "macro_f1"}, "PROMOTE", "macro_f1 0.95", id="macro F1"
        ),
    ],
)
def test_compare(
    challenger: Exam,
    champion: Exam,
    changed: dict[str, Any],
    verdict: str,
    reason: str,
    params_of: ParamsOf,
) -> None:
    decision = compare(challenger, champion, Known(), read_params(params_of, **changed))
    assert decision.verdict == verdict
    assert reason in decision.reasons[0]
    assert (decision.use is None) == (decision.exam is None) == ("only" in reason or "set" in reason)


def test_the_sentence_holds_both_models_and_their_difference(params_of: ParamsOf) -> None:
    decision = compare(make_exam(350), make_exam(300), Known(), read_params(params_of))
    assert decision.exam
    sentence, spent = decision.reasons
    assert sentence.startswith(
        "accuracy 0.8750 against 0.7500 of the champion on 400 test images, +12.5 points (95% interval +9."
    )
    assert sentence.endswith(", p 8.9e-16): better by more than luck")
    assert spent == "decision 1 of these test images: at level 0.025, and of alpha 0.05, 0.025 is left"
    assert 0.09 < decision.exam["gain_low"] < 0.125 < decision.exam["gain_high"] < 0.16
    assert (decision.exam["won"], decision.exam["lost"], decision.exam["n_groups"]) == (50, 0, 400)


def test_only_common_images_count(params_of: ParamsOf) -> None:
    """The champion is right on images 200 to 599; of the common ones the challenger knows half."""
    decision = compare(make_exam(300), make_exam(400, first=200), Known(), read_params(params_of))
    assert (decision.n_common, decision.challenger, decision.reference) == (200, 0.5, 1.0)


def test_class_numbers_of_another_order_are_translated(params_of: ParamsOf) -> None:
    other_way = Exam(IDS, 1 - TRUE, 1 - TRUE, ("dog", "cat"))
    assert compare(make_exam(320), other_way, Known(), read_params(params_of)).reference == 1.0


def test_a_wrong_answer_to_a_label_that_was_corrected_counts_by_the_new_one(params_of: ParamsOf) -> None:
    before = make_exam(400)
    corrected = Exam(IDS, np.where(np.arange(N) < 8, 1 - TRUE, TRUE), TRUE, ("cat", "dog"))
    assert compare(corrected, before, Known(), read_params(params_of)).reference == 0.98


def test_near_duplicates_of_what_was_learned_are_left_out_and_counted(params_of: ParamsOf) -> None:
    """Image 7 is like 700, from which one learned; 3 was itself learned from; 9 and 10 are alike."""
    groups = {"007": "g", "700": "g", "009": "h", "010": "h"}
    known = Known(groups=groups, learnt={"700", "003", "800"})
    decision = compare(make_exam(380), make_exam(300), known, read_params(params_of))
    assert (decision.n_common, decision.n_left_out) == (398, 2)
    assert decision.exam
    assert decision.exam["n_groups"] == 397
    assert "2 test images left out: near-duplicates" in decision.reasons[-1]
    few = compare(
        make_exam(380), make_exam(300), replace(known, learnt=set(IDS[:390])), read_params(params_of)
    )
    assert (few.verdict, few.n_left_out) == ("HOLD", 390)
    assert "; of the others, 390 are near-duplicates" in few.reasons[0]
    unasked = compare(make_exam(380), make_exam(300, first=380), Known(), read_params(params_of))
    assert "20 test images can be compared with the champion; of the others, 380 it le" in unasked.reasons[0]


def test_near_duplicates_prove_once(params_of: ParamsOf) -> None:
    groups = {name: str(int(name) // 50) for name in IDS.tolist()}
    params = read_params(params_of, margin=0.9)
    assert compare(make_exam(350), make_exam(300), Known(), params).verdict == "PROMOTE"
    assert compare(make_exam(350), make_exam(300), Known(groups=groups), params).verdict == "HOLD"


def test_a_slice_of_the_images_in_common_is_looked_at(params_of: ParamsOf) -> None:
    """The challenger wins 80 and loses 20: all in the slice of the last images."""
    values = np.where(np.arange(N) >= 340, "TIFF", "PNG").astype(object)
    known = Known(facts=[Fact("format", values)])
    challenger, champion = make_exam(380), make_exam(320, start=80)
    decision = compare(challenger, champion, known, read_params(params_of))
    assert decision.verdict == "REJECT"
    assert "worse for format 'TIFF' (of 60, 20 lost and 0 won" in decision.reasons[0]
    assert decision.exam
    assert list(decision.exam["parts_lost"]) == ["format 'TIFF'"]
    assert compare(challenger, champion, Known(), read_params(params_of)).verdict == "PROMOTE"


def test_a_test_set_that_was_asked_before_is_stricter(params_of: ParamsOf) -> None:
    """Eight gains without a loss are p 0.004: enough at the first decision, not at the fourth."""
    challenger, champion = make_exam(328), make_exam(320)
    assert compare(challenger, champion, Known(), read_params(params_of)).verdict == "PROMOTE"
    before = tuple(Use(name, "champion", sketch_ids(IDS)) for name in "abc")
    decision = compare(challenger, champion, Known(uses=before), read_params(params_of))
    assert decision.verdict == "HOLD"
    assert decision.exam
    assert decision.exam["decisions"] == 4
    assert decision.reasons[-1] == (
        "decision 4 of these test images: at level 0.0025, and of alpha 0.05, 0.01 is left"
    )
    assert decision.use == Use("challenger", "champion", sketch_ids(IDS))


@pytest.mark.parametrize(
    ("sizes", "verdict"), [((5.0, 9.0), "PROMOTE"), ((9.0, 5.0), "HOLD"), ((5.0, None), "HOLD")]
)
def test_of_two_that_are_equal_the_smaller_may_be_preferred(
    sizes: tuple[float, float | None], verdict: str, params_of: ParamsOf
) -> None:
    known, params = Known(sizes=sizes), read_params(params_of, prefer="smaller")
    assert compare(make_exam(320), make_exam(320), known, params).verdict == verdict


@pytest.mark.parametrize(
    ("n_right", "verdict", "reason"),
    [
        pytest.param(320, "PROMOTE", "there is no champion yet: this is the first", id="good enough"),
        pytest.param(160, "REJECT", "promote.floors.accuracy", id="below a floor"),
    ],
)
def test_the_first(n_right: int, verdict: str, reason: str, params_of: ParamsOf) -> None:
    decision = accept_first(make_exam(n_right), read_params(params_of))
    assert (decision.verdict, decision.against, decision.exam) == (verdict, "floors", None)
    assert reason in decision.reasons[0]
    assert (decision.challenger, decision.gain) == (n_right / N, 0)


@pytest.mark.parametrize(
    ("n_right", "verdict", "reason"),
    [
        pytest.param(320, "HOLD", "this model is the champion already", id="good enough"),
        pytest.param(160, "REJECT", "promote.floors.accuracy", id="below a floor"),
    ],
)
def test_the_champion_against_itself(n_right: int, verdict: str, reason: str, params_of: ParamsOf) -> None:
    decision = confirm_champion(make_exam(n_right), read_params(params_of))
    assert (decision.verdict, decision.against) == (verdict, "champion")
    assert reason in decision.reasons[0]
    assert decision.challenger == decision.reference == n_right / N
    assert (decision.gain, decision.n_common) == (0, N)


def test_a_champion_whose_answers_are_gone(params_of: ParamsOf) -> None:
    decision = miss_champion(make_exam(320), 3, read_params(params_of))
    assert decision.verdict == "HOLD"
    assert "version 3, are gone from MLflow" in decision.reasons[0]
