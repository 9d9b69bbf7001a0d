"""The whole gate on simulated models, smaller than `make bench-promote`, which holds the figures."""

import pytest

from benchmarks.promotion import measure, promote_ever, promote_once, reject_ruin


@pytest.mark.parametrize("share", [0.02, 0.13])
def test_luck_seldom_makes_a_champion(share: float) -> None:
    """At most 2.5 of 100 equal models are promoted at the level of a first decision; more than 8: p 0.001."""
    assert measure(promote_once(share, 0.0), 100) <= 0.08


def test_luck_seldom_makes_a_champion_of_twenty_in_a_row() -> None:
    """At a level of 2.5 % each time, three of these 30 rows promote one, instead of one."""
    assert measure(promote_ever(0.13), 30) <= 0.07


def test_five_points_are_mostly_found() -> None:
    assert measure(promote_once(0.06, 0.05), 30) >= 0.9
    assert measure(promote_once(0.13, 0.05), 40) >= 0.75


def test_a_ruined_class_is_rejected_though_the_model_wins() -> None:
    assert measure(reject_ruin(0.5), 30) >= 0.9
