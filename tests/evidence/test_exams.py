"""What a model answered, and what two models were both asked."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.evidence.exams import Exam, match_images, number_classes, read_exam
from pipeline.paths import Paths
from pipeline.tables.parquet import build_table, write_table
from pipeline.tables.predictions import PREDICTIONS


def make_exam(ids: list[str], names: tuple[str, ...] = ("a", "b")) -> Exam:
    nothing = np.zeros(len(ids), np.int64)
    return Exam(np.array(ids), nothing, nothing, names)


def test_read_exam(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    rows = [{"id": "x", "y_true": 0, "y_pred": 1, "y_prob": [0.4, 0.6]}]
    write_table(build_table(rows, PREDICTIONS, sort_by="id"), paths.predictions)
    paths.classes.parent.mkdir(parents=True)
    paths.classes.write_text('["a", "b"]')
    read = read_exam(paths.predictions, paths.classes)
    assert (read.ids.tolist(), read.y_true.tolist(), read.y_pred.tolist()) == (["x"], [0], [1])
    assert read.class_names == ("a", "b")
    write_table(build_table([], PREDICTIONS, sort_by="id"), paths.predictions)
    with pytest.raises(DataError, match="holds no prediction"):
        read_exam(paths.predictions, paths.classes)


@pytest.mark.parametrize(
    ("ids", "mine", "theirs"),
    [
        pytest.param(["a", "b", "c"], [0, 1, 2], [0, 1, 2], id="the same"),
        pytest.param(["c", "a"], [0, 2], [1, 0], id="some, in another order"),
        pytest.param(["x"], [], [], id="none"),
    ],
)
def test_images_of_two_exams_are_matched(ids: list[str], mine: list[int], theirs: list[int]) -> None:
    found = match_images(make_exam(["a", "b", "c"]), make_exam(ids))
    assert [one.tolist() for one in found] == [mine, theirs]


def test_classes_are_known_by_their_names() -> None:
    one = make_exam([], ("a", "b", "c"))
    number = number_classes(one, make_exam([], ("c", "a", "b")))
    assert number is not None
    assert number.tolist() == [2, 0, 1]
    assert number_classes(one, make_exam([], ("a", "b"))) is None
