"""review: the rule is chosen on answers out of fold, or on validation, and judged by others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evidence.review import FIGURE, choose_rule, judge_review
from pipeline.serving.answer_rule import NEVER, AnswerRule
from tests.evidence.conftest import ExaminationOf
from tests.evidence.test_unseen import make_unseen

LIGHT, DARK = 230, 20
NAMES = ("light", "dark", "odd")


def test_the_rule_lets_pass_what_is_right_often_enough() -> None:
    unseen = make_unseen()
    rule = choose_rule(unseen, 0.95)
    passes = rule.is_answered(rule.temper(unseen.y_prob))
    is_right = unseen.y_prob.argmax(axis=1) == unseen.y_true
    assert 175 <= passes.sum() < 200
    assert is_right[passes].mean() >= 0.95
    assert rule.chosen_on == "out_of_fold"
    assert choose_rule(make_unseen(n_wrong=200), 0.95).min_probability == NEVER
    assert choose_rule(make_unseen(n_wrong=0), 0.95).min_probability == 0


def test_the_page_says_what_the_rule_is_worth(examination_of: ExaminationOf, tmp_path: Path) -> None:
    unseen, plain = make_unseen(), examination_of([LIGHT, DARK] * 10, [0, 1] * 10)
    rule = choose_rule(unseen, 0.95)
    examined = replace(plain, classifier=plain.classifier.with_rule(rule), y_prob=rule.temper(plain.y_prob))
    found = judge_review(examined, unseen, min_precision=0.95, confidence=0.95, figures=tmp_path)
    page = "\n".join(found.lines)
    assert f"It answers from a probability of <b>{rule.min_probability:.2f}</b> on" in page
    assert "95% right answers, on pictures of sources that the network had not seen" in page
    assert "<tr><th>test pictures</th><td>100.0%</td><td>100.0% (83.2% to 100.0%)</td></tr>" in page
    assert "new sources, weighed alike" in page
    assert (tmp_path / FIGURE).is_file()
    assert found.metrics["review/test_precision"] == 1
    assert 0.8 < found.metrics["review/unseen_coverage"] < 1
    assert found.metrics["calibration/temperature"] == rule.temperature
    other = judge_review(
        examined, make_unseen(sources=False), min_precision=0.95, confidence=0.95, figures=tmp_path
    )
    assert "on pictures that the network had not seen, by folds" in "\n".join(other.lines)


def test_where_no_answer_is_good_enough_the_page_says_so(
    examination_of: ExaminationOf, tmp_path: Path
) -> None:
    unseen, plain = make_unseen(n_wrong=200), examination_of([LIGHT, DARK], [0, 1])
    examined = replace(plain, classifier=plain.classifier.with_rule(choose_rule(unseen, 0.95)))
    found = judge_review(examined, unseen, min_precision=0.95, confidence=0.95, figures=tmp_path)
    page = "\n".join(found.lines)
    assert "no limit makes 95% of the answers right" in page
    assert "<code>split.fold_by: ''</code> chooses the limit on pictures of known sources" in page
    assert "less sure than it could be about sources that it knows" in page
    assert found.metrics["review/test_coverage"] == 0
    assert not [name for name in found.metrics if "precision" in name]
    json.dumps(found.metrics, allow_nan=False)


def test_probabilities_that_say_nothing_are_called_out(examination_of: ExaminationOf, tmp_path: Path) -> None:
    """Every tenth answer is wrong, whatever its probability."""
    unseen, plain = make_unseen(n_wrong=0), examination_of([LIGHT, DARK], [0, 1])
    wrong = (np.arange(200) % 10 == 9).astype(np.int64)
    alone = np.array([f"{i}" for i in range(200)])
    unseen = replace(unseen, part=replace(unseen.part, y=wrong), groups=alone)
    rule = choose_rule(unseen, 0.95)
    assert rule.min_probability == NEVER
    examined = replace(plain, classifier=plain.classifier.with_rule(rule))
    found = judge_review(examined, unseen, min_precision=0.95, confidence=0.95, figures=tmp_path)
    said = "do not tell right answers from wrong ones by more than luck (area under the ROC curve 0.53"
    assert said in "\n".join(found.lines)
    assert said in found.judgements[0].words
    assert found.metrics["review/separation"] == pytest.approx(0.525)


def test_a_rule_that_was_not_chosen_always_answers() -> None:
    assert AnswerRule().is_answered(np.array([[0.1, 0.1]], np.float32)).all()


def test_pictures_without_a_source_say_nothing_of_new_sources(
    examination_of: ExaminationOf, tmp_path: Path
) -> None:
    """The sure half of the answers has no source; of the rest, ten sources, most stay below the limit."""
    unseen, plain = make_unseen(200, 60), examination_of([LIGHT, DARK] * 10, [0, 1] * 10)
    groups = np.where(np.arange(200) < 100, "alike", unseen.groups)
    rule = choose_rule(unseen, 0.95)
    examined = replace(plain, classifier=plain.classifier.with_rule(rule))
    how: dict[str, Any] = {"min_precision": 0.95, "confidence": 0.95, "figures": tmp_path}
    found = judge_review(examined, replace(unseen, groups=groups), **how)
    assert found.metrics["review/unseen_coverage"] < 0.5


def test_two_sources_cannot_tell_what_a_limit_is_worth(examination_of: ExaminationOf, tmp_path: Path) -> None:
    unseen, plain = make_unseen(200, 0), examination_of([LIGHT, DARK] * 10, [0, 1] * 10)
    two = replace(unseen, groups=np.array([f"group_by:{i % 2}" for i in range(200)]), fold=np.arange(200) % 2)
    examined = replace(plain, classifier=plain.classifier.with_rule(choose_rule(two, 0.95)))
    found = judge_review(examined, two, min_precision=0.95, confidence=0.95, figures=tmp_path)
    (judged,) = found.judgements
    assert judged.state == "unknown"
    assert "so few sources cannot tell" in judged.words
    assert "review/unseen_coverage" not in found.metrics
    assert "nan" not in "\n".join(found.lines)
