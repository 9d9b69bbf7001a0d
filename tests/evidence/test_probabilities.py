"""The section about probabilities: what is missing is shown as missing, and names are text."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.collection.pictures import Part
from pipeline.evidence.examination import Examination
from pipeline.evidence.probabilities import show_probabilities
from pipeline.evidence.probability_scores import score_probabilities
from pipeline.paths import Paths
from pipeline.serving.answer_rule import NEVER, AnswerRule


def show(root: Path, y: Any, y_prob: Any, names: list[str], limit: float = 0.0) -> tuple[str, Paths]:
    """The section as text, of a classifier that answered so, and by itself from a limit on."""
    y, y_prob, at = np.array(y), np.array(y_prob, np.float32), np.zeros(len(y), int)
    test = Part(tuple(f"{i:05d}" for i in range(len(y))), at, at, y)
    classifier: Any = SimpleNamespace(class_names=tuple(names), rule=AnswerRule(1.0, limit))
    nothing: Any = None
    examined = Examination(classifier, test, nothing, y_prob)
    scores = score_probabilities(
        y, examined.y_prob, examined.groups, n_resamples=100, confidence=0.95, seed=0
    )
    finding = show_probabilities(examined, scores, Paths(root), min_precision=0.95, confidence=0.95)
    assert finding.title == "Probabilities"
    assert list(finding.files) == [Paths(root).threshold_curves]
    for name in ("roc", "precision_recall"):
        assert (Paths(root).figures("evaluate") / f"{name}.png").read_bytes()
    return "\n".join(finding.lines), Paths(root)


def test_two_classes_say_what_another_threshold_would_bring(tmp_path: Path) -> None:
    first = np.r_[np.full(30, 0.9), np.full(10, 0.6), np.full(10, 0.6), np.full(30, 0.1)]
    y = np.repeat([0, 1], 40)
    page, _ = show(tmp_path, y, np.stack([first, 1 - first], axis=1), ["<b>photo", "other"])
    assert "<li><b>&lt;b&gt;photo</b>: answered from 50%, as now, it finds 100.0% of its pictures" in page
    assert "80.0% of these answers are right (66.3% to 90.0%)" in page
    assert "Answered from 90% only, it finds 75.0% of its pictures" in page
    assert "<b>photo" not in page


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        pytest.param(0.8, "answered from 80%, as now, it finds 75.0% of its pictures", id="above a half"),
        pytest.param(0.3, "answered from 50%, as now, it finds 100.0% of its pictures", id="below a half"),
        pytest.param(
            0.9997, "answered from more than 99.9%, as now, it is never answered", id="none so sure"
        ),
        pytest.param(NEVER, "now every answer is <code>review</code>. Answered from 90% only", id="never"),
    ],
)
def test_what_is_answered_now_goes_by_the_limit(limit: float, said: str, tmp_path: Path) -> None:
    first = np.r_[np.full(30, 0.9), np.full(10, 0.6), np.full(10, 0.6), np.full(30, 0.1)]
    y_prob = np.stack([first, 1 - first], axis=1)
    page, _ = show(tmp_path, np.repeat([0, 1], 40), y_prob, ["photo", "other"], limit)
    assert f"<li><b>photo</b>: {said}" in page


def test_no_threshold_is_precise_enough(tmp_path: Path) -> None:
    first = np.full(20, 0.75)
    page, _ = show(tmp_path, np.arange(20) % 2, np.stack([first, 1 - first], axis=1), ["a", "b"])
    assert "No threshold makes 95% of ten answers or more right." in page
    assert "<b>b</b>: answered from 50%, as now, it is never answered." in page


def test_a_class_without_test_pictures_is_shown_as_missing(tmp_path: Path) -> None:
    y_prob = np.full((12, 3), 1 / 3)
    page, _ = show(tmp_path, np.arange(12) % 2, y_prob, ["a", "b", "c"])
    assert page.count("<td>&ndash;</td>") == 4
    assert "<th>c</th><td>none</td>" in page
    assert "Another threshold" not in page


@pytest.mark.parametrize("y", [[0], [0] * 5], ids=["one picture", "one class"])
def test_one_class_has_all_test_pictures(y: list[int], tmp_path: Path) -> None:
    page, _ = show(tmp_path, y, [[1.0, 0.0]] * len(y), ["a", "b"])
    assert f"<td>{len(y)}, all</td>" in page
    assert "ROC-AUC, mean of classes</dt><dd>none</dd>" in page
    assert "Brier score</dt><dd>0.000</dd>" in page


def test_200_classes_with_names_in_any_script(tmp_path: Path) -> None:
    names = [f"{word} {i}" for i, word in enumerate(["Schéma", "中文", "رسم", "$x_{", "=1+1"] * 40)]
    rng = np.random.default_rng(0)
    y = np.arange(600) % 200
    y_prob = rng.random((600, 200)) + 3 * np.eye(200)[y]
    page, paths = show(tmp_path, y, y_prob / y_prob.sum(axis=1, keepdims=True), names)
    assert page.count("<tr>") == 201
    with paths.threshold_curves.open(encoding="utf-8", newline="") as file:
        assert len({row["class"] for row in csv.DictReader(file)}) == 200
