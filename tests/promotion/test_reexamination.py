"""A champion is asked what it was not tested on; its own code answers."""

import logging
from pathlib import Path

import numpy as np
import pytest

from pipeline.evidence.exams import Exam, read_exam
from pipeline.promotion.reexamination import complete_exam
from pipeline.promotion.state import State


def read_exams(old_model: Path, state: State) -> tuple[Exam, Exam]:
    """The old model's exam in full, and of all but the last four pictures."""
    folder = old_model / "model" / "artifacts" / "exam"
    whole = read_exam(state.paths.predictions, folder / "classes.json")
    return whole, Exam(whole.ids[:-4], whole.y_true[:-4], whole.y_pred[:-4], whole.class_names)


def test_a_champion_answers_what_it_was_not_asked(old_model: Path, old_state: State) -> None:
    whole, part = read_exams(old_model, old_state)
    learnt = {str(whole.ids[-1])}
    found = complete_exam(part, whole, learnt, lambda: old_model / "model", old_state)
    assert sorted(found.ids) == sorted(whole.ids[:-1]), "never what it learned from"
    answers = dict(zip(found.ids.tolist(), found.y_pred.tolist(), strict=True))
    assert [answers[id_] for id_ in whole.ids[:-1].tolist()] == whole.y_pred[:-1].tolist()


def test_it_is_not_run_where_there_is_nothing_to_ask(old_model: Path, old_state: State) -> None:
    def fail() -> Path:
        raise AssertionError("it was run")

    whole, part = read_exams(old_model, old_state)
    assert complete_exam(whole, part, set(), fail, old_state) is whole
    other = Exam(whole.ids, whole.y_true, whole.y_pred, ("a", "b", "c"))
    assert complete_exam(part, other, set(), fail, old_state) is part


def test_one_that_cannot_be_run_keeps_its_answers(
    old_model: Path, old_state: State, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    whole, part = read_exams(old_model, old_state)
    (tmp_path / "empty").mkdir()
    assert complete_exam(part, whole, set(), lambda: tmp_path / "empty", old_state) is part
    assert "cannot be asked about 4 test pictures that it was not tested on" in caplog.messages[0]
    assert isinstance(part.y_pred, np.ndarray)
