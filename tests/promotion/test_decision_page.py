"""The page of a decision says what was decided, on what grounds, and shows who is right where."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.collection.demos import encode_grey_png
from pipeline.evidence.exams import Exam
from pipeline.params import Params
from pipeline.promotion.artefact import Trial
from pipeline.promotion.decision_page import Exhibits, write_decision_page
from pipeline.promotion.exam import Known, accept_first, compare

NAMES = ("<cat>", "dog")
N = 200
TRUE = np.arange(N) % 2
TRIAL = Trial(n=8, fault="", cpu_ms=12.4, megabytes=3.21)
NAMED = {"model_name": "scans", "version": 7}


def make_exam(wrong: slice) -> Exam:
    y_pred = TRUE.copy()
    y_pred[wrong] = 1 - y_pred[wrong]
    return Exam(np.array([f"id-{i:03d}" for i in range(N)]), TRUE, y_pred, NAMES)


def draw(ids: Any) -> list[bytes]:
    return [encode_grey_png([bytes([40] * 8)] * 8) for _ in ids]


@pytest.fixture
def page(tmp_path: Path, params_of: Any) -> str:
    """Of a model that is right on 30 pictures more, and wrong on 3 that the champion knows."""
    params: Params = params_of()
    decision = compare(make_exam(slice(30, 33)), make_exam(slice(0, 30)), Known(), params.promote)
    told = decision.as_dict() | NAMED | {"champion_before": 6}
    exhibits = Exhibits(NAMES, decision.compared, TRIAL, draw)
    for name in ("one", "two"):
        write_decision_page(told, tmp_path / name, exhibits)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    return (tmp_path / "one").read_text(encoding="utf-8")


def test_the_verdict_and_both_models_are_there(page: str) -> None:
    assert "This model is the champion now." in page
    assert "It was compared with the champion, version 6." in page
    assert "<th>accuracy</th><td></td><td>98.5%</td><td>85.0%</td><td>+13.5</td>" in page
    assert "recall of &lt;cat&gt;" in page
    assert "<cat>" not in page


def test_who_is_right_where_is_shown(page: str) -> None:
    assert "Only this model is right: 30 pictures" in page
    assert "Only the champion is right: 3 pictures" in page
    assert page.count("<figure>") == 12 + 3
    assert "is <b>&lt;cat&gt;</b><br>this model: &lt;cat&gt;<br>champion: dog" in page


def test_how_sure_it_is_and_what_could_be_found(page: str) -> None:
    assert "number 1" in page
    assert "0.025 of 0.05 is left" in page
    assert "smallest gain it can show" in page
    assert "It answered 8 test pictures from their files" in page


def test_the_first_champion_has_a_page_without_a_comparison(tmp_path: Path, params_of: Any) -> None:
    decision = accept_first(make_exam(slice(0, 9)), params_of().promote)
    told = decision.as_dict() | NAMED | {"champion_before": None}
    fault = Trial(n=8, fault="it refuses a.png", cpu_ms=float("nan"), megabytes=1)
    write_decision_page(told, tmp_path / "page", Exhibits(NAMES, decision.compared, fault, draw))
    page = (tmp_path / "page").read_text(encoding="utf-8")
    assert "there was no champion yet" in page
    assert "it refuses a.png." in page
    assert "Both models" not in page


def test_an_earlier_decision_says_where_the_whole_page_is(tmp_path: Path, params_of: Any) -> None:
    told = accept_first(make_exam(slice(0, 9)), params_of().promote).as_dict()
    write_decision_page(told | NAMED | {"champion_before": None}, tmp_path / "page")
    page = (tmp_path / "page").read_text(encoding="utf-8")
    assert "this is the first" in page
    assert "row in MLflow holds this page" in page
