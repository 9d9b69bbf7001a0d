"""Samples: the same pictures whatever stands beside them, and each class by its share."""

import numpy as np

from pipeline.evidence.samples import choose_sample

IDS = [f"id-{i:04d}" for i in range(300)]
Y = np.array([0] * 200 + [1] * 80 + [2] * 20)


def test_each_class_gives_its_share() -> None:
    chosen = choose_sample(IDS, Y, 30, purpose="test")
    assert np.bincount(Y[chosen]).tolist() == [20, 8, 2]
    assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_a_larger_sample_keeps_a_smaller_one() -> None:
    small, large = (set(choose_sample(IDS, Y, n, purpose="test").tolist()) for n in (10, 60))
    assert small < large


def test_the_order_of_pictures_chooses_none() -> None:
    turned = np.array([299 - i for i in choose_sample(IDS[::-1], Y[::-1], 40, purpose="test")])
    assert sorted(turned.tolist()) == choose_sample(IDS, Y, 40, purpose="test").tolist()


def test_another_purpose_chooses_others() -> None:
    one, other = (choose_sample(IDS, Y, 40, purpose=purpose).tolist() for purpose in ("one", "other"))
    assert one != other


def test_few_pictures() -> None:
    assert choose_sample(IDS[:3], Y[:3], 10, purpose="test").tolist() == [0, 1, 2]
    assert choose_sample(IDS, Y, 0, purpose="test").tolist() == []
    assert choose_sample([], Y[:0], 5, purpose="test").tolist() == []
