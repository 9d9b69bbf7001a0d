"""The order of labels."""

import random

from pipeline.labels import sort_naturally


def test_natural_order_is_the_same_for_any_input_order() -> None:
    expected = ["1", "01", "2", "10", "a", "A2", "a10", "B", "Äpfel"]
    shuffled = random.Random(0).sample(expected, len(expected))
    assert sorted(shuffled, key=sort_naturally) == ["01", "1", "2", "10", "a", "A2", "a10", "B", "Äpfel"]
