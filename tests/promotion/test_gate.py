"""The decision, as a table of cases."""

from typing import Any

import pytest

from pipeline.evidence.intervals import Interval
from pipeline.evidence.paired_groups import Tally
from pipeline.promotion.budget import Budget
from pipeline.promotion.gate import Decision, Overall, Preference, judge
from pipeline.promotion.parts import Part

LOST = Part("class 'Photo'", 60, 1, 20, 1e-5, 1e-4)
HARMLESS = Part("class 'Text'", 60, 4, 9, 0.1, 0.2)
BETTER, EQUAL, WORSE = (0.05, 0.02, 0.08), (0.0, -0.02, 0.02), (-0.03, -0.045, -0.015)
UNSURE, AT_MARGIN = (0.0, -0.06, 0.06), (0.0, -0.05, 0.05)


@pytest.mark.parametrize(
    ("difference", "p", "change", "verdict", "reason"),
    [
        pytest.param(BETTER, 0.001, {}, "PROMOTE", "better by more than luck", id="better"),
        pytest.param((0.02, -0.001, 0.04), 0.02, {}, "PROMOTE", "more than luck", id="by the test alone"),
        pytest.param((0.02, 0.001, 0.04), 0.03, {}, "PROMOTE", "more than luck", id="by the interval alone"),
        pytest.param(
            (0.02, -0.001, 0.04), 0.025, {}, "HOLD", "not better by more", id="exactly at the level"
        ),
        pytest.param((-0.01, -0.04, 0.02), 0.001, {}, "HOLD", "not better", id="no gain in the metric"),
        pytest.param(EQUAL, 0.5, {}, "HOLD", "not worse by more than promote.margin", id="equal"),
        pytest.param(WORSE, 1.0, {}, "HOLD", "worse by more than luck", id="worse within the margin"),
        pytest.param(UNSURE, 0.5, {}, "REJECT", "promote.margin, 5 points", id="may be worse"),
        pytest.param(AT_MARGIN, 0.5, {}, "REJECT", "promote.margin", id="exactly at the margin"),
        pytest.param(EQUAL, 0.5, {"prefer": "newer"}, "PROMOTE", "takes the newer one", id="newer"),
        pytest.param(WORSE, 1.0, {"prefer": "newer"}, "HOLD", "worse by more", id="newer, but worse"),
        pytest.param(UNSURE, 0.5, {"prefer": "newer"}, "REJECT", "margin", id="newer, but unsure"),
        pytest.param(
            EQUAL,
            0.5,
            {"prefer": "smaller", "sizes": (10, 20)},
            "PROMOTE",
            "10 weights against 20",
            id="smaller",
        ),
        pytest.param(
            EQUAL, 0.5, {"prefer": "smaller", "sizes": (20, 20)}, "HOLD", "nor smaller", id="as large"
        ),
        pytest.param(
            EQUAL, 0.5, {"prefer": "faster"}, "HOLD", "which one is faster is not known", id="unknown speed"
        ),
        pytest.param(BETTER, 0.001, {"parts": [HARMLESS]}, "PROMOTE", "better", id="no part lost"),
        pytest.param(
            BETTER,
            0.001,
            {"parts": [HARMLESS, LOST]},
            "REJECT",
            "worse for class 'Photo' (of 60, 20 lost and 1 won, p 0.0001)",
            id="a part lost",
        ),
        pytest.param(BETTER, 0.001, {"parts": [LOST] * 5}, "REJECT", " and 2 more", id="many parts lost"),
    ],
)
def test_judge(
    difference: tuple[float, float, float], p: float, change: dict[str, Any], verdict: str, reason: str
) -> None:
    overall = Overall(0.9, 0.9 - difference[0], Interval(*difference), Tally(600, 40, 10), p)
    preference = Preference(change.get("prefer", "none"), *change.get("sizes", (None, None)))
    found, reasons = judge(
        overall,
        change.get("parts", []),
        Budget(0.05, 1),
        margin=0.05,
        preference=preference,
        compared="the two in words",
    )
    assert found == verdict
    assert reason in reasons[0]
    assert "the two in words" in " ".join(reasons)
    assert reasons[-1] == "decision 1 of these test images: at level 0.025, and of alpha 0.05, 0.025 is left"


def test_a_part_is_judged_at_all_of_alpha_however_often_it_was_asked() -> None:
    overall = Overall(0.9, 0.8, Interval(0.1, 0.05, 0.15), Tally(600, 70, 10), 1e-9)
    how: Any = {"margin": 0.05, "preference": Preference("none"), "compared": ""}
    lost = Part("a", 60, 1, 9, 0.02, 0.04)
    assert judge(overall, [lost], Budget(0.05, 30), **how)[0] == "REJECT"


def test_decision_as_dict_is_plain_and_rounded() -> None:
    values = Decision("HOLD", ("why",), "accuracy", "champion", 0.9 + 1 / 3e7, 0.9, 100).as_dict()
    assert (values["gain"], values["challenger"], values["reasons"]) == (0.0, 0.9, ["why"])
    assert "use" not in values
