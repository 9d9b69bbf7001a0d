"""label_section: suspects as table, sheet and tiles; what a person confirmed is left out; few pictures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from pipeline.collection.confirmed_labels import Confirmed, write_confirmed
from pipeline.collection.pictures import choose_rows
from pipeline.collection.suspect_labels import read_suspects
from pipeline.evidence.examination import Examination, Finding
from pipeline.evidence.label_section import FIGURE, judge_labels, show_label_audit
from pipeline.evidence.unseen import Unseen
from pipeline.params import Params
from pipeline.paths import Paths
from pipeline.serving.answer_rule import AnswerRule
from tests.evidence.conftest import ExaminationOf

LIGHT, DARK = 230, 20
Audited = tuple[Finding, Paths]


@pytest.fixture
def examined(examination_of: ExaminationOf) -> Examination:
    """Light and dark pictures in turn; the labels of 3 and 6 are wrong."""
    y = [0, 1, 0, 0, 0, 1, 1, 1, 0, 1]
    return examination_of([LIGHT, DARK] * 5, y)


@pytest.fixture
def unseen(examined: Examination) -> Unseen:
    light = np.array([[0.8, 0.2, 0], [0.1, 0.9, 0]] * 5, np.float32)
    light[3] = 0.22, 0.78, 0  # less sure than of 6
    n = len(light)
    return Unseen(examined.test, light, np.array(examined.test.ids), np.arange(n) % 5, "out_of_fold")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def test_suspects_are_ranked_in_table_sheet_and_tiles(
    examined: Examination, unseen: Unseen, paths: Paths, params: Params
) -> None:
    found = show_label_audit(examined, unseen, paths, params.evaluate)
    suspects = read_suspects(paths.suspect_labels)
    assert [(one.rank, one.key, one.label, one.suggested) for one in suspects] == [
        (1, "6.png", "dark", "light"),
        (2, "3.png", "light", "dark"),
    ]
    assert (suspects[0].label_probability, suspects[0].suggested_probability) == (0.2, 0.8)
    assert found.metrics == {
        "labels/n_pictures": 10,
        "labels/n_suspect": 2,
        "labels/n_confirmed": 0,
        "labels/share_suspect": 0.2,
    }
    page = "\n".join(found.lines)
    assert "10 labels were compared with the answers of networks that have not learned" in page
    assert "<b>2 labels may be wrong</b>, 20.0%." in page
    assert page.count("<figure>") == 2
    assert "<code>6.png</code>is called <bdi>dark</bdi> (20%), seems <b><bdi>light</bdi></b> (80%)" in page
    assert found.title == "Labels that may be wrong"
    assert (paths.figures("evaluate") / FIGURE).read_bytes()[1:4] == b"PNG"
    assert found.files == [paths.suspect_labels]


def test_left_out_sources_are_named(
    examined: Examination, unseen: Unseen, paths: Paths, params: Params
) -> None:
    """There a hard source looks like wrong labels: on toum.zip, 15 times as many false alarms."""
    by_sources = replace(unseen, groups=np.array([f"group_by:{i % 3}" for i in range(10)]))
    for one, is_said in ((unseen, False), (by_sources, True)):
        page = "\n".join(show_label_audit(examined, one, paths, params.evaluate).lines)
        assert ("pictures of an unusual source look wrong, too" in page) == is_said


def test_only_the_first_are_drawn(
    examined: Examination, unseen: Unseen, paths: Paths, params: Params
) -> None:
    few = params.evaluate.model_copy(update={"n_sheet": 1})
    page = "\n".join(show_label_audit(examined, unseen, paths, few).lines)
    assert page.count("<figure>") == 1
    assert "The first 1:" in page
    assert len(read_suspects(paths.suspect_labels)) == 2


def test_what_a_person_confirmed_is_left_out_and_counted(
    examined: Examination, unseen: Unseen, paths: Paths, params: Params
) -> None:
    write_confirmed(
        [Confirmed("", "6.png", "dark"), Confirmed("", "3.png", "dark")], paths.confirmed_labels
    )  # the second is about another label than it has
    found = show_label_audit(examined, unseen, paths, params.evaluate)
    assert [one.key for one in read_suspects(paths.suspect_labels)] == ["3.png"]
    assert found.metrics["labels/n_confirmed"] == 1
    assert "1 that looked wrong was confirmed by a person, and left out." in "\n".join(found.lines)


def test_probabilities_are_those_of_the_rule(
    examined: Examination, unseen: Unseen, paths: Paths, params: Params
) -> None:
    ruled = replace(examined, classifier=examined.classifier.with_rule(AnswerRule(2.0)))
    show_label_audit(ruled, unseen, paths, params.evaluate)
    assert read_suspects(paths.suspect_labels)[0].suggested_probability == pytest.approx(2 / 3, abs=1e-3)


@pytest.mark.parametrize(
    ("n", "chosen_on", "said"),
    [
        pytest.param(0, "val", "There was no picture to look at", id="no picture"),
        pytest.param(1, "out_of_fold", "1 label was compared", id="one picture"),
        pytest.param(2, "out_of_fold", "None looks wrong", id="nothing is wrong"),
        pytest.param(
            10, "val", "10 labels were looked at, those of the validation pictures alone", id="validation"
        ),
    ],
)
def test_few_pictures(
    n: int,
    chosen_on: Literal["out_of_fold", "val"],
    said: str,
    examined: Examination,
    unseen: Unseen,
    paths: Paths,
    params: Params,
) -> None:
    part = choose_rows(unseen.part, np.arange(n))
    few = replace(unseen, part=part, y_prob=unseen.y_prob[:n], chosen_on=chosen_on)
    found = show_label_audit(examined, few, paths, params.evaluate)
    assert said in "\n".join(found.lines)
    assert ("labels/share_suspect" in found.metrics) == bool(n)
    assert all(np.isfinite(value) for value in found.metrics.values())


@pytest.mark.parametrize(
    ("n_suspect", "state", "said"),
    [
        (0, "good", "None of 100 labels looks wrong"),
        (2, "good", "<b>2</b> of 100 may be wrong"),
        (3, "warning", "<b>3</b> of 100 may be wrong (3.0%)"),
        (21, "unknown", "rather its own errors: accept none unseen"),
    ],
)
def test_a_model_that_disagrees_with_much_judges_nothing(n_suspect: int, state: str, said: str) -> None:
    judged = judge_labels(100, n_suspect)
    assert judged.state == state
    assert said in judged.words


def test_switched_off(examined: Examination, unseen: Unseen, paths: Paths, params: Params) -> None:
    off = params.evaluate.model_copy(update={"label_audit": False})
    found = show_label_audit(examined, unseen, paths, off)
    assert (found.metrics, found.title, found.lines) == ({}, "", ())
    assert read_suspects(paths.suspect_labels) == []
    assert not (paths.figures("evaluate") / FIGURE).exists()


@pytest.fixture(scope="module")
def params(params_of: Callable[..., Params]) -> Params:
    return params_of(evaluate={"n_sheet": 4})
