"""answer_rule: tempered probabilities, and when a person is asked."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.serving.answer_rule import NEVER, AnswerRule, name_review, read_rule, write_rule

Y_PROB = np.array([[0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [1.0, 0.0, 0.0]], np.float32)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 10.0])
def test_a_temperature_changes_no_answer(temperature: float) -> None:
    tempered = AnswerRule(temperature).temper(Y_PROB)
    assert tempered.dtype == np.float32
    assert tempered.sum(axis=1) == pytest.approx(1)
    assert (tempered.argmax(axis=1) == Y_PROB.argmax(axis=1)).all()
    if temperature > 1:
        assert (tempered.max(axis=1)[:2] < Y_PROB.max(axis=1)[:2]).all()


def test_a_temperature_divides_logits() -> None:
    logits = np.array([[2.0, 0.0, -1.0]])
    y_prob = (np.exp(logits) / np.exp(logits).sum()).astype(np.float32)
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum()
    assert AnswerRule(2.0).temper(y_prob) == pytest.approx(expected, abs=1e-6)
    assert AnswerRule(2.0).untemper(AnswerRule(2.0).temper(y_prob)) == pytest.approx(y_prob, abs=1e-6)


def test_below_the_limit_a_person_is_asked() -> None:
    assert AnswerRule(min_probability=0.9).is_answered(Y_PROB).tolist() == [True, False, True]
    assert AnswerRule().is_answered(Y_PROB).all()
    assert not AnswerRule(min_probability=NEVER).is_answered(Y_PROB).any()


def test_a_class_may_be_called_review() -> None:
    assert name_review(("a", "b")) == "review"
    assert name_review(("review", "b")) == "ask for review"


def test_a_rule_is_written_and_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    assert read_rule(file) == AnswerRule(), "without a file the model always answers"
    rule = AnswerRule(1.5, 0.75, "out_of_fold")
    write_rule(rule, {"min_precision": 0.95}, file)
    assert read_rule(file) == rule
    assert json.loads(file.read_text())["min_precision"] == 0.95


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="a-list"),
        pytest.param('{"temperature": 1}', id="a-key-is-missing"),
        pytest.param('{"temperature": 0, "min_probability": 0, "chosen_on": "val"}', id="zero"),
        pytest.param('{"temperature": NaN, "min_probability": 0, "chosen_on": "val"}', id="nan"),
        pytest.param('{"temperature": 1, "min_probability": -1, "chosen_on": "val"}', id="negative"),
    ],
)
def test_a_damaged_rule_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text(text)
    with pytest.raises(ModelError, match=r"answers\.json is damaged: .*; run `dvc repro -f evaluate`"):
        read_rule(tmp_path / "answers.json")
