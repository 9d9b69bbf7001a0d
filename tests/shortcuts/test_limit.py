"""limit: facts that say no more than a guess are no shortcut, however often they are right."""

import pytest

from pipeline.shortcuts.limit import is_too_telling


@pytest.mark.parametrize(
    ("accuracy", "chance", "expected"),
    [
        pytest.param(0.9, 0.5, True, id="nine of ten, by chance five"),
        pytest.param(0.8, 0.5, False, id="not above the limit"),
        pytest.param(0.94, 0.9, False, id="the most common class has nine of ten"),
        pytest.param(0.96, 0.9, True, id="and more than half of the rest is right"),
        pytest.param(1.0, 1.0, True, id="one class"),
    ],
)
def test_above_the_limit_and_half_of_the_errors_of_a_guess(
    accuracy: float, chance: float, expected: bool
) -> None:
    assert is_too_telling(accuracy, chance, 0.8) is expected
