"""The answers to the test pictures as tables: sorted, complete, and what is wrong in them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.evidence.answers import build_answers, list_mistakes, write_class_scores, write_confusion
from pipeline.evidence.metrics import score_answers
from pipeline.tables.predictions import PREDICTIONS

NAMES = ("cat", "dog")
Y = np.array([0, 1, 1, 0])
Y_PROB = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]], np.float32)


@pytest.fixture
def answers() -> pa.Table:
    """Two right answers; a dog is taken for a cat, and a cat, less surely, for a dog."""
    return build_answers(["d", "c", "b", "a"], ["k/1", "k/2", "k/3", "k/4"], Y, Y_PROB, NAMES)


def test_a_row_says_which_file_what_it_is_and_what_was_answered(answers: pa.Table) -> None:
    assert answers.schema == PREDICTIONS
    assert answers["id"].to_pylist() == ["a", "b", "c", "d"]
    row = answers.to_pylist()[2]
    assert (row["key"], row["class_name"], row["predicted"]) == ("k/2", "dog", "cat")
    assert row["probability"] == pytest.approx(0.8)
    assert (row["y_true"], row["y_pred"]) == (1, 0)


def test_mistakes_come_most_confident_first(answers: pa.Table) -> None:
    assert [(row["key"], row["predicted"]) for row in list_mistakes(answers)] == [
        ("k/2", "cat"),
        ("k/4", "dog"),
    ]
    assert list_mistakes(answers.slice(0, 0)) == []


def test_files_for_people(answers: pa.Table, tmp_path: Path) -> None:
    write_confusion(answers, tmp_path / "confusion.csv")
    assert (
        tmp_path / "confusion.csv"
    ).read_text() == "actual,predicted\ncat,dog\ndog,dog\ndog,cat\ncat,cat\n"
    scores = score_answers(Y, Y_PROB.argmax(1), np.arange(4), 3, n_resamples=100, confidence=0.95, seed=0)
    write_class_scores(scores, ("cat", "dog", "odd"), np.array([2, 2, 0]), tmp_path / "scores.csv")
    head, cat, _, odd = (tmp_path / "scores.csv").read_text().splitlines()
    assert head.startswith("class,n_test,precision,precision_low,precision_high,recall,")
    assert cat.startswith("cat,2,0.5,0.012579,0.987421,")
    assert odd == "odd,0" + "," * 9
