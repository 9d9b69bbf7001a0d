"""left_out: each source by networks that have not seen it, and which of them is called the worst."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.evidence.intervals import Interval
from pipeline.evidence.left_out import Source, find_worst, list_sources, measure_reached
from tests.evidence.conftest import ExaminationOf
from tests.evidence.test_unseen import make_unseen

LIGHT, DARK = 230, 20


def make_source(name: str, accuracy: float, n: int = 20) -> Source:
    return Source(name, "light", n, Interval(accuracy, 0.0, 1.0), 0, np.nan)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param([("a", 0.5), ("b", 0.4), ("c", 0.9)], "b", id="the least accuracy"),
        pytest.param([("a", 0.5), ("b", 0.0, 9), ("c", 0.9), ("d", 1.0)], "a", id="nine pictures are few"),
        pytest.param([("a", 0.5), ("b", 0.4)], None, id="of two none is the worst"),
        pytest.param([], None, id="none"),
    ],
)
def test_the_worst_source_is_one_of_several_with_enough_pictures(
    sources: list[tuple[str, float]], expected: str | None
) -> None:
    found = find_worst([make_source(*one) for one in sources])
    assert (found and found.name) == expected


def test_a_source_has_its_classes_and_its_test_pictures_beside_it(examination_of: ExaminationOf) -> None:
    """The 20 wrong answers of 100 are of the source "bad", of which all ten test pictures are right."""
    examined, unseen = examination_of([LIGHT, DARK] * 10, [0, 1] * 10), make_unseen(100, 20)
    groups = np.where(unseen.y_true == 1, "group_by:bad", "group_by:fine")
    test = replace(examined.test, fold_group=("group_by:bad", "alike:x") * 10)
    examined, unseen = replace(examined, test=test), replace(unseen, groups=groups)
    bad, fine = list_sources(examined, unseen, 0.95)
    assert (bad.name, bad.classes, bad.n, bad.left_out.value) == ("bad", "dark", 20, 0.0)
    assert (bad.n_tested, bad.tested, fine.n_tested) == (10, 1.0, 0)
    assert fine.name == "fine"
    reached = measure_reached(examined, unseen, 0.95)
    assert (reached.left_out.value, reached.mean, reached.guess) == pytest.approx((0.8, 0.5, 0.8))
    assert reached.known.value == 1.0
