"""The card in plain words."""

from typing import Any

from pipeline.evidence.examination import Judgement
from pipeline.evidence.model_card import Described, build_card
from pipeline.promotion.description import describe_model

SCORES = {"accuracy": 0.9791, "accuracy_low": 0.95, "accuracy_high": 0.99}


def make_card(n_bad: int, **scores: float) -> dict[str, Any]:
    pictures = {"train": {"cat": 40, "dog": 44}, "test": {"cat": 70, "dog": 75}}
    described = Described("scans", "compact", (32, 48), pictures, {"epochs": 3})
    bad = [Judgement(f"Question {n}?", f"<b>Answer</b> {n}.", "bad") for n in range(n_bad)]
    return build_card(described, scores, [Judgement("Fine?", "Yes.", "good"), *bad])


def test_a_model_is_described_for_people() -> None:
    assert describe_model(make_card(1, **SCORES)).splitlines() == [
        "Sorts pictures into 2 classes: cat, dog. Where it is not sure enough, its answer is review: a "
        "person should look.",
        "",
        "compact, pictures of 32 x 48 pixels, learned from 84 pictures of scans. Right on 97.9% (95% "
        "interval 95.0% to 99.0%) of 145 test pictures.",
        "",
        "To mind:",
        "- Question 0? Answer 0.",
    ]


def test_it_stays_short() -> None:
    said = describe_model(make_card(9, **SCORES))
    assert said.endswith("- Question 2? Answer 2.\n- and 6 more, in the model card")
    assert "To mind" not in describe_model(make_card(0, **SCORES))
    assert "Right on" not in describe_model(make_card(0))
    long = [{"question": "?", "answer": "y" * 900, "state": "bad"}] * 9
    assert len(describe_model(make_card(9) | {"intended_use": "x" * 9000, "evaluation": long})) < 2200
