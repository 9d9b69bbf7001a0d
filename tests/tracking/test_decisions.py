"""A decision is read again as it was written, however long it is; half of one is none."""

from typing import Any

import pytest

from pipeline.tracking.decisions import divide_decision, parse_decision

DECISION: dict[str, Any] = {"verdict": "HOLD", "model_name": "m", "version": 1, "champion_before": None}


@pytest.mark.parametrize("n", [0, 10, 1_900, 30_000])
def test_a_decision_there_and_back(n: int) -> None:
    decision = DECISION | {"reasons": ["é" * n]}
    tags = divide_decision(decision)
    assert all(len(value) <= 2000 for value in tags.values())
    assert parse_decision(tags | {"verdict": "HOLD"}) == decision


def test_a_part_that_is_gone_makes_it_none() -> None:
    tags = divide_decision(DECISION | {"reasons": ["x" * 5000]})
    for key in tags:
        assert parse_decision({name: value for name, value in tags.items() if name != key}) is None


def test_what_cannot_be_carried_out_is_none() -> None:
    assert parse_decision({}) is None
    assert parse_decision(divide_decision({"verdict": "HOLD"})) is None
