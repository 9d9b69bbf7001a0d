"""What was rolled back is not promoted again by itself."""

from dataclasses import replace

import pytest

from pipeline.promotion.gate import Decision
from pipeline.promotion.rolled_back import respect_rollback
from pipeline.tracking.ledger import Line, Move


def write(*moves: tuple[str, int | None, int]) -> list[Line]:
    return [
        Line(n, "", "", "", Move("m", before, to, decision, f"reason {n}"), "")
        for n, (decision, before, to) in enumerate(moves, start=1)
    ]


PROMOTE = Decision("PROMOTE", ("better",), "accuracy", "champion", 0.9, 0.8, 100)
UP = [("FIRST", None, 1), ("PROMOTE", 1, 2)]


@pytest.mark.parametrize(
    ("moves", "number", "verdict"),
    [
        pytest.param([], 2, "PROMOTE", id="no-ledger"),
        pytest.param(UP, 3, "PROMOTE", id="new"),
        pytest.param([*UP, ("ROLLBACK", 2, 1)], 2, "REJECT", id="rolled-back"),
        pytest.param([*UP, ("ROLLBACK", 2, 1)], 3, "PROMOTE", id="another"),
        pytest.param([*UP, ("ROLLBACK", 2, 1), ("PROMOTE", 1, 3)], 2, "REJECT", id="rolled-back-before"),
        pytest.param(
            [*UP, ("ROLLBACK", 2, 1), ("FORCE", 1, 2), ("PROMOTE", 2, 3)], 2, "PROMOTE", id="forced"
        ),
        pytest.param([*UP, ("PROMOTE", 2, 3)], 2, "PROMOTE", id="beaten"),
        pytest.param([*UP, ("ROLLBACK", 2, 1), ("PROMOTE", 1, 3)], 1, "PROMOTE", id="rolled-back-to"),
    ],
)
def test_a_version_that_was_rolled_back_is_rejected(
    moves: list[tuple[str, int | None, int]], number: int, verdict: str
) -> None:
    assert respect_rollback(PROMOTE, write(*moves), number).verdict == verdict
    held = replace(PROMOTE, verdict="HOLD")
    assert (respect_rollback(held, write(*moves), number) == held) == (verdict == "PROMOTE")


def test_the_reason_names_the_persons_own_and_the_way_back() -> None:
    found = respect_rollback(PROMOTE, write(*UP, ("ROLLBACK", 2, 1)), 2)
    assert found.reasons[0].startswith("version 2 was champion and was rolled back (reason 3); ")
    assert "darkroom registry promote 2 --force" in found.reasons[0]
    assert found.reasons[1:] == ("better",)
