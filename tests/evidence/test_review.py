"""review: the rule is chosen on answers out of fold, or on validation, and judged by others."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.pictures import Part, read_part
from pipeline.errors import DataError
from pipeline.evidence.answers import build_answers
from pipeline.evidence.review import (
    FIGURE,
    Unseen,
    choose_rule,
    judge_review,
    read_label_answers,
    read_unseen,
)
from pipeline.serving.answer_rule import NEVER, AnswerRule
from pipeline.serving.classifier import Classifier
from pipeline.tables.out_of_fold import OUT_OF_FOLD
from pipeline.tables.parquet import write_table
from tests.evidence.conftest import Develop, ExaminationOf

LIGHT, DARK = 230, 20
NAMES = ("light", "dark", "odd")


def make_unseen(n: int = 200, n_wrong: int = 20, *, sources: bool = True) -> Unseen:
    """Answers of falling probability, from 0.99 down to 0.5; the last ones are wrong."""
    confidence = np.linspace(0.99, 0.5, n, dtype=np.float32)
    y_prob = np.stack([confidence, 1 - confidence, 0 * confidence], axis=1)
    y_true = np.zeros(n, np.int64)
    y_true[n - n_wrong :] = 1
    groups = np.array([f"{'group_by:' if sources else ''}{i % 10}" for i in range(n)], dtype=str)
    nowhere = np.zeros(n, np.int64)
    part = Part(tuple(map(str, range(n))), nowhere, nowhere, y_true)
    return Unseen(part, y_prob, groups, np.arange(n) % 5, "out_of_fold")


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


@pytest.fixture
def collection(develop: Develop, tmp_path: Path) -> tuple[Path, Part]:
    """Shards and the pictures of val: light, dark, light."""
    pictures = np.array([LIGHT, DARK, LIGHT], np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    paths = develop(tmp_path, pictures, [0, 1, 1], ["val"] * 3, list(NAMES))
    return paths.shards, read_part("val", split_path=paths.split, manifest_path=paths.clean_manifest)


def test_without_answers_out_of_fold_validation_pictures_are_asked(
    collection: tuple[Path, Part], classifier_folder: Path, tmp_path: Path
) -> None:
    shards, val = collection
    write_table(OUT_OF_FOLD.empty_table(), tmp_path / "oof.parquet")
    found = read_unseen(tmp_path / "oof.parquet", val, val, Classifier.load(classifier_folder), shards)
    assert found.chosen_on == "val"
    assert found.y_prob.argmax(axis=1).tolist() == [0, 1, 0]
    assert not found.has_sources


def test_answers_out_of_fold_must_be_of_the_pictures_of_the_split(
    collection: tuple[Path, Part], classifier_folder: Path, tmp_path: Path
) -> None:
    shards, val = collection
    y_prob = np.array([[0.8, 0.2, 0], [0.4, 0.6, 0], [0.1, 0.9, 0]], np.float32)
    table = build_answers(val.ids, ["a", "b", "c"], val.y, y_prob, NAMES)
    for name, values in (("seed", np.zeros(3, np.int64)), ("fold", np.array([0, 1, 2], np.int32))):
        table = table.append_column(OUT_OF_FOLD.field(name), [values])
    write_table(table, tmp_path / "oof.parquet")
    classifier = Classifier.load(classifier_folder)
    found = read_unseen(tmp_path / "oof.parquet", val, val, classifier, shards)
    assert found.y_prob == pytest.approx(y_prob)
    assert found.fold.tolist() == [0, 1, 2]
    known = read_label_answers(tmp_path / "oof.parquet", replace(val, duplicate_group=("p", "p", "q")), found)
    assert known.groups.tolist() == ["p", "p", "q"]
    write_table(OUT_OF_FOLD.empty_table(), tmp_path / "none.parquet")
    assert read_label_answers(tmp_path / "none.parquet", val, found) is found
    other = replace(val, ids=("x", *val.ids[1:]))
    with pytest.raises(DataError, match=r"answers other pictures than split\.parquet; run `dvc repro train`"):
        read_unseen(tmp_path / "oof.parquet", other, val, classifier, shards)


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
